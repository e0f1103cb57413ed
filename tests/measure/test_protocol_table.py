"""The table of protocols: what it holds, what of it can be compared."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from vitruvian.measure.protocol_table import PROTOCOLS
from vitruvian.measure.protocols import Protocol, check_comparable, protocol_from_dict
from vitruvian.skeleton import SKELETONS
from vitruvian.types import UserError


def test_the_table_is_keyed_by_name() -> None:
    assert all(protocol.name == name for name, protocol in PROTOCOLS.items())
    assert len(set(PROTOCOLS.values())) == len(PROTOCOLS)


@pytest.mark.parametrize("protocol", PROTOCOLS.values(), ids=PROTOCOLS)
def test_every_protocol_survives_a_file(protocol: Protocol) -> None:
    values = json.loads(json.dumps(protocol.to_dict(), allow_nan=False))
    assert protocol_from_dict(values) == protocol
    assert values == protocol.to_dict()


@pytest.mark.parametrize("protocol", PROTOCOLS.values(), ids=PROTOCOLS)
def test_every_protocol_is_one_line(protocol: Protocol) -> None:
    line = protocol.describe()
    assert "\n" not in line
    convention = {"PC": "person-centric", "OC": "observer-centric"}[protocol.convention]
    flip = "no flip test" if protocol.flip_test is False else "flip test: not stated"
    for fact in (
        f"{protocol.name} version {protocol.version}: ",
        f"{'sticks' if protocol.parts else 'joints'} of {protocol.skeleton}",
        convention, flip, f"box: {protocol.box}", f"decoding: {protocol.decoding}",
        f"left out: {protocol.left_out}", f"source: {protocol.source}",
    ):  # fmt: skip
        assert fact in line
    if protocol.metric != "oks":
        assert f"{protocol.averaging} average" in line
        assert f"{protocol.comparator} {protocol.threshold:g} x" in line
    assert (f"AUC over 0 to {protocol.auc_upto:g}" in line) == bool(protocol.auc_upto)


@pytest.mark.parametrize("protocol", PROTOCOLS.values(), ids=PROTOCOLS)
def test_joints_and_lengths_exist(protocol: Protocol) -> None:
    skeleton = SKELETONS[protocol.skeleton]
    skeleton.index(*protocol.joints)
    ends = {joint for _, one, other in protocol.parts for joint in (*one, *other)}
    assert ends <= set(protocol.joints)
    given = {"pck": {"head_box"}, "pcp": {"stick"}, "oks": {"object_scale"}}[protocol.metric]
    assert protocol.reference in given | set(skeleton.references)


def test_hand_checked_facts() -> None:
    facts = {
        name: (p.convention, p.reference, p.threshold, p.comparator, p.auc_upto, p.averaging)
        for name, p in PROTOCOLS.items()
    }
    assert facts == {
        "lspet-pck-pc": ("PC", "torso", 0.2, "<=", 0.2, "micro"),
        "lspet-pck-pc-image": ("PC", "torso", 0.2, "<=", 0.2, "micro"),
        "lsp-pck-pc": ("PC", "torso", 0.2, "<=", 0.2, "micro"),
        "lsp-pck-oc": ("OC", "torso", 0.2, "<=", 0.2, "micro"),
        "lsp-pcp-strict": ("PC", "stick", 0.5, "<=", 0.0, "micro"),
        "lsp-pcp-loose": ("PC", "stick", 0.5, "<=", 0.0, "micro"),
        "lsp-pcp-strict-oc": ("OC", "stick", 0.5, "<=", 0.0, "micro"),
        "lsp-pcp-loose-oc": ("OC", "stick", 0.5, "<=", 0.0, "micro"),
        "lsp-pdj": ("PC", "torso", 0.2, "<=", 0.5, "micro"),
        "lsp-pdj-oc": ("OC", "torso", 0.2, "<=", 0.5, "micro"),
        "flic-pck-oc": ("OC", "torso", 0.2, "<=", 0.2, "micro"),
        "flic-pck-pc": ("PC", "torso_other", 0.2, "<=", 0.2, "micro"),
        "flic-pdj-oc": ("OC", "torso", 0.2, "<=", 0.5, "micro"),
        "flic-pdj-pc": ("PC", "torso", 0.2, "<=", 0.5, "micro"),
        "mpii-pckh": ("PC", "head_box", 0.5, "<=", 0.5, "micro"),
        "mpii-pckh-segment": ("PC", "head", 0.375, "<=", 0.375, "micro"),
        "parse-pcp": ("OC", "stick", 0.5, "<=", 0.0, "micro"),
        "coco-oks": ("PC", "object_scale", 0.5, "<=", 0.0, "micro"),
        "lsp-pck-oc-other-diagonal": ("OC", "torso_other", 0.2, "<=", 0.2, "micro"),
        "mpii-pckh-pytorch-pose": ("PC", "head_box", 0.5, "<", 0.5, "macro"),
        "mpii-pckh-simple-baselines": ("PC", "head_box", 0.5, "<=", 0.5, "micro"),
    }
    assert {p.auc_step for p in PROTOCOLS.values()} == {0.01, 0.0075}
    assert PROTOCOLS["mpii-pckh-segment"].auc_step == 0.0075
    assert PROTOCOLS["lspet-pck-pc-image"].box == "whole image"
    assert PROTOCOLS["lspet-pck-pc"].box == "labelled joints x1.25, square"
    stated = {name for name, p in PROTOCOLS.items() if p.flip_test is not None}
    assert stated == {"lspet-pck-pc", "lspet-pck-pc-image"}
    for name in ("lsp-pdj", "lsp-pdj-oc", "flic-pdj-oc", "flic-pdj-pc"):
        assert [t for _, t in PROTOCOLS[name].quoted] == [0.05, 0.1, 0.15, 0.3, 0.4, 0.5]
    assert {"elbow", "wrist"} <= set(dict(PROTOCOLS["flic-pdj-oc"].groups))  # as DeepPose quotes
    assert PROTOCOLS["mpii-pckh-segment"].groups == PROTOCOLS["mpii-pckh"].groups
    rules = {name: p.rule for name, p in PROTOCOLS.items() if p.metric == "pcp"}
    assert rules == {
        "lsp-pcp-strict": "strict",
        "lsp-pcp-loose": "loose",
        "lsp-pcp-strict-oc": "strict",
        "lsp-pcp-loose-oc": "loose",
        "parse-pcp": "strict",
    }
    for name, joints in (
        ("lsp-pck-pc", 14),
        ("flic-pck-oc", 10),
        ("mpii-pckh", 14),
        ("mpii-pckh-segment", 14),
        ("coco-oks", 17),
    ):
        assert len(PROTOCOLS[name].joints) == joints


@pytest.mark.parametrize(
    ("one", "other", "field"),
    [
        ("lsp-pck-pc", "lsp-pck-oc", "convention"),
        ("lsp-pcp-strict", "lsp-pcp-loose", "rule"),
        ("lsp-pck-oc", "lsp-pck-oc-other-diagonal", "reference"),
        ("flic-pck-oc", "lsp-pck-oc", "skeleton"),
        ("mpii-pckh", "mpii-pckh-pytorch-pose", "comparator"),
        ("mpii-pckh", "mpii-pckh-simple-baselines", "groups"),
        ("lspet-pck-pc", "lspet-pck-pc-image", "box"),
        ("lsp-pck-pc", "lsp-pdj", "auc_upto"),
        ("lsp-pdj", "lsp-pdj-oc", "convention"),
        ("flic-pdj-oc", "flic-pck-oc", "auc_upto"),
        ("mpii-pckh", "mpii-pckh-segment", "reference"),
    ],
)
def test_readings_are_not_compared(one: str, other: str, field: str) -> None:
    with pytest.raises(UserError, match=f"cannot be compared: {field} is"):
        check_comparable(PROTOCOLS[one], PROTOCOLS[other])


def test_what_is_not_comparable_reads_differently() -> None:
    for a in PROTOCOLS.values():
        for b in PROTOCOLS.values():
            try:
                check_comparable(a, b)
            except UserError:
                one, other = (replace(p, name="", source="", version=1).describe() for p in (a, b))
                assert one != other, (a.name, b.name)
