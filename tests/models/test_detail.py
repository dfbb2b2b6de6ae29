"""A picture's own detail: the filters by hand, what gains do to it, where it ends, and that it has no grid."""

import itertools
from math import exp

import pytest
import torch
from torch import Tensor

from domainxfer.models.blocks import Blur
from domainxfer.models.detail import amplified, smoothed, smoothed_between_edges


def picture(*shape: int) -> Tensor:
    """Noise in [-1, 1]."""
    return torch.rand(shape, generator=torch.Generator().manual_seed(1)) * 2 - 1


@pytest.mark.parametrize("spread", [1, 2, 4])
def test_smoothing_by_hand(spread: int) -> None:
    x = picture(1, 2, 9, 7)
    expected = torch.zeros_like(x)
    for row, column in itertools.product(range(9), range(7)):
        for down, right in itertools.product((-1, 0, 1), repeat=2):
            place = min(max(row + down * spread, 0), 8), min(max(column + right * spread, 0), 6)
            weight = (2 - abs(down)) * (2 - abs(right)) / 16
            expected[0, :, row, column] += weight * x[0, :, *place]
    torch.testing.assert_close(smoothed(x, spread), expected)
    assert torch.autograd.gradcheck(lambda t: smoothed(t, spread), [x.double().requires_grad_()])


def test_gains_of_minus_one_take_the_detail_away_and_zero_leaves_it() -> None:
    x = picture(2, 3, 32, 24)
    assert amplified(x, torch.zeros(2, 3, 32, 24)).abs().max() == 0
    smooth = smoothed(smoothed(smoothed(x, 1), 2), 4)
    torch.testing.assert_close(x + amplified(x, -torch.ones(2, 3, 32, 24)), smooth)
    torch.testing.assert_close(x + amplified(x, torch.ones(2, 1, 32, 24)), 2 * x - smoothed(x, 1))
    torch.testing.assert_close(smoothed(x, 1), Blur()(x))
    assert amplified(x, torch.zeros(2, 0, 32, 24)).abs().max() == 0


def test_stripes_go_where_the_gains_say() -> None:
    x = torch.ones(1, 1, 32, 32)
    x[..., 1::2] = -1
    gains = torch.zeros(1, 1, 32, 32)
    gains[..., :16] = -1
    y = x + amplified(x, gains)
    assert y[..., 1:16].abs().max() < 1e-6
    assert torch.equal(y[..., 16:], x[..., 16:])


@pytest.mark.parametrize("spread", [1, 2, 4])
def test_amplified_detail_has_no_grid(spread: int) -> None:
    x, gains = picture(1, 3, 48, 48), torch.randn(1, 3, 48, 48, generator=torch.Generator().manual_seed(0))
    whole = amplified(x, gains)
    moved = amplified(x[..., spread:], gains[..., spread:])
    torch.testing.assert_close(moved[..., 7:], whole[..., spread + 7 :])


@pytest.mark.parametrize("spread", [1, 2, 4])
def test_smoothing_between_edges_by_hand(spread: int) -> None:
    x, edges = picture(1, 2, 9, 7).double(), 0.7
    expected = torch.zeros_like(x)
    for row, column in itertools.product(range(9), range(7)):
        here, total = x[0, :, row, column], 0.0
        for down, right in itertools.product((-1, 0, 1), repeat=2):
            there = x[0, :, min(max(row + down * spread, 0), 8), min(max(column + right * spread, 0), 6)]
            weight = (2 - abs(down)) * (2 - abs(right)) * exp(-float((there - here).square().sum()) / edges**2)
            expected[0, :, row, column] += weight * there
            total += weight
        expected[0, :, row, column] /= total
    torch.testing.assert_close(smoothed_between_edges(x, spread, edges), expected)


def test_far_edges_are_none() -> None:
    x = picture(2, 3, 16, 12)
    torch.testing.assert_close(smoothed_between_edges(x, 2, 1e4), smoothed(x, 2))
    gains = picture(2, 3, 16, 12)
    torch.testing.assert_close(amplified(x, gains, 1e4), amplified(x, gains), atol=1e-5, rtol=1e-5)


def test_shading_goes_and_edges_stay() -> None:
    """Two surfaces with an edge of 1.2 between them, each shaded by .1."""
    left, right = torch.linspace(-0.65, -0.55, 16), torch.linspace(0.55, 0.65, 16)
    x = torch.cat([left, right]).expand(1, 1, 32, 32).contiguous()
    flat = x + amplified(x, -torch.ones(1, 5, 32, 32), 0.2)
    assert (flat[..., :16].amax() - flat[..., :16].amin()) < 0.05
    assert flat[..., 15].max() < -0.55
    assert flat[..., 16].min() > 0.55
    without = x + amplified(x, -torch.ones(1, 5, 32, 32))
    assert without[..., 15].max() > -0.2  # a plain blur runs over the edge


def test_gradients_take_the_weights_as_given() -> None:
    """Against float64 differences of the filter with its weights held."""
    x = picture(1, 2, 6, 5).double().requires_grad_()
    mix = picture(1, 2, 6, 5).double()
    (gradient,) = torch.autograd.grad((smoothed_between_edges(x, 1, 0.5) * mix).sum(), x)
    rows = []
    for place in range(x.numel()):
        step = torch.zeros(x.numel(), dtype=torch.double)
        step[place] = 1.0
        rows.append(_with_weights_of(x.detach(), step.view_as(x), 0.5))
    expected = torch.stack([(row * mix).sum() for row in rows]).view_as(x)
    torch.testing.assert_close(gradient, expected)


def _with_weights_of(x: Tensor, y: Tensor, edges: float) -> Tensor:
    """The linear filter whose weights x gives, applied to y; spread 1."""
    out = torch.zeros_like(y)
    for row, column in itertools.product(range(x.shape[2]), range(x.shape[3])):
        total = 0.0
        for down, right in itertools.product((-1, 0, 1), repeat=2):
            r, c = min(max(row + down, 0), x.shape[2] - 1), min(max(column + right, 0), x.shape[3] - 1)
            distance = float((x[0, :, r, c] - x[0, :, row, column]).square().sum())
            weight = (2 - abs(down)) * (2 - abs(right)) * exp(-distance / edges**2)
            out[0, :, row, column] += weight * y[0, :, r, c]
            total += weight
        out[0, :, row, column] /= total
    return out
