"""A project: what is concluded, what is asked, what is written, and sizes for the machine."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from vitruvian.data.arm import ARM, write_example
from vitruvian.data.coco import read_coco
from vitruvian.learn import machine, project
from vitruvian.learn.machine import Machine, sized, this_machine
from vitruvian.learn.project import Request, init
from vitruvian.learn.recipes import find_recipe
from vitruvian.recipe import override, read_recipe
from vitruvian.skeleton import read_skeleton
from vitruvian.types import UserError

LAPTOP = Machine("cpu", 4, 16.0, False)
JOINTS = "base,elbow,left_tip,right_tip"


@pytest.fixture
def images(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Twelve pictures, one of them in a subfolder; the machine is a laptop."""
    monkeypatch.setattr(project, "this_machine", lambda: LAPTOP)
    write_example(tmp_path / "ex", 12, side=40)
    photos = tmp_path / "ex" / "images"
    (photos / "more").mkdir()
    (photos / "arm_0012.png").rename(photos / "more" / "arm_0012.png")
    return photos


def test_a_project_without_labels(images: Path, tmp_path: Path) -> None:
    folder = tmp_path / "gripper"
    made = init(Request(folder, images, joints=JOINTS, limbs="base-elbow,elbow-left_tip"))
    skeleton = read_skeleton(folder / "skeleton.yaml")
    assert skeleton == made.skeleton
    assert skeleton.name == "gripper"
    assert set(skeleton.flip_pairs[0]) == {"left_tip", "right_tip"}
    assert skeleton.references == {"size": ("base", "elbow")}
    assert made.lines[0] == f"{folder}: 12 photographs, 4 joints"
    assert made.lines[1].startswith("in a mirror change places right_tip and left_tip:")
    assert any("base to elbow, which nobody chose" in line for line in made.lines)
    labels = json.loads((folder / "labels.json").read_text())
    assert labels["annotations"] == []
    assert labels["categories"][0]["keypoints"] == JOINTS.split(",")
    assert labels["categories"][0]["skeleton"] == [[1, 2], [2, 3]]
    assert len(labels["images"]) == made.photographs == 12
    for image in labels["images"]:
        assert (folder / "images" / image["file_name"]).is_file()
        assert (image["width"], image["height"]) == (40, 40)
    recipe = read_recipe(folder / "recipe.yaml")
    assert (recipe.name, recipe.skeleton) == ("gripper", "gripper")
    assert recipe.fits[0].steps == 2000
    assert "epochs:" not in (folder / "recipe.yaml").read_text()  # steps say when it ends
    page = (folder / "README.md").read_text()
    assert "## Label" in page
    assert (
        f"vitruvian train {folder}/recipe.yaml --data coco={folder} --from resnet_fcn/compact "
        in page
    )
    assert f"vitruvian eval {folder}/run --data coco={folder} --subset val\n" in page
    with pytest.raises(UserError, match=r"has no person with keypoints .*: label some"):
        read_coco(folder)


def test_a_project_with_labels_is_read_at_once(images: Path, tmp_path: Path) -> None:
    labels = tmp_path / "ex" / "labels.json"
    made = init(Request(tmp_path / "arm", images, labels, reference="shoulder-elbow"))
    assert made.labelled
    assert "## Label\n" not in (tmp_path / "arm" / "README.md").read_text()
    people = read_coco(tmp_path / "arm")
    assert len(people) == 12
    assert people.skeleton == made.skeleton
    assert people.skeleton.limbs == ARM.limbs
    assert people.skeleton.references["size"] == ("shoulder", "elbow")
    assert people.photo(0, 1)[0].shape == (40, 40, 3)


def test_what_is_not_told_is_asked(images: Path, tmp_path: Path) -> None:
    asked: list[tuple[str, str]] = []
    answers = iter([" a-b, left_c ,right_c", "left_c-right_c", "a-b-left_c", "left_c-a-b"])

    def ask(question: str, default: str) -> str:
        asked.append((question, default))
        return next(answers)

    made = init(Request(tmp_path / "p", images), ask)
    assert made.skeleton.joint_names == ("a-b", "left_c", "right_c")
    assert made.skeleton.limbs == (("a-b", "left_c"),)  # a name with a hyphen
    assert made.skeleton.references == {"size": ("left_c", "a-b")}
    assert [default for _, default in asked] == ["", "right_c-left_c", "", "a-b-left_c"]


def test_a_known_skeleton_keeps_its_length(images: Path, tmp_path: Path) -> None:
    made = init(Request(tmp_path / "p", images, skeleton="lsp"))
    assert made.skeleton.reference == "torso"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({}, "which joints"),
        ({"joints": "a,b,a"}, "names 'a' twice"),
        ({"joints": JOINTS, "limbs": "base-elbw"}, "no joint 'elbw'; nearest: 'elbow'"),
        ({"joints": JOINTS, "limbs": "base"}, "no pair of joints"),
        ({"joints": JOINTS, "limbs": "base-base"}, "'base-base' is one joint twice"),
        ({"joints": JOINTS, "pairs": "base-base"}, "'base-base' is one joint twice"),
        ({"joints": JOINTS, "reference": "base-base"}, "'base-base' is one joint twice"),
        ({"joints": JOINTS, "reference": "base-elbow,elbow-base"}, "give two joints"),
        ({"joints": JOINTS, "pairs": "base-elbow,elbow-left_tip"}, "two flip pairs"),
        ({"joints": JOINTS, "recipe": "resnet_fcn/compct"}, "nearest: 'resnet_fcn/compact'"),
        ({"skeleton": "lps"}, "nearest: 'lsp'"),
        ({"labels": Path("none.json")}, "none.json"),
        ({"labels": Path()}, "make one file of it, vitruvian data convert coco=. --out"),
    ],
)
def test_what_is_wrong_is_told_before_anything_is_written(
    images: Path, tmp_path: Path, changes: dict[str, object], message: str
) -> None:
    with pytest.raises(UserError, match=message) as error:
        init(replace(Request(tmp_path / "p", images), **changes))  # type: ignore[arg-type]
    assert "\n" not in str(error.value)
    assert not (tmp_path / "p").exists()


@pytest.mark.parametrize("given", ["skeleton", "joints", "images"])
def test_labels_of_something_else_are_refused(images: Path, tmp_path: Path, given: str) -> None:
    labels = tmp_path / "ex" / "labels.json"
    request = Request(tmp_path / "p", images, labels, reference="shoulder-elbow")
    if given == "images":
        (tmp_path / "others").mkdir()
        shutil.copy(next(images.iterdir()), tmp_path / "others" / "other.png")
        said, request = "are not in .*others", replace(request, images=tmp_path / "others")
    elif given == "joints":
        said, request = "'a'|'b'|joint", replace(request, joints="a,b", reference="a-b")
    else:
        said, request = (
            "ex/labels.json has no keypoint 'right_ankle', which the",
            replace(request, skeleton="lsp", reference=None),
        )
    with pytest.raises(UserError, match=said) as error:
        init(request)
    assert "\n" not in str(error.value)
    assert not (tmp_path / "p").exists()
    assert len(list(request.images.iterdir())) > 0


def test_stopped_half_way_it_leaves_the_place_free(
    images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stopped(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(project, "check", stopped)
    labels, folder = tmp_path / "ex" / "labels.json", tmp_path / "p"
    request = Request(folder, images, labels, reference="shoulder-elbow")
    with pytest.raises(KeyboardInterrupt):
        init(request)
    assert not folder.exists()
    folder.mkdir()
    with pytest.raises(KeyboardInterrupt):
        init(request)
    assert list(folder.iterdir()) == []
    assert len(list(images.iterdir())) == 12


def test_some_photographs_that_are_not_there_are_said(images: Path, tmp_path: Path) -> None:
    """One is gone, one lies in a subfolder that its label does not name."""
    next(images.iterdir()).unlink()
    labels = tmp_path / "ex" / "labels.json"
    made = init(Request(tmp_path / "p", images, labels, reference="shoulder-elbow"))
    assert "warning: 2 of 12 persons looked at" in "\n".join(made.lines)


def test_a_folder_in_use_and_no_photographs(images: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="holds something already"):
        init(Request(tmp_path / "ex", images, joints=JOINTS))
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match="has no photographs"):
        init(Request(tmp_path / "p", tmp_path / "empty", joints=JOINTS))
    for given in (images / "arm_0001.png", images / "*.png"):  # no link could stand for these
        with pytest.raises(UserError, match="is no folder"):
            init(Request(tmp_path / "p", given, joints=JOINTS))
    made = init(Request(tmp_path / "p", images, joints="left_tip,rigth_tip"))
    assert made.lines[1].startswith("in a mirror no joints change places")
    assert made.lines[2].startswith("warning: left_tip has no right_tip; nearest: rigth_tip")


@pytest.mark.parametrize(("splits", "said"), [("train", " --hold-out 2 "), ("train tune", "")])
def test_what_is_held_out_where_labels_leave_none_to_tune_on(
    images: Path, tmp_path: Path, splits: str, said: str
) -> None:
    labels = tmp_path / "ex" / "labels.json"
    values = json.loads(labels.read_text())
    for number, image in enumerate(values["images"]):
        image["split"] = splits.split()[-1] if number == 0 else "train"
    labels.write_text(json.dumps(values))
    init(Request(tmp_path / "p", images, labels, reference="shoulder-elbow"))
    page = (tmp_path / "p" / "README.md").read_text()
    assert ("--hold-out" in page) == bool(said)
    assert said in page


def test_without_links_the_photographs_are_copied(
    images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*arguments: object, **more: object) -> None:
        raise OSError("no right to make links")

    monkeypatch.setattr(project.os, "symlink", refused)
    init(Request(tmp_path / "p", images, joints=JOINTS))
    assert (tmp_path / "p" / "images" / "more" / "arm_0012.png").is_file()
    assert not (tmp_path / "p" / "images").is_symlink()


def test_sizes_for_the_machine() -> None:
    recipe = find_recipe("resnet_fcn/compact")
    small = sized(recipe, LAPTOP, 100, "p")
    assert small.crop == (128, 128)
    assert (small.fits[0].batch, small.fits[0].steps, small.precision) == (32, 2000, "fp32")
    # 80 of 100 photographs are trained on: 2,000 x 32 / 80 = 800 rounds, a score every twelfth of them
    assert small.evaluate_every == pytest.approx(800 / 12, abs=0.01)
    assert sized(recipe, replace(LAPTOP, cores=8, memory=4.0), 100, "p").fits[0].batch == 16
    assert sized(recipe, replace(LAPTOP, cores=8), 100, "p").crop == (192, 192)
    gpu = sized(recipe, Machine("cuda", 8, 24.0, True), 100, "p")
    assert (gpu.crop, gpu.fits[0].batch, gpu.precision) == ((256, 256), 64, "bf16")
    layers = {key: value for key, value in recipe.config.items() if key != "crop"}
    assert {key: value for key, value in gpu.config.items() if key != "crop"} == layers


def test_fits_share_the_steps_as_they_shared_the_epochs() -> None:
    recipe = find_recipe("normalized/compact")
    made = sized(recipe, LAPTOP, 100, "p")
    assert made.crop == recipe.crop
    assert sum(fit.steps or 0 for fit in made.fits) == pytest.approx(2000, abs=2)
    for before, after in zip(recipe.fits, made.fits, strict=True):
        assert (after.steps or 0) / 2000 == pytest.approx(
            before.epochs / sum(fit.epochs for fit in recipe.fits), abs=1e-3
        )


def test_a_plan_of_steps_is_shared_as_its_steps_are() -> None:
    steps = [f"fits.{number}.steps={count}" for number, count in enumerate((80, 20, 10))]
    made = sized(override(find_recipe("deeppose/compact"), steps), LAPTOP, 100, "p")
    assert [fit.steps for fit in made.fits] == [1455, 364, 182]  # of 2,000: 80, 20 and 10 of 110


def test_this_machine() -> None:
    found = this_machine()
    assert found.cores >= 1
    assert found.device in ("cpu", "cuda", "mps")
    assert "bfloat16" in found.words()
    assert machine.Machine("cpu", 2, 0.0, False).words() == "2 cores, no bfloat16"
