"""Figures that each picture has: how far an output is from its source, or from the right answer where one is known."""

from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor

AT_ONCE = 64
"""Pictures that are compared at a time."""
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
    if where is None:
        return torch.cat([(a - b).abs().mean((1, 2, 3)) / 2 for a, b in _by_parts(x, y)])
    parts = zip(_by_parts(x, y), where.split(AT_ONCE), strict=True)
    counted = [torch.where(some, (a - b).abs().mean(1) / 2, 0).sum((1, 2)) for (a, b), some in parts]
    return torch.cat(counted) / where.sum((1, 2))


def picture_psnr(x: Tensor, y: Tensor) -> Tensor:
    """Peak signal-to-noise ratio of each picture, dB, at most 60: (N, C, H, W) in [-1, 1], twice -> (N,)."""
    error = torch.cat([((a - b) / 2).square().mean((1, 2, 3)) for a, b in _by_parts(x, y)])
    return -10 * error.clamp_min(LEAST_ERROR).log10()


def nearest_hits(x: Tensor, y: Tensor) -> Tensor:
    """1 where, of all ``y``, the one nearest to x_i by its pixels is y_i, else 0: (N, C, H, W), twice -> (N,)."""
    right, answers = torch.arange(len(x)), y.double().flatten(1)
    parts = zip(x.flatten(1).split(AT_ONCE), right.split(AT_ONCE), strict=True)
    return torch.cat([torch.cdist(a.double(), answers).argmin(1) == number for a, number in parts]).double()


def _by_parts(x: Tensor, y: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
    """Both sets in float64, some pictures at a time: a thousand of 256 px take 1.6 GB."""
    return ((a.double(), b.double()) for a, b in zip(x.split(AT_ONCE), y.split(AT_ONCE), strict=True))
