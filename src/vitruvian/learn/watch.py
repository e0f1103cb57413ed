"""Looks at a fit as it goes, and stops what cannot become a model."""

from __future__ import annotations

import math
import time

import torch
from torch import Tensor

from vitruvian.learn.devices import agree, of_first
from vitruvian.learn.optim import float_state
from vitruvian.learn.session import Session, save_session
from vitruvian.recipe import Fit
from vitruvian.systems.contract import Batch
from vitruvian.types import State, UserError

LOOK = 10  # steps between looks at the losses
SAVE_SECONDS = 120.0
LABELLED = 5  # batches, one of which must hold a labelled joint
SAME_ANSWERS = 0.02  # a spread below it, as a share of the truth's, is one answer for every picture
SAME_SCORINGS, SAME_AFTER = 2, 0.2  # how often in a row, and after which share of the fit's steps


class Watch:
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
                " and another --out; the last saved state is kept"
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
        save_session(self.session, shadow, optim)
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
        if session.publish and session.where.first:
            session.publish(net)
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
                " from trained weights (init), with another --out, or check that pictures and"
                " labels belong together; the last saved state is kept"
            )
