"""The data sets of a run: opened, mended, where each is looked at, and all as one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from vitruvian.data import open_data
from vitruvian.data.boxes import Start, start_from
from vitruvian.data.detections import Detections
from vitruvian.data.people import People, whole_training
from vitruvian.data.suspects import Suspicion
from vitruvian.data.synthetic import figures
from vitruvian.data.union import choose_skeleton, converted, known_convention, union
from vitruvian.skeleton import find_skeleton
from vitruvian.types import UserError

OWN_STARTS: tuple[Start, ...] = ("data", "labelled", "image", "centre")
MOST_SHARED = 0.1  # of the persons, in a training that looks at whole photographs


@dataclass(frozen=True)
class Source:
    """A data set of a run, as `run.json` tells of it."""

    name: str
    skeleton: str
    convention: str
    rows: int
    train: int  # rows that are trained on
    weight: float | None
    provenance: str


@dataclass(frozen=True)
class Starts:
    """Where persons are looked for: as the recipe says, but in some data sets elsewhere."""

    recipe: Start = "data"
    own: tuple[tuple[str, Start], ...] = ()  # (data set, where)

    @classmethod
    def read(cls, recipe: Start, given: Sequence[str]) -> Starts:
        """From "mpii=data" and the like.

        Raises:
            UserError: one cannot be read, or the recipe starts from faces, for which all data sets have
                one factor.
        """
        own = []
        for text in given:
            name, _, start = text.partition("=")
            if start not in OWN_STARTS:
                raise UserError(
                    f"--box-of {text}: write name=start, start {' or '.join(OWN_STARTS)}"
                )
            own.append((name, start))
        if own and recipe == "face":
            raise UserError(
                "--box-of does not go with box=face, whose factor is one for all data sets"
            )
        return cls(recipe, tuple(own))

    def put(self, parts: Sequence[People]) -> list[People]:
        """Data sets that look there, where one of them has a start of its own; else as they are.

        Raises:
            UserError: a data set is none of them, or persons to train on would all have the same crop.
        """
        own = dict(self.own)
        names = [part.name for part in parts]
        if unknown := [name for name in own if name not in names]:
            raise UserError(
                f"--box-of {unknown[0]}={own[unknown[0]]}: the training is on {', '.join(names)}"
            )
        for part in parts:
            _check_alone(part, own.get(part.name, self.recipe))
        if not own:
            return list(parts)
        return [start_from(part, own.get(part.name, self.recipe)) for part in parts]


def _check_alone(part: People, start: str) -> None:
    """Whether most persons to train on are alone in their photographs, where these are what is cut out."""
    if start not in ("image", "centre") or not part.whole:
        return
    images = part.images[part.subsets["train"]] if "train" in part.subsets else part.images
    _, place, count = np.unique(images, return_inverse=True, return_counts=True)
    shared = int((count[place] > 1).sum())
    if shared > MOST_SHARED * len(images):
        raise UserError(
            f"{shared} of {len(images)} persons of {part.name} to train on share a photograph, and "
            f"box={start} makes the same crop of all of these: add --box-of {part.name}=data"
        )


def open_training(
    data: Sequence[str],
    skeleton: str,
    convention: str | None = None,
    weights: Sequence[float] = (),
    suspicion: Suspicion = Suspicion(),  # noqa: B008
    detections: Detections = Detections(),  # noqa: B008
    starts: Starts = Starts(),
    full: bool = False,
    say: Callable[[str], None] | None = None,
) -> tuple[People, tuple[Source, ...]]:
    """Data sets for a training, as one; and what each is.

    One data set keeps its skeleton, and several the one that all share; several with different ones
    are put together in the skeleton called `skeleton`, if each has most of its joints, else in the
    first one's. No data: rendered figures with that skeleton.

    Args:
        suspicion: labels that are not learnt from, or not as they stand.
        detections: boxes that stand for the data sets'.
        starts: data sets that are looked at elsewhere than the recipe says.
        full: all rows that the data sets' authors train on, see `whole_training`.
        say: is told what should be known of it: labels left out, nobody set apart to train on.

    Raises:
        UserError: a data set or file cannot be opened, they do not fit together, or weights do not fit
            them; or as `Starts.put`.
    """
    if weights and len(data) < 2:
        raise UserError("weights are for several data sets: give --data again, or no --weight")
    wanted = known_convention(convention)
    parts = [open_data(each, wanted) for each in data]
    parts = [whole_training(part) for part in parts] if full else parts
    if not parts:
        parts = [converted(figures(skeleton=find_skeleton(skeleton)), wanted)]
    parts = starts.put(suspicion.mend(detections.put(parts), say))
    people = union(parts, choose_skeleton(parts, skeleton), weights=weights or None)
    if say is not None and people.subsets and "train" not in people.subsets:
        others = ", ".join(people.subsets)
        say(f"{people.name} has no subset train: all its persons are learnt from, of {others} too")
    return people, tuple(
        Source(
            name=part.name,
            skeleton=part.skeleton.name,
            convention=part.convention,
            rows=len(part),
            train=_trained_rows(part, alone=len(parts) == 1),
            weight=float(weights[i]) if weights else None,
            provenance=part.provenance,
        )
        for i, part in enumerate(parts)
    )


def _trained_rows(part: People, alone: bool) -> int:
    if "train" in part.subsets:
        return len(part.subsets["train"])
    return len(part) if alone or not part.subsets else 0
