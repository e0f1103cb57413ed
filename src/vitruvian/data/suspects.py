"""Labels that a model contradicts, as a file, and a data set without them.

The file is JSON:

    format        1
    data, subset, convention  what was looked at; model: by which one
    beyond        error from which a label is suspect, in extents of the person's labelled joints
    sure          score from which the model counts as sure
    labels        how many were looked at; persons likewise
    suspects      one a label: key (of the row), label (what messages call the row), joint, error,
                  score, mirrored (the model's answer for the other side lies on the label)
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np

from vitruvian.data.people import People
from vitruvian.types import State, UserError

FORMAT = 1


@dataclass(frozen=True)
class Suspect:
    """A label of one joint of one row."""

    key: int
    label: str
    joint: str
    error: float
    score: float
    mirrored: bool


@dataclass(frozen=True)
class Suspects:
    """What the file says."""

    data: str
    subset: str
    convention: str  # whose left the joints' names mean
    model: str
    beyond: float
    sure: float
    labels: int
    persons: int
    suspects: tuple[Suspect, ...]

    def to_json(self) -> str:
        """The file; a suspect a line."""
        head = {"format": FORMAT} | {k: v for k, v in asdict(self).items() if k != "suspects"}
        rows = ",\n".join(json.dumps(asdict(suspect)) for suspect in self.suspects)
        return json.dumps(head, indent=1)[:-2] + f',\n "suspects": [\n{rows}\n ]\n}}\n'


def read_suspects(path: Path) -> Suspects:
    """The file.

    Raises:
        UserError: it cannot be read, or is another kind of file.
    """
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        if values.pop("format") != FORMAT:
            raise ValueError
        rows = tuple(Suspect(**row) for row in values.pop("suspects"))
        for row in rows:
            if not isinstance(row.key, int) or not isinstance(row.joint, str):
                raise ValueError
        return Suspects(suspects=rows, **values)
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error.strerror})") from None
    except (ValueError, KeyError, TypeError, AttributeError):
        raise UserError(
            f"{path} is no file of suspect labels: `vitruvian data suspects` writes one"
        ) from None


def leave_out(people: People, suspects: Suspects) -> People:
    """The data set with its suspect labels UNDEFINED in the rows that are trained on; boxes are kept.

    Rows of other subsets keep theirs: what a model is scored on does not depend on a model.

    Raises:
        UserError: the suspects are of another data set, or of the other convention.
    """
    rows = {int(key): row for row, key in enumerate(people.key)}
    names = people.skeleton.joint_names
    if suspects.convention != people.convention:
        raise UserError(
            f"the suspect labels of {people.name!r} mean {suspects.convention} sides, the training "
            f"{people.convention}: look for suspects with a model of that convention"
        )
    unknown = next(
        (s for s in suspects.suspects if s.key not in rows or s.joint not in names), None
    )
    if suspects.data != people.name or unknown is not None:
        what = f", and has {unknown.joint!r} of {unknown.label}" if unknown else ""
        raise UserError(
            f"the suspect labels are of data set {suspects.data!r}{what}, not of these "
            f"{len(people)} rows of {people.name!r}: look for suspects in this one"
        )
    trained = np.zeros(len(people), bool)
    trained[people.subsets.get("train", np.arange(len(people)))] = True
    out = np.zeros(people.state.shape, bool)
    for suspect in suspects.suspects:
        out[rows[suspect.key], names.index(suspect.joint)] = True
    out &= trained[:, None] & (people.state >= State.OCCLUDED)
    which = zlib.crc32(np.packbits(out).tobytes())
    return replace(
        people,
        joints=np.where(out[..., None], np.float32(0), people.joints),
        state=np.where(out, np.uint8(State.UNDEFINED), people.state),
        provenance=f"{people.provenance}; {out.sum()} suspect labels left out ({which:08x})",
    )


def left_out(parts: Iterable[People], files: Iterable[Path]) -> list[People]:
    """Data sets, each without the suspects that files have of it.

    Raises:
        UserError: a file cannot be read, or is of none of them.
    """
    kept = list(parts)
    for file in files:
        suspects = read_suspects(file)
        places = [i for i, people in enumerate(kept) if people.name == suspects.data]
        if not places:
            known = ", ".join(people.name for people in kept)
            raise UserError(
                f"{file} has suspect labels of data set {suspects.data!r}, the training is on {known}"
            )
        for place in places:
            kept[place] = leave_out(kept[place], suspects)
    return kept
