"""Held-out figures: do the translated validation pictures come closer to the real ones of the target?

For each pair of domains the kernel distance of translated sources to real targets stands between a ceiling (untouched
sources: doing nothing) and a floor (real training pictures of the target). Where the right answers are known, the
figures against them are added. Pictures made of noise have theirs in `generated.py`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from domainxfer.datasets.domain_data import DomainData, Pictures
from domainxfer.datasets.pixels import held_out_tensor, to_tensor
from domainxfer.draws import permutation
from domainxfer.metrics.cells import CellFigures
from domainxfer.metrics.extractors import Extractor, features_in_batches
from domainxfer.metrics.kernel_distance import kernel_distance
from domainxfer.metrics.truth import TruthFigure, truth_figure
from domainxfer.training.share_left import share_left

MOST = 200  # pictures of a domain that a figure during training looks at
TRANSLATIONS = 2400  # about so many at most in such a figure: that is `MOST` of each of four domains to each other one
FEW = 20  # of a domain at least, where there are many domains
LEAST = 10  # below this a kernel distance is mostly noise


class Translates(Protocol):
    """A model, as far as figures know it."""

    def apply(self, content: Tensor, label: Tensor | None, code: Tensor | None = None) -> Tensor:
        """Pictures (B, 3, H, W) in [-1, 1] as they look in the domains of labels (B,)."""
        ...


@dataclass(frozen=True)
class Direction:
    """The kernel distance of one pair of domains."""

    source: str
    target: str
    distance: float
    """Translated sources against real targets."""
    ceiling: float | None
    """Untouched sources against real targets; None for noise, which is no picture."""
    floor: float
    """Real training pictures of the target against held-out real targets."""
    cells: CellFigures | None = None
    """Which kinds of pictures are made of noise."""
    by_heart: float | None = None
    """How much of the target's training pictures the critic knows by heart (`training/by_heart.py`)."""

    @property
    def share(self) -> float | None:
        """What is left of do-nothing's distance."""
        return None if self.ceiling is None else share_left([self.distance], [self.ceiling])


def rank(directions: Sequence[Direction]) -> float:
    """What the best model is chosen by, lower is better: what is left of do-nothing's distance, else the distance."""
    distances, ceilings = [d.distance for d in directions], [d.ceiling or 0.0 for d in directions]
    left = share_left(distances, ceilings)
    return sum(distances) / len(distances) if left is None else left


def most_of(domains: int) -> int:
    """Pictures of a domain that a figure during training looks at; directions grow with the square of the domains."""
    return max(FEW, min(MOST, TRANSLATIONS // (domains * (domains - 1))))


class HeldOut:
    """The held-out pictures of a split and their features, computed once.

    Args:
        data: with at least two domains.
        size: side of the pictures, px.
        extractor: what judges.
        split: "validation" for every choice, "test" once at the end.
        seed: which pictures, where there are more than `most`.
        most: pictures of a domain that are looked at, of the split and of train; None takes `most_of`.
    """

    def __init__(
        self,
        data: DomainData,
        size: int,
        extractor: Extractor,
        split: str = "validation",
        seed: int = 0,
        most: int | None = None,
    ) -> None:
        self.data, self.size, self.extractor, self.split = data, size, extractor, split
        self.seed, self.most = seed, most or most_of(len(data.domains))
        held_out = data.split(split)
        self.chosen = [self._some(len(pictures)) for pictures in held_out]
        self.pictures = [held_out_tensor(p, size, some) for p, some in zip(held_out, self.chosen, strict=True)]
        self.enough = min(map(len, self.chosen)) >= LEAST
        if not self.enough:
            return
        self.real = [features_in_batches(extractor, x) for x in self.pictures]
        self.train = [picture_features(extractor, p, size, self._some(len(p))) for p in data.train]
        self.floors = [kernel_distance(a, b) for a, b in zip(self.train, self.real, strict=True)]
        domains = range(len(self.real))
        self.ceilings = {
            (s, t): kernel_distance(self.real[s], self.real[t]) for s in domains for t in domains if s != t
        }

    @property
    def count(self) -> int:
        """Pictures of the domain that has fewest."""
        return min(map(len, self.pictures))

    def distances(self, model: Translates) -> list[Direction]:
        """The kernel distance of each ordered pair of domains; empty where one has fewer than `LEAST` pictures."""
        if not self.enough:
            return []
        found = []
        for (s, t), ceiling in self.ceilings.items():
            features = features_in_batches(self.extractor, translated(model, self.pictures[s], t))
            distance = kernel_distance(features, self.real[t])
            found.append(Direction(self.data.domains[s], self.data.domains[t], distance, ceiling, self.floors[t]))
        return found

    def against_truth(self, model: Translates) -> dict[tuple[str, str], TruthFigure]:
        """The figures of each direction against the right answers; empty where none are known."""
        if self.data.truth is None:
            return {}
        images = self.data.truth.images(self.split)
        some = self._some(len(images))  # the pictures that were chosen, where the scenes are those
        images, masks = images[some], torch.from_numpy(self.data.truth.masks(self.split)[some])
        scenes = [to_tensor(np.ascontiguousarray(images[:, k])) for k in range(images.shape[1])]
        domains = self.data.domains
        return {
            (domains[s], domains[t]): truth_figure(scenes[s], translated(model, scenes[s], t), scenes[t], masks)
            for s in range(len(domains))
            for t in range(len(domains))
            if s != t
        }

    def _some(self, count: int) -> list[int]:
        return sorted(permutation(count, self.seed, "held out")[: self.most].tolist())


def picture_features(
    extractor: Extractor, pictures: Pictures, size: int, indices: list[int], chunk: int = 64
) -> Tensor:
    """Features (len(indices), F) of pictures brought to ``size`` px, a chunk of them in memory at a time.

    One that cannot be read has the place of another of its chunk: where pictures are learned from, it is named.
    """
    parts = (indices[start : start + chunk] for start in range(0, len(indices), chunk))
    return torch.cat(
        [features_in_batches(extractor, held_out_tensor(pictures, size, part, fill=True)) for part in parts]
    )


def translated(model: Translates, x: Tensor, label: int, batch: int = 32, *, code: Tensor | None = None) -> Tensor:
    """Pictures (N, 3, H, W) translated to one label, with one code (code_size,) or 0."""
    made = []
    for part in torch.split(x, batch):
        codes = None if code is None else code.expand(len(part), -1)
        made.append(model.apply(part, torch.full((len(part),), label), codes).cpu())
    return torch.cat(made)
