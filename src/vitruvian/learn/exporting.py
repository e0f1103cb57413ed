"""What `vitruvian export` does: a run or a model -> a model folder or one ONNX file, perhaps in 8 bits."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import onnx
from onnx import helper
from rich.console import Console

from vitruvian import hub
from vitruvian.data.people import People
from vitruvian.learn.folder import RECIPE, read_run
from vitruvian.learn.ship import data_of, ship
from vitruvian.learn.ship_int8 import check_source, ship_int8
from vitruvian.learn.sources import open_training
from vitruvian.models import CONFIG, FLIP_GRAPH, GRAPH, ModelInfo, bundled, find_model, read_model
from vitruvian.types import UserError
from vitruvian.use.files import check_place
from vitruvian.weights import Precision


@dataclass(frozen=True)
class Request:
    """What `vitruvian export` is told."""

    source: str  # a run's folder, a model folder, or the name of a model
    out: Path  # a folder, or a file that ends in .onnx
    data: str | None = None
    int8: bool = False
    flip: bool = False  # of a single file: the graph with the flip test
    precision: Precision | None = None  # of a run's stored weights; None: half
    workers: int = 2


def _not_a_run(source: str) -> str:
    """What a source is instead of a run's folder; nothing is fetched to know it."""
    folder = Path(source)
    held = any((of / CONFIG).is_file() for of in (folder, folder / "model"))
    if held or source == "default" or source in bundled() or source.startswith(hub.PREFIX):
        return f"{source} is no run: of a model folder there is --int8 or --out NAME.onnx to make"
    if folder.exists():
        return f"{source} is neither a run nor a model folder: give the --out of a training"
    return f"{source} does not exist: give the --out of a training, or a model folder"


def export(request: Request) -> None:
    """Writes a model folder, or one graph that is whole by itself and says what it answers.

    Raises:
        UserError: no such run or model, no data to measure on, or nothing would be changed.
    """
    run = Path(request.source)
    is_run, bare = (run / RECIPE).is_file(), request.out.suffix == ".onnx"
    if request.flip and not bare:
        raise UserError(
            "--flip is of a single file: a model folder has both graphs; --out NAME.onnx"
        )
    if not (is_run or request.int8 or bare):
        raise UserError(_not_a_run(request.source))
    if request.precision and not is_run:
        raise UserError(
            f"--weights says how a run's are stored, and {request.source} is a model: leave it out"
        )
    check_place(request.out, folder=not bare)
    with tempfile.TemporaryDirectory() as beside:
        folder = Path(beside) / "model" if bare or request.int8 else request.out
        if is_run:
            ship(
                run, folder, request.data, precision=request.precision or "half",
                scored=request.int8 or not bare, workers=request.workers,
            )  # fmt: skip
        else:
            folder = find_model(request.source)
        if request.int8:
            check_source(folder)
            people = _people(request, is_run, folder)
            made = Path(beside) / "int8" if bare else request.out
            ship_int8(folder, made, people, request.workers)
            folder = made
        if bare:
            write_graph(folder, request.out, request.flip)
    _say_written(request.out)


def write_graph(folder: Path, out: Path, flip: bool = False) -> None:
    """One graph of a model folder as a file that needs no other.

    Under `metadata_props` it says what nobody sees in its shapes: the joints' names in their order, the
    margin around a person, whose left is meant, and what the model is called.

    Raises:
        UserError: the folder has no graphs, or the file cannot be written.
    """
    info = read_model(folder)
    name = FLIP_GRAPH if flip else GRAPH
    if name not in info.files:
        raise UserError(f"{folder} has no {name}: give a run, or export its run again")
    model = onnx.load(folder / name)  # with the weights that it points to
    helper.set_model_props(model, _props(info))
    with _written_beside(out) as beside:
        onnx.save_model(model, beside)


def _props(info: ModelInfo) -> dict[str, str]:
    return {
        "model": info.name,
        "joints": ",".join(info.skeleton.joint_names),
        "convention": info.convention,
        "input": info.preprocessing.input,
        "margin": f"{info.preprocessing.margin:g}",
        "upto": info.predict.upto or "",
        "bits": "8" if info.int8 else "32",
    }


@contextlib.contextmanager
def _written_beside(out: Path) -> Iterator[Path]:
    """A name beside the file, which then takes its place: the old one or the new one is there."""
    beside = out.with_name(f".{out.name}.{os.getpid()}.part")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        yield beside
        os.replace(beside, out)
    except OSError as error:
        raise UserError(f"{out} cannot be written ({error.strerror}): check the disk") from None
    finally:
        beside.unlink(missing_ok=True)


def _people(request: Request, is_run: bool, folder: Path) -> People:
    """Whom ranges of values are read from, and what 8 bits cost is measured on."""
    info = read_model(folder)
    if is_run:
        return data_of(request.data, read_run(Path(request.source))[1], info)
    if request.data is None:
        raise UserError(
            "--int8 reads ranges of values from real crops and measures what it costs: add --data NAME=PATH"
        )
    return open_training([request.data], info.skeleton.name, info.convention or None)[0]


def _say_written(out: Path) -> None:
    files = [out] if out.is_file() else list(out.iterdir())
    size = sum(path.stat().st_size for path in files) / 1e6
    Console(stderr=True).print(f"written: {out} ({size:.1f} MB)", highlight=False, soft_wrap=True)
