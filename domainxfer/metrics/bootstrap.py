"""How sure a figure is: the same figure of pictures drawn anew with replacement (percentile bootstrap, Efron 1979).

Figures of the same pictures share their redraws. So the mean over directions, and the difference of two models on the
same pictures, have intervals of their own, which are narrower than those of their parts would suggest.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from domainxfer.draws import draw

ROUNDS = 1000
SHARE = 0.95


@dataclass(frozen=True)
class Estimate:
    """A figure, and what it becomes in each redraw."""

    value: float
    rounds: Tensor | None = None
    """(R,) float64; None for a figure that says nothing when redrawn. NaN where a redraw had no such figure."""

    def interval(self, share: float = SHARE) -> tuple[float, float] | None:
        """Between which values a share of the rounds lies, as much above as below; None without rounds."""
        if self.rounds is None:
            return None
        edges = torch.tensor([(1 - share) / 2, (1 + share) / 2], dtype=torch.float64)
        low, high = self.rounds.nanquantile(edges).tolist()
        return low, high

    def __sub__(self, other: "Estimate") -> "Estimate":
        rounds = None if self.rounds is None or other.rounds is None else self.rounds - other.rounds
        return Estimate(self.value - other.value, rounds)

    def __mul__(self, other: "Estimate") -> "Estimate":
        rounds = None if self.rounds is None or other.rounds is None else self.rounds * other.rounds
        return Estimate(self.value * other.value, rounds)

    def __truediv__(self, other: "Estimate") -> "Estimate":
        rounds = None if self.rounds is None or other.rounds is None else self.rounds / other.rounds
        return Estimate(self.value / other.value, rounds)


def redraws(count: int, *, seed: int, place: int = 0, rounds: int = ROUNDS) -> Tensor:
    """How often each of ``count`` pictures is drawn in each round: (rounds, count), float64, rows add up to count.

    Args:
        count: number of pictures.
        seed: of the redrawing.
        place: sets of pictures of their own have places of their own; paired sets share one.
        rounds: how many times.
    """
    drawn = draw(seed, "bootstrap", place).multinomial(count, [1 / count] * count, size=rounds)
    return torch.from_numpy(drawn).double()


def mean_estimate(values: Tensor, weights: Tensor) -> Estimate:
    """The mean of a figure that each picture has.

    Args:
        values: (N,); NaN for pictures without it, which do not count.
        weights: (R, N) of `redraws`.
    """
    values = values.double()
    known = ~values.isnan()
    total = weights[:, known] @ values[known]
    return Estimate(float(values[known].mean()), total / weights[:, known].sum(1))


def mean_of(estimates: Sequence[Estimate]) -> Estimate:
    """The mean of several figures of the same redraws."""
    rounds = [estimate.rounds for estimate in estimates if estimate.rounds is not None]
    value = sum(estimate.value for estimate in estimates) / len(estimates)
    return Estimate(value, torch.stack(rounds).mean(0) if len(rounds) == len(estimates) else None)
