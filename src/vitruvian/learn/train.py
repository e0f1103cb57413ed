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
from collections.abc import Callable, Iterator, Sequence
from collections.abc import Generator as Batches
from contextlib import contextmanager, nullcontext
from typing import Any

import torch
from torch import Generator, Tensor, nn

from vitruvian.data.loader import plain_crops, training_crops
from vitruvian.learn.devices import Place, agree
from vitruvian.learn.memory import memory_kept
from vitruvian.learn.optim import average, float_state, optimiser, rate_factor
from vitruvian.learn.session import STATE, Session, save_session
from vitruvian.learn.state import Progress, Saved, read_state
from vitruvian.learn.watch import Watch
from vitruvian.recipe import Fit
from vitruvian.systems.contract import Batch, Stage, System, generator
from vitruvian.types import UserError


class Step(nn.Module):
    """The one forward of a step, which DDP and autocast wrap; the step calls the bare net."""

    def __init__(self, net: nn.Module, step: Callable[..., dict[str, Tensor]]) -> None:
        super().__init__()
        self.net, self.step = net, step

    def forward(self, batch: Batch, rng: Generator) -> dict[str, Tensor]:
        return self.step(self.net, batch, rng)


def train(session: Session) -> bool:
    """Trains to the recipe's end, the time's end or an interrupt; True when the recipe is finished.

    The net ends in eval mode with the weights to use. All state is in the run's folder.

    Raises:
        UserError: the loss is not finite, nobody is labelled, all answers are the same, the state does
            not fit, or as `check_fits`.
    """
    check_fits(session.recipe.fits, session.system, session.net.config)
    saved = _resume(session)
    fits = session.recipe.fits
    deadlines = _deadlines(session)
    with _signals(session), memory_kept(session.where.device):
        while session.progress.fit < len(fits):
            finished = _run_fit(session, saved, deadlines[session.progress.fit])
            saved = None
            session.stop = agree(session.stop, session.where)
            last = session.progress.fit == len(fits) - 1
            if session.stop or (last and not finished):
                session.net.eval()
                return False
            session.progress = Progress(session.progress.fit + 1, seconds=session.progress.seconds)
            save_session(session, None, None)
    session.net.eval()
    return True


def check_fits(fits: Sequence[Fit], system: System, config: Any) -> None:
    """Whether a system has the stage of every fit, before the first of them takes its time.

    Raises:
        UserError: it lacks one.
    """
    known = [stage.name for stage in system.stages(config)]
    for number, fit in enumerate(fits, 1):
        if fit.stage not in known:
            kept = dict.fromkeys(fit.stage for fit in fits if fit.stage in known)
            others = " ".join(f"--stage {name}" for name in kept)
            raise UserError(
                f"fit {number} of {len(fits)}: system {system.name!r} has no stage {fit.stage!r}, only"
                f" {', '.join(known)} with this config; set that fit's stage"
                + (f", or train without it: {others}" if kept else "")
            )


def _resume(session: Session) -> Saved | None:
    path = session.folder / STATE
    if agree(path.exists(), session.where) != path.exists():
        raise UserError(f"{path} is not on every machine: put the run's folder where all see it")
    if not path.exists():
        session.report.rewind(0, 0)
        return None
    saved = read_state(path)
    try:
        session.net.load_state_dict(saved.net)
    except RuntimeError:
        raise UserError(f"{path} holds another net; choose another --out") from None
    session.progress = saved.progress
    session.report.rewind(saved.progress.fit, saved.progress.step)
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
    watch = Watch(session, number, fit, steps, deadline)
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
            losses = _gradients(step, batch, rng, fit, session.bf16, where)
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
    step: nn.Module, batch: Batch, rng: Generator, fit: Fit, bf16: bool, where: Place
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
            with torch.autocast(where.device.type, torch.bfloat16, enabled=bf16):
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
    stages = session.system.stages(session.net.config)
    return next(stage for stage in stages if stage.name == fit.stage)


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
