"""The two terms of the VAE against torch.distributions in float64, their gradients, and the bound they make."""

import math

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.distributions import Bernoulli, Normal, kl_divergence

from domainxfer.losses.vae import kl_to_normal, reconstruction


@pytest.fixture
def pictures() -> tuple[Tensor, Tensor]:
    """Rebuilt and real, grey values among them."""
    numbers = np.random.default_rng(0)
    return tuple(torch.from_numpy(numbers.uniform(-0.99, 0.99, (3, 2, 4, 5))) for _ in range(2))  # type: ignore[return-value]


@pytest.fixture
def latent() -> tuple[Tensor, Tensor]:
    numbers = np.random.default_rng(1)
    return tuple(torch.from_numpy(numbers.normal(0, 2, (4, 6))) for _ in range(2))  # type: ignore[return-value]


def test_bernoulli_is_the_likelihood_of_ink(pictures: tuple[Tensor, Tensor]) -> None:
    rebuilt, real = pictures
    ink = Bernoulli(probs=(rebuilt + 1) / 2, validate_args=False)
    wanted = -ink.log_prob((real + 1) / 2).sum((1, 2, 3)).mean()
    torch.testing.assert_close(reconstruction(rebuilt, real), wanted, rtol=1e-12, atol=0)
    assert torch.autograd.gradcheck(lambda x: reconstruction(x, real), [rebuilt.requires_grad_()])
    (slope,) = torch.autograd.grad(reconstruction(rebuilt, real), rebuilt)
    p, t = (rebuilt.detach() + 1) / 2, (real + 1) / 2
    torch.testing.assert_close(slope, (p - t) / (p * (1 - p)) / 2 / 3)


@pytest.mark.parametrize("deviation", [0.3, 1.0])
def test_gaussian_is_the_likelihood_of_a_normal_distribution(pictures: tuple[Tensor, Tensor], deviation: float) -> None:
    rebuilt, real = pictures
    wanted = -Normal(rebuilt, deviation).log_prob(real).sum((1, 2, 3)).mean()
    found = reconstruction(rebuilt, real, likelihood="gaussian", deviation=deviation)
    torch.testing.assert_close(found, wanted, rtol=1e-12, atol=0)
    (slope,) = torch.autograd.grad(
        reconstruction(rebuilt.requires_grad_(), real, likelihood="gaussian", deviation=deviation), rebuilt
    )
    torch.testing.assert_close(slope, (rebuilt.detach() - real) / deviation**2 / 3)


@pytest.mark.parametrize("wrong", [-1.0, 1.0])
def test_a_quite_sure_and_wrong_pixel_costs_much_but_not_infinity(wrong: float) -> None:
    rebuilt = torch.full((1, 1, 1, 1), wrong, requires_grad=True)
    loss = reconstruction(rebuilt, torch.full((1, 1, 1, 1), -wrong))
    assert float(loss.detach()) == pytest.approx(100)
    loss.backward()
    assert rebuilt.grad is not None
    assert bool(rebuilt.grad.isfinite())
    assert float(reconstruction(rebuilt.detach(), rebuilt.detach())) == 0


def test_divergence_is_that_of_two_normal_distributions(latent: tuple[Tensor, Tensor]) -> None:
    mean, log_variance = latent
    wanted = kl_divergence(Normal(mean, (0.5 * log_variance).exp()), Normal(0.0, 1.0)).sum(1).mean()
    torch.testing.assert_close(kl_to_normal(mean, log_variance), wanted, rtol=1e-12, atol=0)
    both = mean.requires_grad_(), log_variance.requires_grad_()
    assert torch.autograd.gradcheck(kl_to_normal, both)
    of_mean, of_log_variance = torch.autograd.grad(kl_to_normal(*both), both)
    torch.testing.assert_close(of_mean, mean.detach() / 4)
    torch.testing.assert_close(of_log_variance, (log_variance.detach().exp() - 1) / 2 / 4)


def test_noise_itself_is_no_distance_from_noise() -> None:
    nothing = torch.zeros(3, 5)
    assert float(kl_to_normal(nothing, nothing)) == 0
    assert float(kl_to_normal(nothing + 2, nothing)) == pytest.approx(5 * 2)


def test_their_sum_bounds_the_likelihood_and_touches_it_at_the_true_posterior() -> None:
    """x = z + s e with z, e from N(0, 1): log p(x), the best q(z|x) and so the gap of any other are known exactly."""
    s, x = 0.5, 0.8
    evidence = float(Normal(0.0, math.sqrt(1 + s**2)).log_prob(torch.tensor(x)))
    draws = torch.randn(200_000, 1, dtype=torch.float64, generator=torch.Generator().manual_seed(0))

    def bound(mean: float, variance: float) -> float:
        z = mean + math.sqrt(variance) * draws
        real = torch.full_like(z, x)
        cost = reconstruction(z[:, :, None, None], real[:, :, None, None], likelihood="gaussian", deviation=s)
        one = torch.ones(1, 1, dtype=torch.float64)
        return -float(cost + kl_to_normal(mean * one, math.log(variance) * one))

    assert bound(x / (1 + s**2), s**2 / (1 + s**2)) == pytest.approx(evidence, abs=2e-3)
    assert bound(0.0, 1.0) < evidence - 1
