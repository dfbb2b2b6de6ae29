"""The demo's pictures: the same scene in each coat, the coat's marks inside the figure only, nothing left to chance."""

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import domainxfer.datasets
from domainxfer.datasets.rendered.animal import draw_pose
from domainxfer.datasets.rendered.demo import (
    COATS,
    DYES,
    FIRST_SCENE,
    demo_data,
    marks,
    render_coats,
    render_scene,
    training_scenes,
)
from domainxfer.draws import draw
from domainxfer.errors import UsageError

SCENES = 40


@pytest.fixture(scope="module")
def rendered() -> tuple[np.ndarray, np.ndarray]:
    """Pictures (scenes, coats, 64, 64, 3) in [0, 1] and masks (scenes, 64, 64)."""
    pairs = [render_coats(0, index) for index in range(SCENES)]
    return np.stack([pictures for pictures, _ in pairs]) / 255, np.stack([mask for _, mask in pairs])


def test_a_scene_is_the_same_in_every_call_and_process() -> None:
    digest = _digest()
    assert digest == _digest()
    command = (
        "import hashlib; from domainxfer.datasets.rendered.demo import render_scene; "
        "picture, mask = render_scene(7, 11, 'spotted'); "
        "print(hashlib.sha256(picture.tobytes() + mask.tobytes()).hexdigest())"
    )
    here = {**os.environ, "PYTHONPATH": str(Path(domainxfer.datasets.__file__).parents[2])}
    other = subprocess.run([sys.executable, "-c", command], capture_output=True, text=True, check=True, env=here)
    assert other.stdout.strip() == digest


def test_scenes_and_seeds_differ() -> None:
    pictures = {render_scene(seed, index, "plain")[0].tobytes() for seed in (0, 1) for index in range(10)}
    assert len(pictures) == 20


def test_coats_differ_inside_the_mask_and_nowhere_else(rendered: tuple[np.ndarray, np.ndarray]) -> None:
    pictures, masks = rendered
    for first, second in ((0, 1), (0, 2), (1, 2)):
        change = np.abs(pictures[:, first] - pictures[:, second]).max(axis=-1)
        assert change[~masks].max() == 0
        for scene, mask in zip(change, masks, strict=True):
            assert (scene[mask] > 0.3).mean() > 0.1


def test_one_coat_alone_is_the_same_as_among_others() -> None:
    pictures, mask = render_coats(0, 5)
    for label, coat in enumerate(COATS):
        picture, own_mask = render_scene(0, 5, coat)
        np.testing.assert_array_equal(picture, pictures[label])
        np.testing.assert_array_equal(own_mask, mask)


def test_the_figure_covers_a_good_part_and_stays_in_the_picture(rendered: tuple[np.ndarray, np.ndarray]) -> None:
    _, masks = rendered
    share = masks.mean(axis=(1, 2))
    assert share.min() > 0.14
    assert share.max() < 0.37
    edge = np.concatenate([masks[:, 0], masks[:, -1], masks[:, :, 0], masks[:, :, -1]], axis=1)
    assert not edge.any()


def test_doing_nothing_is_far_from_the_truth_in_every_direction(rendered: tuple[np.ndarray, np.ndarray]) -> None:
    pictures, masks = rendered
    for source in range(3):
        for target in range(3):
            if source != target:
                error = ((pictures[:, source] - pictures[:, target]) ** 2).mean(axis=-1)
                psnr = -10 * np.log10(error[masks].mean())
                assert 8 < psnr < 15, f"{COATS[source]} to {COATS[target]}: {psnr:.1f} dB"


def test_between_the_marks_a_coat_is_the_scenes_own_colour_times_its_dye(
    rendered: tuple[np.ndarray, np.ndarray],
) -> None:
    pictures, masks = rendered
    for label in (1, 2):
        dye = np.array(DYES[COATS[label]].ground) / np.array(DYES["plain"].ground)
        error = np.abs(pictures[:, label] - pictures[:, 0] * dye).max(axis=-1)[masks]
        as_dyed = error < 6 / 255  # the plain coat is dark, and its rounding is multiplied
        assert 0.2 < as_dyed.mean() < 0.75


def test_the_figure_faces_both_ways() -> None:
    facings = [draw_pose(draw(0, "demo animal", index)).facing for index in range(40)]
    assert 10 < facings.count(1) < 30


def test_stripes_and_spots_lie_on_the_same_lines() -> None:
    u, v = np.meshgrid((np.arange(600) + 0.5) / 100, np.linspace(-2, 2, 401))
    striped, spotted = marks("striped", u, v), marks("spotted", u, v)
    assert not marks("plain", u, v).any()
    assert striped.mean() == pytest.approx(0.5, abs=0.01)
    assert 0.3 < spotted.mean() < 0.5
    on_line = np.abs(u - np.floor(u) - 0.5) < 0.01
    assert striped[on_line].all()
    assert spotted[on_line].mean() > 0.5
    assert not (striped | spotted)[np.abs(u - np.rint(u)) < 0.1].any()


@pytest.mark.parametrize("size", [32, 64, 128])
def test_other_sizes_show_the_same_scene(size: int) -> None:
    picture, mask = render_scene(0, 3, "striped", size)
    assert picture.shape == (size, size, 3)
    assert picture.dtype == np.uint8
    assert mask.shape == (size, size)
    assert mask.dtype == bool
    reference, _ = render_scene(0, 3, "striped", 128)
    factor = 128 // size
    small = reference.reshape(size, factor, size, factor, 3).mean(axis=(1, 3))
    assert np.abs(small - picture).mean() < 255 * 0.02


def test_an_unknown_coat_suggests_the_nearest() -> None:
    with pytest.raises(UsageError, match=r"plain, striped, spotted.*Did you mean 'striped'"):
        render_scene(0, 0, "stripes")


def test_training_pictures_are_unpaired_and_held_out_scenes_are_apart() -> None:
    scenes = [set(training_scenes(label, 600)) for label in range(3)]
    held_out = [set(range(FIRST_SCENE[split], FIRST_SCENE[split] + 1000)) for split in ("test", "validation")]
    everything = [*scenes, *held_out]
    assert len(set().union(*everything)) == sum(len(part) for part in everything)


def test_demo_data_pairs_the_held_out_pictures_with_the_truth() -> None:
    data = demo_data(size=32, seed=4, train=6, validation=3, test=5)
    assert data.domains == COATS
    assert data.counts() == {
        "train": dict.fromkeys(COATS, 6),
        "validation": dict.fromkeys(COATS, 3),
        "test": dict.fromkeys(COATS, 5),
    }
    assert data.truth is not None
    for split, count in (("validation", 3), ("test", 5)):
        images, masks = data.truth.images(split), data.truth.masks(split)
        assert images.shape == (count, 3, 32, 32, 3)
        assert masks.shape == (count, 32, 32)
        for label, pictures in enumerate(data.split(split)):
            for scene in range(count):
                np.testing.assert_array_equal(np.asarray(pictures[scene]), images[scene, label])
    expected, mask = render_scene(4, FIRST_SCENE["test"] + 2, "spotted", 32)
    np.testing.assert_array_equal(data.truth.images("test")[2, 2], expected)
    np.testing.assert_array_equal(data.truth.masks("test")[2], mask)
    for label, coat in enumerate(COATS):
        scene = training_scenes(label, 6)[-1]
        np.testing.assert_array_equal(np.asarray(data.train[label][5]), render_scene(4, scene, coat, 32)[0])


def test_more_training_pictures_leave_the_test_as_it_is() -> None:
    few, many = (demo_data(32, train=count, validation=1, test=2) for count in (1, 3))
    assert few.truth is not None
    assert many.truth is not None
    np.testing.assert_array_equal(few.truth.images("test"), many.truth.images("test"))


def _digest() -> str:
    picture, mask = render_scene(7, 11, "spotted")
    return hashlib.sha256(picture.tobytes() + mask.tobytes()).hexdigest()
