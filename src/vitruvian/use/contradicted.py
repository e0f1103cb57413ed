"""Labels where a model is sure of another place: mistakes, or what it has yet to learn."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from vitruvian.data import open_data
from vitruvian.data.people import People
from vitruvian.data.suspects import Suspect, Suspects
from vitruvian.types import State, UserError
from vitruvian.use.evaluate import by_name, predict_people
from vitruvian.use.predict import load
from vitruvian.use.progress import Progress
from vitruvian.use.where import where_learnt


@dataclass(frozen=True)
class Request:
    """What `vitruvian data suspects` is told."""

    data: str
    model: str
    subset: str | None  # None: `train` where there is one
    beyond: (
        float  # extents of the person's joints; 0.15 is about half a torso of somebody who stands
    )
    sure: float  # score
    device: str
    workers: int


@dataclass(frozen=True)
class Looked:
    """A data set seen by a model."""

    people: People
    xy: np.ndarray  # (N, J, 2) xy_image, the joints of the data set; NaN where there is no answer
    suspects: Suspects
    unread: str  # about photographs that could not be read; "": none

    def lines(self) -> Iterator[str]:
        """What was found, in words."""
        found = self.suspects
        rows = found.suspects
        persons = len({suspect.key for suspect in rows})
        mirrored = sum(suspect.mirrored for suspect in rows)
        if self.unread:
            yield self.unread
        yield (
            f"{found.data} {found.subset}: {len(rows)} of {found.labels} labels "
            f"({len(rows) / max(found.labels, 1):.1%}) of {persons} of {found.persons} persons lie "
            f"beyond {found.beyond:g} of the person's extent from where {found.model} is sure of the "
            f"joint (score {found.sure:g})"
        )
        if not rows:
            yield "no label is suspect: a lower --beyond or --sure shows the next ones"
        else:
            yield f"{mirrored} of these ({mirrored / len(rows):.0%}) lie where it sees the other side"
            counts = Counter(suspect.joint for suspect in rows).most_common()
            yield "by joint: " + ", ".join(f"{joint} {count}" for joint, count in counts)


def find_suspects(request: Request, progress: Callable[[int], Progress]) -> Looked:
    """Looks at each person in the data set's box, or where the model has learnt to, with the flip test.

    Args:
        progress: is told how many persons there are, then of those that were looked at.

    Raises:
        UserError: no such model, data set or subset, none of the joints is shared, the model means
            another left, or not one photograph can be read.
    """
    model = load(request.model, request.device)
    info = model.info
    people = open_data(request.data, info.convention or None)
    subset = request.subset or ("train" if "train" in people.subsets else "all")
    people = where_learnt(people.subset(subset), info)
    people = people.rows(np.flatnonzero(np.isfinite(people.box).all(1)))
    shared = [name for name in people.skeleton.joint_names if name in info.skeleton.joint_names]
    if not len(people) or not shared:
        what = "nobody" if not len(people) else f"no joint of {info.name}"
        cure = ": give --model with a model of these joints" if len(people) else ""
        raise UserError(f"data set {people.name!r}: {what} is labelled in {subset!r}{cure}")
    bar = progress(len(people))
    try:
        seen = predict_people(
            model.runner, people, people.box, info.crop, flip=True, workers=request.workers,
            more=bar.more,
        )  # fmt: skip
    finally:
        bar.close()
    unread = seen.skipped.summary()
    if np.isnan(seen.xy).all():
        raise UserError(f"not one photograph could be read: {unread}")
    xy = by_name(seen.xy, info.skeleton, people.skeleton)
    score = np.zeros(xy.shape[:2])
    score[:, people.skeleton.index(*shared)] = seen.score[:, info.skeleton.index(*shared)]
    found = suspicious(people, xy, score, request.beyond, request.sure)
    looked_at = (people.state >= State.OCCLUDED) & np.isfinite(xy).all(-1)
    values = Suspects(
        data=people.name,
        subset=subset,
        convention=people.convention,
        model=info.name,
        beyond=request.beyond,
        sure=request.sure,
        labels=int(looked_at.sum()),
        persons=int(looked_at.any(1).sum()),
        suspects=found,
    )
    return Looked(people, xy, values, unread)


def suspicious(
    people: People, xy: np.ndarray, score: np.ndarray, beyond: float, sure: float
) -> tuple[Suspect, ...]:
    """The labels that answers contradict, row by row.

    Args:
        xy: (N, J, 2) answers, xy_image, NaN where there is none.
        score: (N, J) of the answers.
        beyond: error from which a label is suspect, as a share of the longer extent of the person's
            located joints.
        sure: score from which an answer counts.
    """
    located = people.state >= State.OCCLUDED
    labelled = np.where(located[..., None], people.joints.astype(np.float64), np.nan)
    low = np.where(located[..., None], labelled, np.inf).min(1)
    high = np.where(located[..., None], labelled, -np.inf).max(1)
    extent = np.maximum((high - low).max(1), 1.0)[:, None]  # one joint alone has none
    error = np.linalg.norm(xy - labelled, axis=-1) / extent  # (N, J), NaN where it cannot be told
    swap = people.skeleton.swap
    mirrored = np.linalg.norm(xy[:, swap] - labelled, axis=-1) / extent <= beyond / 2
    names = people.skeleton.joint_names
    rows, joints = np.nonzero((error > beyond) & (score >= sure))
    return tuple(
        Suspect(
            key=int(people.key[row]),
            label=people.label(row),
            joint=names[joint],
            error=round(float(error[row, joint]), 4),
            score=round(float(score[row, joint]), 4),
            at=_rounded(people.joints[row, joint]),
            answer=_rounded(xy[row, joint]),
            mirrored=bool(mirrored[row, joint]),
        )
        for row, joint in zip(rows.tolist(), joints.tolist(), strict=True)
    )


def _rounded(xy: np.ndarray) -> tuple[float, float]:
    return round(float(xy[0]), 2), round(float(xy[1]), 2)
