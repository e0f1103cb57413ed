"""Second peaks in a model's heatmaps on the persons of a data set, set of maps by set of maps."""

from __future__ import annotations

import numpy as np
from rich.table import Table

from vitruvian.data.loader import Skipped, plain_crops
from vitruvian.data.people import People
from vitruvian.measure.peaks import ALL, Peaks, count_peaks, second_peaks
from vitruvian.measure.result import cells, gap_words
from vitruvian.types import State, UserError
from vitruvian.use.evaluate import SEED
from vitruvian.use.heatmaps import MapRunner, open_maps
from vitruvian.use.predict import Model

_BATCH = 16  # crops at once: maps as fine as the crop are 4 MB a person and set


def model_peaks(
    model: Model, people: People, *, flip: bool = False, device: str = "auto", workers: int = 1
) -> Peaks:
    """How often the maps of located joints have a second peak, in the person's box.

    Args:
        people: joints are those of the model that the data set has too, by name.

    Raises:
        UserError: torch is not installed, the model has no heatmaps, or shares no joint with the data.
    """
    joints = tuple(j for j in people.skeleton.joint_names if j in model.info.skeleton.joint_names)
    if not joints:
        raise UserError(
            f"{model.info.name} has none of the joints of data set {people.name!r}: leave --peaks out"
        )
    return peaks_of(open_maps(model, device), model, people, joints, flip=flip, workers=workers)


def peaks_of(
    run: MapRunner,
    model: Model,
    people: People,
    joints: tuple[str, ...],
    *,
    flip: bool = False,
    workers: int = 1,
) -> Peaks:
    """As `model_peaks`, of a net that runs already. A photograph that cannot be read takes no part."""
    columns, channels = people.skeleton.index(*joints), model.info.skeleton.index(*joints)
    found: dict[str, list[np.ndarray]] = {}
    state = []
    for crops in plain_crops(people, people.box, *model.info.crop, _BATCH, Skipped(), workers):
        _, _, maps = run(crops.image, flip)
        for name, values in maps.items():
            found.setdefault(name, []).append(second_peaks(values[:, channels]))
        state.append(crops.state[:, columns])
    located = np.concatenate(state) >= State.OCCLUDED
    second = {name: np.concatenate(parts) for name, parts in found.items()}
    return count_peaks(second, located, joints, people.images, np.random.default_rng(SEED))


def peaks_table(peaks: Peaks) -> Table:
    """A row a set of maps, in the order of their making."""
    table = Table(title="located joints whose heatmap has a second peak")
    table.add_column("heatmaps")
    for name in ("%", "95 % interval", "n", "against the row above, points"):
        table.add_column(name, justify="right", no_wrap=True)
    for name, shares in peaks.shares.items():
        gap = peaks.gaps[name][ALL] if name in peaks.gaps else None
        table.add_row(name, *cells(shares[ALL]), gap_words(gap))
    return table
