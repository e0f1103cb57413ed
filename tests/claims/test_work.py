"""Doing what is missing, with a trainer that only remembers."""

from __future__ import annotations

import signal
import time
from pathlib import Path
from typing import Any

import pytest
from handmade import BASE, BETTER, CLAIMS, DRAWN, GOOD, ODD, PHOTOS, FakeHands

from vitruvian.claims import doing, ledger
from vitruvian.claims.doing import Order, do
from vitruvian.claims.model import Training
from vitruvian.claims.raw import Store
from vitruvian.claims.rows import rows_of
from vitruvian.claims.todo import plan
from vitruvian.claims.work import Done, Hands, Shop, work
from vitruvian.learn.lock import locked
from vitruvian.types import UserError


@pytest.fixture(autouse=True)
def small_tiers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ledger, "TIERS", (DRAWN, PHOTOS))
    monkeypatch.delenv("VITRUVIAN_DATA", raising=False)


def a_shop(folder: Path, **more) -> Shop:
    return Shop(Store(folder / "raw"), folder / "runs", everything=CLAIMS, **more)


def run(shop: Shop, hands: FakeHands, *ids: str, say=lambda line: None, **more) -> Done:
    return do(Order(ids, **more), shop, say, Hands(hands.train, hands.measure))


def folders(shop: Shop) -> list[str]:
    return sorted(p.name for p in shop.runs.iterdir() if p.name != "locks")


def test_a_claim_from_nothing_to_its_row(tmp_path: Path) -> None:
    shop, hands = a_shop(tmp_path), FakeHands()
    done = run(shop, hands, "X1", tier="rendered")
    assert (done.trained, done.measured, done.stopped) == (6, 6, False)
    assert rows_of(BETTER, shop.store)[0].state == "reproduced"
    # three of nine: base is shared with X2, which does not start from its weights
    assert folders(shop) == []


def test_a_finished_training_is_never_repeated(tmp_path: Path) -> None:
    shop = a_shop(tmp_path)
    run(shop, FakeHands(), "X1", tier="rendered")
    again = FakeHands()
    assert run(shop, again, "x1", tier="rendered").trained == 0
    assert again.trained == again.measured == []
    other = FakeHands()
    run(shop, other, "X2")
    assert len(other.trained) == 3  # base was shared
    assert all("-other-" in id for id in other.trained)


def test_weights_stay_while_a_child_needs_them(tmp_path: Path) -> None:
    shop = a_shop(tmp_path)
    run(shop, FakeHands(), "X2", seeds=1)
    assert folders(shop) == [Training(DRAWN, BASE, 0).id]
    hands = FakeHands()
    run(shop, hands, "X1", tier="rendered", seeds=1)
    assert hands.trained == [Training(DRAWN, GOOD, 0).id]
    assert folders(shop) == []


def test_weights_stay_when_asked_for(tmp_path: Path) -> None:
    shop = a_shop(tmp_path, keep=True)
    run(shop, FakeHands(), "X1", tier="rendered", seeds=1)
    assert len(folders(shop)) == 2


def test_a_stopped_training_ends_the_work_and_goes_on(tmp_path: Path) -> None:
    shop, hands = a_shop(tmp_path), FakeHands(stop="good")
    done = run(shop, hands, "X1", tier="rendered")
    assert done.stopped
    assert hands.trained == [Training(DRAWN, BASE, 0).id]
    assert shop.store.get(Training(DRAWN, GOOD, 0).id) is None
    on = FakeHands()
    assert not run(shop, on, "X1", tier="rendered").stopped
    assert Training(DRAWN, BASE, 0).id not in on.trained
    assert len(on.trained) == 5


def test_what_cannot_be_trained_does_not_stop_the_rest(tmp_path: Path) -> None:
    shop, hands, said = a_shop(tmp_path), FakeHands(fail="base"), []
    done = run(shop, hands, "X1", "X2", tier="rendered", seeds=1, say=said.append)
    assert hands.trained == [f for f in hands.trained if "-other-" in f]
    assert len(hands.trained) == 1
    assert [line.split(":")[0] for line in done.failed] == [
        Training(DRAWN, BASE, 0).id,
        Training(DRAWN, GOOD, 0).id,
    ]
    assert any("no recipe of that name" in line for line in said)


def test_time_that_is_up(tmp_path: Path) -> None:
    shop, hands = a_shop(tmp_path), FakeHands()
    assert run(shop, hands, "X1", limit_hours=0.0).stopped
    assert hands.trained == []


def test_photographs_are_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shop, said = a_shop(tmp_path), []
    run(shop, FakeHands(), "X1", seeds=1, say=said.append)
    cure = "photographs are needed: give --data lspet=FOLDER"
    assert f"X1 at tier LSPET must wait: {cure}" in said
    with pytest.raises(UserError, match=f"tier LSPET: {cure}"):
        run(shop, FakeHands(), "X1", tier="lspet")
    monkeypatch.setattr(doing, "unreadable", lambda name, data: None)
    photos, hands = a_shop(tmp_path, data={"lspet": "somewhere"}), FakeHands()
    run(photos, hands, "X1", tier="lspet")
    assert len(hands.trained) == 4


def test_photographs_that_cannot_be_read(tmp_path: Path) -> None:
    shop, said, hands = a_shop(tmp_path, data={"lspet": str(tmp_path / "nowhere")}), [], FakeHands()
    run(shop, hands, "X1", seeds=1, say=said.append)
    assert any("LSPET must wait: " in line and "nowhere" in line for line in said)
    assert len(hands.trained) == 2  # the figures
    with pytest.raises(UserError, match="what labels alone decide needs no photographs"):
        run(shop, hands, "X1", tier="lspet")


def test_a_training_that_another_command_has(tmp_path: Path) -> None:
    pytest.importorskip("fcntl")
    shop, hands = a_shop(tmp_path), FakeHands()
    jobs = plan((BETTER, ODD), (DRAWN,), shop.store, shop.runs, seeds=1, everything=CLAIMS).open
    with locked(shop.runs / "locks" / Training(DRAWN, BASE, 0).id) as mine:
        assert mine
        done = work(jobs, shop, Hands(hands.train, hands.measure), lambda line: None)
    assert done.elsewhere == (Training(DRAWN, BASE, 0).id, Training(DRAWN, GOOD, 0).id)
    assert [id.split("-")[1] for id in hands.trained] == ["other"]


@pytest.mark.parametrize("handler", [signal.default_int_handler, signal.SIG_IGN])
def test_the_alarm_interrupts(handler: Any) -> None:
    """Also what a shell has put into the background, where Ctrl-C is ignored."""
    began, before = time.monotonic(), signal.signal(signal.SIGINT, handler)

    def wait() -> None:
        while time.monotonic() < began + 5:
            time.sleep(0.01)

    try:
        with pytest.raises(KeyboardInterrupt), doing._alarm(0.05):
            wait()
        assert signal.getsignal(signal.SIGINT) is handler
    finally:
        signal.signal(signal.SIGINT, before)
    assert time.monotonic() < began + 5


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "raw").write_text("a file")
    with pytest.raises(UserError, match="raw cannot be written: give --raw FOLDER"):
        run(a_shop(tmp_path), FakeHands(), "X1")


def test_unknown_names(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no claim 'Q7'; nearest: X"):
        run(a_shop(tmp_path), FakeHands(), "Q7")
    with pytest.raises(UserError, match="no tier 'gpu', only rendered, LSPET"):
        run(a_shop(tmp_path), FakeHands(), "X1", tier="gpu")


def test_a_claim_that_cannot_be_tested_says_why(tmp_path: Path) -> None:
    said: list[str] = []
    assert run(a_shop(tmp_path), FakeHands(), "X3", say=said.append).trained == 0
    assert said == ["X3: Cannot be tested: no predictions."]
    assert GOOD.parent is BASE
