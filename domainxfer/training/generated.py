"""Held-out figures of pictures made of noise: do they come closer to the real ones, and is every kind of them made?

The kernel distance of generated pictures to held-out real ones stands above a floor (real training pictures in their
place). There is no ceiling: noise is no picture that one could leave untouched. Labels, where the model has them, are
asked for evenly; where they are known, in the shares that the held-out pictures have. Noise and codes are those of
`PictureMaker.as_trained` with the run's seed: picture i of a figure is picture i there, and of ``domainxfer generate``
where the model has no code.
"""

import torch
from torch import Tensor

from domainxfer.datasets.domain_data import DomainData, Pictures
from domainxfer.datasets.pixels import held_out_tensor
from domainxfer.draws import permutation
from domainxfer.metrics.cells import Cells
from domainxfer.metrics.extractors import Extractor, features_in_batches
from domainxfer.metrics.kernel_distance import kernel_distance
from domainxfer.metrics.truth import TruthFigure
from domainxfer.models.model import NetworkModel
from domainxfer.recipe import Recipe
from domainxfer.training.held_out import LEAST, MOST, Direction
from domainxfer.training.samples import codes_of, noise_of

MOST_SMALL = 1000  # pictures that a figure looks at where the extractor takes small ones, a millisecond each
SMALL = 32  # px
CELL_COLUMNS = ("rare", "empty", "covered", "missing", "spread", "far", "crowded")
"""Of figures.csv; what they are, `CellFigures` says."""
ENOUGH_FOR_CELLS = 100  # real pictures; of fewer too little is known to miss a kind
CHUNK = 64


class HeldOutGenerated:
    """The held-out pictures of a split, and what generated ones are held against, computed once.

    Args:
        data: labelled or not; a single domain will do.
        size: side of the pictures, px.
        extractor: what judges.
        split: "validation" for every choice, "test" once at the end.
        seed: which pictures, where there are too many, and the noise.
        channels: of the generated pictures; the real ones are brought to as many.
    """

    def __init__(
        self,
        data: DomainData,
        size: int,
        extractor: Extractor,
        split: str = "validation",
        seed: int = 0,
        channels: int = 3,
    ) -> None:
        self.name, self.size, self.extractor, self.split = data.name, size, extractor, split
        self.seed, self.channels = seed, channels
        most = MOST_SMALL if extractor.size <= SMALL else MOST
        counts, self.counts = _counts(data.split(split), data.train, most // len(data.train))
        self.real, self.train = self._features_of(data.split(split), counts), self._features_of(data.train, self.counts)
        self.labelled = data.labelled
        self.enough = min(len(self.real), len(self.train)) >= LEAST
        self.cells: Cells | None = None
        if not self.enough:
            return
        self.floor = kernel_distance(self.train, self.real)
        if min(len(self.real), len(self.train)) >= ENOUGH_FOR_CELLS:
            self.cells = Cells(self.train.numpy(), self.real.numpy())

    @property
    def count(self) -> int:
        """Real pictures that generated ones are compared with."""
        return len(self.real)

    def distances(self, model: NetworkModel) -> list[Direction]:
        """The figure, from noise to this data; empty with fewer than `LEAST` real pictures."""
        if not self.enough:
            return []
        features = self._features_of_generated(model)
        cells = None if self.cells is None else self.cells.figures(features.numpy())
        return [Direction("noise", self.name, kernel_distance(features, self.real), None, self.floor, cells)]

    def against_truth(self, model: NetworkModel) -> dict[tuple[str, str], TruthFigure]:
        """Noise has no right answer."""
        return {}

    def _features_of(self, domains: tuple[Pictures, ...], counts: list[int]) -> Tensor:
        """Features of real pictures (N, F), so many of each domain."""
        parts = []
        for pictures, count in zip(domains, counts, strict=True):
            chosen = sorted(permutation(len(pictures), self.seed, "held out")[:count].tolist())
            for start in range(0, count, CHUNK):
                x = held_out_tensor(pictures, self.size, chosen[start : start + CHUNK], self.channels, fill=True)
                parts.append(self._features(x))
        return torch.cat(parts) if parts else torch.empty(0, 0)

    def _features_of_generated(self, model: NetworkModel) -> Tensor:
        """Features (N, F) of as many generated pictures as there are real training ones."""
        settings, numbers = model.config.generator, list(range(len(self.train)))
        noise = noise_of(model, self.seed, numbers)
        code = codes_of(model, self.seed, numbers)
        label = self._labels(settings.labels)
        parts = [
            self._features(model.apply(noise[part], None if label is None else label[part], code[part]).float().cpu())
            for part in torch.arange(len(numbers)).split(CHUNK)
        ]
        return torch.cat(parts)

    def _labels(self, count: int) -> Tensor | None:
        """(N,) what is asked of a generator of so many labels, as many of each as there are real training pictures."""
        if not count:
            return None
        if not self.labelled:
            return torch.arange(len(self.train)) % count
        return torch.arange(count).repeat_interleave(torch.tensor(self.counts))

    def _features(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, F); extractors take grey pictures as three equal channels."""
        return features_in_batches(self.extractor, x.expand(-1, 3, -1, -1) if x.shape[1] == 1 else x)


def _counts(held_out: tuple[Pictures, ...], train: tuple[Pictures, ...], most: int) -> tuple[list[int], list[int]]:
    """How many held-out and training pictures of each domain are looked at: `most` at most, in the same shares."""
    held = [min(most, len(pictures)) for pictures in held_out]
    known = [min(most, len(pictures)) for pictures in train]
    if len(set(held)) == 1:
        return held, [min(known)] * len(known)
    times = min((has // wanted for has, wanted in zip(known, held, strict=True) if wanted), default=1)
    return held, [min(has, max(1, times) * wanted) for has, wanted in zip(known, held, strict=True)]


def extractor_of(recipe: Recipe) -> str:
    """The name of what judges a run; where "auto" is left to choose, the digit network judges grey digits.

    Not where labels are to be found: it was trained with labels, and none may have a part in any choice there.
    """
    chosen, grey_digits = recipe.training.extractor, recipe.card == "mnist" and recipe.generator.channels == 1
    to_be_found = recipe.source.labels not in ("known", "none")
    if chosen == "auto" and recipe.mode == "generate" and grey_digits and recipe.data.size <= 40 and not to_be_found:
        return "digits"
    return chosen
