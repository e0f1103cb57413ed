"""Where things lie around a COCO keypoint JSON: the JSON in its folder, photographs, subsets."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from vitruvian.data.photos import photo_size, read_photo
from vitruvian.types import UserError

SUBSETS = {  # as a split or a file is called -> the subset
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("tune", "tuning"), "tune"),
    **dict.fromkeys(("val", "valid", "validation", "dev"), "val"),
    **dict.fromkeys(("test", "testing"), "test"),
}
_SUBSET = re.compile(rf"(?:person_keypoints_)?({'|'.join(SUBSETS)})(?:20\d\d)?", re.IGNORECASE)
_APART = "_annotations.coco.json"  # in a subset's own folder
_NAMED = 8  # that a message lists


@dataclass(frozen=True)
class Photograph:
    """A photograph that labels name; it is looked for when it is asked for."""

    name: str  # below one of the folders
    folders: tuple[Path, ...]
    labelled: tuple[int, int] | None  # height and width in px that the labels give
    advice: str  # how to get it

    def path(self) -> Path:
        """Its file.

        Raises:
            UserError: it is in none of the folders.
        """
        places = [folder / self.name for folder in self.folders]
        try:
            found = next((place for place in places if place.is_file()), places[0])
            found.stat()
        except (FileNotFoundError, NotADirectoryError):
            folders = ", ".join(map(str, self.folders))
            raise UserError(
                f"{self.name} is in none of {folders}: {self.advice} into {self.folders[0]}"
            ) from None
        except (OSError, ValueError) as error:  # a name too long, or with a zero in it
            raise UserError(
                f"{self.name!r} cannot be looked for ({error}): rename the file"
            ) from None
        return found

    def read(self, factor: int) -> tuple[np.ndarray, int]:
        """See `People.photo`.

        An EXIF orientation is honoured unless the labels were made without.

        Raises:
            UserError: it is not there, is damaged, or has another size than its labels.
        """
        path = self.path()
        height, width = photo_size(path)
        if self.labelled not in (None, (height, width), (width, height)):
            assert self.labelled is not None
            raise UserError(
                f"{path} is {width} x {height} px, but its labels are for {self.labelled[1]} x "
                f"{self.labelled[0]}: put the photograph there that was labelled"
            )
        return read_photo(path, factor, oriented=self.labelled in (None, (height, width)))

    def size(self) -> tuple[int, int]:
        """Height and width in px, as the labels give them or else of the file."""
        return photo_size(self.path()) if self.labelled is None else self.labelled


def annotation_files(path: Path) -> list[Path]:
    """The JSON files that a path stands for: itself, or those in a folder or its `annotations`, or one in
    each of its folders train, valid and test beside their photographs, as Roboflow exports them.

    Raises:
        UserError: there is none, or there are several and their names are not those of subsets.
    """
    if path.is_file():
        return [path]
    if not path.is_dir():
        raise UserError(f"{path} does not exist: give a COCO keypoint JSON or its folder")
    for folder in (path, path / "annotations"):
        found = sorted(file for file in folder.glob("*.json") if not file.name.startswith("."))
        found = [file for file in found if file.name.startswith("person_keypoints_")] or found
        named = {subset_name(file) for file in found}
        if len(found) == 1 or (found and None not in named and len(named) == len(found)):
            return found
        if found:
            names = ", ".join(file.name for file in found[:_NAMED])
            raise UserError(
                f"{folder} has {len(found)} JSON files: {names}; give one of them, or keep one a "
                "subset and call it train.json, tune.json, val.json or test.json"
            )
    apart = (folder / _APART for folder in sorted(path.iterdir()) if subset_meant(folder.name))
    if found := [file for file in apart if file.is_file()]:
        if len({subset_name(file) for file in found}) == len(found):
            return found
        names = ", ".join(str(file.relative_to(path)) for file in found)
        raise UserError(f"{path} has two folders of one subset: {names}; keep one of them")
    raise UserError(f"{path} has no JSON file, nor has its folder annotations: give the file")


def subset_name(path: Path) -> str | None:
    """The subset that a file's name means: train.json, person_keypoints_val2017.json ..., or None.

    Of train/_annotations.coco.json its folder's name is meant.
    """
    return subset_meant(path.absolute().parent.name if lies_apart(path) else path.stem)


def lies_apart(path: Path) -> bool:
    """Whether a JSON lies in its subset's own folder, among the photographs."""
    return path.name == _APART and subset_meant(path.absolute().parent.name) is not None


def subset_meant(name: str) -> str | None:
    """The subset that somebody's word means: training, Valid, test2017 ..., or None."""
    match = _SUBSET.fullmatch(name.strip())
    return None if match is None else SUBSETS[match[1].lower()]


def photograph_folders(path: Path) -> tuple[Path, ...]:
    """Where the photographs of a JSON may lie, in the order in which they are looked for.

    `images` beside the JSON or beside its folder; there a folder by the file's name, as val2017 of
    person_keypoints_val2017.json; such a folder itself; and beside the JSON. Above the folder of
    train/_annotations.coco.json, whose photographs are named train/x.jpg.
    """
    beside, above = path.absolute().parent, path.absolute().parent.parent
    if lies_apart(path):
        return above, above / "images"
    tag = path.stem.removeprefix("person_keypoints_")
    images = (beside / "images", above / "images")
    places = (*images, *(folder / tag for folder in (*images, beside, above)), beside)
    return tuple(dict.fromkeys(places))  # beside `own/own.json` is its folder's folder `own`


def safe_name(image: dict[str, Any], path: Path) -> tuple[str, bool]:
    """The name of a photograph below its folder, and whether it is the whole `file_name`.

    Of a name that would leave the folder it is the last part. Label Studio writes such names:
    ../../media/upload/1/x.jpg, /data/local-files/?d=x.jpg. Beside train/_annotations.coco.json x.jpg is
    train/x.jpg, for another subset may have an x.jpg too.

    Raises:
        UserError: it has no name.
    """
    given = image.get("file_name")
    name = given.replace("\\", "/") if isinstance(given, str) else ""
    parts = [part for part in name.split("/") if part not in ("", ".")]
    if not parts or parts[-1] == ".." or "\0" in parts[-1]:
        raise UserError(f"{path}: image {image['id']} has the file_name {given!r}: write its name")
    leaves = name.startswith("/") or ".." in parts or ":" in parts[0]
    below = (path.absolute().parent.name,) if lies_apart(path) else ()
    kept = (parts[-1].rpartition("?d=")[2],) if leaves else parts
    return "/".join((*below, *kept)), not leaves


def cut_by_number(images: np.ndarray) -> dict[str, np.ndarray]:
    """Subsets train 80 %, tune 10 % and val 10 % of the photographs' numbers (N,), as rows.

    A photograph's place depends on its number alone: adding others does not move it. Of three photographs
    or more each subset gets one at least.
    """
    numbers, place = np.unique(images, return_inverse=True)
    digests = [hashlib.blake2b(str(number).encode(), digest_size=8).digest() for number in numbers]
    share = np.array([int.from_bytes(digest) / 2**64 for digest in digests])  # 0 to 1
    order = np.argsort(share, kind="stable")
    first_tune, first_val = np.searchsorted(share[order], [0.8, 0.9])
    if len(numbers) >= 3:
        first_val = np.clip(first_val, 2, len(numbers) - 1)
        first_tune = np.clip(first_tune, 1, first_val - 1)
    rank = np.empty(len(numbers), int)
    rank[order] = np.arange(len(numbers))
    part = (rank >= first_tune).astype(int) + (rank >= first_val)
    return {
        name: np.flatnonzero(part[place] == number)
        for number, name in enumerate(("train", "tune", "val"))
    }
