"""What `vitruvian claims run` does: facts that need no training, then trainings, up to the time's end."""

from __future__ import annotations

import _thread
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from vitruvian.claims.labels import SOURCES, raw_of
from vitruvian.claims.ledger import find_claims, find_tiers
from vitruvian.claims.model import Claim, Tier
from vitruvian.claims.sets import is_given, unreadable
from vitruvian.claims.todo import Job, plan, unmeasured
from vitruvian.claims.work import Done, Hands, Shop, work_through
from vitruvian.types import UserError

Say = Callable[[str], None]


@dataclass(frozen=True)
class Order:
    """What `vitruvian claims run` is told."""

    ids: tuple[str, ...]
    tier: str | None = None
    seeds: int | None = None  # instead of the tier's
    limit_hours: float | None = None


def do(order: Order, shop: Shop, say: Say = print, hands: Hands | None = None) -> Done:
    """Makes what is missing of some claims.

    Args:
        hands: None are those of `training.py`, which need PyTorch.

    Raises:
        UserError: there is no such claim or tier, nothing can be made without data that is not given, or
            a file cannot be written.
    """
    claims = find_claims(order.ids, shop.everything)
    shop.store.check()
    tiers = _tiers(order, claims, shop, say)
    facts = _facts(claims, shop, say) if order.tier is None else 0
    for claim in claims:
        if not claim.contrasts and not claim.facts:
            say(f"{claim.id}: {claim.note}")

    def planned() -> Sequence[Job]:
        found = plan(
            claims, tiers, shop.store, shop.runs, seeds=order.seeds, everything=shop.everything
        )
        return found.open

    first = planned()
    if not first:
        return Done(0, facts, (), (), (), False)
    say(f"{len(first)} trainings, about {sum(job.hours for job in first):.1f} hours of one core")
    if hands is None:
        from vitruvian.claims.training import hands as with_torch

        hands = with_torch()
    seconds = float("inf") if order.limit_hours is None else 3600 * order.limit_hours
    try:
        with _alarm(seconds):
            done = work_through(planned, shop, hands, say, time.monotonic() + seconds)
    except KeyboardInterrupt:  # between two trainings
        return Done(0, facts, (), (), (), True)
    return replace(done, measured=done.measured + facts)


def _tiers(order: Order, claims: Sequence[Claim], shop: Shop, say: Say) -> list[Tier]:
    """Those that can be worked on; what the others lack is said, or raised where it was asked for."""
    found = []
    for tier in find_tiers(order.tier):
        ids = [claim.id for claim in claims if claim.at(tier)]
        why = None
        if tier.data and ids:
            why = f"photographs are needed: give --data {tier.data}=FOLDER"
            if is_given(tier.data, shop.data):
                why = unreadable(tier.data, shop.data)
        if why and order.tier is not None:
            raise UserError(f"tier {tier.name}: {why}")
        if why:
            say(f"{' '.join(ids)} at tier {tier.name} must wait: {why}")
        else:
            found.append(tier)
    return found


def _facts(claims: Sequence[Claim], shop: Shop, say: Say) -> int:
    """Measures what needs no training and is not measured yet; how many raw files that made."""
    made = 0
    for one in unmeasured(claims, shop.store):
        if lacking := [name for name in one.needs if not is_given(name, shop.data)]:
            cure = " ".join(f"--data {name}=FOLDER" for name in lacking)
            say(f"{one.claim} needs the labels of {', '.join(lacking)}: give {cure}")
            continue
        say(f"{one.id}: measured without training")
        shop.store.put(raw_of(one.id, _measured(one.id, shop.data), one.command))
        made += 1
    return made


def _measured(id: str, data: Mapping[str, str]) -> dict[str, Any]:
    """Facts and about of a raw file."""
    if id in SOURCES:
        return SOURCES[id].measure(data)
    from vitruvian.claims.speed import measure  # with PyTorch

    return measure(data)


@contextmanager
def _alarm(seconds: float) -> Iterator[None]:
    """An interrupt, as by Ctrl-C, when the time is up: a training saves its state and ends."""
    if seconds <= 0 or seconds == float("inf"):
        yield
        return
    before = signal.getsignal(signal.SIGINT)
    if before is signal.SIG_IGN:  # as a shell leaves it for what runs in the background
        signal.signal(signal.SIGINT, signal.default_int_handler)
    timer = threading.Timer(seconds, _thread.interrupt_main)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        if before is signal.SIG_IGN:
            signal.signal(signal.SIGINT, before)
