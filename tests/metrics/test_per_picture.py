"""Figures that each picture has, on pictures small enough to work out."""

import math

import pytest
import torch

from domainxfer.metrics.per_picture import (
    AT_ONCE,
    feature_cosine,
    nearest_hits,
    picture_psnr,
    pixel_distance,
    unrelated_cosine,
)


def flat(*values: float, side: int = 4) -> torch.Tensor:
    """Pictures of one grey each, in [-1, 1]."""
    return torch.tensor(values).view(-1, 1, 1, 1).expand(-1, 3, side, side)


def test_cosines() -> None:
    a, b = torch.tensor([[1.0, 0.0], [3.0, 4.0]]), torch.tensor([[0.0, 2.0], [6.0, 8.0]])
    assert feature_cosine(a, b).tolist() == pytest.approx([0, 1])
    assert unrelated_cosine(a, b) == pytest.approx((0 + 0.6 + 0.8 + 1) / 4)


def test_pixels_are_compared_on_the_scale_of_0_to_1() -> None:
    assert pixel_distance(flat(-1, 0.5), flat(1, 0)).tolist() == pytest.approx([1, 0.25])


def test_only_pixels_that_count_count() -> None:
    x, y = flat(0, 0, 0), flat(0, 0, 0).clone()
    y[:, :, 0] = 1.0  # the first row is half the range off
    where = torch.zeros(3, 4, 4, dtype=torch.bool)
    where[0, 0], where[1, 1:] = True, True
    distance = pixel_distance(x, y, where)
    assert distance[:2].tolist() == pytest.approx([0.5, 0])
    assert distance[2].isnan(), "nothing counts there"
    assert pixel_distance(x, y).tolist() == pytest.approx([0.125] * 3)


def test_psnr() -> None:
    found = picture_psnr(flat(-1, 0, 0.3), flat(1, 0.2, 0.3))
    assert found.tolist() == pytest.approx([0, 20, 60])
    assert 10 * math.log10(255**2 * 12) == pytest.approx(60, abs=1.1), "rounding to 8 bits, which 60 stands for"


def test_more_pictures_than_are_compared_at_a_time() -> None:
    numbers = torch.Generator().manual_seed(0)
    x, y = (torch.rand(2 * AT_ONCE + 3, 3, 5, 5, generator=numbers) * 2 - 1 for _ in range(2))
    where = torch.rand(len(x), 5, 5, generator=numbers) < 0.5
    apart = (x.double() - y.double()).abs().mean(1) / 2
    torch.testing.assert_close(pixel_distance(x, y), apart.mean((1, 2)))
    torch.testing.assert_close(pixel_distance(x, y, where), (apart * where).sum((1, 2)) / where.sum((1, 2)))
    error = ((x.double() - y.double()) / 2).square().mean((1, 2, 3))
    torch.testing.assert_close(picture_psnr(x, y), -10 * error.log10())
    near = torch.cat([y[:100] + 0.01, y[100:].flip(0)])
    assert nearest_hits(near, y).nonzero().flatten().tolist() == [*range(100), 115], "the middle of those turned round"


def test_hits() -> None:
    targets = flat(-1, 0, 1)
    assert nearest_hits(targets, targets).tolist() == [1, 1, 1]
    assert nearest_hits(flat(-0.8, 0.9, 0.7), targets).tolist() == [1, 0, 1]
