"""Figures that each picture has: how far an output is from its source, or from the right answer where one is known."""

import torch
import torch.nn.functional as F
from torch import Tensor

LEAST_ERROR = 1e-6
"""Smallest mean squared error told apart, 60 dB: that of rounding to 8 bits. Without it one perfect copy would outweigh
all other pictures in a mean of decibels."""


def feature_cosine(a: Tensor, b: Tensor) -> Tensor:
    """Cosine between the features of two pictures: (N, F), (N, F) -> (N,)."""
    return F.cosine_similarity(a.double(), b.double(), dim=1)


def unrelated_cosine(a: Tensor, b: Tensor) -> float:
    """Mean `feature_cosine` of every picture of one set with every one of another: what unrelated pictures have."""
    return float((F.normalize(a.double(), dim=1) @ F.normalize(b.double(), dim=1).T).mean())


def pixel_distance(x: Tensor, y: Tensor, where: Tensor | None = None) -> Tensor:
    """Mean absolute difference on the scale [0, 1].

    Args:
        x: (N, C, H, W) in [-1, 1].
        y: (N, C, H, W) in [-1, 1].
        where: (N, H, W) bool, the pixels that count; None for all.

    Returns:
        (N,); NaN where no pixel counts.
    """
    apart = (x.double() - y.double()).abs().mean(1) / 2
    if where is None:
        return apart.mean((1, 2))
    return torch.where(where, apart, 0).sum((1, 2)) / where.sum((1, 2))


def picture_psnr(x: Tensor, y: Tensor) -> Tensor:
    """Peak signal-to-noise ratio of each picture, dB, at most 60: (N, C, H, W) in [-1, 1], twice -> (N,)."""
    error = ((x.double() - y.double()) / 2).square().mean((1, 2, 3))
    return -10 * error.clamp_min(LEAST_ERROR).log10()


def nearest_hits(x: Tensor, y: Tensor) -> Tensor:
    """1 where, of all ``y``, the one nearest to x_i by its pixels is y_i, else 0: (N, C, H, W), twice -> (N,)."""
    apart = torch.cdist(x.double().flatten(1), y.double().flatten(1))
    return (apart.argmin(1) == torch.arange(len(x))).double()
