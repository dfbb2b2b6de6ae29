"""The pony: built within its picture, the same figure mirrored, and coordinates on the skin that marks can rely on."""

from dataclasses import replace

import numpy as np
import pytest

from domainxfer.datasets.rendered.animal import (
    BASES,
    FINE,
    HAIRS,
    STRIPE,
    TRUNK,
    TRUNK_OUTLINE,
    Pose,
    Skin,
    draw_pose,
    draw_skin,
)
from domainxfer.draws import draw

SIZE = 48
NO_TINT = (1.0, 1.0, 1.0)


def pose(index: int = 0) -> Pose:
    return draw_pose(draw(0, "test animal", index))


def places(skin: Skin, values: np.ndarray, size: int = SIZE) -> np.ndarray:
    """The mean of values over each pixel's covered part, (size, size); nan where there is none."""
    count = np.bincount(skin.cells, minlength=size**2)
    with np.errstate(invalid="ignore"):
        return (np.bincount(skin.cells, values, minlength=size**2) / count).reshape(size, size)


def cover(skin: Skin, size: int = SIZE) -> np.ndarray:
    """How many fine pixels of each pixel the figure covers."""
    return np.bincount(skin.cells, minlength=size**2).reshape(size, size)


def test_poses_follow_from_the_draws_and_are_within_bounds() -> None:
    poses = [pose(index) for index in range(200)]
    assert poses == [pose(index) for index in range(200)]
    assert len(set(poses)) == 200
    for p in poses:
        assert 0.45 <= p.scale <= 0.57
        assert 0 < p.y < p.ground < 0.95
        assert p.base in BASES
        assert p.hair in HAIRS
    assert {p.facing for p in poses} == {1, -1}
    assert {p.base for p in poses} == set(BASES)


def test_the_outline_goes_through_the_points_it_was_made_of() -> None:
    assert np.array(TRUNK_OUTLINE[::6]) == pytest.approx(np.array(TRUNK))
    steps = np.diff(np.array([*TRUNK_OUTLINE, TRUNK_OUTLINE[0]]), axis=0)
    assert np.hypot(*steps.T).max() < 0.06, "and is smooth between them"


@pytest.mark.parametrize("index", range(3))
def test_skin_is_whole(index: int) -> None:
    skin = draw_skin(pose(index), NO_TINT, SIZE)
    n = len(skin.cells)
    assert skin.colours.shape == (3, n)
    assert all(part.shape == (n,) for part in (skin.u, skin.v, skin.patterned, skin.dyed))
    assert 0 < cover(skin).max() <= FINE**2
    assert np.isfinite(skin.u).all()
    assert np.isfinite(skin.v).all()
    assert skin.colours.min() >= 0
    assert skin.colours.max() <= 255
    assert not (skin.patterned & ~skin.dyed).any(), "marks are on dyed skin only"
    for part in (skin.patterned, skin.dyed & ~skin.patterned, ~skin.dyed):
        assert part.mean() > 0.03, "there are marked parts, a plain head, and mane, tail and hooves"


@pytest.mark.parametrize("index", range(3))
def test_facing_the_other_way_is_the_mirror_image(index: int) -> None:
    one = pose(index)
    other = replace(one, facing=-one.facing, x=1 - one.x)
    a, b = (draw_skin(p, NO_TINT, SIZE) for p in (one, other))
    differing = cover(a) != cover(b)[:, ::-1]
    assert differing.mean() < 0.06  # edges are rounded to whole fine pixels, not mirrored
    inside = (cover(a) == FINE**2) & (cover(b)[:, ::-1] == FINE**2)
    for name in ("u", "v"):
        here, there = places(a, getattr(a, name)), places(b, getattr(b, name))[:, ::-1]
        assert np.quantile(abs(here - there)[inside], 0.9) < 0.1, name


def test_a_stripe_is_as_wide_on_every_part() -> None:
    """(u, v) are turned and shifted from part to part, never stretched: marks are of one size all over."""
    p = pose()
    skin = draw_skin(p, NO_TINT, SIZE)
    whole = np.flatnonzero(np.bincount(skin.cells[skin.patterned], minlength=SIZE**2) == FINE**2)
    order = np.argsort(skin.cells, kind="stable")
    rows = order[np.isin(skin.cells[order], whole)].reshape(-1, FINE, FINE)  # pixels that are marked skin all over
    assert len(rows) > 100
    (u_down, u_right), (v_down, v_right) = (
        (np.diff(part, axis=1)[:, :, :-1], np.diff(part, axis=2)[:, :-1]) for part in (skin.u[rows], skin.v[rows])
    )
    one_fine_pixel = 1 / (SIZE * FINE * p.scale * STRIPE)
    area = p.facing * (v_right * u_down - u_right * v_down)  # with its sign: no part is flipped, either
    for found, expected in (
        (np.hypot(u_right, v_right), one_fine_pixel),
        (np.hypot(u_down, v_down), one_fine_pixel),
        (area, one_fine_pixel**2),
    ):
        assert np.median(found) == pytest.approx(expected, rel=1e-3)
        assert (abs(found / expected - 1) < 0.01).mean() > 0.95, "but where one part meets another"


def test_the_light_tints_the_whole_coat() -> None:
    plain, dusk = (draw_skin(pose(), tint, SIZE) for tint in (NO_TINT, (1.0, 0.5, 0.25)))
    np.testing.assert_array_equal(plain.cells, dusk.cells)
    bright = plain.colours.max(axis=0) < 255  # nothing was cut off there
    for channel, tint in enumerate((1.0, 0.5, 0.25)):
        np.testing.assert_allclose(dusk.colours[channel, bright], tint * plain.colours[channel, bright], rtol=1e-5)


def test_it_is_the_same_animal_at_every_size() -> None:
    p = pose(4)
    small, large = draw_skin(p, NO_TINT, 32), draw_skin(p, NO_TINT, 128)
    share = cover(large, 128).reshape(32, 4, 32, 4).mean(axis=(1, 3))
    assert abs(share - cover(small, 32)).mean() < 0.06 * FINE**2
    assert np.median(small.u) == pytest.approx(np.median(large.u), abs=0.1)
