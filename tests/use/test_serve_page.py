"""The page in a real browser: nothing from elsewhere, by mouse, keyboard and on a phone."""

from __future__ import annotations

import io
import json
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from serving import PHOTO, Running, running
from vitruvian.models import bundled
from vitruvian.use import serve
from vitruvian.use.gallery import PHOTOS

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
JOINTS = 14
# where on the screen the brightest cell of the heatmap is, and how large a cell
BRIGHTEST = """() => {
  const canvas = document.querySelector(".picture canvas"), { width, height } = canvas;
  const data = canvas.getContext("2d").getImageData(0, 0, width, height).data;
  let best = 0;
  for (let i = 0; i < data.length; i += 4) if (data[i + 1] > data[best + 1]) best = i;
  const edge = canvas.getBoundingClientRect(), cell = edge.width / width;
  return { x: edge.left + (best / 4 % width + 0.5) * cell, cell,
           y: edge.top + (Math.floor(best / 4 / width) + 0.5) * edge.height / height };
}"""
FILE = {"name": "one.jpg", "mimeType": "image/jpeg", "buffer": PHOTO}


# ---- colours, which need no browser --------------------------------------------------------------


def luminance(colour: str) -> float:
    values = np.array([int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)])
    linear = np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])


@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
def test_text_stands_out_from_its_ground(scheme: int) -> None:
    css = (Path(serve.__file__).parent / "page" / "page.css").read_text()
    root = re.findall(r":root \{(.*?)\}", css, re.DOTALL)[scheme]
    colours = dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6})\b", root))
    pairs = [
        (text, on) for text in ("ink", "quiet", "accent", "wrong") for on in ("ground", "sheet")
    ]
    for text, on in [*pairs, ("quiet", "fine"), ("on-accent", "accent")]:
        light, dark = sorted((luminance(colours[text]), luminance(colours[on])), reverse=True)
        assert (light + 0.05) / (dark + 0.05) >= 4.5, (text, on)


# ---- in a browser --------------------------------------------------------------------------------

browser_test = pytest.mark.browser


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    program = next((found for name in BROWSERS if (found := shutil.which(name))), None)
    if program is None:
        pytest.skip(f"none of {', '.join(BROWSERS)} is on the path")
    if not bundled():
        pytest.skip("no model is bundled yet")
    sync_api = pytest.importorskip("playwright.sync_api")
    flags = ["--no-sandbox", "--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"]
    with sync_api.sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=program, args=flags)
        yield opened
        opened.close()


@pytest.fixture(scope="module")
def two() -> Iterator[Running]:
    """Two systems without maps."""
    with running("first=default", "second=default") as service:
        yield service


@contextmanager
def opened(browser: Any, service: Running, path: str = "/", **options: Any) -> Iterator[Any]:
    """The page; whatever it asks another host for, or complains of, is a failure."""
    context = browser.new_context(**({"viewport": {"width": 1280, "height": 900}} | options))
    page = context.new_page()
    page.set_default_timeout(60_000)
    wrong: list[str] = []
    here = "http://{}:{}".format(*service.address)
    page.on("request", lambda r: r.url.startswith((here, "blob:", "data:")) or wrong.append(r.url))
    page.on("console", lambda m: m.type in ("error", "warning") and wrong.append(m.text))
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.goto(here + path)
    yield page
    context.close()
    assert wrong == []


def show_photo(page: Any, *files: dict[str, Any]) -> None:
    page.wait_for_selector(".state.ready")
    page.set_input_files("#files", list(files or [FILE]))
    answered(page)


def until(page: Any, expression: str, argument: Any = None) -> None:
    """Waits; `wait_for_function` would need more than the page's policy allows."""
    for _ in range(600):
        if page.evaluate(expression, argument):
            return
        page.wait_for_timeout(50)
    raise AssertionError(f"never true: {expression}")


def answered(page: Any) -> None:
    until(page, "shownModels().every((one) => answerOf(state.current, one.name))")


@browser_test
def test_poses_are_drawn_with_names_and_scores_side_by_side(browser: Any, two: Running) -> None:
    with opened(browser, two) as page:
        show_photo(page)
        for panel in page.locator(".panel").all():
            assert panel.locator("circle.hit").count() == JOINTS
            assert "score 0." in panel.locator("figcaption").inner_text()
        assert page.locator(".panel").count() == 2
        wanted = json.loads(two.ask("POST", "/predict?model=first", PHOTO)[1])["persons"][0]
        for joint in wanted["joints"]:
            row = page.locator(f"tr[data-joint={joint['name']}]")
            assert joint["name"].replace("_", " ") in row.inner_text()
            assert row.locator("td span").nth(0).inner_text() == f"{joint['score']:.2f}"
        place = page.locator(".panel circle[data-joint=neck]").first
        neck = next(joint for joint in wanted["joints"] if joint["name"] == "neck")
        assert float(place.get_attribute("cx")) == neck["x"]
        page.evaluate("document.querySelectorAll('thead th')[1].textContent = 'a much longer name'")
        bars = page.locator("tr[data-joint=neck] meter").all()
        assert len({round(bar.bounding_box()["width"]) for bar in bars}) == 1
        page.check("#names")
        names = page.locator(".panel").first.locator(".picture text").all_text_contents()
        assert len(names) == JOINTS
        page.locator("#models input").first.uncheck()
        assert page.locator(".panel").count() == 1
        page.locator("#models input").nth(1).click()  # one must stay
        assert page.locator("#models input").nth(1).is_checked()


@browser_test
def test_a_joint_is_shown_everywhere_when_it_is_pointed_at(browser: Any, two: Running) -> None:
    """On a person, whose joints lie apart."""
    person = (PHOTOS / "camera.jpg").read_bytes()
    with opened(browser, two) as page:
        show_photo(page, {"name": "camera.jpg", "mimeType": "image/jpeg", "buffer": person})
        page.hover("tr[data-joint=left_knee]")
        assert (
            page.locator(".panel .picture text").all_text_contents()[0].startswith("left knee 0.")
        )
        assert page.locator(".sheet > svg text.at").count() == 4
        assert "--maps" in page.inner_text("#heat")
        page.mouse.move(1, 1)
        assert page.locator(".sheet > svg text.at").count() == 0
        alone = page.evaluate(_ALONE)
        page.locator(f".panel circle[data-joint={alone}]").first.hover(force=True)
        assert page.locator("tr.on").get_attribute("data-joint") == alone


_ALONE = """() => {
    const all = [...document.querySelector(".panel").querySelectorAll("circle[data-joint]")];
    const far = (a, b) => Math.hypot(a.cx.baseVal.value - b.cx.baseVal.value,
                                     a.cy.baseVal.value - b.cy.baseVal.value);
    const nearest = (a) => Math.min(...all.filter((b) => b.dataset.joint !== a.dataset.joint)
                                          .map((b) => far(a, b)));
    return all.reduce((a, b) => (nearest(b) > nearest(a) ? b : a)).dataset.joint;
}"""  # the joint that lies farthest from all others, whatever the model finds


@browser_test
def test_everything_works_with_a_keyboard(browser: Any, two: Running) -> None:
    def focus(selector: str, key: str = "Tab") -> None:
        for _ in range(60):
            page.keyboard.press(key)
            if page.evaluate("(one) => document.activeElement.matches(one)", selector):
                return
        raise AssertionError(f"{selector} is not reached")

    with opened(browser, two) as page:
        page.wait_for_selector(".state.ready")
        for reached in ("#files", "#camera", "#example"):
            focus(reached)
        page.keyboard.press("Enter")
        page.wait_for_selector("#work:not([hidden])")
        answered(page)
        focus("#add")
        page.keyboard.press("Enter")
        assert page.evaluate("document.activeElement.getAttribute('aria-label')").startswith(
            "box 1"
        )
        first = page.evaluate("state.current.boxes[0]")
        page.keyboard.press("ArrowRight")
        page.keyboard.press("Shift+ArrowDown")
        moved = page.evaluate("state.current.boxes[0]")
        assert moved[0] > first[0]
        assert moved[1] == first[1]
        assert moved[3] > first[3]
        page.wait_for_timeout(300)
        answered(page)
        box = page.evaluate("answerOf(state.current, 'first').persons[0].box")
        assert box == moved
        page.keyboard.press("Delete")
        assert page.evaluate("state.current.boxes") == []
        focus("tbody tr:first-child button")
        page.keyboard.press("ArrowDown")
        assert page.locator("tr.on").get_attribute("data-joint") == "right_knee"
        assert page.locator(".sheet > svg text.at").count() == 4


@browser_test
def test_boxes_are_drawn_and_persons_chosen(browser: Any, two: Running) -> None:
    with opened(browser, two) as page:
        show_photo(page)
        page.click("#draw")
        edge = page.locator(".picture").first.bounding_box()
        for left, top, right, bottom in ((0.1, 0.1, 0.6, 0.9), (0.4, 0.2, 0.9, 0.8)):
            page.mouse.move(edge["x"] + left * edge["width"], edge["y"] + top * edge["height"])
            page.mouse.down()
            page.mouse.move(edge["x"] + right * edge["width"], edge["y"] + bottom * edge["height"])
            page.mouse.up()
        boxes = np.array(page.evaluate("state.current.boxes"))
        assert np.abs(boxes - [[30, 20, 150, 160], [120, 40, 150, 120]]).max() <= 2
        page.wait_for_timeout(300)
        answered(page)
        page.locator("#persons input").nth(1).check()
        score = page.evaluate("answerOf(state.current, 'first').persons[1].joints[0].score")
        assert page.locator("td span").first.inner_text() == f"{score:.2f}"
        page.click("#clear")
        assert page.locator(".box").count() == 0


@browser_test
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [320, 390, 820])
def test_small_screens(browser: Any, two: Running, width: int, scheme: str) -> None:
    phone = {"viewport": {"width": width, "height": 700}, "color_scheme": scheme, "has_touch": True}
    with opened(browser, two, **phone) as page:
        fits = "document.documentElement.scrollWidth <= innerWidth"
        page.wait_for_selector(".state.ready")
        assert page.evaluate(fits)
        show_photo(page)
        assert page.evaluate(fits)
        page.locator("tr[data-joint=neck] button").tap()
        assert page.locator("tr.on").get_attribute("data-joint") == "neck"
        shown = page.locator(".panel .picture").first.bounding_box()
        assert shown["width"] > 0.5 * width or width > 700
        ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert (sum(map(int, re.findall(r"\d+", ground)[:3])) > 384) == (scheme == "light")


@browser_test
def test_json_and_picture_are_taken_away(browser: Any, two: Running) -> None:
    with opened(browser, two) as page:
        show_photo(page)
        with page.expect_download() as download:
            page.click("#json")
        first, second = json.loads(Path(download.value.path()).read_text())
        assert (first["file"], first["model"], second["model"]) == ("one.jpg", "first", "second")
        assert {**first, "model": ""} == {**second, "model": ""}
        assert len(first["persons"][0]["joints"]) == JOINTS
        with page.expect_download() as download:
            page.click("#picture")
        assert download.value.suggested_filename == "one.poses.png"
        picture = np.array(Image.open(download.value.path()).convert("RGB")).astype(int)
        assert picture.shape == (200, 600, 3)
        plain = np.array(Image.open(io.BytesIO(PHOTO))).astype(int)
        changed = np.abs(picture[:, :300] - plain).max(-1) > 60
        joint = first["persons"][0]["joints"][12]
        assert changed[round(joint["y"]), round(joint["x"])]
        assert changed.mean() < 0.5


@browser_test
def test_the_camera_is_live_and_a_frame_is_kept(browser: Any, two: Running) -> None:
    with opened(browser, two, permissions=["camera"]) as page:
        page.wait_for_selector(".state.ready")
        page.click("#camera")
        until(page, "state.current?.frame")
        before = page.evaluate("state.current.url")
        until(page, "(before) => state.current.url !== before", before)
        assert page.locator(".panel").first.locator("circle.hit").count() == JOINTS
        page.click("#keep")
        assert page.evaluate("[state.photos.length, state.stop, state.current.frame]") == [
            1, None, None
        ]  # fmt: skip
        assert page.locator("#live").is_hidden()


@browser_test
def test_several_photographs_dropped_and_what_is_none(browser: Any, two: Running) -> None:
    drop = """([bytes, names]) => {
      const data = new DataTransfer();
      for (const [name, type] of names) data.items.add(new File([Uint8Array.from(bytes)], name, { type }));
      dispatchEvent(new DragEvent("drop", { dataTransfer: data, bubbles: true, cancelable: true }));
    }"""
    with opened(browser, two) as page:
        page.wait_for_selector(".state.ready")
        kinds = [["a.jpg", "image/jpeg"], ["b.jpg", "image/jpeg"], ["c.txt", "text/plain"]]
        page.evaluate(drop, [list(PHOTO), kinds])
        answered(page)
        assert "1 of 3 files is no photograph" in page.inner_text("#message")
        assert page.locator("#strip label").count() == 2
        page.locator("#strip input").first.focus()
        page.keyboard.press("ArrowRight")
        answered(page)
        assert page.evaluate("state.current.name") == "b.jpg"
    with browser.new_page() as page:  # whose complaint about the picture is no failure
        page.goto("http://{}:{}/".format(*two.address))
        page.wait_for_selector(".state.ready")
        page.set_input_files("#files", {**FILE, "buffer": b"\xff\xd8\xff nothing"})
        answered(page)
        assert "cut short" in page.inner_text(".panel .wrong >> nth=0")


@browser_test
def test_heatmaps_where_the_service_has_them(browser: Any) -> None:
    pytest.importorskip("torch")
    with running("default", "--maps", torch=True) as service, opened(browser, service) as page:
        show_photo(page)
        assert "Point at a joint" in page.inner_text("#heat")
        page.hover("tr[data-joint=neck]")
        page.wait_for_selector(".picture canvas:not([hidden])")
        spot = page.evaluate(BRIGHTEST)
        place = page.locator(".panel circle[data-joint=neck]").bounding_box()
        centre = place["x"] + place["width"] / 2, place["y"] + place["height"] / 2
        assert abs(spot["x"] - centre[0]) <= spot["cell"]
        assert abs(spot["y"] - centre[1]) <= spot["cell"]
        assert "heatmaps: neck" in page.inner_text("#heat")


@browser_test
def test_the_description_for_people(browser: Any, two: Running) -> None:
    with opened(browser, two, "/docs") as page:
        page.wait_for_selector("section")
        shown = page.inner_text("main")
        for words in ("/predict/batch", "/metrics", "429", "boxes", "Prediction", "curl -F"):
            assert words in shown
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
