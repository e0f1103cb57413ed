"""The models of a service, each behind its own queue."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from vitruvian.draw import SIDE_COLOURS, side
from vitruvian.models import FLIP_GRAPH, GRAPH
from vitruvian.types import UserError
from vitruvian.use.heatmaps import MapRunner, open_maps
from vitruvian.use.predict import Model, labelled, load
from vitruvian.use.runners import onnx_runner
from vitruvian.use.serve.batching import Batcher, Question
from vitruvian.use.serve.limits import Memory
from vitruvian.use.serve.photograph import Found, Kind, Photograph, Wish, answer, prepare
from vitruvian.use.serve.settings import Settings

_MEMORY = 512 << 20  # bytes of photographs that are being decoded or wait for a net


@dataclass(frozen=True)
class Served:
    """A model that answers requests."""

    name: str
    model: Model
    maps: MapRunner | None
    no_maps: str  # why there are none
    batcher: Batcher[tuple[Kind, Photograph], Found]
    ask: Callable[[Sequence[Wish], Kind], list[Future[Found]]]  # see `Batcher.ask`

    @property
    def flips(self) -> bool:
        """Whether there is what the flip test needs."""
        files = self.model.info.files
        return FLIP_GRAPH in files or GRAPH not in files

    def describe(self) -> dict[str, Any]:
        """Plain values as `schema.ModelShown` describes them."""
        info = self.model.info
        names = info.skeleton.joint_names
        return {
            "name": self.name,
            "recipe": info.name,
            "joints": [{"name": name, "side": side(name)} for name in names],
            "limbs": [list(limb) for limb in info.skeleton.limbs],
            "convention": info.convention,
            "threshold": info.predict.threshold,
            "passes": info.predict.passes,
            "crop": list(info.crop),
            "parameters": info.parameters,
            "flip": self.flips,
            "maps": self.maps is not None,
            "no_maps": self.no_maps,
            "colours": {name: list(rgb) for name, rgb in SIDE_COLOURS.items()},
        }


@dataclass(frozen=True)
class Shared:
    """The threads and the memory that the models of a process share."""

    decoders: Executor
    cutters: Executor
    memory: Memory

    def close(self) -> None:
        """Ends the threads."""
        self.decoders.shutdown()
        self.cutters.shutdown()


def shared() -> Shared:
    """A few threads, and memory for a few photographs."""
    decoders = min(4, max(2, os.cpu_count() or 2))
    return Shared(
        ThreadPoolExecutor(decoders, "decode"),
        ThreadPoolExecutor(2, "cut"),
        Memory(_MEMORY),
    )


def serve_model(
    name: str,
    model: Model,
    settings: Settings,
    common: Shared,
    maps: MapRunner | None = None,
    no_maps: str = "",
    seen: Callable[[int], None] = lambda persons: None,
) -> Served:
    """A model behind a queue of its own.

    Args:
        name: what requests call it.
        model: see `predict.load`.
        settings: of the service.
        common: the threads to use.
        maps: gives the heatmaps.
        no_maps: why there are none.
        seen: told the number of persons of each batch.
    """

    def answer_all(items: list[tuple[Kind, Photograph]]) -> list[Found]:
        kind = items[0][0]
        photos = [photo for _, photo in items]
        return answer(model, maps, kind, photos, settings.batch, common.cutters.map)

    def prepared(wish: Wish, kind: Kind) -> tuple[Kind, Photograph]:
        made = prepare(wish, kind, model.info.crop, settings.pixels, settings.boxes, common.memory)
        return kind, made

    batcher = Batcher(answer_all, common.decoders, settings.batch, settings.queue, seen)

    def ask(wishes: Sequence[Wish], kind: Kind) -> list[Future[Found]]:
        return batcher.ask(
            [Question(partial(prepared, wish, kind), wish.persons, kind) for wish in wishes]
        )

    return Served(name, model, maps, no_maps, batcher, ask)


def open_models(settings: Settings) -> list[tuple[str, Model]]:
    """What each model is called in requests, and the model; workers share the cores.

    Raises:
        UserError: there is no such model, it is damaged, or two have one name.
    """
    opened: dict[str, Model] = {}
    for item in settings.models:
        label, rest = labelled(item)
        model = load(rest, settings.device)
        if (
            settings.workers > 1
            and GRAPH in model.info.files
            and settings.device in ("auto", "cpu")
        ):
            threads = max(1, (os.cpu_count() or 1) // settings.workers)
            model = replace(model, runner=onnx_runner(model.folder, threads))
        name = label or model.info.name
        if name in opened:
            raise UserError(f"two models are called {name!r}: name them, NAME=MODEL")
        opened[name] = model
    return list(opened.items())


def map_runners(
    models: Sequence[tuple[str, Model]], settings: Settings
) -> dict[str, tuple[MapRunner | None, str]]:
    """By a model's name what gives its heatmaps, or why there are none.

    Raises:
        UserError: they are asked for, and no model has any.
    """
    if not settings.maps:
        off = "heatmaps are off: start the service with --maps, which needs torch"
        return {name: (None, off) for name, _ in models}
    found: dict[str, tuple[MapRunner | None, str]] = {}
    for name, model in models:
        try:
            found[name] = open_maps(model, settings.device), ""
        except UserError as error:
            found[name] = None, str(error)
    if all(run is None for run, _ in found.values()):
        raise UserError(next(why for _, why in found.values()))
    return found
