"""What a figure means: a protocol says all that must be equal before figures are compared."""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, fields
from itertools import zip_longest
from types import MappingProxyType
from typing import Any, Literal, get_args

from vitruvian.measure.metrics import Comparator, Rule
from vitruvian.skeleton import SKELETONS
from vitruvian.types import Convention, UserError

Metric = Literal["pck", "pcp", "oks"]
Averaging = Literal["micro", "macro"]
Group = tuple[str, tuple[str, ...]]  # a column of the papers' tables, and its joints or sticks
Part = tuple[str, tuple[str, ...], tuple[str, ...]]  # a stick: its name, the joints of either end

NOT_STATED = "not stated"
LABELLED_BOX = "labelled joints x1.25, square"  # where a person is looked for
IMAGE_BOX = "whole image"
NONE = "none"
_WORDS = {
    "PC": "person-centric",
    "OC": "observer-centric",
    "": "without sides",
    "head_box": "0.6 x diagonal of the head box",
    "stick": "the true stick",
    "object_scale": "the square root of the object's area",
}
_FREE = ("name", "source")  # may differ between figures that are compared
MADE: Mapping[str, Any] = MappingProxyType(  # how answers were made: unknown of others' predictions
    {"box": NOT_STATED, "flip_test": None, "decoding": NOT_STATED}
)
_UNKNOWN = {**MADE, "data": NOT_STATED}  # and before anything is scored


@dataclass(frozen=True)
class Protocol:
    """One way of scoring. Change a field that alters figures and the version rises.

    How the predictions were made (`box`, `flip_test`, `decoding`) is set per evaluation, by
    `dataclasses.replace`; of somebody's file it is not stated. So is of whom (`data`), and what was pasted
    on their photographs (`occluders`).

    Raises:
        ValueError: it promises what is not done.
    """

    name: str
    version: int
    metric: Metric
    skeleton: str
    convention: Convention  # see `vitruvian.types`
    reference: str  # the skeleton's length, or the file's, that errors are measured in
    threshold: float  # in reference lengths
    comparator: Comparator  # "<=": an error equal to the threshold is correct
    joints: tuple[str, ...]  # that are scored where located, occluded or not; PCP: ends of `parts`
    averaging: Averaging  # "micro": every scored joint counts the same in the total
    left_out: str
    source: str
    auc_upto: float = 0.0  # in reference lengths; 0: no curve
    auc_step: float = 0.01
    groups: tuple[Group, ...] = ()  # each the mean of its members' figures
    quoted: tuple[
        tuple[str, float], ...
    ] = ()  # the total at more thresholds, by what tables call it
    parts: tuple[Part, ...] = ()  # of PCP
    rule: Rule | None = None  # of PCP
    box: str = NOT_STATED  # where the person is looked for
    flip_test: bool | None = None
    decoding: str = NOT_STATED
    data: str = NOT_STATED  # which persons
    occluders: str = NONE  # what was pasted on their photographs

    def __post_init__(self) -> None:
        done = {
            "metric": get_args(Metric),
            "convention": get_args(Convention),
            "comparator": get_args(Comparator),
            "averaging": get_args(Averaging),
            "rule": get_args(Rule) if self.metric == "pcp" else (None,),
            "flip_test": (True, False, None),
        }
        for key, known in done.items():
            if (value := getattr(self, key)) not in known:
                raise ValueError(f"protocol {self.name!r}: {key} is {value!r}, not one of {known}")
        for fault in self._faults():
            raise ValueError(f"protocol {self.name!r}: {fault}")

    def _faults(self) -> Iterator[str]:
        """What contradicts itself, in words."""
        numbers = {"threshold": self.threshold, **{f"quoted {k}": t for k, t in self.quoted}}
        for key, value in numbers.items():
            if not isinstance(value, int | float) or not 0 < value < math.inf:
                yield f"{key} is {value!r}, not a number above 0"
        units = tuple(part[0] for part in self.parts) if self.metric == "pcp" else self.joints
        for key, names in (
            ("joints", self.joints),
            ("parts", units),
            ("groups", tuple(label for label, _ in self.groups)),
            ("quoted", tuple(label for label, _ in self.quoted)),
        ):
            if isinstance(names, str) or len(set(names)) < len(names):
                yield f"{key} are {names!r}: each once"
        if not units or not all(members for _, members in self.groups):
            yield "nothing is scored, or a group is empty"
        if lost := {member for _, members in self.groups for member in members} - set(units):
            yield f"groups name {sorted(lost)}, which are not scored"
        ends = {joint for _, one, other in self.parts for joint in (*one, *other)}
        if (self.parts and self.metric != "pcp") or ends - set(self.joints):
            yield f"parts need {sorted(ends - set(self.joints)) or 'PCP'}"
        steps = self.auc_upto / self.auc_step if self.auc_step > 0 else -1
        if steps < 0 or not math.isclose(steps, round(steps), abs_tol=1e-9):
            yield f"a curve up to {self.auc_upto} cannot be cut into steps of {self.auc_step}"
        if self.auc_upto and self.metric != "pck":
            yield f"{self.metric} has no curve"

    def describe(self) -> str:
        """One line in words."""
        flip = {True: "flip test", False: "no flip test", None: "flip test: not stated"}
        groups = ", ".join(_group_words(label, members) for label, members in self.groups)
        quoted = ", ".join(f"{label} (at {at:g})" for label, at in self.quoted)
        facts = [
            f"{self.name} version {self.version}: {self._measure()}",
            self._scored(),
            "" if self.metric == "oks" else f"{self.averaging} average",
            groups and f"columns: {groups}",
            quoted and f"also {quoted}",
            f"box: {self.box}",
            flip[self.flip_test],
            f"decoding: {self.decoding}",
            f"left out: {self.left_out}",
            "" if self.data == NOT_STATED else f"data: {self.data}",
            "" if self.occluders == NONE else f"occluders: {self.occluders}",
            f"source: {self.source}",
        ]
        return "; ".join(filter(None, facts))

    def _scored(self) -> str:
        """What is right or wrong by itself, and whose left it has."""
        if self.metric == "pcp":
            what = f"{len(self.parts)} sticks of {self.skeleton}"
        else:
            skeleton = SKELETONS.get(self.skeleton)
            but = [j for j in skeleton.joint_names if j not in self.joints] if skeleton else []
            without = f" (without {', '.join(but)})" if but else ""
            what = f"{len(self.joints)} joints of {self.skeleton}{without}"
        return f"{what}, {_WORDS[self.convention]}, scored where located"

    def _measure(self) -> str:
        skeleton = SKELETONS.get(self.skeleton)
        pair = skeleton.references.get(self.reference) if skeleton else None
        length = _WORDS.get(self.reference, self.reference)
        if pair:
            length = f"{self.reference} ({' to '.join(pair)})"
        if self.metric == "oks":
            return f"AP and AR over OKS 0.50:0.05:0.95, OKS in {length}"
        if self.metric == "pcp":
            ends = "both ends" if self.rule == "strict" else "the mean error of both ends"
            return f"{self.rule} PCP, {ends} {self.comparator} {self.threshold:g} x {length}"
        kind = "PDJ" if any(label.startswith("PDJ") for label, _ in self.quoted) else "PCK"
        words = f"{kind}, error {self.comparator} {self.threshold:g} x {length}"
        if self.auc_upto:
            words += f"; AUC over 0 to {self.auc_upto:g} in steps of {self.auc_step:g}"
        return words

    def to_dict(self) -> dict[str, Any]:
        """Plain values, one for each field, as JSON gives them back."""
        return {key: _plain(value) for key, value in asdict(self).items()}


def protocol_from_dict(values: dict[str, Any]) -> Protocol:
    """The inverse of `Protocol.to_dict`.

    Raises:
        UserError: a field lacks or is unknown.
    """
    if not isinstance(values, dict):
        raise UserError(f"a protocol is an object of fields, not {type(values).__name__}")
    known = {f.name for f in fields(Protocol)}
    if unknown := sorted(set(values) - known):
        raise UserError(
            f"a protocol has no field {unknown[0]!r}; was it written by a newer version?"
        )
    try:
        return Protocol(**{key: _frozen(value) for key, value in values.items()})
    except (TypeError, ValueError) as error:
        raise UserError(f"this is not a whole protocol: {error}; evaluate again") from None


def check_comparable(a: Protocol, b: Protocol) -> None:
    """Refuse to compare figures that were not measured alike; names and sources may differ.

    How the predictions were made is compared only where both say it.

    Raises:
        UserError: names the first field that differs.
    """
    for key in (f.name for f in fields(Protocol) if f.name not in _FREE):
        one, other = getattr(a, key), getattr(b, key)
        stated = key not in _UNKNOWN or _UNKNOWN[key] not in (one, other)
        if one != other and stated:
            if isinstance(one, tuple):
                one, other = _first_apart(one, other)
            raise UserError(
                f"{a.name!r} and {b.name!r} cannot be compared: {key} is {one!r} in the first and "
                f"{other!r} in the second; evaluate both under one protocol"
            )


def find_protocol(name: str, table: dict[str, Protocol]) -> Protocol:
    """A protocol by name.

    Raises:
        UserError: there is none; the message names the nearest.
    """
    if name not in table:
        beginning = [known for known in table if known.startswith(name)]
        near = (beginning or difflib.get_close_matches(name, table, 1, 0))[0]
        raise UserError(
            f"no protocol {name!r}; nearest: {near!r}; `vitruvian protocols` lists them"
        )
    return table[name]


def _first_apart(one: tuple[Any, ...], other: tuple[Any, ...]) -> tuple[Any, Any]:
    """The first members that differ; None where there is none more."""
    pairs = zip_longest(one, other)
    return next((a, b) for a, b in pairs if a != b)


def _group_words(label: str, members: tuple[str, ...]) -> str:
    """A group; its members only where its name does not say them."""
    sides = {f"right_{label}", f"left_{label}", f"right {label}", f"left {label}"}
    return label if set(members) <= sides else f"{label} ({', '.join(members)})"


def _plain(value: Any) -> Any:
    return [_plain(item) for item in value] if isinstance(value, list | tuple) else value


def _frozen(value: Any) -> Any:
    return tuple(_frozen(item) for item in value) if isinstance(value, list | tuple) else value
