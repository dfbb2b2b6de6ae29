"""Redraws of pictures: what they count, and what intervals, means and differences come of them."""

import math

import pytest
import torch

from domainxfer.metrics.bootstrap import Estimate, mean_estimate, mean_of, redraws


def test_each_round_draws_as_many_as_there_are() -> None:
    weights = redraws(7, seed=3, rounds=50)
    assert weights.shape == (50, 7)
    assert (weights.sum(1) == 7).all()
    assert weights.mean() == 1
    assert 0 < (weights == 0).double().mean() < 0.6
    assert torch.equal(weights, redraws(7, seed=3, rounds=50))
    assert not torch.equal(weights, redraws(7, seed=4, rounds=50))
    assert not torch.equal(weights, redraws(7, seed=3, place=1, rounds=50))


def test_the_interval_of_a_mean_is_the_known_one() -> None:
    """Of many pictures: mean +- 1.96 deviations / sqrt(n)."""
    values = torch.linspace(-1, 1, 400).double() ** 3
    found = mean_estimate(values, redraws(400, seed=0, rounds=4000))
    low, high = found.interval() or (math.nan, math.nan)
    half = 1.96 * float(values.std(correction=0)) / 20
    assert found.value == pytest.approx(0, abs=1e-12)
    assert (low, high) == (pytest.approx(-half, rel=0.07), pytest.approx(half, rel=0.07))


def test_pictures_without_the_figure_do_not_count() -> None:
    values, weights = torch.tensor([1.0, math.nan, 3.0]), torch.tensor([[1.0, 2.0, 0.0], [0.0, 1.0, 2.0]]).double()
    found = mean_estimate(values, weights)
    assert found.value == 2
    assert found.rounds is not None
    assert found.rounds.tolist() == [1, 3]


def test_shared_redraws_make_differences_sharp() -> None:
    """Two models on the same pictures, one always a little better: the difference is sure, though both vary a lot."""
    weights = redraws(50, seed=0)
    values = torch.randn(50, generator=torch.Generator().manual_seed(0)).double()
    one, other = mean_estimate(values + 0.1, weights), mean_estimate(values, weights)
    low, high = one.interval() or (0, 0)
    assert high - low > 0.3
    assert (one - other).interval() == pytest.approx((0.1, 0.1))
    assert (one - other).value == pytest.approx(0.1)
    assert (one / one).interval() == pytest.approx((1, 1))


def test_means() -> None:
    a, b = Estimate(1.0, torch.tensor([0.0, 2.0])), Estimate(3.0, torch.tensor([4.0, 2.0]))
    both = mean_of([a, b])
    assert both.value == 2
    assert both.rounds is not None
    assert both.rounds.tolist() == [2, 2]
    assert mean_of([a, Estimate(5.0)]) == Estimate(3.0)
    assert Estimate(5.0).interval() is None
    assert (a - Estimate(5.0)).rounds is None


def test_rounds_without_the_figure_do_not_count() -> None:
    low, high = Estimate(1.0, torch.tensor([1.0, math.nan, 3.0]).double()).interval(share=1.0) or (0, 0)
    assert (low, high) == (1, 3)
