"""The bench on which models that make pictures of noise are judged: one set of real pictures for all of them.

What a model makes is held as a set against as many held-out pictures. The floor is the same of real pictures that have
its place: of training pictures, but of the held-out ones where the question is what is new.
"""

from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass

import numpy as np
import torch
from torch import Tensor

from domainxfer.datasets.domain_data import DomainData, Pictures
from domainxfer.datasets.pixels import held_out_tensor
from domainxfer.datasets.rendered.mazes import SIDE as MAZE
from domainxfer.draws import permutation
from domainxfer.evaluation.bench import Measure, likeness
from domainxfer.evaluation.nearest_sheet import PAIRS
from domainxfer.evaluation.result import Classes
from domainxfer.generate import PictureMaker
from domainxfer.metrics.bootstrap import Estimate, mean_estimate, redraws
from domainxfer.metrics.extractors import Digits, Extractor, StackedDigits, features_in_batches
from domainxfer.metrics.kernel_distance import kernel_distance, kernel_estimate
from domainxfer.metrics.maze_figures import maze_figures
from domainxfer.metrics.memorisation import NearestTraining, nearest_training
from domainxfer.metrics.modes import class_histogram, joint_classes, mode_figures
from domainxfer.metrics.sharpness import sharpness
from domainxfer.metrics.total_variation import total_variation
from domainxfer.models.model import NetworkModel

MOST_TRAIN = 60_000
"""Training pictures among which copies are looked for."""

STACKED = 26_000
"""Pictures of stacked digits whose modes are counted, as in PacGAN (Lin et al. 2018)."""

MAZES = ("mazes", "coloured-mazes")
"""Cards whose pictures are mazes: corridor is where their first channel is above 0."""

CHUNK = 256


@dataclass(frozen=True)
class Judgement:
    """What was found about a model."""

    measures: dict[str, Measure]
    classes: Classes | None
    """Which digits it makes, where an extractor of plain digits judges."""
    pictures: Tensor
    """(N, C, H, W) in [-1, 1]: what was judged."""
    suspects: tuple[Tensor, Tensor, Tensor]
    """The most likely copies, those first: the pictures, the training pictures nearest to them, and how near they are
    (`NearestTraining.nearness`)."""


class GenerationBench:
    """Everything that does not depend on the model, computed once.

    Args:
        data: one unlabelled group, with at least 10 pictures in ``split`` and in train.
        extractor: what judges.
        card: the name of the known data set that it is, else "". `MAZES` are inspected; the digits in the channels of
            "stacked-mnist" are read.
        size: side of the pictures, px.
        channels: 1 or 3, as the model makes them.
        split: "validation" or "test".
        seed: of the choice of pictures, the noise and the redraws.
        most: pictures of the split that are looked at; as many are generated.
    """

    def __init__(
        self,
        data: DomainData,
        extractor: Extractor,
        *,
        card: str,
        size: int,
        channels: int,
        split: str,
        seed: int,
        most: int,
    ) -> None:
        self.data, self.extractor, self.card, self.split, self.seed = data, extractor, card, split, seed
        self.size, self.channels = size, channels
        (held_out,), (train,) = data.split(split), data.train
        self.pictures = self._loaded(held_out, sorted(permutation(len(held_out), seed, "held out")[:most].tolist()))
        self.real = self._features([self.pictures])
        self.count = len(self.real)
        order = permutation(len(train), seed, "floor").tolist()
        self.train_pictures = len(train)
        self.known = order[:MOST_TRAIN]
        chunks = (self.known[at : at + CHUNK] for at in range(0, len(self.known), CHUNK))
        self.train = self._features(self._loaded(train, chunk) for chunk in chunks)
        self.floor_count = min(self.count, len(self.known))
        self.weights = [redraws(self.count, seed=seed, place=place) for place in range(2)]
        self.reader = _reader(card, extractor)
        self.mode_count = STACKED if isinstance(self.reader, StackedDigits) else self.count
        self.mazes = self._loaded(train, order)[:, :1] if card in MAZES and size == MAZE else None
        self.real_classes = None
        if self.reader is not None and len(order) >= self.mode_count:
            self.real_classes = self._classes(self._loaded(train, order[: self.mode_count]))
        self.floor = self._of_real(self._loaded(train, order[: self.floor_count]))

    def judge(self, network: NetworkModel, *, mend: int = 0) -> Judgement:
        """All figures of what a model makes of noise, with its labels in turn and codes drawn.

        Args:
            network: the model.
            mend: as in `PictureMaker`.

        Raises:
            DomainxferError: it makes no numbers.
        """
        count = max(self.count, self.mode_count if self.reader else 0)
        made = made_of_noise(network, self.seed, count, mend=mend)
        pictures, weights = made[: self.count], self.weights[0]
        features = self._features([pictures])
        found = {"kernel": kernel_estimate(features, self.real, *self.weights)}
        found |= {name: Estimate(value) for name, value in self._as_a_set(features).items()}
        found["sharpness"] = mean_estimate(sharpness(pictures), weights)
        nearest = nearest_training(self.train, features)
        found["authentic"] = mean_estimate(nearest.authentic, weights)
        classes = None
        if self.reader is not None:
            classes = self._classes(made[: self.mode_count])
            found |= {name: Estimate(value) for name, value in self._modes(classes).items()}
        if self.mazes is not None:
            found |= {name: Estimate(value) for name, value in _of_mazes(pictures, self.mazes).items()}
        return Judgement(
            {name: Measure(estimate, real=self.floor.get(name)) for name, estimate in found.items()},
            None if classes is None else self._histogram(classes),
            pictures,
            self._suspects(pictures, nearest),
        )

    # --- how ----------------------------------------------------------------------------------------------------------

    def _of_real(self, floor: Tensor) -> dict[str, float]:
        """The floors; ``floor`` are the first training pictures."""
        features = self.train[: len(floor)]
        found = {
            "kernel": kernel_distance(features, self.real),
            **self._as_a_set(features),
            "sharpness": float(sharpness(floor).mean()),
            "authentic": nearest_training(self.train, self.real).authenticity,
        }
        if self.real_classes is not None:
            found |= self._modes(self.real_classes)
        if self.mazes is not None:
            found |= _of_mazes(self.pictures, self.mazes)
        return found

    def _suspects(self, pictures: Tensor, nearest: NearestTraining) -> tuple[Tensor, Tensor, Tensor]:
        first = nearest.nearness.argsort(stable=True)[:PAIRS]
        training = [self.known[index] for index in nearest.index[first].tolist()]
        return pictures[first], self._loaded(self.data.train[0], training), nearest.nearness[first]

    def _as_a_set(self, features: Tensor) -> dict[str, float]:
        found = {**likeness(features, self.real), "variation": total_variation(self.real, features, seed=self.seed)}
        with suppress(ValueError):  # the features of very simple pictures, such as plain greys, vary along a line
            found["variation_plane"] = total_variation(self.real, features, dimensions=2, seed=self.seed)
        return found

    def _modes(self, classes: np.ndarray) -> dict[str, float]:
        figures = mode_figures(classes, 1000 if isinstance(self.reader, StackedDigits) else 10)
        return {"modes": figures.modes, "entropy": figures.entropy, "kl": figures.kl, "kl_chance": figures.floor}

    def _classes(self, pictures: Tensor) -> np.ndarray:
        """The mode of each picture, (N,): its digit, or the number that the digits in its channels make."""
        assert self.reader is not None
        read = torch.cat([self.reader.read(_in_colour(part)) for part in pictures.split(CHUNK)]).numpy()
        return read if read.ndim == 1 else joint_classes(read)

    def _histogram(self, classes: np.ndarray) -> Classes | None:
        if isinstance(self.reader, StackedDigits):
            return None  # a thousand numbers say less than how many there are
        real = {} if self.real_classes is None else _counted(self.real_classes)
        return Classes(outputs=_counted(classes), real=real)

    def _loaded(self, pictures: Pictures, indices: list[int]) -> Tensor:
        """(len(indices), C, size, size), as training saw them, without augmentation."""
        parts = [indices[at : at + CHUNK] for at in range(0, len(indices), CHUNK)]
        return torch.cat([held_out_tensor(pictures, self.size, part, self.channels) for part in parts])

    def features_of(self, pictures: Tensor) -> Tensor:
        """What the extractor says of pictures (N, C, H, W): (N, F)."""
        return features_in_batches(self.extractor, _in_colour(pictures), batch=32)

    def _features(self, parts: Iterable[Tensor]) -> Tensor:
        return torch.cat([self.features_of(part) for part in parts])


def made_of_noise(
    network: NetworkModel, seed: int, count: int, code: Sequence[float] | None = None, *, mend: int = 0
) -> Tensor:
    """The first pictures of a seed, (count, C, H, W) in [-1, 1], in the 256 levels that a file would keep.

    Args:
        network: the model.
        seed: of the noise; labels follow each other whatever it is.
        count: how many.
        code: the same for all; None draws one for each.
        mend: as in `PictureMaker`.

    Raises:
        DomainxferError: the model makes no numbers.
    """
    maker = PictureMaker(network, seed=seed, code=code, mend=mend)
    parts = [maker.as_trained(range(at, min(at + CHUNK, count))) for at in range(0, count, CHUNK)]
    return torch.cat(parts).add(1).mul(127.5).round().div(127.5).sub(1)


def _reader(card: str, extractor: Extractor) -> Digits | StackedDigits | None:
    if card == "stacked-mnist":
        return StackedDigits()
    return extractor if isinstance(extractor, Digits) else None


def _of_mazes(pictures: Tensor, training: Tensor) -> dict[str, float]:
    return {f"maze_{name}": value for name, value in asdict(maze_figures(pictures[:, :1], training)).items()}


def _counted(classes: np.ndarray) -> dict[str, int]:
    return {str(digit): int(count) for digit, count in enumerate(class_histogram(classes, 10))}


def _in_colour(x: Tensor) -> Tensor:
    """(N, 1 or 3, H, W) -> (N, 3, H, W)."""
    return x.expand(-1, 3, -1, -1)
