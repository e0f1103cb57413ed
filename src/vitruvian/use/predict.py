"""Photographs in, poses out: box -> crop -> runner -> pixels of the photograph."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, overload

import numpy as np
from pydantic import ValidationError

from vitruvian.data.photos import photo_size, read_photo
from vitruvian.models import MOST_PASSES, ModelInfo, find_model, read_model
from vitruvian.recipe import replace_values
from vitruvian.types import Runner, UserError
from vitruvian.use import look
from vitruvian.use.ahead import grouped, read_ahead
from vitruvian.use.detect import Detector, open_finder
from vitruvian.use.look import BATCH, Sighting, sighting
from vitruvian.use.poses import USER, PhotoPoses
from vitruvian.use.reading import (
    Photograph,
    Want,
    boxes_for,
    check_on_photo,
    checked_photo,
    in_pixels,
    read,
    size_of,
    want_of,
    wants,
)
from vitruvian.use.runners import open_runner

Result = tuple[Path, np.ndarray | None, PhotoPoses] | tuple[Path, None, UserError]
Seen = tuple[Path, np.ndarray | None, Sighting] | tuple[Path, None, UserError]


@dataclass(frozen=True)
class Model:
    """A model that answers; see `load`. Pickled, it is opened again from its folder."""

    info: ModelInfo
    runner: Runner
    folder: Path
    device: str = "auto"

    def __reduce__(self) -> tuple[Any, ...]:
        return _opened, (self.info, self.folder, self.device)

    def __repr__(self) -> str:
        height, width = self.info.crop
        return (
            f"Model({self.info.name!r}, {len(self.info.skeleton)} joints, crops of {height}x{width} px, "
            f"{self.info.parameters:,} parameters, {str(self.folder)!r})"
        )

    @overload
    def predict(  # type: ignore[overload-overlap]  # str is an iterable of str
        self,
        photo: Photograph,
        boxes: Any = None,
        passes: int | None = None,
        flip: bool = False,
        batch_size: int = BATCH,
        detector: Detector | str | None = None,
    ) -> PhotoPoses: ...

    @overload
    def predict(
        self,
        photo: Iterable[Photograph],
        boxes: Any = None,
        passes: int | None = None,
        flip: bool = False,
        batch_size: int = BATCH,
        detector: Detector | str | None = None,
    ) -> Iterator[PhotoPoses]: ...

    def predict(
        self,
        photo: Photograph | Iterable[Photograph],
        boxes: Any = None,
        passes: int | None = None,
        flip: bool = False,
        batch_size: int = BATCH,
        detector: Detector | str | None = None,
    ) -> PhotoPoses | Iterator[PhotoPoses]:
        """The poses of the persons of a photograph, in its pixels; or of many, one after the other.

        Args:
            photo: RGB (H, W, 3) or grey (H, W) uint8, an image of Pillow, the name of a file or its
                bytes; or any iterable of these, an array (N, H, W, 3) too, which is taken as it is
                needed: memory does not grow. What EXIF says of turning is done.
            boxes: (N, 4) x, y, width, height in px as in COCO, one closely around each person (the
                model's margin is added), or (N, 5), the box's score from 0 to 1 behind them, by which
                results are ranked; without, the whole photograph is one person's. Of many
                photographs an iterable with an entry for each, of which None asks for a look; or,
                of files, a mapping as `data.box_files.read_boxes` returns it.
            passes: 2 to 5 look again, around the joints that stood out in the whole photograph, until
                that box is settled; None is what the model says. Boxes that are given are looked at once.
            flip: average with the answer for the mirrored crop.
            batch_size: crops for the net at once, at most.
            detector: finds the boxes where none are given; a name is as of `detect.open_finder`.

        Raises:
            UserError: a photograph cannot be read, or a box is no box. (`predict_photos` goes on.)
        """
        found, faces = open_finder(detector) if isinstance(detector, str) else (detector, False)
        batch = _checked_batch(batch_size)
        given: Any = in_pixels(photo)
        if isinstance(given, str | Path) or (isinstance(given, np.ndarray) and given.ndim < 4):
            seen, poses = self._find(given, boxes, passes, flip, batch, found, faces)
            kept = given if isinstance(given, np.ndarray) else seen.path
            return replace(poses, photo=kept)
        if not isinstance(given, Iterable):
            raise UserError(
                f"{type(given).__name__} is no photograph: give a file's name or bytes, an RGB array, an "
                "image of Pillow, or an iterable of these"
            )
        passes = _checked_passes(self, passes)
        wanted = wants(given, boxes, passes, self.info.crop, found is not None)
        return _answers(_find_all(self, wanted, passes, flip, batch, found, faces))

    def find(
        self,
        photo: Photograph,
        boxes: Any = None,
        passes: int | None = None,
        flip: bool = False,
        detector: Detector | None = None,
    ) -> Sighting:
        """As `predict` of one photograph, with the crops that the net saw last."""
        seen, poses = self._find(photo, boxes, passes, flip, BATCH, detector)
        given = boxes is not None or detector is not None
        return sighting(self, poses, given, seen.crop)

    def _find(
        self,
        photo: Photograph,
        boxes: Any,
        passes: int | None,
        flip: bool,
        batch: int,
        detector: Detector | None,
        faces: bool = False,
    ) -> tuple[look.Photo, PhotoPoses]:
        given: np.ndarray | str | Path = in_pixels(photo)
        asked = None if boxes is None else boxes_for(given, boxes, detector is not None)
        passes = _checked_passes(self, passes)
        if isinstance(given, np.ndarray):
            pixels = checked_photo(given)
            check_on_photo(asked, pixels.shape[:2])
            seen = look.Photo(pixels, 1, pixels.shape[:2], None)
        else:
            size = photo_size(given)
            check_on_photo(asked, size)
            factor = look.factor_for(size, asked, passes, self.info.crop) if detector is None else 1
            seen = look.Photo(*read_photo(given, factor), size, Path(given))
        found, sources = detected(detector, [seen], [asked])
        (poses,) = look.poses_in(
            self, [seen], found, passes, flip, batch, sources=sources, faces=faces
        )
        return seen, poses


def load(name: str | Path = "default", device: str = "auto") -> Model:
    """A model by its name or folder; see `models.find_model` and `runners.open_runner`.

    Args:
        name: "NAME@STAGE" answers with the stages up to that one, "NAME@config.offset=none" with
            another setting of its config, "NAME@predict.passes=1" with another way to look; all
            but the last need torch. Several follow each other.

    Raises:
        UserError: there is no such model, it is damaged, it needs torch and that is absent, or a
            setting does not exist.
    """
    plain, settings = parted(name)
    folder = find_model(plain)
    info = read_model(folder)
    if settings:
        info = _otherwise(info, settings)
    return _opened(info, folder, device)


def _opened(info: ModelInfo, folder: Path, device: str) -> Model:
    return Model(info, open_runner(folder, info, device), folder, device)


def parted(name: str | Path) -> tuple[str, list[str]]:
    """A model's name or folder, and the stages and settings that follow it, each after an @."""
    settings: list[str] = []
    name = str(name)
    while "@" in name and not Path(name).exists():
        name, _, last = name.rpartition("@")
        settings.insert(0, last)
    return name, [text if "=" in text else f"predict.upto={text}" for text in settings]


def labelled(item: str) -> tuple[str, str]:
    """LABEL=ITEM as (label, item), with "" where it has no label; settings after an @ are the item's."""
    label, equals, rest = item.partition("=")
    if equals and label and "@" not in label and not Path(item).exists():
        return label, rest
    return "", item


def _otherwise(info: ModelInfo, settings: Sequence[str]) -> ModelInfo:
    """The info with other settings; graphs are of the old config and of all stages."""
    whole = info.model_dump(mode="json")
    values = {part: whole[part] for part in ("config", "predict")}
    replace_values(values, settings, "@")
    if values["predict"]["upto"] != info.predict.upto:
        values |= {"files": {}}
    if values["config"] != info.config:
        values |= {"files": {}}
        if "crop" in info.config:
            values |= {"preprocessing": whole["preprocessing"] | {"crop": values["config"]["crop"]}}
    try:
        return ModelInfo.model_validate({**dict(info), **values})
    except ValidationError as error:
        fault = error.errors()[0]
        place = ".".join(str(part) for part in fault["loc"])
        raise UserError(f"@{place}: {fault['msg'].lower()}, got {fault['input']!r}") from None


def predict_photos(
    model: Model,
    paths: Iterable[Path],
    boxes: Mapping[str, Any] | None = None,
    passes: int | None = None,
    flip: bool = False,
    batch: int = BATCH,
    pictures: bool = True,
    detector: Detector | None = None,
    faces: bool = False,
) -> Iterator[Result]:
    """Poses of many photographs, in their order, in memory that does not grow with their number.

    Args:
        model: see `load`.
        paths: files; taken as they are needed.
        boxes: file name -> boxes, as `data.box_files.read_boxes` returns them and `Model.predict` takes
            them; a name may be any end of a path.
        passes: as in `Model.predict`.
        flip: as in `Model.predict`.
        batch: crops for the runner at once, at most.
        pictures: yield the photographs too, to draw on. Without, a JPEG is decoded only as finely
            as its crops need, which takes a third of the time; the poses are the same.
        detector: where photographs without boxes are looked at; without, such a photograph is an
            error when there are `boxes`.
        faces: start from the face where there is one, also with models that did not learn from faces.

    Yields:
        The path, the photograph RGB (H, W, 3), or None without `pictures`, and its poses; or the
        path, None and the error that keeps it from being read.
    """
    seen = find_in_photos(model, paths, boxes, passes, flip, batch, pictures, detector, faces)
    for path, photo, found in seen:
        if isinstance(found, UserError):
            yield path, None, found
        else:
            yield path, photo, found.poses


def find_in_photos(
    model: Model,
    paths: Iterable[Path],
    boxes: Mapping[str, Any] | None = None,
    passes: int | None = None,
    flip: bool = False,
    batch: int = BATCH,
    pictures: bool = True,
    detector: Detector | None = None,
    faces: bool = False,
) -> Iterator[Seen]:
    """As `predict_photos`, with the crops that the net saw last."""
    passes = _checked_passes(model, passes)
    full = detector is not None
    wanted = (want_of(Path(path), boxes, passes, model.info.crop, pictures, full) for path in paths)
    yield from _find_all(model, wanted, passes, flip, batch, detector, faces)


def detected(
    detector: Detector | None, photos: list[look.Photo], boxes: list[np.ndarray | None]
) -> tuple[list[np.ndarray | None], list[str]]:
    """Boxes for those photographs that have none, with scores, and where each photograph's come from."""
    if detector is None:
        return boxes, [USER] * len(boxes)
    bare = [i for i, of in enumerate(boxes) if of is None]
    answers = detector([photos[i].pixels for i in bare]) if bare else []
    scored = [np.column_stack(answer).astype(np.float32) for answer in answers]  # (N, 5)
    found = dict(zip(bare, scored, strict=True))
    sources = [f"detector:{detector.name}" if i in found else USER for i in range(len(boxes))]
    return [found.get(i, of) for i, of in enumerate(boxes)], sources


def _checked_passes(model: Model, passes: int | None) -> int:
    passes = model.info.predict.passes if passes is None else passes
    if passes not in range(1, MOST_PASSES + 1):
        raise UserError(f"passes is {passes!r}: give 1 to {MOST_PASSES}")
    return passes


def _checked_batch(batch: int) -> int:
    if not isinstance(batch, int) or batch < 1:
        raise UserError(f"batch_size is {batch!r}: give 1 or more")
    return batch


def _find_all(
    model: Model,
    wanted: Iterator[Want],
    passes: int,
    flip: bool,
    batch: int,
    detector: Detector | None = None,
    faces: bool = False,
) -> Iterator[Seen]:
    with ThreadPoolExecutor(2, "cut") as pool:
        items = read_ahead(wanted, read, lambda want: want.nbytes, 2 * batch)
        for group in grouped(items, size_of, batch):
            good = [item for item in group if item.photo]
            photos = [item.photo for item in good if item.photo]
            asked, sources = detected(detector, photos, [item.want.boxes for item in good])
            poses = iter(
                look.poses_in(model, photos, asked, passes, flip, batch, pool.map, sources, faces)
            )
            del photos, good
            while group:
                item = group.popleft()
                if item.photo:
                    given = item.want.boxes is not None or detector is not None
                    found = sighting(model, next(poses), given, item.photo.crop)
                    yield item.want.path, item.picture, found
                    del found
                else:
                    yield item.want.path, None, item.error or UserError("not read")


def _answers(seen: Iterator[Seen]) -> Iterator[PhotoPoses]:
    for path, picture, found in seen:
        if isinstance(found, UserError):
            raise found
        poses = found.poses
        yield poses if poses.photo is not None else replace(poses, name=str(path), photo=picture)
