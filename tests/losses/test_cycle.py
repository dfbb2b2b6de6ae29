"""Reconstruction losses: mean absolute differences, and where their gradient goes."""

import numpy as np
import pytest
import torch

from domainxfer.losses.cycle import cycle, identity


@pytest.mark.parametrize("loss", [cycle, identity])
def test_mean_absolute_difference(loss) -> None:  # type: ignore[no-untyped-def]
    numbers = np.random.default_rng(1)
    a, b = (numbers.uniform(-1, 1, (2, 3, 4, 5)) for _ in range(2))
    total = 0.0
    for place in np.ndindex(a.shape):
        total += abs(float(a[place]) - float(b[place]))
    x, y = torch.from_numpy(a).requires_grad_(), torch.from_numpy(b)
    assert float(loss(x, y).detach()) == pytest.approx(total / a.size, rel=1e-12)
    assert torch.autograd.gradcheck(lambda t: loss(t, y), [x])
    (gradient,) = torch.autograd.grad(loss(x, y), x)
    np.testing.assert_allclose(gradient.numpy(), np.sign(a - b) / a.size)


@pytest.mark.parametrize("loss", [cycle, identity])
def test_does_not_grow_with_the_picture(loss) -> None:  # type: ignore[no-untyped-def]
    x, y = torch.full((1, 3, 4, 4), 0.25), torch.full((1, 3, 4, 4), -0.5)
    assert float(loss(x, y)) == pytest.approx(0.75)
    assert float(loss(x.repeat(2, 1, 8, 8), y.repeat(2, 1, 8, 8))) == pytest.approx(0.75)
    assert float(loss(x, x)) == 0


@pytest.mark.parametrize("side", [8, 10])
def test_a_shrunk_cycle_forgives_what_its_blocks_average_away(side: int) -> None:
    x = torch.from_numpy(np.random.default_rng(2).uniform(-1, 1, (2, 3, side, side)))
    stripes = torch.ones(side, side, dtype=x.dtype)
    stripes[:, 1::2] = -1
    assert float(cycle(x + 0.5 * stripes, x)) == pytest.approx(0.5)
    assert float(cycle(x + 0.5 * stripes, x, shrink=4)) == pytest.approx(0, abs=1e-12)
    assert float(cycle(x + 0.5, x, shrink=4)) == pytest.approx(0.5)


def test_a_shrunk_cycle_by_hand() -> None:
    a, b = (np.random.default_rng(s).uniform(-1, 1, (2, 3, 8, 4)) for s in (3, 4))
    blocks = [
        abs((a - b)[n, c, y : y + 4, x : x + 4].mean())
        for n, c, y, x in np.ndindex(2, 3, 8, 4)
        if y % 4 == 0 and x % 4 == 0
    ]
    x, y = torch.from_numpy(a).requires_grad_(), torch.from_numpy(b)
    assert float(cycle(x, y, shrink=4).detach()) == pytest.approx(np.mean(blocks), rel=1e-12)
    assert torch.autograd.gradcheck(lambda t: cycle(t, y, shrink=4), [x])


def test_blocks_at_the_edge_are_means_of_what_they_have() -> None:
    """Five pixels in blocks of four: a mean of four, and one that stands alone."""
    x, y = torch.zeros(1, 1, 1, 5).expand(-1, -1, 4, -1).clone(), torch.zeros(1, 1, 4, 5)
    x[..., 4] = 0.8
    assert float(cycle(x, y, shrink=4)) == pytest.approx((0 + 0.8) / 2)
