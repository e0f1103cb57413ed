"""What a data set is to every other room: one row a person, columns as arrays, photographs on demand."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np

from vitruvian import geometry
from vitruvian.measure.protocols import LABELLED_BOX
from vitruvian.skeleton import Skeleton
from vitruvian.types import Convention, State, UserError

# (row, factor) -> RGB uint8 (H, W, 3) and the factor, 1 to `factor`, by which it was decoded smaller.
Photo = Callable[[int, int], tuple[np.ndarray, int]]

OWN_BOX = "own"  # in `boxes`: the data set's `box`, where another stands for it


@dataclass(frozen=True)
class People:
    """A data set. File quirks (bases, flags, sentinels) end in its reader."""

    name: str
    skeleton: Skeleton
    joints: np.ndarray  # (N, J, 2) float32 xy_image; 0 where there is no coordinate
    state: np.ndarray  # (N, J) uint8, values of State
    box: np.ndarray  # (N, 4) float32 image px: where the person is looked for
    key: np.ndarray  # (N,) int64, names the row for ever: seeds its draws
    photo: Photo
    label: Callable[[int], str]  # row -> what a message calls it (a file's name)
    size: Callable[[int], tuple[int, int]]  # row -> height, width of the photograph in px
    subsets: dict[str, np.ndarray]  # name -> rows
    provenance: str  # one line: which file, how many rows, which convention, licence
    whole: bool = True  # photographs are whole, and not cut around each person already
    convention: Convention = "PC"  # whose left the joints' names mean
    scored: str = "val"  # the subset that published figures are of
    image: np.ndarray | None = (
        None  # (N,) int64, the photograph's number; None: `key`, one person each
    )
    lengths: dict[str, np.ndarray] = field(default_factory=dict)  # name -> (N,) px that files give
    boxes: dict[str, np.ndarray] = field(
        default_factory=dict
    )  # name -> (N, 4): "face", "torso" ...
    weight: np.ndarray | None = (
        None  # (N,) how often a row is trained on, relatively; None: all alike
    )
    encoded: Callable[[int], bytes] | None = None  # row -> the photograph's file, where it has one
    box_words: str = LABELLED_BOX  # what `box` is, as protocols say it
    face_words: str = "face"  # what `boxes["face"]` is

    def __len__(self) -> int:
        return len(self.joints)

    def subset(self, name: str) -> People:
        """The rows of a subset; "all" is every row.

        Raises:
            UserError: the data set has no such subset.
        """
        if name == "all":
            return self
        if name not in self.subsets:
            known = ", ".join(["all", *self.subsets])
            raise UserError(f"data set {self.name!r} has no subset {name!r}, only: {known}")
        return self.rows(self.subsets[name])

    @property
    def images(self) -> np.ndarray:
        """(N,) int64: rows of one photograph share a number."""
        return self.key if self.image is None else self.image

    def rows(self, rows: np.ndarray) -> People:
        """Some rows, in the order given."""
        return replace(
            self,
            joints=self.joints[rows],
            state=self.state[rows],
            box=self.box[rows],
            key=self.key[rows],
            photo=lambda row, factor: self.photo(int(rows[row]), factor),
            label=lambda row: self.label(int(rows[row])),
            size=lambda row: self.size(int(rows[row])),
            subsets={},
            image=None if self.image is None else self.image[rows],
            lengths={name: length[rows] for name, length in self.lengths.items()},
            boxes={name: box[rows] for name, box in self.boxes.items()},
            weight=None if self.weight is None else self.weight[rows],
            encoded=None if self.encoded is None else self._encoded_rows(rows),
        )

    def _encoded_rows(self, rows: np.ndarray) -> Callable[[int], bytes]:
        encoded = self.encoded
        assert encoded is not None
        return lambda row: encoded(int(rows[row]))


def words_of_boxes(box: np.ndarray, joints: np.ndarray, state: np.ndarray) -> str:
    """What boxes (N, 4) are whose file does not say it, see `People.box_words`."""
    labelled = geometry.box_of_joints(joints, state >= State.OCCLUDED)
    alike = np.allclose(box, labelled, rtol=1e-3, atol=0.1, equal_nan=True)
    return LABELLED_BOX if alike else "the data set's own"


def hold_out(people: People, photographs: int) -> People:
    """The data set with so many photographs taken out of `train`, which then are `tune`.

    Who is never drawn, by a weight of 0, is left out of both.

    Which ones depends on the photographs' numbers alone: more photographs hold out the same and more.

    Raises:
        UserError: `train` has no more photographs than that.
    """
    if photographs == 0:
        return people
    train = people.subsets.get("train", np.arange(len(people)))
    if people.weight is not None:
        train = train[people.weight[train] > 0]
    numbers = np.unique(people.images[train])
    if len(numbers) <= photographs:
        raise UserError(
            f"{photographs} photographs cannot be held out of {len(numbers)}: give fewer with --hold-out"
        )
    out = np.random.default_rng(0).permutation(numbers)[:photographs]
    held = np.isin(people.images[train], out)
    return replace(people, subsets=people.subsets | {"train": train[~held], "tune": train[held]})


def whole_training(people: People) -> People:
    """The data set with all that its authors train on, `train_full`, as `train`; others lose these rows.

    So nothing is left to tune on, and of LSPET nothing to score on. A data set without `train_full` stays
    as it is: its `train` is all.
    """
    full = people.subsets.get("train_full")
    if full is None:
        return people
    others = {name: rows[~np.isin(rows, full)] for name, rows in people.subsets.items()}
    left = {name: rows for name, rows in others.items() if len(rows) and name != "train"}
    return replace(people, subsets={"train": full} | left)


def check_photographs(people: People, looked_at: int = 8) -> None:
    """Whether one of a few photographs, spread over the rows, is there: who lacks all says it at once.

    Raises:
        UserError: none of them is; the message is the first one's, and tells where they belong.
    """
    first: UserError | None = None
    rows = np.linspace(0, max(len(people) - 1, 0), min(looked_at, len(people)))
    for row in rows.round().astype(int).tolist():
        try:
            people.size(row)
        except UserError as error:
            first = first or error
        else:
            return
    if first is not None:
        raise first
