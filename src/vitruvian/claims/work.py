"""The missing trainings, one after the other: trained, measured, written, weights thrown away.

Every step can be stopped and gone on with: a training by its own state, the rest because what is
written is not done again. Two commands at once share the work, where the system knows file locks.
"""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from vitruvian.claims.ledger import CLAIMS, arms, measures
from vitruvian.claims.model import BATCH, Claim, Measure, Training
from vitruvian.claims.raw import FORMAT, Measured, Raw, Store
from vitruvian.claims.sets import is_given
from vitruvian.claims.todo import FINISHED, UNTRAINED, Job, standing, weights_at_hand
from vitruvian.learn.lock import locked
from vitruvian.types import UserError
from vitruvian.use.files import write_text


@dataclass(frozen=True)
class Shop:
    """Where the work is done."""

    store: Store
    runs: Path = Path("runs/claims")
    data: Mapping[str, str] = field(default_factory=dict)  # data set -> folder
    keep: bool = False  # weights, also when nothing needs them
    device: str = "auto"
    workers: int = 2
    quiet: bool = False
    everything: Sequence[Claim] = CLAIMS


@dataclass(frozen=True)
class Hands:
    """What trains and measures; `hands.py` with torch, and the tests without."""

    # the training's folder is `runs / id`; what it was made with, or None: stopped, the same call goes on
    train: Callable[[Training, Shop], dict[str, Any] | None]
    measure: Callable[[Training, Sequence[Measure], Shop], dict[str, Measured]]


@dataclass(frozen=True)
class Done:
    """How a run of claims ended."""

    trained: int
    measured: int
    failed: tuple[str, ...]  # one line for each training that could not be made
    unmeasured: tuple[str, ...]  # one line for each that needs data that is not given
    elsewhere: tuple[str, ...]  # trainings that another command has, and what starts from them
    stopped: bool


class StoppedError(Exception):
    """The user or the clock ended the work."""


def work(
    jobs: Sequence[Job],
    shop: Shop,
    hands: Hands,
    say: Callable[[str], None] = print,
    deadline: float = float("inf"),
) -> Done:
    """Does the jobs in their order.

    Args:
        deadline: of `time.monotonic`, after which nothing is begun.
    """
    log = _Log()
    for number, job in enumerate(jobs, 1):
        try:
            if time.monotonic() > deadline:
                raise StoppedError
            if not log.waits(job):
                _one(job, shop, hands, lambda line, n=number: say(f"{n}/{len(jobs)} {line}"), log)  # type: ignore[misc]
        except (StoppedError, KeyboardInterrupt):
            return log.done(stopped=True)
        except UserError as error:
            log.failed[job.training.id] = f"{job.training.id}: {error}"
            say(f"failed: {log.failed[job.training.id]}")
    return log.done(stopped=False)


@dataclass
class _Log:
    """What has become of the jobs so far, by the trainings' ids."""

    trained: int = 0
    measured: int = 0
    failed: dict[str, str] = field(default_factory=dict)
    unmeasured: dict[str, str] = field(default_factory=dict)
    elsewhere: dict[str, None] = field(default_factory=dict)

    def waits(self, job: Job) -> bool:
        """Whether a job has no parent to start from; it is then where its parent is."""
        training, parent = job.training, job.training.parent
        if parent is None or job.standing not in UNTRAINED:
            return False
        if parent.id in self.failed:
            self.failed[training.id] = f"{training.id}: {parent.id} could not be made"
        elif parent.id in self.elsewhere:
            self.elsewhere[training.id] = None
        return training.id in self.failed or training.id in self.elsewhere

    def done(self, stopped: bool) -> Done:
        lines = tuple(self.failed.values()), tuple(self.unmeasured.values())
        return Done(self.trained, self.measured, *lines, tuple(self.elsewhere), stopped)


def _one(job: Job, shop: Shop, hands: Hands, say: Callable[[str], None], log: _Log) -> None:
    """One job, unless another command has it."""
    training = job.training
    with locked(shop.runs / "locks" / training.id) as mine:
        if not mine:
            log.elsewhere[training.id] = None
            return
        log.trained += _train(job, shop, hands, say)
        log.measured += _measure(training, shop, hands)
        if lacking := _lacking(training, shop):
            cure = f"give --data {lacking}=FOLDER to measure all of it"
            log.unmeasured[training.id] = f"{training.id}: {cure}"
        tidy(training, shop)


def work_through(
    planned: Callable[[], Sequence[Job]],
    shop: Shop,
    hands: Hands,
    say: Callable[[str], None] = print,
    deadline: float = float("inf"),
    wait: float = 20.0,
) -> Done:
    """`work` on what is planned, again as long as another command has some of it under way.

    Args:
        wait: seconds between looks at what the other one has done.
    """
    trained = measured = 0
    while True:
        done = work(planned(), shop, hands, say, deadline)
        trained, measured = trained + done.trained, measured + done.measured
        if done.stopped or not done.elsewhere:
            return replace(done, trained=trained, measured=measured)
        if not done.trained + done.measured:
            time.sleep(wait)


def _train(job: Job, shop: Shop, hands: Hands, say: Callable[[str], None]) -> bool:
    """Trains what is not trained; True when it did."""
    training = job.training
    if job.standing in ("finished", "to be measured") or weights_at_hand(training, shop.runs):
        return False
    raw = shop.store.get(training.id)
    if raw is not None and job.standing != "to be trained again":
        return False  # another command was faster
    cost = f"about {job.hours:.2f} h of one core"
    say(f"{training.id}: {training.steps} steps of {BATCH}, {cost}")
    made = hands.train(training, shop)
    if made is None:
        raise StoppedError
    write_text(shop.runs / training.id / FINISHED, json.dumps(made, indent=1) + "\n")
    return True


def _measure(training: Training, shop: Shop, hands: Hands) -> int:
    """Measures what can be measured and writes the raw file; how many measures that were."""
    wanted = measures(training, shop.everything)
    _, missing = standing(training, wanted, shop.store, shop.runs)
    possible = [m for m in missing if m.data is None or is_given(m.data, shop.data)]
    if not weights_at_hand(training, shop.runs):
        return 0
    raw = shop.store.get(training.id)
    if raw is not None and not possible:
        return 0
    if raw is None:
        made = json.loads((shop.runs / training.id / FINISHED).read_text(encoding="utf-8"))
        raw = Raw(header(training, made))
    found = hands.measure(training, possible, shop) if possible else {}
    shop.store.put(raw.with_measured(found))
    return len(found)


def header(training: Training, made: Mapping[str, Any]) -> dict[str, Any]:
    """A raw file before anything is measured; `made` may bring the resolved recipe."""
    made = dict(made)
    recipe = made.pop("recipe", None)
    return {
        "format": FORMAT,
        "id": training.id,
        "arm": training.arm.name,
        "content": training.content(),
        "command": made.pop("command", ""),
        "made": made,
        "recipe": recipe,
    }


def _lacking(training: Training, shop: Shop) -> str | None:
    """A data set that is not given and without which the training cannot be measured in full."""
    wanted = measures(training, shop.everything)
    _, missing = standing(training, wanted, shop.store, shop.runs)
    return next((m.data for m in missing if m.data and not is_given(m.data, shop.data)), None)


def tidy(training: Training, shop: Shop) -> None:
    """Throws away the folders of a training and its ancestors that nothing needs any more."""
    if shop.keep:
        return
    for one in training.lineage:
        wanted = measures(one, shop.everything)
        finished = standing(one, wanted, shop.store, shop.runs)[0] == "finished"
        if finished and not any(_unfinished(child, shop) for child in _children(one, shop)):
            shutil.rmtree(shop.runs / one.id, ignore_errors=True)


def _children(training: Training, shop: Shop) -> Iterator[Training]:
    for arm in arms(training.tier, shop.everything):
        if arm.parent == training.arm:
            yield Training(training.tier, arm, training.seed)


def _unfinished(training: Training, shop: Shop) -> bool:
    """Whether a training still has to start from its parent."""
    if weights_at_hand(training, shop.runs):
        return False
    wanted = measures(training, shop.everything)
    return standing(training, wanted, shop.store, shop.runs)[0] != "finished"
