"""Skeletons: flips, names, and files that users write."""

from itertools import pairwise

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from vitruvian.skeleton import (
    LSP,
    MPII,
    SKELETONS,
    Skeleton,
    find_skeleton,
    read_skeleton,
    skeleton_from_dict,
)
from vitruvian.types import UserError

every = pytest.mark.parametrize("skeleton", SKELETONS.values(), ids=list(SKELETONS))


@every
def test_swap_is_an_involution_that_exchanges_sides(skeleton):
    swap = skeleton.swap
    assert [swap[j] for j in swap] == list(range(len(skeleton)))
    for name, j in zip(skeleton.joint_names, swap, strict=True):
        side, _, part = name.partition("_")
        mirrored = {"left": f"right_{part}", "right": f"left_{part}"}.get(side, name)
        assert skeleton.joint_names[j] == mirrored


@every
def test_to_dict_and_back(skeleton):
    values = skeleton.to_dict()
    again = skeleton_from_dict(yaml.safe_load(yaml.safe_dump(values)))
    assert again == skeleton
    assert hash(again) == hash(skeleton)
    assert again.swap == skeleton.swap


def test_published_flip_pairs_and_sizes():
    assert {name: len(skeleton) for name, skeleton in SKELETONS.items()} == {
        "lsp": 14,
        "mpii": 16,
        "flic": 10,
        "coco": 17,
    }
    assert LSP.swap == [5, 4, 3, 2, 1, 0, 11, 10, 9, 8, 7, 6, 12, 13]
    assert MPII.swap == [5, 4, 3, 2, 1, 0, 6, 7, 8, 9, 15, 14, 13, 12, 11, 10]
    assert SKELETONS["coco"].swap == [0, *(j for k in range(1, 17, 2) for j in (k + 1, k))]
    assert LSP.length("torso") == [9, 2]  # left shoulder to right hip
    assert MPII.length("head") == [8, 9]


def test_two_flip_pairs_for_one_joint():
    for pairs in (
        (("a", "b"), ("a", "c")),
        (("a", "b"), ("b", "c")),
        (("a", "b"), ("c", "b")),
        (("b", "c"), ("b", "a"), ("d", "c")),  # an involution all the same
    ):
        with pytest.raises(ValueError, match="two flip pairs"):
            Skeleton("s", ("a", "b", "c", "d"), pairs)


@given(
    st.lists(st.permutations("abcdefgh").map(lambda names: (names[0], names[1])), max_size=4),
)
def test_flip_pairs_are_disjoint_or_refused(pairs):
    sets = [frozenset(pair) for pair in pairs]
    disjoint = all(one == other or not one & other for one in sets for other in sets)
    try:
        skeleton = Skeleton("s", tuple("abcdefgh"), tuple(pairs))
    except ValueError:
        assert not disjoint
    else:
        assert disjoint
        assert [skeleton.swap[j] for j in skeleton.swap] == list(range(8))
        for a, b in pairs:
            assert skeleton.swap[skeleton.index(a)[0]] == skeleton.index(b)[0]


@pytest.mark.parametrize(
    ("facts", "message"),
    [
        ({"joint_names": ()}, "different names"),
        ({"joint_names": ("a", "a")}, "different names"),
        ({"flip_pairs": (("a", "x"),)}, r"no joint \['x'\]"),
        ({"limbs": (("a", "y"), ("z", "b"))}, r"no joint \['y', 'z'\]"),
        ({"references": {"torso": ("a", "w")}}, r"no joint \['w'\]"),
        ({"reference": "torso"}, "no reference length 'torso'"),
    ],
)
def test_contradictions(facts, message):
    with pytest.raises(ValueError, match=message):
        Skeleton(**({"name": "s", "joint_names": ("a", "b")} | facts))


def test_index_names_the_nearest():
    assert LSP.index("left_wrist", "neck") == [11, 12]
    assert LSP.index() == []
    with pytest.raises(UserError, match="'left_rist'; nearest: 'left_wrist'"):
        LSP.index("neck", "left_rist")
    with pytest.raises(UserError, match="nearest"):
        LSP.index("§")


def test_has():
    assert LSP.has("limbs")
    assert LSP.has("torso")
    assert not SKELETONS["coco"].has("head")
    bare = Skeleton("bare", ("a", "b"))
    assert not bare.has("limbs")
    assert not bare.has("torso")


def test_limbs_form_one_body():
    for skeleton in SKELETONS.values():
        reached = {skeleton.limbs[0][0]}
        for _ in skeleton.limbs:
            reached |= {j for limb in skeleton.limbs if reached & set(limb) for j in limb}
        assert reached == set(skeleton.joint_names)


def test_hashable_and_usable_as_a_key():
    assert {LSP: 1, MPII: 2}[skeleton_from_dict(LSP.to_dict())] == 1


GOOD = """
name: hand
joints: [wrist, right_tip, left_tip]
flip_pairs: [[right_tip, left_tip]]
limbs:
  - [wrist, right_tip]
references: {span: [right_tip, left_tip]}
reference: span
"""


def test_own_skeleton_from_a_file(tmp_path):
    path = tmp_path / "hand.yaml"
    path.write_text(GOOD, encoding="utf-8")
    expected = Skeleton(
        "hand",
        ("wrist", "right_tip", "left_tip"),
        (("right_tip", "left_tip"),),
        (("wrist", "right_tip"),),
        {"span": ("right_tip", "left_tip")},
        "span",
    )
    assert read_skeleton(path) == expected
    assert find_skeleton(str(path)) == expected
    path.write_text(yaml.safe_dump(expected.to_dict()), encoding="utf-8")
    assert read_skeleton(path) == expected


def test_only_name_and_joints_are_needed(tmp_path):
    path = tmp_path / "dots.yml"
    path.write_text("name: dots\njoints: [a, b]\nlimbs:\n", encoding="utf-8")
    assert find_skeleton(str(path)) == Skeleton("dots", ("a", "b"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "at least"),
        ("- a\n- b", "at least"),
        ("just words", "at least"),
        ("name: s", "at least"),
        ("joints: [a]", "at least"),
        ("name: s\njoints:", "different names"),
        ("name: s\njoints: []", "different names"),
        ("name: s\njoints: [a, a]", "different names"),
        ("name: s\njoints: wrist", "'joints' is not a list"),
        ("name: s\njoints: 3", "'joints' is not a list"),
        ("name: s\njoints: {a: 1}", "'joints' is not a list"),
        ("name: s\njoints: [a, b]\nflip_pair: []", "nearest: 'flip_pairs'"),
        ("name: s\njoints: [a, b]\n7: x", "no key 7"),
        ("name: s\njoints: [a, b]\nflip_pairs: 3", "'flip_pairs' is not a list"),
        ("name: s\njoints: [a, b]\nflip_pairs: [a, b]", "'a' is not a pair"),
        ("name: s\njoints: [a, b]\nflip_pairs: [[a, b, a]]", "is not a pair"),
        ("name: s\njoints: [a, b, c]\nflip_pairs: [[a, b], [b, c]]", "two flip pairs"),
        ("name: s\njoints: [a, b]\nlimbs: {a: b}", "'limbs' is not a list"),
        ("name: s\njoints: [a, b]\nlimbs: [[a, c]]", r"no joint \['c'\]"),
        ("name: s\njoints: [a, b]\nreferences: [[a, b]]", "'references'"),
        ("name: s\njoints: [a, b]\nreferences: {torso: a}", "is not a pair"),
        ("name: s\njoints: [a, b]\nreference: torso", "no reference length"),
        ("name: s\njoints: [a, b]\nreference: [torso]", "no reference length"),
        ("name: [", "not a readable skeleton file"),
        ("name: 2024-13-45\njoints: [a]", "not a readable skeleton file"),
        ("name: s\njoints: !!python/object:os.system [a]", "not a readable skeleton file"),
    ],
)
def test_every_bad_file_is_one_line_with_its_name(tmp_path, text, message):
    path = tmp_path / "bad.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(UserError, match=message) as caught:
        read_skeleton(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_unreadable_files(tmp_path):
    for path in (tmp_path / "absent.yaml", tmp_path):
        with pytest.raises(UserError, match="not a readable skeleton file"):
            read_skeleton(path)
    (tmp_path / "latin.yaml").write_bytes(b"name: caf\xe9\njoints: [a]")
    with pytest.raises(UserError, match="not a readable skeleton file"):
        find_skeleton(str(tmp_path / "latin.yaml"))


def test_find_skeleton_by_name():
    assert find_skeleton("mpii") is MPII
    with pytest.raises(UserError, match="'mpi'; nearest: 'mpii'"):
        find_skeleton("mpi")


def test_limbs_touch_named_neighbours():
    arm = ["right_shoulder", "right_elbow", "right_wrist"]
    for skeleton in SKELETONS.values():
        assert set(pairwise(arm)) <= set(skeleton.limbs)
