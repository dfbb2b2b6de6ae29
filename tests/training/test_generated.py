"""Held-out figures of pictures made of noise: where a perfect generator and a poor one stand, and who judges."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from domainxfer.datasets.domain_data import DomainData, PictureArray
from domainxfer.datasets.pixels import held_out_tensor
from domainxfer.draws import per_position
from domainxfer.metrics.kernel_distance import kernel_distance
from domainxfer.models.config import GeneratorConfig, ModelConfig
from domainxfer.models.generator import Generator
from domainxfer.models.model import NetworkModel
from domainxfer.recipe import Recipe, override
from domainxfer.training.generated import ENOUGH_FOR_CELLS, MOST_SMALL, HeldOutGenerated, extractor_of
from domainxfer.training.held_out import LEAST, MOST, rank
from domainxfer.training.samples import noise_of

SIDE = 16
COLOURS = ((200, 60, 60), (60, 200, 60), (60, 60, 200), (200, 200, 60), (60, 200, 200))


class MeanColours:
    """An extractor small enough to follow: the mean of each colour."""

    name, digest, size, resize = "mean colours", "0" * 16, SIDE, ""

    def features(self, x: Tensor) -> Tensor:
        assert x.shape[1] == 3
        return x.mean((2, 3))


def plain(count: int, seed: int, colours: tuple[tuple[int, ...], ...] = COLOURS) -> np.ndarray:
    """uint8 (count, SIDE, SIDE, 3): each picture of one colour, a little lighter or darker."""
    numbers = np.random.default_rng(seed)
    chosen = np.array(colours)[numbers.integers(len(colours), size=count)] + numbers.normal(0, 10, (count, 3))
    return np.broadcast_to(chosen[:, None, None], (count, SIDE, SIDE, 3)).clip(0, 255).astype(np.uint8)


def unlabelled(train: int = 300, held_out: int = 200) -> DomainData:
    parts = [(PictureArray(plain(count, seed)),) for seed, count in enumerate((train, held_out, held_out))]
    return DomainData("colours", (), *parts)


class Made(NetworkModel):
    """A generator that has pictures ready, and writes down what it was asked for."""

    def __init__(self, pictures: np.ndarray, **settings: Any) -> None:
        settings = {
            "content": "noise",
            "output": "plain",
            "size": SIDE,
            "width": 8,
            "blocks": 1,
            "noise_size": 6,
        } | settings
        config = GeneratorConfig.model_validate(settings)
        super().__init__(ModelConfig(domains=(), size=SIDE, steps=1, generator=config), Generator(config))
        channels = settings.get("channels", 3)
        self.ready = held_out_tensor(PictureArray(pictures), SIDE, range(len(pictures)), channels)
        self.asked: list[tuple[Tensor, Tensor | None, Tensor | None]] = []

    def apply(self, content: Tensor, label: Tensor | None, code: Tensor | None = None) -> Tensor:
        start = sum(len(asked[0]) for asked in self.asked)
        self.asked.append((content, label, code))
        return self.ready[torch.arange(start, start + len(content)) % len(self.ready)]


def test_a_perfect_generator_stands_at_the_floor() -> None:
    held_out = HeldOutGenerated(unlabelled(), SIDE, MeanColours())
    (found,) = held_out.distances(Made(plain(300, 9)))
    assert (found.source, found.target) == ("noise", "colours")
    assert found.ceiling is None
    assert found.share is None
    assert rank([found]) == found.distance
    assert abs(found.floor) < 0.01
    assert abs(found.distance) < 0.01
    assert found.cells is not None
    assert found.cells.missing == 0
    assert held_out.against_truth(Made(plain(1, 9))) == {}


def test_a_generator_that_lacks_a_colour_is_farther_and_said_to_miss_it() -> None:
    held_out = HeldOutGenerated(unlabelled(), SIDE, MeanColours())
    (found,) = held_out.distances(Made(plain(300, 9, COLOURS[1:])))
    assert found.distance > 5 * abs(found.floor)
    assert found.cells is not None
    assert found.cells.missing == pytest.approx(0.2, abs=0.08)
    (one,) = held_out.distances(Made(plain(300, 9, COLOURS[:1])))
    assert one.distance > found.distance
    assert one.cells is not None
    assert found.distance < one.cells.one_kind


def test_the_distance_is_that_of_the_features() -> None:
    held_out = HeldOutGenerated(unlabelled(50, 40), SIDE, MeanColours())
    model = Made(plain(50, 9))
    (found,) = held_out.distances(model)
    real = held_out_tensor(unlabelled(50, 40).validation[0], SIDE, range(40))
    assert found.distance == pytest.approx(kernel_distance(model.ready.mean((2, 3)), real.mean((2, 3))))
    assert found.cells is None, f"fewer than {ENOUGH_FOR_CELLS}"


def test_noise_is_that_of_the_samples_and_codes_are_drawn() -> None:
    held_out = HeldOutGenerated(unlabelled(150, 20), SIDE, MeanColours(), seed=3)
    model, again = (Made(plain(150, 9), code_size=2) for _ in range(2))
    assert held_out.distances(model) == held_out.distances(again)
    noise, code = (torch.cat([asked[place] for asked in model.asked]) for place in (0, 2))  # type: ignore[misc]
    assert torch.equal(noise, noise_of(model, 3, range(150)))
    assert code.shape == (150, 2)
    assert code.abs().max() <= 1
    assert code.std() == pytest.approx(3**-0.5, abs=0.05)
    assert torch.equal(code, per_position("symmetric", (2,), 3, "codes of samples", 0, list(range(150)))), "evaluate's"
    assert all(asked[1] is None for asked in model.asked), "no labels"


@pytest.mark.parametrize(
    ("held_out", "train", "real", "asked"),
    [
        ((30, 30), (90, 90), [30, 30], [90, 90]),
        ((30, 30), (90, 45), [30, 30], [45, 45]),
        ((60, 6), (900, 40), [60, 6], [360, 36]),  # a rare label makes the figure of the other no poorer
        ((60, 6), (50, 5), [60, 6], [50, 5]),
    ],
)
def test_known_labels_are_asked_for_in_the_shares_of_the_held_out_pictures(
    held_out: tuple[int, int], train: tuple[int, int], real: list[int], asked: list[int]
) -> None:
    def pictures(counts: tuple[int, int]) -> tuple[PictureArray, ...]:
        return tuple(PictureArray(plain(count, 1, (colour,))) for count, colour in zip(counts, COLOURS, strict=False))

    data = DomainData("two", ("red", "green"), pictures(train), pictures(held_out), pictures(held_out))
    judged = HeldOutGenerated(data, SIDE, MeanColours())
    reds = int((judged.real[:, 0] > judged.real[:, 1]).sum())
    assert [reds, judged.count - reds] == real
    model = Made(plain(60, 9), labels=2)
    judged.distances(model)
    labels = torch.cat([asked[1] for asked in model.asked])  # type: ignore[misc]
    assert labels.bincount().tolist() == asked == judged.counts


def test_labels_that_were_found_are_asked_for_evenly() -> None:
    judged = HeldOutGenerated(unlabelled(), SIDE, MeanColours())
    model = Made(plain(60, 9), labels=2)
    judged.distances(model)
    labels = torch.cat([asked[1] for asked in model.asked])  # type: ignore[misc]
    assert len(set(labels.bincount().tolist())) == 1


def test_the_limit_is_of_all_labels_together() -> None:
    many = PictureArray(plain(MOST, 1, (COLOURS[0],)))
    data = DomainData("two", ("a", "b"), (many, many), (many, many), (many, many))
    judge = MeanColours()
    judge.size = 64
    assert HeldOutGenerated(data, SIDE, judge).count == MOST


def test_grey_pictures_are_judged_as_grey_ones() -> None:
    held_out = HeldOutGenerated(unlabelled(), SIDE, MeanColours(), channels=1)
    assert torch.equal(held_out.real[:, 0], held_out.real[:, 2])
    (found,) = held_out.distances(Made(plain(300, 9), channels=1))
    assert abs(found.distance) < 0.01


def test_another_part_other_pictures_and_too_few() -> None:
    validation, test = (HeldOutGenerated(unlabelled(), SIDE, MeanColours(), split) for split in ("validation", "test"))
    assert not torch.equal(validation.real, test.real)
    few = HeldOutGenerated(unlabelled(50, LEAST - 1), SIDE, MeanColours())
    assert few.distances(Made(plain(50, 9))) == []


@pytest.mark.parametrize(("side", "most"), [(28, MOST_SMALL), (64, MOST)])
def test_fewer_pictures_for_an_extractor_of_large_ones(side: int, most: int) -> None:
    judge = MeanColours()
    judge.size = side
    held_out = HeldOutGenerated(unlabelled(MOST_SMALL + 50, MOST_SMALL + 50), SIDE, judge)
    assert (held_out.count, len(held_out.train)) == (most, most)


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({}, "digits"),
        ({"data": {"size": 32}}, "digits"),
        ({"data": {"size": 64}}, "auto"),
        ({"card": "faces"}, "auto"),
        ({"generator": {"channels": 3}}, "auto"),
        ({"source": {"labels": "10"}}, "auto"),  # the digit network knows labels, and none may choose there
        ({"training": {"extractor": "gabor"}}, "gabor"),
    ],
)
def test_digits_are_judged_by_the_digit_network(changes: dict[str, Any], name: str) -> None:
    digits = {"card": "mnist", "mode": "generate", "data": {"size": 28}, "generator": {"channels": 1}}
    recipe = override(override(Recipe(), {**digits, "source": {"labels": "none"}}), changes)
    assert extractor_of(recipe) == name
