"""Shapes pasted on the photographs of a data set: who is hidden is known, and the same for every model.

Where a shape lies is drawn in the frame of the person's box and painted on the photograph, before any crop
is cut. So neither the size of a model's crop nor where it looks changes what is hidden.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from vitruvian import geometry
from vitruvian.data.augment import Occluder, draw_occluders, hidden, paint_occluder
from vitruvian.data.people import OWN_BOX, People
from vitruvian.measure.protocols import Protocol
from vitruvian.types import UserError

_GRID = 256  # px on a side of a person's box, on which shapes are drawn as training draws them on a crop


@dataclass(frozen=True)
class Occluders:
    """How many shapes are pasted on each person, and what their draws depend on beside its key."""

    count: int
    seed: int = 0

    def __str__(self) -> str:
        return f"{self.count} pasted on each person, seed {self.seed}"


def occlude(people: People, occluders: Occluders | None) -> People:
    """The persons with shapes pasted on their photographs; a visible joint under one is occluded.

    Shapes depend on the seed and the person's key alone. They are 10 to 40 % of the box wide, which is
    made square, and filled with a colour or with a part of the photograph that lies beside them; the box
    is the data set's also where it is looked for elsewhere. What the data set itself marks as occluded
    stays so. A person without a box or a photograph has none.
    """
    if occluders is None:
        return people
    own = people.boxes.get(OWN_BOX, people.box)
    square = geometry.fit_aspect(own, 1, 1).astype(np.float64)
    to_image = geometry.crop_to_image(square, _GRID, _GRID)  # (N, 2, 3)
    sizes = [_size(people, row) for row in range(len(people))]

    def shapes(row: int) -> list[Occluder]:
        """Those of a row, in px of its photograph."""
        size = sizes[row]
        if size is None or not np.isfinite(to_image[row]).all():
            return []
        rng = np.random.default_rng([occluders.seed, int(people.key[row])])
        drawn = draw_occluders(rng, occluders.count, _GRID, _GRID)
        return [_filled(shape.moved(to_image[row]), *size) for shape in drawn]

    def photo(row: int, factor: int) -> tuple[np.ndarray, int]:
        picture, used = people.photo(row, factor)
        picture = picture.copy()
        smaller = geometry.after_reduction(np.eye(2, 3), used)
        for shape in shapes(row):
            paint_occluder(shape.moved(smaller), picture)
        return picture, used

    state = people.state.copy()
    for row, size in enumerate(sizes):
        if size is not None:
            state[row] = hidden(shapes(row), people.joints[row], state[row], *size)
    provenance = f"{people.provenance}; occluders: {occluders}"
    return replace(people, state=state, photo=photo, encoded=None, provenance=provenance)


def _size(people: People, row: int) -> tuple[int, int] | None:
    """Height and width of a photograph in px; None: it cannot be read."""
    try:
        return people.size(row)
    except UserError:
        return None


def _filled(shape: Occluder, height: int, width: int) -> Occluder:
    """The shape in its colour, unless what would fill it lies on the photograph and not under it too."""
    if shape.shift is None:
        return shape
    first, last = (shape.centre + shape.shift + side * shape.half for side in (-1, 1))
    inside = (first >= -0.5).all() and (last <= (width - 0.5, height - 0.5)).all()
    beside = (np.abs(shape.shift) >= 2 * shape.half).any()
    return shape if inside and beside else replace(shape, shift=None)


def occluded(protocol: Protocol, occluders: Occluders | None) -> Protocol:
    """The protocol of figures on persons with shapes pasted on them."""
    if occluders is None:
        return protocol
    return replace(protocol, name=f"{protocol.name}-occluded", occluders=str(occluders))
