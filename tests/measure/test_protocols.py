"""Protocols as values: what they refuse, what they say, what may be compared, and how they travel."""

from __future__ import annotations

import json
from dataclasses import FrozenInstanceError, fields, replace
from typing import Any

import pytest

from vitruvian.measure.protocols import (
    Protocol,
    check_comparable,
    find_protocol,
    protocol_from_dict,
)
from vitruvian.types import UserError

PCK = Protocol(
    name="hand",
    version=3,
    metric="pck",
    skeleton="flic",
    convention="OC",
    reference="torso",
    threshold=0.2,
    comparator="<=",
    joints=("nose", "left_wrist", "right_wrist"),
    averaging="micro",
    left_out="persons without a torso",
    source="a paper",
    auc_upto=0.4,
    auc_step=0.02,
    groups=(("wrist", ("left_wrist", "right_wrist")),),
    quoted=(("PCK@0.1", 0.1),),
    box="the person's",
    flip_test=False,
    decoding="quarter",
)
PCP = replace(
    PCK,
    name="sticks",
    metric="pcp",
    reference="stick",
    threshold=0.5,
    groups=(("arms", ("right arm", "left arm")),),
    parts=(("right arm", ("right_wrist",), ("nose",)), ("left arm", ("left_wrist",), ("nose",))),
    rule="loose",
    auc_upto=0.0,
)
OKS = replace(
    PCK, name="similar", metric="oks", skeleton="coco", reference="object_scale", auc_upto=0.0
)


def test_a_protocol_is_a_value() -> None:
    assert hash(replace(PCP)) == hash(PCP)
    assert replace(PCP) == PCP != replace(PCP, rule="strict")
    with pytest.raises(FrozenInstanceError):
        PCK.threshold = 0.5  # type: ignore[misc]


@pytest.mark.parametrize("field", ["metric", "convention", "comparator", "averaging", "rule"])
def test_a_protocol_promises_only_what_is_done(field: str) -> None:
    with pytest.raises(ValueError, match=f"'hand': {field} is 'other', not one of"):
        replace(PCK, **{field: "other"})  # type: ignore[arg-type]


def test_a_rule_is_of_sticks_alone() -> None:
    with pytest.raises(ValueError, match="rule is 'strict'"):
        replace(PCK, rule="strict")
    with pytest.raises(ValueError, match="rule is None"):
        replace(PCP, rule=None)


def test_groups_are_of_what_is_scored() -> None:
    with pytest.raises(
        ValueError, match=r"'hand': groups name \['left_hip'\], which are not scored"
    ):
        replace(PCK, groups=(("hip", ("left_hip", "nose")),))
    with pytest.raises(ValueError, match=r"groups name \['nose'\], which are not scored"):
        replace(PCP, groups=(("head", ("nose",)),))  # a joint, and no stick


@pytest.mark.parametrize(
    "change",
    [
        {"threshold": -1.0}, {"threshold": float("nan")}, {"threshold": "0.2"},
        {"joints": (), "groups": ()}, {"joints": ("nose", "nose"), "groups": ()},
        {"joints": "nose", "groups": ()}, {"auc_upto": 0.205}, {"auc_step": 0.0}, {"auc_upto": -0.1},
        {"groups": (("a", ("nose",)), ("a", ("nose",)))}, {"groups": (("a", ()),)},
        {"quoted": (("q", 0.1), ("q", 0.3))}, {"parts": PCP.parts}, {"flip_test": "no"},
    ],
)  # fmt: skip
def test_nonsense_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="protocol 'hand': "):
        replace(PCK, **change)


@pytest.mark.parametrize(
    "change",
    [
        {"parts": (), "groups": ()},
        {"parts": PCP.parts * 2},
        {"joints": ("nose",)},
        {"auc_upto": 0.2},
    ],
)
def test_nonsense_of_sticks_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="protocol 'sticks': "):
        replace(PCP, **change)


def test_one_line_says_what_was_measured() -> None:
    assert PCK.describe() == (
        "hand version 3: PCK, error <= 0.2 x torso (left_shoulder to right_hip); AUC over 0 to 0.4 "
        "in steps of 0.02; 3 joints of flic (without neck, right_shoulder, right_elbow, right_hip, "
        "left_shoulder, left_elbow, left_hip), observer-centric, scored where located; micro average; "
        "columns: wrist; also PCK@0.1 (at 0.1); box: the person's; no flip test; decoding: quarter; "
        "left out: persons without a torso; source: a paper"
    )
    said = PCP.describe()
    assert "loose PCP, the mean error of both ends <= 0.5 x the true stick" in said
    assert "AUC" not in said
    strict = replace(PCP, rule="strict", averaging="macro", comparator="<").describe()
    assert "strict PCP, both ends < 0.5 x the true stick" in strict
    assert "macro average" in strict
    assert "AP and AR over OKS 0.50:0.05:0.95, OKS in the square root" in OKS.describe()


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"version": 4}, "version 4"),
        ({"comparator": "<"}, "error < 0.2"),
        ({"threshold": 0.25}, "<= 0.25 x"),
        ({"reference": "torso_other"}, "torso_other (right_shoulder to left_hip)"),
        ({"reference": "head_box"}, "0.6 x diagonal of the head box"),
        ({"reference": "ear", "skeleton": "arm"}, "x ear;"),
        ({"convention": "PC"}, "person-centric"),
        ({"convention": ""}, "without sides"),
        ({"averaging": "macro"}, "macro average"),
        ({"auc_upto": 0.5}, "0 to 0.5"),
        ({"auc_step": 0.01}, "steps of 0.01"),
        ({"box": "whole image"}, "box: whole image"),
        ({"flip_test": True}, "; flip test;"),
        ({"flip_test": None}, "flip test: not stated"),
        ({"decoding": "soft"}, "decoding: soft"),
        ({"left_out": "nobody"}, "left out: nobody"),
        ({"source": "another"}, "source: another"),
        ({"occluders": "3 pasted"}, "; occluders: 3 pasted;"),
    ],
)
def test_a_change_is_said(change: dict[str, Any], says: str) -> None:
    line = replace(PCK, **change).describe()
    assert says in line
    assert says not in PCK.describe()
    assert "\n" not in line


@pytest.mark.parametrize("protocol", [PCK, PCP, OKS, replace(PCK, flip_test=None)])
def test_protocols_survive_a_file(protocol: Protocol) -> None:
    values = json.loads(json.dumps(protocol.to_dict(), allow_nan=False))
    assert values == protocol.to_dict()
    assert list(values) == [f.name for f in fields(Protocol)]
    again = protocol_from_dict(values)
    assert again == protocol
    assert hash(again) == hash(protocol)


def test_a_file_that_is_no_protocol() -> None:
    values = PCP.to_dict()
    with pytest.raises(UserError, match=r"no field 'colour'.*newer version"):
        protocol_from_dict(values | {"colour": "red"})
    del values["joints"]
    with pytest.raises(UserError, match=r"not a whole protocol.*'joints'.*evaluate again"):
        protocol_from_dict(values)
    with pytest.raises(UserError, match="metric is 'pdq'"):
        protocol_from_dict(PCP.to_dict() | {"metric": "pdq"})
    with pytest.raises(UserError, match="nothing is scored"):
        protocol_from_dict(PCP.to_dict() | {"parts": []})
    for nothing in ([], None, "x"):
        with pytest.raises(UserError, match="an object of fields"):
            protocol_from_dict(nothing)  # type: ignore[arg-type]


def test_only_names_and_sources_may_differ() -> None:
    check_comparable(PCK, replace(PCK, name="other", source="another paper"))
    changes: dict[str, Any] = {
        "version": 4,
        "skeleton": "lsp",
        "convention": "PC",
        "reference": "torso_other",
        "threshold": 0.1,
        "comparator": "<",
        "joints": PCK.joints[::-1],
        "data": "others",
        "averaging": "macro",
        "left_out": "nobody",
        "auc_upto": 0.2,
        "auc_step": 0.01,
        "groups": (),
        "quoted": (),
        "box": "whole image",
        "flip_test": True,
        "decoding": "argmax",
        "occluders": "3 pasted on each person, seed 0",
    }
    of_sticks = {"metric", "rule", "parts"}
    whole = replace(PCK, data="some")
    assert {f.name for f in fields(Protocol)} == {"name", "source", *of_sticks, *changes}
    for field, value in changes.items():
        changed = replace(whole, **{field: value})
        for pair in ((whole, changed), (changed, whole)):
            with pytest.raises(UserError, match=f"cannot be compared: {field} is ") as caught:
                check_comparable(*pair)
            assert "\n" not in str(caught.value)
    with pytest.raises(UserError, match="metric is 'pck' in the first and 'pcp' in the second"):
        check_comparable(PCK, PCP)
    with pytest.raises(UserError, match="rule is 'loose' in the first and 'strict' in the second"):
        check_comparable(PCP, replace(PCP, rule="strict"))
    with pytest.raises(UserError, match="flip_test is False in the first and True in the second"):
        check_comparable(PCK, replace(PCK, flip_test=True))


@pytest.mark.parametrize(
    ("field", "not_stated", "other"),
    [
        ("box", "not stated", "whole image"),
        ("flip_test", None, True),
        ("decoding", "not stated", "argmax"),
        ("data", "not stated", "others"),
    ],
)
def test_what_is_not_stated_is_not_compared(field: str, not_stated: Any, other: Any) -> None:
    unstated = replace(PCK, **{field: not_stated})
    check_comparable(PCK, unstated)
    check_comparable(unstated, PCK)
    check_comparable(unstated, unstated)
    with pytest.raises(UserError, match="threshold is"):
        check_comparable(unstated, replace(PCK, threshold=0.1))
    stated = replace(PCK, data="some")
    with pytest.raises(UserError, match=f"{field} is"):
        check_comparable(stated, replace(stated, **{field: other}))


def test_find_protocol() -> None:
    table = {"lsp-pck-pc": PCK, "lsp-pcp-strict": PCP}
    assert find_protocol("lsp-pcp-strict", table) is PCP
    with pytest.raises(
        UserError, match="no protocol 'lsp-pcp-strikt'; nearest: 'lsp-pcp-strict'; `vitruvian"
    ):
        find_protocol("lsp-pcp-strikt", table)
