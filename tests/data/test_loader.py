"""Crops and batches: painted pixels that are followed, and draws that depend on nothing else."""

import itertools
import threading

import numpy as np
import pytest

from painted import ALL, BODY, GEOMETRY, H, W, assert_same, crowd, first, training
from vitruvian import geometry
from vitruvian.data.augment import Augment
from vitruvian.data.loader import Skipped, ahead, extents, make_crops, plain_crops
from vitruvian.types import State, UserError


def centroid(picture):
    y, x = np.indices(picture.shape)
    light = picture.astype(float)
    return np.array([(x * light).sum(), (y * light).sum()]) / light.sum()


# pixels


def check_painted(people, crops, least):
    """Each joint lies on its own pixel; in a mirrored crop the names of the hands are exchanged."""
    rows = [people.key.tolist().index(key) for key in crops.key]
    seen = 0
    for b, row in enumerate(rows):
        linear = crops.to_image[b, :, :2]
        mirrored = np.linalg.det(linear) < 0
        reach = 1 + 1 / np.linalg.norm(linear[:, 0])  # of a photograph's pixel, in the crop
        channels = BODY.swap if mirrored else [0, 1, 2]
        for j, channel in enumerate(channels):
            in_image = geometry.apply(crops.to_image[b], crops.joints[b, j][None])[0]
            np.testing.assert_allclose(in_image, people.joints[row, channel], atol=1e-3)
            x, y = crops.joints[b, j]
            if reach < x < W - 1 - reach and reach < y < H - 1 - reach:
                seen += 1
                picture = crops.image[b, :, :, channel]
                assert np.abs(centroid(picture) - crops.joints[b, j]).max() < 0.3
    assert seen >= least


def test_plain_crops_show_each_joint_where_it_is_said_to_be():
    people = crowd(9)
    batches = list(plain_crops(people, people.box, H, W, 4, Skipped()))
    assert [len(crops.key) for crops in batches] == [4, 4, 1]
    np.testing.assert_array_equal(np.concatenate([c.key for c in batches]), people.key)
    for crops in batches:
        assert crops.image.shape[1:] == (H, W, 3)
        assert (crops.image.dtype, crops.joints.dtype) == (np.uint8, np.float32)
        assert (crops.state.dtype, crops.to_image.dtype) == (np.uint8, np.float32)
        assert (crops.state == State.VISIBLE).all()
        check_painted(people, crops, least=len(crops.key))


@pytest.mark.parametrize(
    "augment",
    [
        Augment(rotation=180),
        Augment(flip=1),
        Augment(scale=(0.6, 1.4)),
        Augment(translation=0.2),
        GEOMETRY,
    ],
    ids=["rotation", "flip", "scale", "translation", "all"],
)
def test_augmented_joints_land_on_their_pixels(augment):
    people = crowd(12)
    for crops in first(training(people, 6, augment), 5):
        check_painted(people, crops, least=6)


def test_names_change_with_the_mirror():
    people = crowd(8)
    people.state[:, 0] = State.OCCLUDED  # every right hand
    mirrored = first(training(people, 8, Augment(flip=1)), 1)[0]
    plain = first(training(people, 8, Augment()), 1)[0]
    np.testing.assert_array_equal(mirrored.key, plain.key)
    assert (plain.state[:, :2] == [State.OCCLUDED, State.VISIBLE]).all()
    assert (mirrored.state[:, :2] == [State.VISIBLE, State.OCCLUDED]).all()
    expected = plain.joints[:, BODY.swap]
    expected[..., 0] = W - 1 - expected[..., 0]
    np.testing.assert_allclose(mirrored.joints, expected, atol=1e-3)
    np.testing.assert_array_equal(mirrored.image, plain.image[:, :, ::-1])


def test_occluders_hide_by_name():
    people = crowd(40, noise=True)
    augment = GEOMETRY.model_copy(update={"flip": 1.0})
    bare = first(training(people, 40, augment), 1)[0]
    pasted = first(training(people, 40, augment.model_copy(update={"occluders": 6})), 1)[0]
    np.testing.assert_array_equal(bare.joints, pasted.joints)
    assert (bare.state == State.VISIBLE).all()
    checked = 0
    for b, j in np.ndindex(40, 3):
        x, y = pasted.joints[b, j]
        near = [np.floor(x), np.ceil(x)], [np.floor(y), np.ceil(y)]
        around = [(int(v), int(u)) for u in near[0] for v in near[1]]
        if not all(0 <= v < H and 0 <= u < W for v, u in around):
            continue
        changed = [(bare.image[b][at] != pasted.image[b][at]).any() for at in around]
        if all(changed) or not any(changed):  # else the joint lies on an occluder's edge
            assert (pasted.state[b, j] == State.OCCLUDED) == changed[0]
            checked += changed[0]
    assert checked > 10


# states


def test_a_joint_outside_the_crop_keeps_its_state_and_place():
    people = crowd(6)
    people.state[:, 2] = State.OCCLUDED
    box = people.box + np.array([100, 0, 0, 0])
    (crops,) = plain_crops(people, box, H, W, 6, Skipped())
    np.testing.assert_array_equal(crops.state, people.state)
    assert (crops.joints[..., 0] < -0.5).all()
    assert not crops.image.any()
    for batch in first(training(people, 6, Augment(translation=3.0, occluders=4)), 4):
        outside = (batch.joints < -0.5).any(-1) | (batch.joints > [W - 0.5, H - 0.5]).any(-1)
        assert outside.any()
        assert (batch.state[:, :2][outside[:, :2]] == State.VISIBLE).all()


def test_joints_without_coordinates_stay_zero():
    people = crowd(5)
    people.state[:, 1] = State.MISSING
    people.state[:, 2] = State.UNDEFINED
    people.joints[:, 1:] = 0
    for crops in first(training(people, 5, Augment(flip=1, rotation=40)), 3):
        # the mirror gave the right hand's place to the left one
        assert (crops.state == [State.MISSING, State.VISIBLE, State.UNDEFINED]).all()
        assert (crops.joints[:, [0, 2]] == 0).all()
        assert (crops.joints[:, 1] != 0).all()


def test_nobody_located_in_a_given_box():
    people = crowd(3)
    people.state[:] = State.MISSING
    (crops,) = plain_crops(people, people.box, H, W, 3, Skipped())
    assert (crops.state == State.MISSING).all()
    assert (crops.joints == 0).all()
    assert crops.image.any()
    assert np.isnan(extents(people)).all()
    batch = first(training(people, 3, GEOMETRY), 1)[0]
    assert (batch.state == State.MISSING).all()
    assert np.isfinite(batch.to_image).all()


def test_a_person_without_a_box_never_counts():
    people = crowd(3, noise=True)
    people.state[1] = State.MISSING
    people.joints[1] = 0
    people.box[1] = np.nan
    skipped = Skipped()
    batch = first(training(people, 3, ALL, skipped=skipped), 1)[0]
    nobody = batch.key == people.key[1]
    assert (batch.state[nobody] == State.UNDEFINED).all()
    assert not batch.image[nobody].any()
    assert (batch.joints[nobody] == 0).all()
    assert (batch.state[~nobody] >= State.OCCLUDED).all()
    assert np.isfinite(batch.joints).all()
    assert skipped.summary() == ""


def test_extents_are_of_located_joints():
    people = crowd(2)
    people.joints[0] = [[10, 20], [40, 32], [500, 500]]
    people.state[0, 2] = State.MISSING
    assert extents(people)[0] == 30


# unreadable photographs


@pytest.mark.parametrize("workers", [0, 2])
def test_unreadable_photographs_are_reported_and_do_not_count(workers):
    people, skipped = crowd(6, broken=(2, 4)), Skipped()
    assert skipped.summary() == ""
    batches = first(training(people, 6, skipped=skipped, workers=workers), 2)
    for crops in batches:
        broken = np.isin(crops.key, people.key[[2, 4]])
        assert broken.sum() == 2
        assert (crops.state[broken] == State.UNDEFINED).all()
        assert (crops.joints[broken] == 0).all()
        assert not crops.image[broken].any()
        assert (crops.state[~broken] >= State.OCCLUDED).all()
        assert crops.image[~broken].any((1, 2, 3)).all()
    assert set(skipped.reasons) == {"p2.png", "p4.png"}
    assert skipped.summary().startswith("2 photographs could not be read")
    assert "is damaged" in skipped.summary()
    assert (people.state == State.VISIBLE).all()  # the data set is left as it was


def test_other_errors_are_not_hidden():
    people = crowd(4)
    object.__setattr__(people, "photo", lambda row, factor: 1 / 0)
    for workers in (0, 2):
        with pytest.raises(ZeroDivisionError):
            first(training(people, workers=workers), 1)


# draws


@pytest.mark.parametrize("workers", [1, 3])
def test_workers_change_nothing(workers):
    people = crowd(5, noise=True)
    alone = first(training(people, workers=0), 6)
    for one, other in zip(alone, first(training(people, workers=workers), 6), strict=True):
        assert_same(one, other)


@pytest.mark.parametrize("start", [1, 4])
def test_resuming_changes_nothing(start):
    people = crowd(5, noise=True)
    whole = first(training(people), 7)
    resumed = first(training(people, start=start, workers=2), 7 - start)
    for one, other in zip(whole[start:], resumed, strict=True):
        assert_same(one, other)


def test_two_processes_interleave_to_one():
    people = crowd(7, noise=True)
    whole = first(training(people, batch=6), 4)
    shares = [first(training(people, batch=6, rank=r, processes=2), 4) for r in (0, 1)]
    for step, crops in enumerate(whole):
        for name in ("image", "joints", "state", "to_image", "key"):
            for rank in (0, 1):
                share = getattr(shares[rank][step], name)
                np.testing.assert_array_equal(getattr(crops, name)[rank::2], share)


def test_epochs_are_permutations_across_batch_borders():
    people = crowd(7)
    keys = np.concatenate([crops.key for crops in first(training(people, batch=4), 7)])
    epochs = keys.reshape(4, 7)
    for epoch in epochs:
        np.testing.assert_array_equal(np.sort(epoch), people.key)
    assert len(np.unique(epochs, axis=0)) == 4


def test_a_batch_may_hold_many_epochs():
    people = crowd(3)
    (crops,) = first(training(people, batch=60), 1)
    np.testing.assert_array_equal(
        np.sort(crops.key.reshape(20, 3), 1), people.key[None].repeat(20, 0)
    )
    mine = crops.to_image[crops.key == people.key[0]]
    assert len(np.unique(mine.reshape(20, -1), axis=0)) == 20  # each epoch draws anew


def test_a_draw_depends_on_seed_epoch_and_key_alone():
    people = crowd(6, noise=True)
    backwards = people.rows(np.arange(6)[::-1])
    (one,), (other,) = (first(training(p, batch=6), 1) for p in (people, backwards))
    assert not np.array_equal(one.key, other.key)
    for name in ("image", "joints", "state", "to_image"):
        a, b = (getattr(c, name)[np.argsort(c.key)] for c in (one, other))
        np.testing.assert_array_equal(a, b)
    (reseeded,) = first(training(people, batch=6, seed=4), 1)
    assert not np.array_equal(np.sort(one.to_image, 0), np.sort(reseeded.to_image, 0))
    assert not np.array_equal(one.key, reseeded.key)


def test_what_cannot_be_trained_on():
    with pytest.raises(UserError, match="'crowd' has no person to train on"):
        next(training(crowd(0)))
    with pytest.raises(UserError, match="batch of 4 does not divide among 3 processes"):
        next(training(crowd(5), processes=3))


# working ahead


@pytest.mark.parametrize("workers", [-1, 0, 1, 4])
def test_ahead_keeps_the_order(workers):
    assert list(ahead(lambda item: item * 2, iter(range(20)), workers)) == list(range(0, 40, 2))


def test_ahead_is_bounded_and_stops_when_closed():
    made, lock = [], threading.Lock()

    def make(item):
        with lock:
            made.append(item)
        return item

    crops = ahead(make, itertools.count(), 2)
    assert [next(crops) for _ in range(3)] == [0, 1, 2]
    crops.close()
    assert len(made) <= 8
    after = len(made)
    assert not [t for t in threading.enumerate() if t.name.startswith("crops") and not t.is_alive()]
    assert len(made) - after <= 2


def test_crops_of_chosen_rows():
    people = crowd(5)
    rows = np.array([3, 0])
    boxes = geometry.fit_aspect(people.box[rows], H, W)
    crops = make_crops(people, rows, geometry.crop_to_image(boxes, H, W), H, W, Skipped())
    np.testing.assert_array_equal(crops.key, people.key[rows])
    check_painted(people, crops, least=4)
    crops.state[:] = State.MISSING
    assert (people.state == State.VISIBLE).all()
