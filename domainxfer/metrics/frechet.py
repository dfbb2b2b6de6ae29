"""Frechet distance between two sets of features, each taken for a Gaussian (FID, Heusel et al. 2017).

Only on the features of the extractor `inception` may it be called FID.
"""

import math

import torch
from torch import Tensor


def frechet_distance(x: Tensor, y: Tensor) -> float:
    """|m_x - m_y|^2 + tr(C_x) + tr(C_y) - 2 tr((C_x C_y)^(1/2)), with means m and covariances C (Dowson, Landau 1982).

    C_x C_y is not symmetric, and square roots of such matrices lose digits. But with C = A^T A (A the centred features)
    its eigenvalues are those of the symmetric M M^T, M = A_x A_y^T, so that the last trace is the sum of M's singular
    values. All in float64.

    It is biased upwards, the more the fewer pictures there are, and covariances of at most F pictures are singular:
    compare only figures of equal counts.

    Args:
        x: (m, F) features, m >= 2.
        y: (n, F) features, n >= 2.

    Raises:
        ValueError: fewer than two pictures on a side.
    """
    if min(len(x), len(y)) < 2:
        raise ValueError(f"a covariance needs at least 2 pictures on each side, got {len(x)} and {len(y)}")
    x, y = x.double(), y.double()
    a, b = _root(x), _root(y)
    shift = (x.mean(0) - y.mean(0)).square().sum()
    distance = shift + a.square().sum() + b.square().sum() - 2 * torch.linalg.svdvals(a @ b.T).sum()
    return float(distance.clamp_min(0))  # rounding


def _root(x: Tensor) -> Tensor:
    """A with A^T A = the covariance of the rows of ``x``; at most F rows."""
    centred = (x - x.mean(0)) / math.sqrt(len(x) - 1)
    if len(x) <= x.shape[1]:
        return centred
    triangle: Tensor = torch.linalg.qr(centred, mode="r").R
    return triangle
