"""Speed and time left, with a clock that is told."""

from __future__ import annotations

from vitruvian.use.progress import Progress


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_speed_and_time_left() -> None:
    clock, said = Clock(), list[str]()
    progress = Progress(100, said.append, False, clock)
    progress.skip(20)
    for _ in range(5):
        clock.now += 4
        progress.more(2)
    # 10 pictures in 20 s, and 70 are left
    assert progress.text() == "30/100 pictures  0.5 images/s  0:02:20 left"
    assert len(said) == 1  # each ten seconds
    assert said[0].startswith("26/100")
    assert said[0].endswith("\n")


def test_nobody_knows_how_many() -> None:
    clock = Clock()
    progress = Progress(0, lambda text: None, False, clock)
    clock.now += 2
    progress.more(3)
    assert progress.text() == "3 pictures  1.5 images/s"


def test_one_line_of_a_terminal() -> None:
    clock, said = Clock(), list[str]()
    progress = Progress(4, said.append, True, clock)
    for _ in range(2):
        clock.now += 1
        progress.more()
    first = "1/4 pictures  1.0 images/s  0:00:03 left"
    assert said[0] == first
    assert said[1].startswith(f"\r{' ' * len(first)}\r2/4")
    progress.line("skipped: a")
    assert said[2].endswith("\rskipped: a\n")
    progress.close()
    assert len(said) == 3
