"""Speed of data and training, as ratios measured in one run, alternating; medians of the rounds."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from itertools import islice

import cv2
import numpy as np
import torch

from vitruvian import codecs
from vitruvian.data import open_data
from vitruvian.data.augment import Augment
from vitruvian.data.loader import Skipped, training_crops
from vitruvian.data.people import People
from vitruvian.data.synthetic import figures
from vitruvian.learn.devices import bf16_pays, choose_device
from vitruvian.learn.memory import memory_kept
from vitruvian.learn.optim import average, float_state, optimiser
from vitruvian.learn.recipes import find_recipe
from vitruvian.learn.runner import load_net, name_stages, new_net, system_and_config
from vitruvian.learn.train import Step, set_trained
from vitruvian.models import find_model, read_model
from vitruvian.recipe import Fit, Recipe, override
from vitruvian.systems.contract import Batch, generator, predict
from vitruvian.types import Crops, UserError

BATCH, ROUNDS = 32, 5
_AUGMENT = Augment(rotation=30, scale=(0.75, 1.25), flip=0.5)  # the published systems' kind


def medians(rounds: int, *timed: Callable[[], object]) -> list[float]:
    """Seconds of each callable: the median of rounds in which all run, one after the other."""
    seconds: list[list[float]] = [[] for _ in timed]
    for run in timed:
        run()
    for _ in range(rounds):
        for place, run in zip(seconds, timed, strict=True):
            began = time.perf_counter()
            run()
            place.append(time.perf_counter() - began)
    return [float(np.median(place)) for place in seconds]


def bench_data(people: People, size: int, count: int) -> str:
    """The loader in one thread against bare imdecode + warpAffine of the same files; and targets.

    Raises:
        UserError: the data set is rendered, so there are no files to decode.
    """
    if people.encoded is None:
        raise UserError(
            f"data set {people.name!r} has no files to decode; give lspet=DIR or a pack"
        )
    people = people.rows(np.flatnonzero(np.isfinite(people.box).all(1))[:count])
    count = len(people) // BATCH * BATCH
    if not count:
        raise UserError(f"data set {people.name!r} has fewer than {BATCH} persons to measure on")
    chosen, files = people, people.encoded
    assert files is not None
    threads_before = cv2.getNumThreads()
    cv2.setNumThreads(0)

    def training() -> Iterator[Crops]:
        crops = training_crops(chosen, _AUGMENT, size, size, BATCH, 0, Skipped(), workers=0)
        return islice(crops, count // BATCH)

    # the loader's own rows and matrices: a turned warp costs more than an upright one
    order = {key: row for row, key in enumerate(people.key.tolist())}
    warped = [
        (order[key], matrix.astype(np.float64))
        for crops in training()
        for key, matrix in zip(crops.key.tolist(), crops.to_image, strict=True)
    ]
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP

    def bare() -> None:
        for row, matrix in warped:
            photo = cv2.imdecode(np.frombuffer(files(row), np.uint8), cv2.IMREAD_COLOR)
            assert photo is not None
            cv2.warpAffine(photo, matrix, (size, size), flags=flags)

    photos = [(chosen.photo(row, 1)[0], matrix) for row, matrix in warped[:64]]

    def warps() -> None:
        for photo, matrix in photos:
            cv2.warpAffine(photo, matrix, (size, size), flags=flags)

    def loader() -> None:
        for _ in training():
            pass

    J = len(people.skeleton)
    xy_cell = torch.rand(len(photos), J, 2) * size / 4
    threads = torch.get_num_threads()
    torch.set_num_threads(1)

    def targets() -> None:
        codecs.encode_gaussians(xy_cell, size // 4, size // 4, 1.0)

    try:
        bare_s, loader_s, warp_s, target_s = medians(ROUNDS, bare, loader, warps, targets)
    finally:
        cv2.setNumThreads(threads_before)
        torch.set_num_threads(threads)
    return (
        f"{count} persons of {people.name}, {size}x{size} px, one thread, median of {ROUNDS} rounds\n"
        f"  bare imdecode + warpAffine  {count / bare_s:8.0f} samples/s\n"
        f"  loader, augmented, batched  {count / loader_s:8.0f} samples/s, "
        f"{loader_s / bare_s:.2f} of the bare time\n"
        f"  targets of a sample         {1e6 * target_s / len(photos):8.0f} us, "
        f"{target_s / warp_s:.2f} of the warp"
    )


def bench_train(
    recipe_name: str,
    data: str | None,
    steps: int,
    device: str,
    stage_name: str | None = None,
    settings: Sequence[str] = (),
) -> str:
    """A training step with the loader, against the same step on one batch in memory.

    Args:
        stage_name: None is the first fit's.
        settings: as for `vitruvian train --set`.

    Raises:
        UserError: no fit of the recipe trains that stage, or a setting does not exist.
    """
    recipe = name_stages(override(find_recipe(recipe_name), list(settings)))
    people = open_data(data) if data else figures(600)
    people = people.rows(np.flatnonzero(np.isfinite(people.box).all(1)))
    where = choose_device(device)
    bf16 = recipe.precision == "bf16" and bf16_pays(where)
    system, config = system_and_config(recipe.system, recipe.config, recipe.name)
    net = new_net(system, config, people.skeleton, 0).to(where)
    fit = _fit(recipe, stage_name)
    stage = next(s for s in system.stages(config) if s.name == fit.stage)
    set_trained(net, stage.trains)
    optim = optimiser(fit.optim, net)
    step = Step(net, stage.step)
    H, W = recipe.crop

    def loader() -> Iterator[Crops]:
        return training_crops(people, recipe.augment, H, W, fit.batch, 0, Skipped(), workers=2)

    kept = Batch.of(next(loader())).to(where)
    shadow = {name: value.clone() for name, value in float_state(net).items()} if fit.ema else {}

    def once(batch: Batch, number: int) -> None:
        with torch.autocast(where.type, torch.bfloat16, enabled=bf16):
            total = torch.stack(list(step(batch, generator(0)).values())).sum()
        total.backward()
        if fit.clip:
            torch.nn.utils.clip_grad_norm_(net.parameters(), fit.clip)
        optim.step()
        optim.zero_grad(set_to_none=True)
        if fit.ema:
            average(shadow, net, fit.ema, number)
        if where.type == "cuda":
            torch.cuda.synchronize()

    def bare() -> None:
        for number in range(steps):
            once(kept, number)

    def kept_memory() -> None:
        with memory_kept(where):
            bare()

    def whole() -> (
        None
    ):  # a loader of its own, or what it prepares ahead counts as the others' time
        with memory_kept(where):
            for number, batch in enumerate(islice(loader(), steps)):
                once(Batch.of(batch).to(where), number)

    mapped_s, bare_s, whole_s = medians(3, bare, kept_memory, whole)
    images = steps * fit.batch
    return (
        f"{recipe.name} {fit.stage}, batch {fit.batch}, {where}, {torch.get_num_threads()} threads, "
        f"{'bf16' if bf16 else 'fp32'}, median of 3 rounds of {steps} steps\n"
        f"  bare forward, backward, step  {images / bare_s:8.1f} images/s, "
        f"{mapped_s / bare_s:.2f} of the speed without kept memory\n"
        f"  with the loader               {images / whole_s:8.1f} images/s, "
        f"{100 * bare_s / whole_s:.0f} % of the bare speed"
    )


def _fit(recipe: Recipe, stage: str | None) -> Fit:
    found = [fit for fit in recipe.fits if stage in (None, fit.stage)]
    if not found:
        names = ", ".join(fit.stage for fit in recipe.fits)
        raise UserError(f"recipe {recipe.name!r} has no stage {stage!r}, only {names}")
    return found[0]


def bench_cascade(name: str) -> str | None:
    """All of a cascade's `predict` against its networks alone; None: the system has one pass.

    An image costs one pass of the first network and, in each later stage, one a joint.
    """
    folder = find_model(name)
    system, net = load_net(folder, read_model(folder))
    if system.passes is None:
        return None
    H, W = read_model(folder).crop
    crops = torch.randint(0, 256, (BATCH, 3, H, W), dtype=torch.uint8)
    crops = crops.contiguous(memory_format=torch.channels_last)
    with torch.inference_mode():
        alone = system.passes(net, BATCH)

        def networks() -> None:
            for run in alone:
                run()

        def whole() -> None:
            predict(system, net, crops)

        alone_s, whole_s = medians(ROUNDS, networks, whole)
    return (
        f"cascade of {len(alone)} networks in torch, batch {BATCH}, "
        f"{torch.get_num_threads()} threads, median of {ROUNDS} rounds\n"
        f"  the networks alone             {BATCH / alone_s:8.1f} images/s\n"
        f"  windows and all                {BATCH / whole_s:8.1f} images/s, "
        f"{100 * alone_s / whole_s:.0f} % of that"
    )
