"""What holds for every system's answers: frames, batches, mirrors, model folders, graphs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch

from battery import Case, begin, cases, every_case, module_modes
from vitruvian import geometry
from vitruvian.export import to_onnx
from vitruvian.learn.runner import load_net
from vitruvian.models import ModelInfo, Preprocessing, read_model, write_model
from vitruvian.systems import SYSTEMS
from vitruvian.systems.contract import Ask, predict
from vitruvian.types import UserError


@every_case
def test_answers(case: Case) -> None:
    """Every stage answers, in the crop's pixels and with scores in 0..1; the image is only read."""
    net, image = case.net().eval(), case.batch().image
    kept = image.clone()
    for upto in (None, *(stage.name for stage in case.stages)):
        for flip in (False, True):
            answer = predict(case.system, net, image, Ask(flip=flip, upto=upto, maps=flip))
            assert answer.xy.shape == (len(image), len(case.skeleton), 2)
            assert answer.score.shape == answer.xy.shape[:2]
            assert answer.xy.dtype == answer.score.dtype == torch.float32
            assert answer.xy.isfinite().all()
            assert ((answer.score >= 0) & (answer.score <= 1)).all()
            assert bool(answer.maps) == flip
    assert image.equal(kept)
    assert not any(module_modes(net).values())
    last = predict(case.system, net, image, Ask(upto=case.stages[-1].name))
    assert last.xy.equal(predict(case.system, net, image).xy)


@every_case
def test_an_answer_does_not_depend_on_its_batch(case: Case) -> None:
    net, image = case.net().eval(), case.batch().image
    whole = predict(case.system, net, image).xy
    torch.testing.assert_close(predict(case.system, net, image[2:3]).xy, whole[2:3])


@every_case
def test_unknown_stage(case: Case) -> None:
    known = ", ".join(stage.name for stage in case.stages)
    with pytest.raises(UserError, match=rf"has no stage 'legs', only {known}"):
        predict(case.system, case.net(), case.batch().image, Ask(upto="legs"))


@every_case
def test_a_mirrored_crop_has_the_mirrored_answer(case: Case) -> None:
    net, image = case.net().eval(), case.batch().image
    there = predict(case.system, net, image, Ask(flip=True))
    back = predict(case.system, net, image.flip(-1), Ask(flip=True))
    x, y = back.xy[:, case.skeleton.swap].unbind(-1)
    mirrored = torch.stack([geometry.flip_x(x, image.shape[-1]), y], -1)
    torch.testing.assert_close(mirrored, there.xy, rtol=0, atol=1e-3)
    torch.testing.assert_close(back.score[:, case.skeleton.swap], there.score)


@every_case
def test_model_folder_round_trip(
    case: Case, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A net comes back from its folder with the same answers, bit for bit."""
    monkeypatch.setitem(SYSTEMS, case.system.name, case.system)
    net, image = case.net().eval(), case.batch().image
    begin(case, net, case.stages[-1])  # writes buffers too, where there are some
    info = ModelInfo(
        name="test",
        system=case.system.name,
        config=vars(case.config),
        skeleton=case.skeleton,
        preprocessing=Preprocessing(crop=case.config.crop),
        parameters=sum(p.numel() for p in net.parameters()),
        gmacs=0.0,
    )
    tensors = {name: value.numpy() for name, value in net.state_dict().items()}
    write_model(tmp_path / "model", info, tensors, None, "# card\n")
    system, again = load_net(tmp_path / "model", read_model(tmp_path / "model"))
    assert system is case.system
    assert again.config == net.config
    assert again.skeleton == net.skeleton
    for name, value in net.state_dict().items():
        assert again.state_dict()[name].equal(value), name
    one, two = (predict(system, n, image, Ask(flip=True)) for n in (net.eval(), again))
    assert one.xy.equal(two.xy)
    assert one.score.equal(two.score)


def slow_but_the_first() -> list[Any]:
    """All cases and flips; those take seconds each that are no system's first with the flip test."""
    return [
        pytest.param(*case.values, flip, id=f"{flip}-{case.id}", marks=marks)
        for case in cases()
        for flip in (True, False)
        for marks in [() if flip and str(case.id).endswith("-0") else (pytest.mark.slow,)]
    ]


@pytest.mark.parametrize(("case", "flip"), slow_but_the_first())
def test_onnx_equals_net(case: Case, flip: bool) -> None:
    """The exported graph gives the net's own answers, for any batch size."""
    net, image = case.net().eval(), case.batch().image
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    run = onnxruntime.InferenceSession(
        to_onnx(case.system, net, flip=flip), options, providers=["CPUExecutionProvider"]
    )
    for count in (1, 3):
        answer = predict(case.system, net, image[:count], Ask(flip=flip))
        crops = image[:count].permute(0, 2, 3, 1).contiguous().numpy()
        xy, score = run.run(["xy", "score"], {"image": crops})
        assert xy.shape == answer.xy.shape
        assert np.abs(xy - answer.xy.numpy()).max() < 0.01  # px
        assert np.abs(score - answer.score.numpy()).max() < 1e-4
