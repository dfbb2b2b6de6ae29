"""Kernel distance between two sets of features (KID, Binkowski et al. 2018): squared maximum mean discrepancy."""

import torch
from torch import Tensor

from domainxfer.metrics.bootstrap import ROUNDS, SHARE, Estimate, redraws

ROWS = 2048
"""Pictures whose kernels are in memory at a time: ten thousand on a side would take gigabytes at once."""


def kernel_distance(x: Tensor, y: Tensor) -> float:
    """Unbiased estimate of MMD^2 with the kernel k(a, b) = (a . b / F + 1)^3 (Binkowski et al. 2018, eq. 4).

        sum_{i != j} k(x_i, x_j) / (m (m - 1)) + sum_{i != j} k(y_i, y_j) / (n (n - 1)) - 2 mean k(x_i, y_j)

    Being unbiased it may fall a little below 0 for equal distributions. All pictures enter at once, no subsets.

    Args:
        x: (m, F) features, m >= 2.
        y: (n, F) features, n >= 2.

    Raises:
        ValueError: fewer than two pictures on a side.
    """
    return kernel_estimate(x, y, torch.ones(1, len(x)), torch.ones(1, len(y))).value


def kernel_estimate(x: Tensor, y: Tensor, weights_x: Tensor, weights_y: Tensor) -> Estimate:
    """`kernel_distance`, and what it becomes when the pictures are drawn anew.

    A picture drawn twice would meet itself in the within-set sums; such pairs are left out by weighting. A round that
    draws one picture only, which happens with very few pictures, has no pairs: NaN.

    Args:
        x: (m, F) features, m >= 2.
        y: (n, F) features, n >= 2.
        weights_x: (R, m), how often each is drawn in each round.
        weights_y: (R, n).

    Raises:
        ValueError: fewer than two pictures on a side.
    """
    m, n = len(x), len(y)
    if m < 2 or n < 2:
        raise ValueError(f"the kernel distance needs at least 2 pictures on each side, got {m} and {n}")
    x, y = x.double(), y.double()
    w, v = (torch.cat([torch.ones(1, side.shape[1]), side]).double() for side in (weights_x, weights_y))  # once, rounds
    across = _summed(x, y, w, v) / (w.sum(1) * v.sum(1))
    distances = _within(x, w) + _within(y, v) - 2 * across
    return Estimate(float(distances[0]), distances[1:])


def bootstrap_interval(
    x: Tensor, y: Tensor, *, seed: int = 0, rounds: int = ROUNDS, share: float = SHARE
) -> tuple[float, float]:
    """Interval of `kernel_distance` when the pictures of both sides are drawn anew (percentile bootstrap).

    Args:
        x: (m, F).
        y: (n, F).
        seed: of the redrawing.
        rounds: how many times.
        share: of the rounds that lie inside the interval.

    Raises:
        ValueError: fewer than two pictures on a side.
    """
    if min(len(x), len(y)) < 2:
        raise ValueError(f"a bootstrap needs at least 2 pictures on each side, got {len(x)} and {len(y)}")
    weights = (redraws(len(side), seed=seed, place=place, rounds=rounds) for place, side in enumerate((x, y)))
    interval = kernel_estimate(x, y, *weights).interval(share)
    assert interval is not None
    return interval


def _kernel(a: Tensor, b: Tensor) -> Tensor:
    return (a @ b.T / a.shape[1] + 1) ** 3


def _summed(x: Tensor, y: Tensor, w: Tensor, v: Tensor) -> Tensor:
    """Sum of w_i v_j k(x_i, y_j) over all pairs, in each round: (R,)."""
    total = torch.zeros(len(w), dtype=torch.float64)
    for start in range(0, len(x), ROWS):
        rows = slice(start, start + ROWS)
        total += ((w[:, rows] @ _kernel(x[rows], y)) * v).sum(1)
    return total


def _within(x: Tensor, weights: Tensor) -> Tensor:
    """Mean kernel of pairs of different pictures of one set, in each round: (R,)."""
    squares = weights.square()
    pairs = weights.sum(1).square() - squares.sum(1)
    own = (x.square().sum(1) / x.shape[1] + 1) ** 3
    total = _summed(x, x, weights, weights) - squares @ own
    return torch.where(pairs > 0, total / pairs, torch.nan)
