"""Looks at a picture: each change is there by itself, of the size asked for, and nothing changes unasked."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from domainxfer.objective import Looks
from domainxfer.training.looks import NUMBERS, SINGLE, looked_at

NONE = {"turn": 0, "shear": 0, "stretch": 1, "shift": 0, "bend": 0, "ink": 0, "tone": 0}
TURN, SHEAR, WIDE, HIGH, RIGHT, DOWN, INK, TONE, FLIP, HUE, ZOOM, PART_RIGHT, PART_DOWN = range(SINGLE)


def cross(side: int = 33) -> Tensor:
    """A bright vertical bar and a shorter horizontal one on black: (1, 1, side, side)."""
    x = -torch.ones(1, 1, side, side)
    x[..., 4:-4, 15:18] = 1
    x[..., 15:18, 8:-8] = 1
    return x


def look(x: Tensor, numbers: dict[int, float], **settings: float) -> Tensor:
    symmetric = torch.zeros(len(x), NUMBERS)
    for place, number in numbers.items():
        symmetric[:, place] = number
    return looked_at(x, Looks(**{**NONE, **settings}), symmetric)


def test_nothing_is_changed_unasked() -> None:
    x = cross()
    torch.testing.assert_close(look(x, dict.fromkeys(range(NUMBERS), 0.7)), x, atol=1e-5, rtol=0)


def test_no_draw_away_from_the_middle_changes_nothing_but_the_tone() -> None:
    x = cross()
    torch.testing.assert_close(looked_at(x, Looks(tone=0), torch.zeros(1, NUMBERS)), x, atol=1e-5, rtol=0)


def test_a_quarter_turn() -> None:
    x = cross()
    torch.testing.assert_close(look(x, {TURN: 1.0}, turn=90), x.rot90(1, (2, 3)), atol=1e-4, rtol=0)


@pytest.mark.parametrize(("place", "axis"), [(RIGHT, 3), (DOWN, 2)])
def test_a_shift_is_a_share_of_the_side(place: int, axis: int) -> None:
    x = cross(40)
    moved = look(x, {place: 0.5}, shift=0.2)  # a tenth of 40 px
    torch.testing.assert_close(moved, x.roll(-4, axis), atol=1e-4, rtol=0)


def test_width_and_height_are_stretched_each_by_itself() -> None:
    x = cross()
    lit = x > 0
    thin = look(x, {WIDE: 1.0}, stretch=2.0) > 0
    assert int(thin[0, 0, 16].sum()) == pytest.approx(int(lit[0, 0, 16].sum()) / 2, abs=1)
    assert int(thin[0, 0, :, 16].sum()) == int(lit[0, 0, :, 16].sum())


def test_shear_slants_upright_strokes() -> None:
    x = cross()
    slanted = look(x, {SHEAR: 1.0}, shear=0.4)[0, 0] > 0
    columns = torch.arange(33.0)
    top, bottom = (float((slanted[row] * columns).sum() / slanted[row].sum()) for row in (6, 26))
    assert abs(top - bottom) == pytest.approx(0.4 * 20, abs=1)


def test_ink_grows_and_shrinks_strokes() -> None:
    x = cross()
    thick, thin = look(x, {INK: 1.0}, ink=1.0), look(x, {INK: -1.0}, ink=1.0)
    assert int((thick[0, 0, 6] > 0).sum()) == 5
    assert int((thin[0, 0, 6] > 0).sum()) == 1
    half = look(x, {INK: 0.5}, ink=1.0)
    torch.testing.assert_close(half, (x + thick) / 2)


def test_tone_darkens_and_a_flip_mirrors() -> None:
    x = cross()
    torch.testing.assert_close(look(x, {TONE: 1.0}, tone=0.4), (x + 1) * 0.6 - 1)
    x = torch.rand(1, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(look(x, {FLIP: -0.2}, flip=True), x.flip(3), atol=1e-5, rtol=0)
    torch.testing.assert_close(look(x, {FLIP: 0.2}, flip=True), x, atol=1e-5, rtol=0)


@pytest.mark.parametrize(("turns", "order"), [(1, (1, 2, 0)), (-1, (2, 0, 1))])
def test_a_third_of_the_colour_circle_exchanges_the_colours(turns: int, order: tuple[int, ...]) -> None:
    x = 2 * torch.rand(2, 3, 8, 8, generator=torch.Generator().manual_seed(2)) - 1
    turned = look(x, {HUE: turns}, hue=120)
    torch.testing.assert_close(turned, x[:, torch.tensor(order).argsort()], atol=1e-5, rtol=0)
    grey = x[:, :1].expand(-1, 3, -1, -1)
    torch.testing.assert_close(look(grey, {HUE: 0.4}, hue=180), grey, atol=1e-5, rtol=0)
    torch.testing.assert_close(look(x[:, :1], {HUE: 0.4}, hue=180), x[:, :1], atol=1e-5, rtol=0)


@pytest.mark.parametrize("corner", [(-1, -1), (1, -1), (1, 1)])
def test_a_look_at_a_part_stays_within_the_picture(corner: tuple[int, int]) -> None:
    x = torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    part = look(x, {ZOOM: 1.0, PART_RIGHT: corner[0], PART_DOWN: corner[1]}, zoom=0.25)
    right, down = (24 * (place + 1) // 2 for place in corner)
    larger = F.interpolate(x[..., down : down + 8, right : right + 8], scale_factor=4, mode="bilinear")
    torch.testing.assert_close(part[..., 2:-2, 2:-2], larger[..., 2:-2, 2:-2], atol=1e-5, rtol=0)


def test_bends_move_pixels_by_about_the_size_asked_for() -> None:
    ramp = torch.linspace(-1, 1, 64).expand(1, 1, 64, 64)
    symmetric = torch.zeros(1, NUMBERS)
    symmetric[:, SINGLE:] = 2 * torch.rand(1, NUMBERS - SINGLE, generator=torch.Generator().manual_seed(1)) - 1
    bent = looked_at(ramp, Looks(**{**NONE, "bend": 0.1}), symmetric)
    moved = (bent - ramp)[..., 8:-8].abs()
    assert 0.02 < float(moved.mean()) < 0.1
    assert float(moved.max()) < 0.2
