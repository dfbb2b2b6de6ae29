"""Sharpness: against scipy's Laplacian, by hand, and what blur and noise do to it."""

import numpy as np
import pytest
import torch
from scipy import ndimage

from domainxfer.metrics.sharpness import sharpness


def pictures(count: int, channels: int, side: int) -> np.ndarray:
    return np.random.default_rng(0).uniform(-1, 1, (count, channels, side, side))


@pytest.mark.parametrize("channels", [1, 3])
def test_against_scipy(channels: int) -> None:
    x = pictures(4, channels, 12)
    grey = (x + 1) / 2
    grey = grey[:, 0] if channels == 1 else np.tensordot(grey, (0.299, 0.587, 0.114), axes=(1, 0))
    expected = [ndimage.laplace(picture)[1:-1, 1:-1].var() for picture in grey]
    assert sharpness(torch.from_numpy(x)).tolist() == pytest.approx(expected)


def test_by_hand() -> None:
    """A checkerboard of -1 and 1 is 0 and 1 in grey: its Laplacian is 4 and -4 in turn. A ramp has none."""
    checks = (torch.arange(8)[:, None] + torch.arange(8)) % 2 * 2.0 - 1
    assert sharpness(checks[None, None]).tolist() == pytest.approx([16])
    ramp = torch.linspace(-1, 1, 8).expand(1, 3, 8, 8)
    assert sharpness(ramp).tolist() == pytest.approx([0], abs=1e-12)


def test_blur_takes_it_and_noise_adds_to_it() -> None:
    real = ndimage.gaussian_filter(pictures(5, 1, 32), (0, 0, 1, 1))
    blurred = ndimage.gaussian_filter(real, (0, 0, 1, 1))
    noisy = real + np.random.default_rng(1).normal(0, 0.1, real.shape)
    low, middle, high = (sharpness(torch.from_numpy(x)) for x in (blurred, real, noisy))
    assert (low < middle / 3).all()
    assert (high > middle).all()


@pytest.mark.parametrize("shape", [(2, 2, 8, 8), (2, 1, 2, 8), (1, 8, 8)])
def test_what_is_no_picture(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="at least 3 x 3 px"):
        sharpness(torch.zeros(shape))
