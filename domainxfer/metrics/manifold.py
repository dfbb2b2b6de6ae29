"""Fidelity and variety apart: precision, recall, density and coverage of one set of features in another.

A set's manifold is taken to be the union of balls around its points, each as large as the distance to the point's k-th
nearest neighbour within the set.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

NEIGHBOURS = 5

ROWS = 2048
"""Pictures whose distances are in memory at a time."""


@dataclass(frozen=True)
class ManifoldFigures:
    """Shares of pictures; only density may exceed 1."""

    precision: float
    """Of the fakes, those inside a ball of a real: do they look real? (Kynkaanniemi et al. 2019)"""
    recall: float
    """Of the reals, those inside a ball of a fake: is everything real made? (Kynkaanniemi et al. 2019)"""
    density: float
    """In how many balls of reals a fake lies, over k: precision that an outlier's large ball cannot buy
    (Naeem et al. 2020)."""
    coverage: float
    """Of the reals, those whose ball holds a fake: recall without the fakes' own outliers (Naeem et al. 2020)."""


def manifold_figures(real: Tensor, fake: Tensor, k: int = NEIGHBOURS) -> ManifoldFigures:
    """Precision and recall as in Kynkaanniemi et al. 2019, eq. 1 to 3; density and coverage as in Naeem et al. 2020.

    Args:
        real: (N, F) features, N > k.
        fake: (M, F) features, M > k.
        k: which neighbour makes the radius.

    Raises:
        ValueError: too few pictures for a k-th neighbour.
    """
    if min(len(real), len(fake)) <= k:
        raise ValueError(
            f"the {k}th nearest neighbour needs at least {k + 1} pictures on each side, got {len(real)} and {len(fake)}"
        )
    real, fake = real.double(), fake.double()
    real_radii, fake_radii = _radii(real, k), _radii(fake, k)
    precise, lying_in = 0, 0  # fakes in any ball of a real; pairs of a fake and a ball that it lies in
    recalled, covered = torch.zeros(2, len(real), dtype=torch.bool)
    for some, radii in zip(fake.split(ROWS), fake_radii.split(ROWS), strict=True):
        apart = torch.cdist(some, real)
        in_real = apart <= real_radii  # (rows, N): fake i in the ball of real j
        precise += int(in_real.any(1).sum())
        lying_in += int(in_real.sum())
        covered |= in_real.any(0)
        recalled |= (apart <= radii[:, None]).any(0)
    return ManifoldFigures(
        precision=precise / len(fake),
        recall=float(recalled.double().mean()),
        density=lying_in / (k * len(fake)),
        coverage=float(covered.double().mean()),
    )


def _radii(x: Tensor, k: int) -> Tensor:
    """Distance of each point to its k-th nearest neighbour, itself not counted: (N,)."""
    radii = []
    for start in range(0, len(x), ROWS):
        apart = torch.cdist(x[start : start + ROWS], x)
        apart.diagonal(start).fill_(torch.inf)
        radii.append(apart.kthvalue(k, dim=1).values)
    return torch.cat(radii)
