"""What a model folder is: written whole, verified when read, never unpickled.

    model.safetensors   the weights, see `weights`
    model.onnx          the whole graph, uint8 crops -> joints (absent where none was made)
    model.flip.onnx     the same with the flip test; its weights are those of model.safetensors
    config.json         `ModelInfo`
    README.md           the card

A run folder holds its model in the subfolder `model/`.
"""

from __future__ import annotations

import contextlib
import difflib
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import safetensors.numpy
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    PlainSerializer,
    PlainValidator,
    ValidationError,
)
from safetensors import SafetensorError

from vitruvian import hub
from vitruvian.skeleton import Skeleton, skeleton_from_dict
from vitruvian.types import Convention, UserError
from vitruvian.weights import restored, weights_bytes

FORMAT = 1
MOST_PASSES = 5
WEIGHTS, CONFIG, CARD = "model.safetensors", "config.json", "README.md"
GRAPH, FLIP_GRAPH = "model.onnx", "model.flip.onnx"
FILES = (WEIGHTS, GRAPH, FLIP_GRAPH, CONFIG, CARD)
BUNDLED = Path(__file__).parent / "bundled"

_CURE = "copy the model again from its source"


def _skeleton(value: Any) -> Skeleton:
    if isinstance(value, Skeleton):
        return value
    try:
        return skeleton_from_dict(value)
    except UserError as error:
        raise ValueError(str(error)) from None


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Preprocessing(_Part):
    """How a photograph becomes the net's input."""

    crop: tuple[Annotated[int, Field(gt=0)], Annotated[int, Field(gt=0)]]  # H, W in px
    margin: float = Field(default=1.25, gt=0)  # side of a box in extents of the joints
    input: str = "uint8 RGB (B, H, W, 3)"


class Predict(_Part):
    """What `predict` does when it is not told."""

    passes: int = Field(default=2, ge=1, le=MOST_PASSES)
    threshold: float = Field(default=0.3, ge=0, le=1)  # of a score, below which a joint is not sure
    upto: str | None = (
        None  # the last stage that takes part, where a training was stopped before its end
    )
    face_factor: float | None = Field(default=None, gt=0)  # first look: a face's box x this
    box_threshold: float = Field(
        default=0.15, ge=0, le=1
    )  # in videos, of a joint that is found: who has fewer than three is lost


class DataUsed(_Part):
    """A data set that a model has learnt from."""

    name: str
    rows: int
    licence: str


class FileEntry(_Part):
    """What a file of the folder must be."""

    sha256: str
    bytes: int


class ModelInfo(_Part):
    """`config.json` of a model folder."""

    format: Literal[1] = 1
    name: str  # the recipe's, e.g. "resnet_fcn/compact"
    system: str
    config: dict[str, Any]  # the system's sizes
    skeleton: Annotated[
        Skeleton, PlainValidator(_skeleton), PlainSerializer(lambda skeleton: skeleton.to_dict())
    ]
    preprocessing: Preprocessing
    predict: Predict = Predict()
    recipe: dict[str, Any] = {}
    parameters: int
    gmacs: float  # of one crop, without the flip test
    data: tuple[DataUsed, ...] = ()
    hours: float | None = Field(default=None, ge=0)  # of training, with those of what it began with
    convention: Convention = "PC"  # whose left its joints' names mean
    scores: tuple[dict[str, Any], ...] = ()
    parity: dict[str, Any] | None = None  # px between the graph and the net, measured at export
    int8: dict[str, Any] | None = (
        None  # what 8 bits cost, measured at export; None: no graph in 8 bits
    )
    files: dict[Literal["model.safetensors", "model.onnx", "model.flip.onnx"], FileEntry] = {}

    @property
    def crop(self) -> tuple[int, int]:
        """Height and width of a crop in px."""
        return self.preprocessing.crop

    @property
    def start(self) -> str:
        """Where it has learnt to look first: "image", "centre", "face"; a person: "data", "labelled"."""
        return str(self.recipe.get("box", "labelled"))

    def to_json(self) -> str:
        """As it stands in the file."""
        return json.dumps(self.model_dump(mode="json"), indent=2, ensure_ascii=False) + "\n"


def write_model(
    folder: Path | str,
    info: ModelInfo,
    tensors: dict[str, np.ndarray],
    graphs: dict[str, bytes] | None,
    card: str,
) -> ModelInfo:
    """Writes a model folder beside its place and renames it: the old one or the new one is there.

    When the process is killed between the two renames that replace an old folder, the old one waits
    beside its place and `read_model` and `write_model` put it back.

    Returns:
        The info with `files` as written; what it held there before is ignored.

    Raises:
        UserError: `folder` holds something else than a model, or cannot be written.
    """
    folder = Path(folder) if Path(folder).name else Path(folder).resolve()
    contents = {WEIGHTS: weights_bytes(tensors), **(graphs or {})}
    entries = {name: _entry(data) for name, data in contents.items()}
    info = ModelInfo.model_validate({**dict(info), "files": entries})
    contents |= {CONFIG: info.to_json().encode(), CARD: card.encode()}
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        _put_back(folder)
        check_replaceable(folder)
        beside = Path(
            tempfile.mkdtemp(prefix=f".{folder.name}.", suffix=".part", dir=folder.parent)
        )
        try:
            _write_synced(beside, contents)
            _swap(beside, folder)
        finally:
            shutil.rmtree(beside, ignore_errors=True)
    except OSError as error:
        raise UserError(f"{folder} cannot be written ({error.strerror}): check the disk") from None
    return info


def read_model(folder: Path | str) -> ModelInfo:
    """The info of a model folder whose files are what `config.json` says.

    Raises:
        UserError: the folder is no model, or a file is absent, cut short or changed.
    """
    folder = Path(folder)
    info = _read_info(folder)
    if WEIGHTS not in info.files:
        raise UserError(f"{folder / CONFIG} does not list {WEIGHTS}: {_CURE}")
    for name in (GRAPH, FLIP_GRAPH):
        if name not in info.files and (folder / name).exists():
            raise UserError(f"{folder / name} is not listed in {CONFIG}: remove it, or {_CURE}")
    for name, entry in info.files.items():
        path = folder / name
        try:
            size = path.stat().st_size
            if size != entry.bytes:
                raise UserError(f"{path} has {size} bytes and not {entry.bytes}: {_CURE}")
            with path.open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
        except OSError as error:
            raise UserError(f"{path} cannot be read ({error.strerror}): {_CURE}") from None
        if digest != entry.sha256:
            raise UserError(f"{path} was changed after it was written (sha256): {_CURE}")
    return info


def read_weights(folder: Path | str) -> dict[str, np.ndarray]:
    """The net's tensors by name, as float32 in whatever precision they are kept.

    Raises:
        UserError: the file is absent or damaged.
    """
    path = Path(folder) / WEIGHTS
    try:
        tensors = safetensors.numpy.load_file(path)
    except (OSError, SafetensorError) as error:
        raise UserError(f"{path} cannot be read ({type(error).__name__}): {_CURE}") from None
    return restored(tensors)


def bundled() -> dict[str, Path]:
    """Name -> folder of the models that come with the package."""
    folders = sorted(config.parent for config in BUNDLED.glob(f"*/{CONFIG}"))
    return {_read_info(folder).name: folder for folder in folders}


def find_model(name: str | Path) -> Path:
    """A model folder.

    Args:
        name: a model folder, a run folder (whose model is in `model/`), the name of a bundled
            model, "default": the bundled one with the best total of its first score, or an id of the
            hub, see `vitruvian.hub`.

    Raises:
        UserError: there is none; the message names the nearest.
    """
    if not str(name):
        raise UserError(
            "the model's name is empty, maybe an unset variable: give a model folder or `default`"
        )
    if str(name).startswith(hub.PREFIX):
        return hub.fetch(str(name), FILES)
    path = Path(name)
    for folder in (path, path / "model"):
        _put_back(folder)
        if (folder / CONFIG).is_file():
            return folder
    models = bundled()
    if str(name) == "default" and models:
        return max(models.values(), key=lambda folder: _first_total(_read_info(folder)))
    if str(name) in models:
        return models[str(name)]
    if path.is_file():
        folder = path.parent if path.parent.name else path.parent.absolute()
        held = (folder / CONFIG).is_file()
        cure = f"give its folder, {folder}" if held else "give one, or a bundled model's name"
        raise UserError(f"{name} is a file, and a model is a folder with {CONFIG}: {cure}")
    if path.exists():
        raise UserError(f"{name} is no model folder: it has no {CONFIG}, {_below(path)}")
    if hub.is_hub_id(str(name)) and not _meant_here(str(name), models):
        return hub.fetch(str(name), FILES)
    near = difflib.get_close_matches(str(name), models, 1, 0)
    nearest = f"; nearest: {near[0]!r}" if near else "; none comes with this installation"
    raise UserError(f"no model {name!r}: give a model folder or a bundled model's name{nearest}")


def _below(path: Path) -> str:
    """What to give instead of a folder that holds models, as a project does, and is none."""
    found = None
    with contextlib.suppress(OSError):  # some folders are closed
        below = (part for inside in sorted(path.iterdir()) for part in (inside, inside / "model"))
        found = next((str(part) for part in below if (part / CONFIG).is_file()), None)
    return f"nor has {path / 'model'}: give " + (found or "the --out of a training or an export")


def _meant_here(name: str, models: Iterable[str]) -> bool:
    """Whether a name is rather a slip of the pen than a hub's id: its first part is known here.

    A bundled model's, or that of a folder that exists.
    """
    first = name.partition("/")[0]
    return Path(first).exists() or first in {model.partition("/")[0] for model in models}


def _read_info(folder: Path) -> ModelInfo:
    """`config.json` alone, without a look at the other files."""
    _put_back(folder)
    path = folder / CONFIG
    try:
        values = json.loads(path.read_bytes())
    except OSError as error:
        raise UserError(f"{folder} is no model folder: {CONFIG} ({error.strerror})") from None
    except ValueError:
        raise UserError(f"{path} is cut short or no JSON: {_CURE}") from None
    if isinstance(values, dict) and values.get("format") != FORMAT:
        known = f"format {values.get('format')!r}, and this version reads {FORMAT}"
        raise UserError(f"{path} has {known}: install a newer version, or export the model again")
    try:
        return ModelInfo.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"]) or "it"
        raise UserError(f"{path}: {place}: {first['msg']}: {_CURE}") from None


def _first_total(info: ModelInfo) -> float:
    try:
        return float(info.scores[0]["total"]["value"])
    except (IndexError, KeyError, TypeError, ValueError):
        return -1.0


def _entry(data: bytes) -> FileEntry:
    return FileEntry(sha256=hashlib.sha256(data).hexdigest(), bytes=len(data))


def check_replaceable(folder: Path) -> None:
    """Raises UserError when a folder holds something else than a model."""
    if not folder.exists():
        return
    if not folder.is_dir():
        raise UserError(f"{folder} is a file: give another folder")
    names = {entry.name for entry in folder.iterdir()}
    foreign = sorted(names - set(FILES))
    if foreign or (names and CONFIG not in names):
        found = (foreign or sorted(names))[0]
        raise UserError(
            f"{folder} holds something else than a model ({found}): give another folder"
        )


def _old(folder: Path) -> Path:
    """Where the old folder waits while the new one takes its place."""
    return folder.with_name(f".{folder.name}.old")


def _put_back(folder: Path) -> None:
    """After a kill between the two renames of `_swap`."""
    if folder.name and not folder.exists() and _old(folder).is_dir():
        with contextlib.suppress(OSError):
            os.replace(_old(folder), folder)


def _swap(beside: Path, folder: Path) -> None:
    old = _old(folder)
    shutil.rmtree(old, ignore_errors=True)  # left by a kill after both renames
    if folder.exists():
        os.replace(folder, old)
    try:
        os.replace(beside, folder)
    except BaseException:
        _put_back(folder)
        raise
    _sync(folder.parent)
    shutil.rmtree(old, ignore_errors=True)


def _write_synced(folder: Path, contents: dict[str, bytes]) -> None:
    for name, data in contents.items():
        with (folder / name).open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
    folder.chmod(0o755)  # mkdtemp's is private
    _sync(folder)


def _sync(folder: Path) -> None:
    """Makes renames in a folder last; a folder cannot be opened on Windows."""
    if os.name == "posix":
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
