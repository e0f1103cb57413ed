"""Several models and files of predictions on one set of persons, under one protocol, pair by pair."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from vitruvian.data.detections import Fit
from vitruvian.data.people import People
from vitruvian.measure.intervals import Difference, differences
from vitruvian.measure.oks_resamples import differences as oks_differences
from vitruvian.measure.protocol_table import PROTOCOLS
from vitruvian.measure.protocols import MADE, Protocol, check_comparable, find_protocol
from vitruvian.measure.published import Row as PublishedRow
from vitruvian.measure.published import Table as PublishedTable
from vitruvian.measure.published import row_sets, rows_for
from vitruvian.measure.result import Result, result_from_dict
from vitruvian.measure.scoring import score
from vitruvian.skeleton import Skeleton
from vitruvian.types import UserError
from vitruvian.use.costs import Cost, measure_costs
from vitruvian.use.evaluate import SEED, check_fits, find, protocol_of_model, truth_of
from vitruvian.use.occluders import Occluders, occlude, occluded
from vitruvian.use.predict import Model, labelled, load
from vitruvian.use.predictions import read_predictions
from vitruvian.use.scores import (
    NOT_SAID,
    label_notes,
    learnt_notes,
    made_words,
    open_truth,
    protocols_of,
    score_predictions,
    score_results,
    subset_name,
)
from vitruvian.use.where import LEARNT_FROM, where_all_look

FILES = (".json", ".npz", ".mat", ".h5", ".hdf5")


@dataclass(frozen=True)
class Entry:
    """One row of a comparison."""

    label: str
    result: Result
    facts: dict[str, Any] = field(default_factory=dict)  # parameters, GMAC, of a model
    notes: tuple[str, ...] = ()
    against_first: dict[str, Difference] | None = None  # None: the first, or it cannot be paired
    against_before: dict[str, Difference] | None = None  # the row before; from the third on
    xy: np.ndarray | None = None  # (N, J, 2) xy_image, what was scored
    model: Model | None = None  # whose answers were scored
    cost: Cost | None = None  # None: not asked for, or no model


@dataclass(frozen=True)
class Comparison:
    """Rows under one protocol, and published rows beside them."""

    protocol: Protocol
    about: dict[str, str]  # data, subset, provenance
    entries: tuple[Entry, ...]
    published: tuple[tuple[PublishedTable, PublishedRow], ...] = ()
    boxes: Fit | None = None  # how many persons have a box of the file asked for

    def to_dict(self) -> dict[str, Any]:
        """Plain values: shares of one, published ones in percent as printed."""
        return self.about | {
            "protocol": self.protocol.to_dict(),
            **({"boxes": self.boxes.to_dict()} if self.boxes else {}),
            "rows": [
                {
                    "label": entry.label,
                    **entry.facts,
                    **(entry.cost.to_dict() if entry.cost else {}),
                    **entry.result.to_dict(),
                    "notes": list(entry.notes),
                    "against_first": _plain(entry.against_first),
                    "against_before": _plain(entry.against_before),
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


def _plain(gaps: dict[str, Difference] | None) -> dict[str, Any] | None:
    return None if gaps is None else {name: gap.to_dict() for name, gap in gaps.items()}


@dataclass(frozen=True)
class Request:
    """What `vitruvian compare` is told."""

    items: tuple[str, ...]
    truth: str | None = None
    protocol: str | None = None
    subset: str | None = None
    published: str | None = None
    flip: bool = False
    occluders: Occluders | None = None
    skeleton: Skeleton | None = None
    base: int | None = None
    device: str = "auto"
    workers: int = 2
    boxes: Path | None = None  # a file of boxes that stand for the data set's, where models look
    costs: bool = False  # of models: size, speed, hours of training, the score in whole photographs


@dataclass(frozen=True)
class Persons:
    """On whom a comparison is made."""

    people: People  # with what is pasted on them
    about: dict[str, str]  # data, subset, provenance
    sizes: dict[str, int]  # subset -> persons, of the whole data set
    where_learnt: bool = False  # they are looked for where all models have learnt to look
    boxes: Fit | None = None  # how many have a box of the file asked for


def compare(request: Request) -> Comparison:
    """Scores every item on the same persons; the first is what the others are held against.

    An item is a model (as for `load`, `NAME@STAGE` too), a file of predictions, or a JSON that
    `vitruvian eval --json` wrote, which cannot be paired; `LABEL=ITEM` gives it a name.

    Raises:
        UserError: an item cannot be read, a truth is needed and not given, or protocols differ.
    """
    return compare_on(request, None if request.truth is None else open_rows(request))


def compare_on(request: Request, on: Persons | None) -> Comparison:
    """As `compare`, on what `open_rows` has opened; None: there are only saved results."""
    chosen = _chosen(request)
    about = {} if on is None else on.about
    if on is None and (ignored := _of_truth(request)):
        raise UserError(f"{ignored} is about what is scored anew: give --truth name=folder")
    if not request.items:
        raise UserError("nothing to compare: name models, files of predictions or results")
    published = rows_for(request.published) if request.published else ()
    asked = None if chosen is None else occluded(_unmade(chosen), request.occluders)
    _check_published(published, asked)
    models = {} if on is None else _models(request)
    if on is not None:
        infos = [model.info for model in models.values()]
        people, alike, fit = where_all_look(on.people, infos, request.boxes)
        on = replace(on, people=people, where_learnt=alike, boxes=fit)
    entries: list[Entry] = []
    for label, name in named(request.items):
        entry, of = _entry(label, name, request, on, chosen, models)
        _check_same(about, of, entry.label)
        about = about or of
        if of and asked is not None:
            check_comparable(asked, entry.result.protocol)
        for other in entries:
            check_comparable(other.result.protocol, entry.result.protocol)
        entries.append(entry)
    protocol = _common([entry.result.protocol for entry in entries])
    _check_published(published, protocol)
    if request.costs and on is not None:
        entries = _with_costs(entries, request, on.people)
    boxes = None if on is None else on.boxes
    return Comparison(protocol, about, tuple(_paired(entries)), published, boxes)


def _models(request: Request) -> dict[str, Model]:
    names = [name for _, name in named(request.items) if Path(name).suffix.lower() not in FILES]
    return {name: load(name, request.device) for name in names}


def _of_truth(request: Request) -> str | None:
    """An option that does nothing where only saved results are compared."""
    said = {
        "--subset": request.subset is not None,
        "--flip": request.flip,
        "--occluders": request.occluders is not None,
        "--skeleton": request.skeleton is not None,
        "--base": request.base is not None,
        "--boxes": request.boxes is not None,
        "--costs": request.costs,
    }
    return next((option for option, is_said in said.items() if is_said), None)


def named(items: Sequence[str]) -> list[tuple[str, str]]:
    """What each item is called, and what it is: a file or folder of this machine by its last part.

    Raises:
        UserError: two have one name.
    """
    found = []
    for item in items:
        label, rest = labelled(item)
        if label:
            found.append((label, rest))
        else:
            path = Path(item)
            file = path.suffix.lower() in FILES
            found.append((path.stem if file else path.name if path.is_absolute() else item, item))
    labels = [label for label, _ in found]
    if twice := next((label for label in labels if labels.count(label) > 1), None):
        raise UserError(f"two rows are called {twice!r}: name them, LABEL=ITEM")
    return found


def _common(protocols: Sequence[Protocol]) -> Protocol:
    """The protocol of comparable ones, which says what any of them says of how answers were made."""
    found = protocols[0]
    for protocol in protocols[1:]:
        blank = [key for key, nothing in MADE.items() if getattr(found, key) == nothing]
        found = replace(found, **{key: getattr(protocol, key) for key in blank})
    return found


def _unmade(protocol: Protocol) -> Protocol:
    """A protocol that leaves open how answers are made, which options say."""
    return replace(protocol, **MADE)


def _check_published(
    published: Sequence[tuple[PublishedTable, PublishedRow]], protocol: Protocol | None
) -> None:
    if protocol is None or (error := _unlike(published, protocol)) is None:
        return
    fit = [key for key, rows in row_sets().items() if _unlike(rows, protocol) is None]
    cure = f", or give --published {fit[0]}" if len(fit) == 1 else ""
    raise UserError(f"published rows {published[0][0].key!r}: {error}{cure}")


def _unlike(
    published: Sequence[tuple[PublishedTable, PublishedRow]], protocol: Protocol
) -> UserError | None:
    """Why rows cannot stand beside figures under a protocol; None: they can."""
    try:
        for table, _ in published:
            check_comparable(PROTOCOLS[table.protocol], protocol)
    except UserError as error:
        return error
    return None


def _chosen(request: Request) -> Protocol | None:
    return None if request.protocol is None else find_protocol(request.protocol, PROTOCOLS)


def open_rows(request: Request) -> Persons:
    """The persons that a request compares on.

    Raises:
        UserError: no truth is given, or it cannot be opened.
    """
    if request.truth is None:
        raise UserError("on which photographs? Give --truth name=folder")
    whole = open_truth(request.truth, _chosen(request))
    subset = subset_name(whole, request.subset)
    about = {"data": whole.name, "subset": subset, "provenance": whole.provenance}
    sizes = {name: len(rows) for name, rows in whole.subsets.items()}
    return Persons(occlude(whole.subset(subset), request.occluders), about, sizes)


def _entry(
    label: str,
    name: str,
    request: Request,
    on: Persons | None,
    chosen: Protocol | None,
    models: Mapping[str, Model],
) -> tuple[Entry, dict[str, str]]:
    """A row, and what it is of where a file says that."""
    path = Path(name)
    if path.suffix.lower() in FILES:
        if (saved := _saved_result(path)) is not None:
            result, of, notes = saved
            return Entry(label, result, notes=notes), of
        if on is None or chosen is None:
            which = f" ({protocols_of(request.truth)})" if request.truth else ""
            raise UserError(
                f"{path} holds predictions: give --truth and --protocol to score them{which}"
            )
        if request.occluders is not None:
            raise UserError(
                f"{path} holds predictions, made of photographs as they are: leave --occluders out"
            )
        return _of_file(label, path, request, on, chosen), {}
    if on is None:
        raise UserError(f"{name} is a model: give --truth name=folder, photographs to try it on")
    model = models[name]
    xy, result = _answers(model, request, on.people, chosen)
    facts = {"parameters": model.info.parameters, "gmacs": model.info.gmacs}
    notes = (made_words(model.info),)
    notes += () if request.subset else learnt_notes(on.sizes, on.about["subset"])
    notes += (on.boxes.line(),) if on.boxes else ()
    learnt = LEARNT_FROM.get(model.info.start)
    if learnt is not None and not on.where_learnt:
        notes += (f"has learnt from {learnt}, not from boxes as above: `eval` looks there",)
    return Entry(label, result, facts, notes=notes, xy=xy, model=model), {}


def _of_file(label: str, path: Path, request: Request, on: Persons, chosen: Protocol) -> Entry:
    skeleton, base = request.skeleton, request.base
    if chosen.metric == "oks":
        whole = on.about["subset"] == "all"
        result, notes = score_results(
            path, request.truth or "", chosen, on.people, whole, skeleton=skeleton, base=base
        )
        return Entry(label, result, notes=(*notes, NOT_SAID))
    check_fits(chosen, on.people)
    found = read_predictions(path, on.people, skeleton=skeleton, base=base, subsets=on.sizes)
    result, warnings = score_predictions(found, on.people, chosen)
    labels = label_notes(on.people, on.about["subset"], chosen)
    return Entry(label, result, notes=(*found.notes, *warnings, *labels, NOT_SAID), xy=found.xy)


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
    protocol = occluded(protocol, request.occluders)
    return found.xy, score(protocol, truth_of(people), found.xy, rng, failed=found.unread)


def _with_costs(entries: Sequence[Entry], request: Request, people: People) -> list[Entry]:
    """The rows of models with what they cost."""
    models = [entry.model for entry in entries if entry.model is not None]
    made = iter(measure_costs(models, people, request.flip, request.workers))
    return [e if e.model is None else replace(e, cost=next(made)) for e in entries]


def _saved_result(path: Path) -> tuple[Result, dict[str, str], tuple[str, ...]] | None:
    """A result that `eval --json` wrote, what it is of, and notes; None: the file holds something else."""
    if path.suffix.lower() != ".json":
        return None
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    if not isinstance(values, dict) or "protocol" not in values:
        return None
    about = {key: str(values.get(key, "")) for key in ("data", "subset", "provenance")}
    return result_from_dict(values), about, (str(values["made"]),) if "made" in values else ()


def _check_same(about: dict[str, str], of: dict[str, str], label: str) -> None:
    for key in ("data", "subset"):
        if about and of and about[key] != of[key]:
            raise UserError(
                f"{label} cannot be compared: {key} is {of[key]!r}, that of the others is "
                f"{about[key]!r}; evaluate all on the same persons"
            )


def _paired(entries: Sequence[Entry]) -> list[Entry]:
    """Each held against the first, and from the third on against the one before it."""
    paired = list(entries[:1])
    for number, entry in enumerate(entries[1:], 1):
        first = _gaps(entries[0], entry)
        before = _gaps(entries[number - 1], entry) if number > 1 else None
        paired.append(replace(entry, against_first=first, against_before=before))
    return paired


def _gaps(one: Entry, other: Entry) -> dict[str, Difference] | None:
    a, b = one.result, other.result
    try:
        if a.matched is not None and b.matched is not None:
            return oks_differences(a.matched, b.matched, SEED)
        if a.tally is not None and b.tally is not None:
            return differences(a.tally, b.tally, np.random.default_rng(SEED))
    except ValueError:
        return None  # of other joints or persons
    return None
