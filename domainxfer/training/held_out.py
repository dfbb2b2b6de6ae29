"""Held-out figures during training: do the translated validation pictures come closer to the real ones of the target?

For each pair of domains the kernel distance of translated sources to real targets stands between a ceiling (untouched
sources: doing nothing) and a floor (real training pictures of the target). Where the right answers are known, the
figures against them are added.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from domainxfer.datasets.batches import held_out_tensor, to_tensor
from domainxfer.datasets.domain_data import DomainData, Pictures
from domainxfer.draws import permutation
from domainxfer.metrics.extractors import Extractor, features_in_batches
from domainxfer.metrics.kernel_distance import kernel_distance
from domainxfer.metrics.truth import TruthFigure, truth_figure
from domainxfer.models.model import NetworkModel

MOST = 200  # pictures of a domain that a figure during training looks at
LEAST = 10  # below this a kernel distance is mostly noise


@dataclass(frozen=True)
class Direction:
    """The kernel distance of one pair of domains."""

    source: str
    target: str
    distance: float
    """Translated sources against real targets."""
    ceiling: float
    """Untouched sources against real targets."""
    floor: float
    """Real training pictures of the target against held-out real targets."""

    @property
    def share(self) -> float:
        """What is left of do-nothing's distance: distance / ceiling."""
        return self.distance / self.ceiling


class HeldOut:
    """The held-out pictures of a split and their features, computed once.

    Args:
        data: with at least two domains.
        size: side of the pictures, px.
        extractor: what judges.
        split: "validation" for every choice, "test" once at the end.
        seed: which pictures, where there are more than `MOST`.
    """

    def __init__(
        self, data: DomainData, size: int, extractor: Extractor, split: str = "validation", seed: int = 0
    ) -> None:
        self.data, self.size, self.extractor, self.split, self.seed = data, size, extractor, split, seed
        held_out: tuple[Pictures, ...] = getattr(data, split)
        self.pictures = [self._some(pictures) for pictures in held_out]
        self.enough = min(len(pictures) for pictures in held_out) >= LEAST
        if not self.enough:
            return
        self.real = [features_in_batches(extractor, x) for x in self.pictures]
        train = [features_in_batches(extractor, self._some(pictures)) for pictures in data.train]
        self.floors = [kernel_distance(a, b) for a, b in zip(train, self.real, strict=True)]
        domains = range(len(self.real))
        self.ceilings = {
            (s, t): kernel_distance(self.real[s], self.real[t]) for s in domains for t in domains if s != t
        }

    def distances(self, model: NetworkModel) -> list[Direction]:
        """The kernel distance of each ordered pair of domains; empty where one has fewer than `LEAST` pictures."""
        if not self.enough:
            return []
        found = []
        for (s, t), ceiling in self.ceilings.items():
            features = features_in_batches(self.extractor, translated(model, self.pictures[s], t))
            distance = kernel_distance(features, self.real[t])
            found.append(Direction(self.data.domains[s], self.data.domains[t], distance, ceiling, self.floors[t]))
        return found

    def against_truth(self, model: NetworkModel) -> dict[tuple[str, str], TruthFigure]:
        """The figures of each direction against the right answers; empty where none are known."""
        if self.data.truth is None:
            return {}
        images, masks = self.data.truth.images(self.split), torch.from_numpy(self.data.truth.masks(self.split))
        scenes = [to_tensor(np.ascontiguousarray(images[:, k])) for k in range(images.shape[1])]
        domains = self.data.domains
        return {
            (domains[s], domains[t]): truth_figure(scenes[s], translated(model, scenes[s], t), scenes[t], masks)
            for s in range(len(domains))
            for t in range(len(domains))
            if s != t
        }

    def _some(self, pictures: Pictures) -> Tensor:
        chosen = permutation(len(pictures), self.seed, "held out")[:MOST]
        return held_out_tensor(pictures, self.size, sorted(chosen.tolist()))


def translated(model: NetworkModel, x: Tensor, label: int, batch: int = 32) -> Tensor:
    """Pictures (N, 3, H, W) translated to one label, with code 0."""
    return torch.cat([model.apply(part, torch.full((len(part),), label)).cpu() for part in torch.split(x, batch)])
