"""Labels that a model contradicts, as a file, and a data set without them or with the model's answers.

The file is JSON:

    format        1
    data, subset, convention  what was looked at; model: by which one
    beyond        error from which a label is suspect, in extents of the person's labelled joints
    sure          score from which the model counts as sure
    labels        how many were looked at; persons likewise
    suspects      one a label: key (of the row), label (what messages call the row), joint, error,
                  score, at and answer (xy_image of label and answer), mirrored (the answer for the
                  other side lies on the label)
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from vitruvian.data.people import People
from vitruvian.types import State, UserError

FORMAT = 1
_SAME = 0.02  # px, more than what rounding to 0.01 does


@dataclass(frozen=True)
class Suspect:
    """A label of one joint of one row."""

    key: int
    label: str
    joint: str
    error: float
    score: float
    at: tuple[float, float]  # xy_image, where the label is
    answer: tuple[float, float]  # xy_image
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
        rows = tuple(_suspect(**row) for row in values.pop("suspects"))
        return Suspects(suspects=rows, **values)
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error.strerror})") from None
    except (ValueError, KeyError, TypeError, AttributeError):
        raise UserError(
            f"{path} is no file of suspect labels: `vitruvian data suspects` writes one"
        ) from None


def _suspect(key: int, joint: str, at: list[float], answer: list[float], **more: Any) -> Suspect:
    if not isinstance(key, int) or not isinstance(joint, str):
        raise ValueError
    (x, y), (x_answer, y_answer) = map(float, at), map(float, answer)
    return Suspect(key=key, joint=joint, at=(x, y), answer=(x_answer, y_answer), **more)


def leave_out(people: People, suspects: Suspects) -> People:
    """The data set with its suspect labels UNDEFINED in the rows that are trained on; boxes are kept.

    Rows of other subsets keep theirs: what a model is scored on does not depend on a model.

    Raises:
        UserError: the suspects are of another data set, or of the other convention.
    """
    out, _, _ = _where(people, suspects)
    return replace(
        people,
        joints=np.where(out[..., None], np.float32(0), people.joints),
        state=np.where(out, np.uint8(State.UNDEFINED), people.state),
        provenance=f"{people.provenance}; {out.sum()} suspect labels left out ({_digest(out)})",
    )


def correct(people: People, suspects: Suspects) -> People:
    """As `leave_out`, but the model's answers stand where the suspect labels were.

    Raises:
        UserError: also where labels are not where they were looked at: of another copy, or changed since.
    """
    out, at, answers = _where(people, suspects)
    moved = np.argwhere(out & (np.abs(people.joints - at).max(-1) > _SAME))
    if len(moved):
        row, joint = moved[0].tolist()
        label = next(s.label for s in suspects.suspects if s.key == people.key[row])
        raise UserError(
            f"{people.skeleton.joint_names[joint]} of {label} is labelled at "
            f"{people.joints[row, joint].round(1).tolist()} px, the answer is to a label at "
            f"{at[row, joint].round(1).tolist()}: look for suspects in this copy of {people.name!r}"
        )
    return replace(
        people,
        joints=np.where(out[..., None], answers, people.joints),
        provenance=f"{people.provenance}; {out.sum()} suspect labels replaced by answers of "
        f"{suspects.model} ({_digest(answers)})",
    )


def _where(people: People, suspects: Suspects) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Which labels (N, J) are meant, and where they and the answers were (N, J, 2) float32."""
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
    at, answers = (np.zeros(people.joints.shape, np.float32) for _ in range(2))
    for suspect in suspects.suspects:
        place = rows[suspect.key], names.index(suspect.joint)
        out[place], at[place], answers[place] = True, suspect.at, suspect.answer
    out &= trained[:, None] & (people.state >= State.OCCLUDED)
    return out, at, answers


def _digest(values: np.ndarray) -> str:
    return f"{zlib.crc32(np.ascontiguousarray(values).tobytes()):08x}"


@dataclass(frozen=True)
class Suspicion:
    """Files of suspect labels, and what becomes of them in a training."""

    leave_out: tuple[Path, ...] = ()
    correct: tuple[Path, ...] = ()

    def mend(
        self, parts: Iterable[People], say: Callable[[str], None] | None = None
    ) -> list[People]:
        """Data sets, each without the suspects that files have of it, or with answers in their place.

        Args:
            say: is told of each file how many of its labels were changed.

        Raises:
            UserError: a file cannot be read, or is of none of them.
        """
        people = list(parts)
        for change, files in ((leave_out, self.leave_out), (correct, self.correct)):
            for file in files:
                suspects = read_suspects(file)
                places = [i for i, part in enumerate(people) if part.name == suspects.data]
                if not places:
                    known = ", ".join(part.name for part in people)
                    raise UserError(
                        f"{file} has suspect labels of data set {suspects.data!r}, the training is on "
                        f"{known}"
                    )
                done = (
                    "left out"
                    if change is leave_out
                    else f"replaced by answers of {suspects.model}"
                )
                for place in places:
                    count = _where(people[place], suspects)[0].sum()
                    people[place] = change(people[place], suspects)
                    if say is not None:
                        rows = len(suspects.suspects)
                        say(f"{count} of {rows} suspect labels {done} ({file.name})")
        return people
