"""The one loop: it knows no system by name, trains whatever a stage names, and can stop anywhere.

A run goes on by this order:
    1. The state in the run's folder, if there is one: fit, step, weights, averages, moments.
    2. Else the weights that the caller put into the net.
    3. A fit begins with the stage's `before`, in eval mode; a resumed fit does not repeat it.
    4. At its end the averaged weights become the model, and the next fit begins.
Every step seeds torch from (seed, fit, step), so no random state is saved.
"""

from __future__ import annotations

import math
import signal
import time
from collections.abc import Callable, Iterator
from collections.abc import Generator as Batches
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Generator, Tensor, nn

from vitruvian.data.loader import Skipped, plain_crops, training_crops
from vitruvian.data.people import People
from vitruvian.learn.devices import Place, agree, of_first
from vitruvian.learn.optim import average, float_state, optimiser, rate_factor
from vitruvian.learn.report import Report
from vitruvian.learn.state import Progress, Saved, read_state, save_state
from vitruvian.recipe import Fit, Recipe
from vitruvian.systems.contract import Batch, Stage, System, generator
from vitruvian.types import State, UserError

STATE = "state.safetensors"
LOOK = 10  # steps between looks at the losses
SAVE_SECONDS = 120.0
LABELLED = 5  # batches, one of which must hold a labelled joint
SAME_ANSWERS = 0.02  # a spread below it, as a share of the truth's, is one answer for every picture
SAME_SCORINGS, SAME_AFTER = 2, 0.2  # how often in a row, and after which share of the fit's steps


class Step(nn.Module):
    """The one forward of a step, which DDP and autocast wrap; the step calls the bare net."""

    def __init__(self, net: nn.Module, step: Callable[..., dict[str, Tensor]]) -> None:
        super().__init__()
        self.net, self.step = net, step

    def forward(self, batch: Batch, rng: Generator) -> dict[str, Tensor]:
        return self.step(self.net, batch, rng)


@dataclass
class Session:
    """All that a training needs.

    `evaluate` gives the score on held-out persons, a share of one; `spread` how much the net's
    answers vary over persons, as a share of how much the truth does. Both are asked together.
    """

    system: System
    net: nn.Module
    recipe: Recipe
    people: People
    folder: Path
    where: Place
    report: Report
    evaluate: Callable[[nn.Module], float] | None = None
    spread: Callable[[nn.Module], float] | None = None
    workers: int = 1
    max_minutes: float | None = None
    progress: Progress = field(default_factory=Progress)
    skipped: Skipped = field(default_factory=Skipped)
    stop: bool = False  # set by a signal; looked at after every step


def train(session: Session) -> bool:
    """Trains to the recipe's end, the time's end or an interrupt; True when the recipe is finished.

    The net ends in eval mode with the weights to use. All state is in the run's folder.

    Raises:
        UserError: the loss is not finite, nobody is labelled, all answers are the same, or the
            state does not fit.
    """
    saved = _resume(session)
    fits = session.recipe.fits
    deadlines = _deadlines(session)
    with _signals(session):
        while session.progress.fit < len(fits):
            finished = _run_fit(session, saved, deadlines[session.progress.fit])
            saved = None
            session.stop = agree(session.stop, session.where)
            last = session.progress.fit == len(fits) - 1
            if session.stop or (last and not finished):
                session.net.eval()
                return False
            session.progress = Progress(session.progress.fit + 1, seconds=session.progress.seconds)
            _save(session, None, None)
    session.net.eval()
    return True


def _resume(session: Session) -> Saved | None:
    path = session.folder / STATE
    if not path.exists():
        return None
    saved = read_state(path)
    try:
        session.net.load_state_dict(saved.net)
    except RuntimeError:
        raise UserError(f"{path} holds another net; choose another --out") from None
    session.progress = saved.progress
    return saved


def _deadlines(session: Session) -> list[float]:
    """For each fit the moment at which its share of the time is used up."""
    fits, now = session.recipe.fits, time.monotonic()
    if session.max_minutes is None:
        return [math.inf] * len(fits)
    steps = [fit.planned_steps(len(session.people)) for fit in fits]
    done = session.progress
    left = [0 if i < done.fit else s - done.step * (i == done.fit) for i, s in enumerate(steps)]
    total = max(sum(left), 1)
    return [now + 60 * session.max_minutes * sum(left[: i + 1]) / total for i in range(len(fits))]


def _run_fit(session: Session, saved: Saved | None, deadline: float) -> bool:
    """One stage's training; True when all its steps were taken, False when it was stopped."""
    recipe, net, where, progress = session.recipe, session.net, session.where, session.progress
    number, fit = progress.fit, recipe.fits[progress.fit]
    stage = _stage(session, fit)
    if fit.batch // where.processes < fit.accumulate:
        raise UserError(
            f"fit {fit.stage!r}: a batch of {fit.batch} does not make {fit.accumulate} parts on"
            f" each of {where.processes} processes; set fits.{number}.accumulate=1"
        )
    if stage.before and progress.step == 0:
        with torch.no_grad():
            stage.before(net.eval(), _plain_batches(session), generator(recipe.seed, number))
    set_trained(net, stage.trains)
    step = _wrapped(net, stage, where)
    optim = optimiser(fit.optim, net)
    shadow = None
    if fit.ema:
        shadow = {name: value.detach().clone() for name, value in float_state(net).items()}
        for name, value in (saved.shadow or {}).items() if saved else ():
            shadow[name].copy_(value)
    if saved and progress.step:
        saved.restore_optimiser(optim)
    steps = fit.planned_steps(len(session.people))
    session.report.begin(stage.name, progress.step, steps)
    batches = _training_batches(session, fit, number, progress.step)
    watch = _Watch(session, number, fit, steps, deadline)
    try:
        while progress.step < steps:
            factor = rate_factor(fit.schedule, progress.step, steps, progress.drops)
            for group in optim.param_groups:
                group["lr"] = fit.optim.lr * factor
            rng = generator(recipe.seed, number, progress.step)
            torch.manual_seed(
                generator(recipe.seed, number, progress.step, where.rank).initial_seed()
            )
            batch = next(batches)
            watch.first_batches(batch)
            losses = _gradients(step, batch, rng, fit, recipe.precision, where)
            if fit.clip:
                nn.utils.clip_grad_norm_([p for p in net.parameters() if p.requires_grad], fit.clip)
            optim.step()
            optim.zero_grad(set_to_none=True)
            if shadow is not None and fit.ema:
                average(shadow, net, fit.ema, progress.step)
            progress.step += 1
            if watch.look(losses, fit.optim.lr * factor, shadow, optim):
                break
    finally:
        batches.close()
    watch.save(shadow, optim)
    if shadow is not None:
        net.load_state_dict(shadow, strict=False)
    return progress.step >= steps


def _gradients(
    step: nn.Module, batch: Batch, rng: Generator, fit: Fit, precision: str, where: Place
) -> dict[str, Tensor]:
    """Backward over the parts of a batch; the losses of the whole batch, detached.

    Every part begins with the same random state, so a sample's draws do not depend on its part.
    """
    sums: dict[str, Tensor] = {}
    state = rng.get_state()
    for part in range(fit.accumulate):
        rng.set_state(state)
        piece = batch.part(part, fit.accumulate)
        share = len(piece) / len(batch)
        last = part == fit.accumulate - 1
        quiet = nullcontext() if last or where.processes == 1 else step.no_sync()  # type: ignore[operator]
        with quiet:
            with torch.autocast(where.device.type, torch.bfloat16, enabled=precision == "bf16"):
                losses = step(piece, rng)
            total = torch.stack(list(losses.values())).sum() * share
            total.backward()
        for name, value in losses.items():
            sums[name] = sums.get(name, 0) + value.detach().float() * share
    return sums


def set_trained(net: nn.Module, paths: tuple[str, ...]) -> None:
    """Everything outside `paths` stands still: no gradient, and eval mode for the buffers' sake."""
    net.requires_grad_(False).eval()
    for path in paths:
        net.get_submodule(path).requires_grad_(True).train()


def _wrapped(net: nn.Module, stage: Stage, where: Place) -> nn.Module:
    step = Step(net, stage.step)
    if where.processes == 1:
        return step
    devices = [where.device] if where.device.type == "cuda" else None
    return nn.parallel.DistributedDataParallel(step, device_ids=devices)


def _stage(session: Session, fit: Fit) -> Stage:
    stages = {stage.name: stage for stage in session.system.stages(session.net.config)}
    if fit.stage not in stages:
        raise UserError(
            f"system {session.system.name!r} has no stage {fit.stage!r}, only {', '.join(stages)}"
        )
    return stages[fit.stage]


def _training_batches(session: Session, fit: Fit, number: int, start: int) -> Batches[Batch]:
    H, W = session.recipe.crop
    crops = training_crops(
        session.people,
        session.recipe.augment,
        H,
        W,
        fit.batch,
        seed=session.recipe.seed * 1000 + number,
        skipped=session.skipped,
        start=start,
        rank=session.where.rank,
        processes=session.where.processes,
        workers=session.workers,
    )
    try:
        for batch in crops:
            yield Batch.of(batch).to(session.where.device)
    finally:
        crops.close()


def _plain_batches(session: Session) -> Iterator[Batch]:
    """The training persons once, unchanged, whole on every process: what `before` measures on."""
    H, W = session.recipe.crop
    people = session.people
    for crops in plain_crops(people, people.box, H, W, 64, session.skipped, session.workers):
        yield Batch.of(crops).to(session.where.device)


@contextmanager
def _signals(session: Session) -> Iterator[None]:
    """Ctrl-C and SIGTERM end the step under way, then the run; a second Ctrl-C ends it at once."""

    def ask(number: int, frame: Any) -> None:
        if session.stop:
            raise KeyboardInterrupt
        session.stop = True

    try:
        old = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    except ValueError:  # not in the main thread
        old = {}
    try:
        yield
    finally:
        for number, handler in old.items():
            signal.signal(number, handler)


def _save(
    session: Session, shadow: dict[str, Tensor] | None, optim: torch.optim.Optimizer | None
) -> None:
    if session.where.first:
        path = session.folder / STATE
        save_state(path, session.progress, session.net, shadow, optim)


class _Watch:
    """Looks at a fit as it goes: losses, speed, score on held-out persons, time, saves."""

    def __init__(
        self, session: Session, number: int, fit: Fit, steps: int, deadline: float
    ) -> None:
        self.session, self.number, self.fit, self.steps = session, number, fit, steps
        self.deadline = deadline
        self.began = self.saved = self.looked = time.monotonic()
        self.start = self.last = session.progress.step
        self.base = session.progress.seconds
        self.labelled, self.same = False, 0
        epoch = len(session.people) / fit.batch
        self.every = max(1, round(session.recipe.evaluate_every * epoch))

    def first_batches(self, batch: Batch) -> None:
        """Nobody labelled in the first batches, on any process, is an error, not a training."""
        taken = self.session.progress.step - self.start
        last = min(LABELLED, self.steps - self.start) - 1
        if taken > last:
            return
        self.labelled = self.labelled or bool((batch.state >= State.OCCLUDED).any())
        if taken == last and not agree(self.labelled, self.session.where):
            hint = self.session.skipped.summary() or "check the labels with `vitruvian data check`"
            raise UserError(f"no labelled joint in the first {taken + 1} batches: {hint}")

    def look(
        self,
        losses: dict[str, Tensor],
        rate: float,
        shadow: dict[str, Tensor] | None,
        optim: torch.optim.Optimizer,
    ) -> bool:
        """After each step; True when the fit must stop now."""
        session, progress = self.session, self.session.progress
        due = progress.step % self.every == 0 or progress.step == self.steps
        stop = False
        if progress.step % LOOK == 0 or session.where.processes == 1:
            stop = agree(session.stop or time.monotonic() > self.deadline, session.where)
        if not (due or stop or progress.step % LOOK == 0):
            return False
        values = dict(zip(losses, torch.stack(list(losses.values())).tolist(), strict=True))
        if agree(not all(math.isfinite(value) for value in values.values()), session.where):
            raise UserError(
                f"the loss is not finite at step {progress.step} of fit {self.fit.stage!r}:"
                f" {values}; lower the rate (--set fits.{self.number}.optim.lr=...);"
                " the last saved state is kept"
            )
        now = time.monotonic()
        speed = self.fit.batch * (progress.step - self.last) / max(now - self.looked, 1e-9)
        progress.seconds = self.base + now - self.began
        tune = self._score(shadow) if due and session.evaluate else None
        per_step = (now - self.began) / max(progress.step - self.start, 1)
        left = min(per_step * (self.steps - progress.step), self.deadline - now)
        session.report.log(
            self.number, progress.step, progress.seconds, rate, speed, values, left, tune
        )
        self.last, self.looked = progress.step, time.monotonic()
        if now - self.saved > SAVE_SECONDS:
            self.save(shadow, optim)
        return stop

    def save(self, shadow: dict[str, Tensor] | None, optim: torch.optim.Optimizer) -> None:
        progress = self.session.progress
        progress.seconds = self.base + time.monotonic() - self.began
        _save(self.session, shadow, optim)
        self.saved = time.monotonic()

    def _score(self, shadow: dict[str, Tensor] | None) -> float:
        """The score with the averaged weights; counts a plateau's patience."""
        session, net, progress = self.session, self.session.net, self.session.progress
        assert session.evaluate is not None
        modes = {name: module.training for name, module in net.named_modules()}
        own = {name: value.clone() for name, value in float_state(net).items()} if shadow else {}
        if shadow:
            net.load_state_dict(shadow, strict=False)
        value = of_first(session.evaluate(net.eval()), session.where)
        spread = of_first(session.spread(net), session.where) if session.spread else math.nan
        if shadow:
            net.load_state_dict(own, strict=False)
        for name, module in net.named_modules():
            module.training = modes[name]
        self._refuse_same(spread)
        if value > progress.best:
            progress.best, progress.waited = value, 0
        else:
            progress.waited += 1
        schedule = self.fit.schedule
        if progress.waited >= schedule.patience and progress.drops < schedule.most_drops:
            self.session.progress.drops, self.session.progress.waited = progress.drops + 1, 0
        return value

    def _refuse_same(self, spread: float) -> None:
        """A net that has settled on one pose for every picture does not recover."""
        progress = self.session.progress
        late = progress.step >= SAME_AFTER * self.steps
        self.same = self.same + 1 if late and spread < SAME_ANSWERS else 0
        if self.same >= SAME_SCORINGS:
            raise UserError(
                f"the answers are the same for every picture at step {progress.step} of fit"
                f" {self.fit.stage!r} (they vary {100 * spread:.1f} % as much as the truth): lower"
                f" the rate (--set fits.{self.number}.optim.lr=...), raise schedule.warmup, start"
                " from trained weights (init), or check that pictures and labels belong together;"
                " the last saved state is kept"
            )


__all__ = ["Session", "Step", "set_trained", "train"]
