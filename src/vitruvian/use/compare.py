"""Several models and files of predictions on one set of persons, under one protocol, pair by pair."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from vitruvian.data.people import People
from vitruvian.measure.intervals import Difference, differences
from vitruvian.measure.protocol_table import PROTOCOLS
from vitruvian.measure.protocols import Protocol, check_comparable, find_protocol
from vitruvian.measure.published import Row as PublishedRow
from vitruvian.measure.published import Table as PublishedTable
from vitruvian.measure.published import rows_for
from vitruvian.measure.result import Result, result_from_dict
from vitruvian.measure.scoring import score
from vitruvian.skeleton import Skeleton
from vitruvian.types import UserError
from vitruvian.use.evaluate import SEED, answered, find, protocol_for, truth_of, turns
from vitruvian.use.predict import Model, load
from vitruvian.use.predictions import read_predictions
from vitruvian.use.scores import open_truth, score_predictions, subset_name

FILES = (".json", ".npz", ".mat", ".h5", ".hdf5")


@dataclass(frozen=True)
class Entry:
    """One row of a comparison."""

    label: str
    result: Result
    facts: dict[str, Any] = field(default_factory=dict)  # parameters, GMAC, of a model
    notes: tuple[str, ...] = ()
    against_first: dict[str, Difference] | None = None  # None: the first, or it cannot be paired
    xy: np.ndarray | None = None  # (N, J, 2) xy_image, what was scored


@dataclass(frozen=True)
class Comparison:
    """Rows under one protocol, and published rows beside them."""

    protocol: Protocol
    about: dict[str, str]  # data, subset, provenance
    entries: tuple[Entry, ...]
    published: tuple[tuple[PublishedTable, PublishedRow], ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Plain values: shares of one, published ones in percent as printed."""
        return self.about | {
            "protocol": self.protocol.to_dict(),
            "rows": [
                {
                    "label": entry.label,
                    **entry.facts,
                    **entry.result.to_dict(),
                    "notes": list(entry.notes),
                    "against_first": entry.against_first
                    and {name: gap.to_dict() for name, gap in entry.against_first.items()},
                }
                for entry in self.entries
            ],
            "published": [
                {
                    "method": row.method,
                    "citation": row.citation,
                    "train": table.train,
                    "columns": dict(zip(table.meant, row.values.values(), strict=True)),
                    "note": row.note,
                    "owner": row.owner and {"source": row.owner.source, **row.owner.values},
                }
                for table, row in self.published
            ],
        }


@dataclass(frozen=True)
class Request:
    """What `vitruvian compare` is told."""

    items: tuple[str, ...]
    truth: str | None = None
    protocol: str | None = None
    subset: str | None = None
    published: str | None = None
    flip: bool = False
    skeleton: Skeleton | None = None
    base: int | None = None
    device: str = "auto"
    workers: int = 2


def compare(request: Request) -> Comparison:
    """Scores every item on the same persons; the first is what the others are held against.

    An item is a model (`NAME`, a folder, a run, `NAME@STAGE`), a file of predictions, or a JSON that
    `vitruvian eval --json` wrote, which cannot be paired; `LABEL=ITEM` gives it a name.

    Raises:
        UserError: an item cannot be read, a truth is needed and not given, or protocols differ.
    """
    people, about = open_rows(request) if request.truth is not None else (None, {})
    return compare_on(request, people, about)


def compare_on(request: Request, people: People | None, about: dict[str, str]) -> Comparison:
    """As `compare`, on what `open_rows` has opened; None: there are only saved results."""
    chosen = _chosen(request)
    if not request.items:
        raise UserError("nothing to compare: name models, files of predictions or results")
    published = rows_for(request.published) if request.published else ()
    _check_published(published, chosen)
    entries: list[Entry] = []
    for label, name in _named(request.items):
        entry, of = _entry(label, name, request, people, chosen)
        _check_same(about, of, entry.label)
        about = about or of
        for other in entries:
            check_comparable(other.result.protocol, entry.result.protocol)
        entries.append(entry)
    protocol = _common([entry.result.protocol for entry in entries])
    if chosen is not None:
        check_comparable(_unmade(chosen), protocol)
    _check_published(published, protocol)
    return Comparison(protocol, about, tuple(_paired(entries)), published)


def _named(items: Sequence[str]) -> list[tuple[str, str]]:
    """What each item is called, and what it is."""
    named = []
    for item in items:
        label, equals, rest = item.partition("=")
        if equals and label and not Path(item).exists():
            named.append((label, rest))
        else:
            path = Path(item)
            file = path.suffix.lower() in FILES
            named.append((path.stem if file else path.name if path.is_absolute() else item, item))
    labels = [label for label, _ in named]
    if twice := next((label for label in labels if labels.count(label) > 1), None):
        raise UserError(f"two rows are called {twice!r}: name them, e.g. first={twice}")
    return named


def _common(protocols: Sequence[Protocol]) -> Protocol:
    """The protocol of comparable ones, which says what any of them says of how answers were made."""
    found = protocols[0]
    for protocol in protocols[1:]:
        stated = {key: getattr(protocol, key) for key, blank in UNKNOWN.items()
                  if getattr(found, key) == blank}  # fmt: skip
        found = replace(found, **stated)
    return found


def _unmade(protocol: Protocol) -> Protocol:
    """A protocol that leaves open how answers are made, which options say."""
    return replace(protocol, **UNKNOWN)


def _check_published(
    published: Sequence[tuple[PublishedTable, PublishedRow]], protocol: Protocol | None
) -> None:
    for name in {table.protocol for table, _ in published}:
        if protocol is not None:
            check_comparable(PROTOCOLS[name], protocol)


def _chosen(request: Request) -> Protocol | None:
    return None if request.protocol is None else find_protocol(request.protocol, PROTOCOLS)


def open_rows(request: Request) -> tuple[People, dict[str, str]]:
    """The persons that a request compares on, and what they are.

    Raises:
        UserError: no truth is given, or it cannot be opened.
    """
    if request.truth is None:
        raise UserError("on which photographs? Give --truth name=folder")
    whole = open_truth(request.truth, _chosen(request))
    subset = subset_name(whole, request.subset)
    about = {"data": whole.name, "subset": subset, "provenance": whole.provenance}
    return whole.subset(subset), about


def _entry(
    label: str, name: str, request: Request, people: People | None, chosen: Protocol | None
) -> tuple[Entry, dict[str, str]]:
    """A row, and what it is of where a file says that."""
    path = Path(name)
    if path.suffix.lower() in FILES:
        if (saved := _saved_result(path)) is not None:
            return Entry(label, saved[0]), saved[1]
        if people is None or chosen is None or request.truth is None:
            raise UserError(f"{path} holds predictions: give --truth and --protocol to score them")
        if chosen.metric == "oks":
            whole = len(people.subsets) > 0
            result, notes = score_results(
                path, request.truth, chosen, people, whole,
                skeleton=request.skeleton, base=request.base,
            )  # fmt: skip
            return Entry(label, result, notes=notes), {}
        check_truth(chosen, truth_of(people))
        found = read_predictions(path, people, skeleton=request.skeleton, base=request.base)
        result, warnings = score_predictions(found, people, chosen)
        return Entry(label, result, notes=(*found.notes, *warnings), xy=found.xy), {}
    if people is None:
        raise UserError(f"{name} is a model: give --truth name=folder, photographs to try it on")
    model = load(name, request.device)
    xy, result = _answers(model, request, people, chosen)
    facts = {"parameters": model.info.parameters, "gmacs": model.info.gmacs}
    return Entry(label, result, facts, xy=xy), {}


def _answers(
    model: Model, request: Request, people: People, chosen: Protocol | None
) -> tuple[np.ndarray, Result]:
    info = model.info
    protocol = protocol_of_model(
        people, info.skeleton, "labelled", request.flip, 2, chosen, info.convention
    )
    found = find(
        model.runner, people, info.crop, skeleton=info.skeleton,
        convention=info.convention, flip=request.flip,
        predict=info.predict, margin=info.preprocessing.margin, workers=request.workers,
    )  # fmt: skip
    rng = np.random.default_rng(SEED)
    return found.xy, score(protocol, truth_of(people), found.xy, rng, failed=found.unread)


def _saved_result(path: Path) -> tuple[Result, dict[str, str]] | None:
    """A result that `eval --json` wrote, and what it is of; None: the file holds something else."""
    if path.suffix.lower() != ".json":
        return None
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    if not isinstance(values, dict) or "protocol" not in values:
        return None
    about = {key: str(values.get(key, "")) for key in ("data", "subset", "provenance")}
    return result_from_dict(values), about


def _check_same(about: dict[str, str], of: dict[str, str], label: str) -> None:
    for key in ("data", "subset"):
        if about and of and about[key] != of[key]:
            raise UserError(
                f"{label} cannot be compared: {key} is {of[key]!r}, that of the others is "
                f"{about[key]!r}; evaluate all on the same persons"
            )


def _paired(entries: Sequence[Entry]) -> list[Entry]:
    first = entries[0].result.tally
    paired = [entries[0]]
    for entry in entries[1:]:
        gaps = None
        if first is not None and entry.result.tally is not None:
            try:
                gaps = differences(first, entry.result.tally, np.random.default_rng(SEED))
            except ValueError:
                gaps = None  # of other joints
        paired.append(replace(entry, against_first=gaps))
    return paired
