"""Kernel distance between two sets of features (KID, Binkowski et al. 2018): squared maximum mean discrepancy."""

import torch
from torch import Tensor


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
    m, n = len(x), len(y)
    if m < 2 or n < 2:
        raise ValueError(f"the kernel distance needs at least 2 pictures on each side, got {m} and {n}")
    x, y = x.double(), y.double()
    k_xx, k_yy, k_xy = _kernel(x, x), _kernel(y, y), _kernel(x, y)
    within_x = (k_xx.sum() - k_xx.diagonal().sum()) / (m * (m - 1))
    within_y = (k_yy.sum() - k_yy.diagonal().sum()) / (n * (n - 1))
    return float(within_x + within_y - 2 * k_xy.mean())


def _kernel(a: Tensor, b: Tensor) -> Tensor:
    return (a @ b.T / a.shape[1] + 1) ** 3


def bootstrap_interval(
    x: Tensor, y: Tensor, *, seed: int = 0, rounds: int = 200, share: float = 0.95
) -> tuple[float, float]:
    """Interval of `kernel_distance` when the pictures of both sides are drawn anew (percentile bootstrap).

    A picture drawn twice would meet itself in the within-set sums; such pairs are left out by weighting. A round that
    draws one picture only, which happens with very few pictures, has no pairs and does not count.

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
    numbers = torch.Generator().manual_seed(seed)
    x, y = x.double(), y.double()
    k_xx, k_yy, k_xy = _kernel(x, x), _kernel(y, y), _kernel(x, y)

    def within(kernel: Tensor, weight: Tensor) -> Tensor:
        pairs = weight[:, None] * weight[None, :]
        pairs.fill_diagonal_(0)
        return (kernel * pairs).sum() / pairs.sum()

    values = []
    for _ in range(rounds):
        w = torch.bincount(torch.randint(len(x), (len(x),), generator=numbers), minlength=len(x)).double()
        v = torch.bincount(torch.randint(len(y), (len(y),), generator=numbers), minlength=len(y)).double()
        values.append(within(k_xx, w) + within(k_yy, v) - 2 * (w @ k_xy @ v) / (w.sum() * v.sum()))
    edges = torch.stack(values).nanquantile(torch.tensor([(1 - share) / 2, (1 + share) / 2], dtype=torch.float64))
    return float(edges[0]), float(edges[1])
