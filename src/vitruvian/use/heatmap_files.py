"""Heatmaps as files: for every person a picture and its arrays, for every photograph all joints at once."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from vitruvian.draw import write_image
from vitruvian.use.heatmap_overview import Overview
from vitruvian.use.heatmap_pictures import sheet
from vitruvian.use.heatmaps import MapRunner, Seen, Truth, look_at, write_maps
from vitruvian.use.look import Sighting
from vitruvian.use.page import Page
from vitruvian.use.predict import Model

_QUALITY = 92  # of a JPEG that holds small letters


@dataclass(frozen=True)
class MapFolder:
    """Where heatmaps go, and what makes them."""

    folder: Path  # exists
    model: Model
    run: MapRunner
    flip: bool = False

    def photo(
        self, name: str, title: str, photo: np.ndarray, found: Sighting, page: Page | None
    ) -> None:
        """Writes NAME-all.jpg, NAME-person1.jpg, NAME-person1.npz ... and shows them on a page.

        Raises:
            UserError: a file cannot be written.
        """
        overview = Overview(photo, self.model.info.skeleton)
        written = []
        for number, seen in enumerate(look_at(self.run, found, self.flip), 1):
            overview.add(seen)
            person = f"{title}, person {number}"
            written.append((person, self.person(f"{name}-person{number}", person, seen)))
        if not written:
            return
        whole = self.folder / f"{name}-all.jpg"
        write_image(whole, overview.picture(), _QUALITY)
        if page is not None:
            page.maps(title, whole)
            for person, files in written:
                page.maps(person, *files)

    def person(
        self, name: str, title: str, seen: Seen, truth: Truth | None = None
    ) -> tuple[Path, Path]:
        """Writes NAME.jpg and NAME.npz of one person; their paths.

        Raises:
            UserError: a file cannot be written.
        """
        info = self.model.info
        picture, arrays = self.folder / f"{name}.jpg", self.folder / f"{name}.npz"
        upto = f" up to {info.predict.upto}" if info.predict.upto else ""
        lines = (title, f"{info.name}{upto}")
        drawn = sheet(seen, info.skeleton, lines, info.predict.threshold, truth)
        write_image(picture, drawn, _QUALITY)
        write_maps(arrays, seen, info.skeleton, truth)
        return picture, arrays
