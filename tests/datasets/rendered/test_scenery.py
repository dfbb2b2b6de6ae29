"""Landscapes: each draw gives one, at any size, and nothing but the draws decides it."""

import numpy as np
import pytest
from PIL import Image

from domainxfer.datasets.rendered.scenery import MOODS, Brush, Mood, cast_shadow, draw_scenery, mixed
from domainxfer.draws import draw


def landscape(seed: int, index: int = 0, canvas: int = 64) -> tuple[np.ndarray, Mood]:
    image, mood = draw_scenery(draw(seed, "test scenery", index), canvas)
    assert (image.mode, image.size) == ("RGB", (canvas, canvas))
    return np.asarray(image).astype(int), mood


def test_the_same_draws_give_the_same_landscape() -> None:
    for seed in range(3):
        first, mood = landscape(seed)
        again, same_mood = landscape(seed)
        np.testing.assert_array_equal(first, again)
        assert mood is same_mood


def test_other_draws_give_other_landscapes_in_every_mood() -> None:
    found = [landscape(seed, index) for seed in (0, 1) for index in range(20)]
    assert len({picture.tobytes() for picture, _ in found}) == 40
    assert {id(mood) for _, mood in found} == {id(mood) for mood in MOODS}


@pytest.mark.parametrize("index", range(4))
def test_it_looks_the_same_at_every_size(index: int) -> None:
    small, mood = landscape(5, index, 32)
    large, same_mood = landscape(5, index, 128)
    assert mood is same_mood
    reduced = large.reshape(32, 4, 32, 4, 3).mean(axis=(1, 3))
    other, _ = landscape(5, index + 1, 32)
    assert abs(reduced - small).mean() < 6 < abs(reduced - other).mean()


def test_the_colours_are_those_of_the_mood() -> None:
    for index in range(10):
        picture, mood = landscape(2, index)
        corners = [np.linalg.norm(picture[0, x] - np.array(mood.sky_top)) for x in (0, -1)]
        assert min(corners) < 60, "sky above, but for the glow of the sun"
        ground = np.median(picture[-4:].reshape(-1, 3), axis=0)
        assert np.linalg.norm(ground - np.array(mood.meadow_near)) < 40, "meadow below"


def test_shares_of_a_colour() -> None:
    black, some = (0, 0, 0), (200, 100, 51)
    assert mixed(black, some, 0) == black
    assert mixed(black, some, 1) == some
    assert mixed(black, some, 0.5) == (100, 50, 26)
    assert mixed(some, some, 0.3) == some


@pytest.mark.parametrize("side", [20, 50, 200])
def test_a_brush_draws_in_shares_of_the_side(side: int) -> None:
    image = Image.new("L", (side, side))
    brush = Brush(image)
    brush.polygon([(0.5, 0.0), (1.0, 0.0), (1.0, 0.5), (0.5, 0.5)], 100)
    brush.ellipse(0.25, 0.75, 0.2, 0.1, 200)
    drawn = np.asarray(image)
    assert (drawn == 100).mean() == pytest.approx(0.25, abs=3 / side)
    assert (drawn == 200).mean() == pytest.approx(np.pi * 0.2 * 0.1, abs=3 / side)
    rows, columns = np.nonzero(drawn == 200)
    assert (rows.mean() + 0.5) / side == pytest.approx(0.75, abs=1 / side)
    assert (columns.mean() + 0.5) / side == pytest.approx(0.25, abs=1 / side)


def test_a_shadow_darkens_softly_and_only_around_its_place() -> None:
    image = Image.new("RGB", (128, 128), (180, 200, 160))
    before = np.asarray(image).astype(int)
    cast_shadow(image, 0.3, 0.7, 0.15, 0.06, 0.5)
    after = np.asarray(image).astype(int)
    assert (after <= before).all()
    assert after[90, 38].tolist() == pytest.approx([101, 115, 97], abs=3)  # half way to the shadow's colour
    far = np.ones((128, 128), bool)
    far[70:110, 8:70] = False
    np.testing.assert_array_equal(after[far], before[far])
    assert len(np.unique(after[..., 0])) > 10, "no hard edge"
    lighter = Image.new("RGB", (128, 128), (180, 200, 160))
    cast_shadow(lighter, 0.3, 0.7, 0.15, 0.06, 0.0)
    np.testing.assert_array_equal(np.asarray(lighter), before)
