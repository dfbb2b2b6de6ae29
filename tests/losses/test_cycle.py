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
