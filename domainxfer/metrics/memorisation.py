"""Does a generator copy its training pictures? Each fake beside the training picture nearest to it.

How near is too near depends on how dense the training set is there, so the measure is the distance from that training
picture to the one nearest to itself.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

CHUNK = 256


@dataclass(frozen=True)
class NearestTraining:
    """The training picture nearest to each of M fakes. Sort by `nearness` to see likely copies first."""

    index: Tensor
    """(M,) int64, which training picture."""
    distance: Tensor
    """(M,) float64, from the fake to it."""
    own_distance: Tensor
    """(M,) float64, from it to the training picture nearest to it."""

    @property
    def authentic(self) -> Tensor:
        """(M,) bool: farther from its training picture than another training picture is (Alaa et al. 2022)."""
        return self.distance > self.own_distance

    @property
    def nearness(self) -> Tensor:
        """(M,) float64, ``distance / own_distance``: 0 of a copy; above 1, and only there, it is authentic."""
        return (self.distance / self.own_distance).where(self.distance > 0, 0.0)

    @property
    def authenticity(self) -> float:
        """Share of authentic fakes, 0 (all copied) to 1 (Alaa et al. 2022, AuthPct of Stein et al. 2023).

            mean_i [ |f_i - t| > min_{s != t} |t - s| ],  t the training picture nearest to f_i

        New pictures of the very same distribution do not reach 1: one passes if it and its nearest are not nearest to
        each other, a chance of 1/3 on a line, more in more dimensions (.89 for 12,000 normal points in 256). Held-out
        pictures in place of the fakes show what to expect. Bad fakes, far from all training pictures, do reach 1.
        """
        return float(self.authentic.double().mean())


def nearest_training(train: Tensor, fake: Tensor, *, chunk: int = CHUNK) -> NearestTraining:
    """The training picture nearest to each fake, and how far that one is from the others; Euclidean distances.

    Args:
        train: (N, F) features, N >= 2.
        fake: (M, F) features, M >= 1.
        chunk: fakes at a time; memory is chunk x N distances.

    Raises:
        ValueError: too few pictures.
    """
    if len(train) < 2 or len(fake) < 1:
        raise ValueError(f"it takes at least 2 training pictures and 1 fake, got {len(train)} and {len(fake)}")
    train, fake = train.double(), fake.double()
    index, distance = _nearest(fake, train, None, chunk)
    hit, place = index.unique(return_inverse=True)
    _, own_distance = _nearest(train[hit], train, hit, chunk)
    return NearestTraining(index, distance, own_distance[place])


def _nearest(points: Tensor, among: Tensor, itself: Tensor | None, chunk: int) -> tuple[Tensor, Tensor]:
    """Index and distance of the nearest of ``among`` to each point, not counting number ``itself[i]`` for point i.

    The choice is by |b|^2 - 2 a . b, which orders as |a - b| does. Distances near 0 would drown in its rounding, so the
    one to the chosen point is taken from the difference.
    """
    squares, indices = among.square().sum(1), []
    for start in range(0, len(points), chunk):
        apart = torch.addmm(squares, points[start : start + chunk], among.T, alpha=-2)
        if itself is not None:
            apart.scatter_(1, itself[start : start + chunk, None], torch.inf)
        indices.append(apart.argmin(1))
    index = torch.cat(indices)
    return index, (points - among[index]).norm(dim=1)
