"""Total variation distance between two sets of features: what share of one would have to move to make the other.

Both sets go through one and the same map to a few coordinates and are compared at the same points.
"""

import math

import torch
from torch import Tensor

from domainxfer.draws import draw

BANDWIDTH = 0.5
CHUNK = 128


def total_variation(
    real: Tensor, fake: Tensor, *, dimensions: int = 1, bandwidth: float = BANDWIDTH, seed: int = 0, chunk: int = CHUNK
) -> float:
    """`density_distance` of two sets of features in their `shared_coordinates`: 0 (equal) to 1 (disjoint).

    Leaving coordinates out and smoothing can only bring distributions closer, so that with many pictures it is a lower
    bound of the distance of the features themselves. Compare only figures of equal settings and counts.

    Args:
        real: (m, F) features, m >= 2.
        fake: (n, F) features, n >= 2.
        dimensions: of the coordinates, at most F; densities of more than about 3 need very many pictures.
        bandwidth: deviation of the kernel, in units of the sets' own deviation.
        seed: of the points at which the densities are compared.
        chunk: points at a time; memory is chunk x (m + n) numbers.

    Raises:
        ValueError: fewer than two pictures on a side, or features that vary along fewer directions.
    """
    if min(len(real), len(fake)) < 2:
        raise ValueError(f"a density needs at least 2 pictures on each side, got {len(real)} and {len(fake)}")
    x, y = shared_coordinates(real, fake, dimensions)
    return density_distance(x, y, bandwidth=bandwidth, seed=seed, chunk=chunk)


def shared_coordinates(real: Tensor, fake: Tensor, dimensions: int = 1) -> tuple[Tensor, Tensor]:
    """Both sets along the principal axes of their union, each axis scaled to a mean variance of 1 within the sets.

    Neither is favoured: they count the same in axes and scale, however many pictures each has. The scale is that within
    the sets, (v_real + v_fake) / 2, not that of the union: there two sets far apart would shrink to two narrow peaks 2
    units apart, which the kernel of .5 would smooth to a distance of .95 at most.

    Args:
        real: (m, F) features, m >= 1.
        fake: (n, F) features, n >= 1.
        dimensions: how many axes, those of the largest variance.

    Returns:
        (m, dimensions) and (n, dimensions), float64.

    Raises:
        ValueError: the features do not vary along as many directions.
    """
    real, fake = real.double(), fake.double()
    middle = (real.mean(0) + fake.mean(0)) / 2
    real, fake = real - middle, fake - middle
    variances, axes = torch.linalg.eigh((real.T @ real / len(real) + fake.T @ fake / len(fake)) / 2)
    axes = axes.flip(1)[:, :dimensions]
    x, y = real @ axes, fake @ axes
    deviation = ((x.var(0, correction=0) + y.var(0, correction=0)) / 2).sqrt()
    varied = int((deviation > 1e-6 * variances[-1].clamp_min(0).sqrt()).sum())
    if varied < dimensions:
        raise ValueError(f"wanted {dimensions} coordinates, but the features vary along {varied} directions only")
    return x / deviation, y / deviation


def density_distance(x: Tensor, y: Tensor, *, bandwidth: float = BANDWIDTH, seed: int = 0, chunk: int = CHUNK) -> float:
    """Total variation distance of two Gaussian kernel densities p of ``x`` and q of ``y``: 0 to 1.

        1/2 integral |p - q| = 1/2 E_m |p - q| / m = E_m tanh(|log p - log q| / 2),  m = (p + q) / 2

    Each point moved by a draw of the kernel is a draw of its density, and all points together are draws of m (each set
    counting half). A point has no part in the density at its own draw, where it would stand out. What is estimated is
    the distance of the *smoothed* distributions: normal ones of variance s^2 count as of s^2 + bandwidth^2.

    Densities of finite sets differ even where the distributions do not. With the default bandwidth, coordinates of
    variance 1 and N points in each set, two equal normal distributions give about .8 / sqrt(N) in one dimension,
    1.4 / sqrt(N) in two and 2.6 / sqrt(N) in three.

    Args:
        x: (m, D) coordinates, m >= 2.
        y: (n, D) coordinates, n >= 2.
        bandwidth: deviation of the kernel, in units of the coordinates.
        seed: of the draws.
        chunk: points at a time; memory is chunk x (m + n) numbers.
    """
    x, y = x.double() / bandwidth, y.double() / bandwidth
    terms = []
    for place, (own, other) in enumerate(((x, y), (y, x))):
        moved = own + torch.from_numpy(draw(seed, "density", place).standard_normal(own.shape))
        ratios = []
        for start in range(0, len(own), chunk):
            at = moved[start : start + chunk]
            ratios.append(_log_density(at, own, without=start) - _log_density(at, other))
        terms.append((torch.cat(ratios).abs() / 2).tanh().mean())
    return float(sum(terms) / 2)


def _log_density(at: Tensor, points: Tensor, without: int | None = None) -> Tensor:
    """log of the mean kernel (bandwidth 1, not normalised) of points; at place i without point ``without`` + i.

    In logarithms even a place far from all points has a density.
    """
    exponents = -torch.cdist(at, points).square() / 2
    count = len(points)
    if without is not None:
        exponents.diagonal(without).fill_(-torch.inf)
        count -= 1
    return exponents.logsumexp(1) - math.log(count)
