"""A judge of labels that had no part in training: logistic regression on an extractor's features of real pictures."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

PENALTY = 0.01


@dataclass(frozen=True)
class LinearProbe:
    """Class scores that are linear in standardised features."""

    mean: Tensor
    """(F,) of the features it was fitted to."""
    deviation: Tensor
    """(F,)"""
    weight: Tensor
    """(K, F)"""
    bias: Tensor
    """(K,)"""

    def calls(self, features: Tensor) -> Tensor:
        """The label that each picture gets: (N, F) -> (N,) int64."""
        return F.linear((features.double() - self.mean) / self.deviation, self.weight, self.bias).argmax(1)


def fit_probe(features: Sequence[Tensor], penalty: float = PENALTY) -> LinearProbe:
    """Fit a probe to the features of each label's pictures; deterministic.

    The least of: cross-entropy, each label counting the same however many pictures it has, plus penalty / 2 |weight|^2.
    It is convex, so that where the search starts does not matter.

    Args:
        features: (n_k, F) for each of K labels.
        penalty: on the weights of standardised features.

    Raises:
        ValueError: fewer than two labels, or one without pictures.
    """
    if len(features) < 2 or min(map(len, features)) < 1:
        raise ValueError("a probe needs at least 2 labels, with at least 1 picture each")
    x = torch.cat([of_label.double() for of_label in features])
    y = torch.cat([torch.full((len(of_label),), label) for label, of_label in enumerate(features)])
    share = torch.cat([torch.full((len(f),), 1 / (len(f) * len(features)), dtype=torch.float64) for f in features])
    mean, deviation = x.mean(0), x.std(0, correction=0).clamp_min(1e-6)
    x = (x - mean) / deviation
    weight = torch.zeros(len(features), x.shape[1], dtype=torch.float64, requires_grad=True)
    bias = torch.zeros(len(features), dtype=torch.float64, requires_grad=True)
    search = torch.optim.LBFGS(
        [weight, bias], max_iter=500, tolerance_grad=1e-8, tolerance_change=1e-14, line_search_fn="strong_wolfe"
    )

    def loss() -> Tensor:
        search.zero_grad()
        value = (share * F.cross_entropy(F.linear(x, weight, bias), y, reduction="none")).sum()
        value = value + penalty / 2 * weight.square().sum()
        value.backward()
        return value

    search.step(loss)
    return LinearProbe(mean, deviation, weight.detach(), bias.detach())
