"""Held-out figures: floor and ceiling, and where a perfect translator and one that does nothing stand."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from domainxfer.datasets.domain_data import DomainData, PictureArray
from domainxfer.errors import PictureError
from domainxfer.metrics.kernel_distance import kernel_distance
from domainxfer.training.held_out import LEAST, MOST, Direction, HeldOut, most_of, rank, translated

SIDE = 16


class MeanColours:
    """An extractor small enough to follow: the mean and deviation of each colour."""

    name, digest, size = "mean colours", "0" * 16, SIDE

    def features(self, x: Tensor) -> Tensor:
        return torch.cat([x.mean((2, 3)), x.std((2, 3))], 1)


class Shift:
    """A model that adds to the red channel what tells domain 1 from domain 0."""

    def __init__(self, by: float) -> None:
        self.by, self.sizes = by, list[int]()

    def apply(self, x: Tensor, label: Tensor, code: Tensor | None = None) -> Tensor:
        self.sizes.append(len(x))
        change = torch.where(label == 1, self.by, -self.by)
        return x + change[:, None, None, None] * torch.tensor([1.0, 0, 0]).view(1, 3, 1, 1)


class Scenes:
    """A truth in which the lower half of domain 1 is redder."""

    def __init__(self, count: int) -> None:
        self.count = count

    def images(self, split: str) -> np.ndarray:
        images = np.full((self.count, 2, SIDE, SIDE, 3), 100, np.uint8)
        images[:, 1, SIDE // 2 :, :, 0] = 151
        return images

    def masks(self, split: str) -> np.ndarray:
        masks = np.zeros((self.count, SIDE, SIDE), bool)
        masks[:, SIDE // 2 :] = True
        return masks


def data(held_out: int = 30, train: int = 40, **more: Any) -> DomainData:
    numbers = np.random.default_rng(0)

    def part(count: int) -> tuple[PictureArray, PictureArray]:
        a, b = (numbers.integers(60, 120, (count, SIDE, SIDE, 3), dtype=np.uint8) for _ in range(2))
        b[..., 0] += 102  # 0.8 in [-1, 1]
        return PictureArray(a), PictureArray(b)

    return DomainData("red", ("grey", "red"), part(train), part(held_out), part(held_out), **more)


def test_floor_and_ceiling() -> None:
    held_out = HeldOut(data(), SIDE, MeanColours())
    for d in held_out.distances(Shift(0)):  # type: ignore[arg-type]
        assert d.distance == pytest.approx(d.ceiling), "doing nothing"
        assert d.share == pytest.approx(1)
        assert abs(d.floor) < 0.02 * d.ceiling
    right = held_out.distances(Shift(0.8))  # type: ignore[arg-type]
    assert [(d.source, d.target) for d in right] == [("grey", "red"), ("red", "grey")]
    assert all(abs(d.share) < 0.02 for d in right)
    assert all(d.share > 1 for d in held_out.distances(Shift(-0.8)))  # type: ignore[arg-type]


def test_a_training_picture_that_cannot_be_read_does_not_end_a_run(monkeypatch: pytest.MonkeyPatch) -> None:
    class OneBroken(PictureArray):
        def __getitem__(self, index: int) -> Image.Image:
            if index == 2:
                raise PictureError("2.png: broken")
            return super().__getitem__(index)

    whole = data()
    pictures = whole.train[0]
    assert isinstance(pictures, PictureArray)
    broken = replace(whole, train=(OneBroken(pictures.array), whole.train[1]))
    a, b = (HeldOut(d, SIDE, MeanColours()) for d in (whole, broken))
    assert len(a.train[0]) == len(b.train[0])
    assert torch.equal(b.train[0][2], b.train[0][0])
    with pytest.raises(PictureError):  # of held-out ones each counts
        HeldOut(replace(broken, validation=broken.train), SIDE, MeanColours())


def test_the_floor_is_that_of_real_training_pictures() -> None:
    held_out = HeldOut(data(), SIDE, MeanColours())
    for target, d in zip((1, 0), held_out.distances(Shift(0)), strict=True):  # type: ignore[arg-type]
        assert d.floor == pytest.approx(kernel_distance(held_out.train[target], held_out.real[target]), abs=1e-12)
        assert d.floor != pytest.approx(kernel_distance(held_out.real[target], held_out.real[target]), abs=1e-6)


def test_the_distance_is_that_of_the_features() -> None:
    held_out = HeldOut(data(), SIDE, MeanColours())
    x, y = (MeanColours().features(pictures) for pictures in held_out.pictures)
    assert held_out.distances(Shift(0))[0].ceiling == pytest.approx(kernel_distance(x, y))  # type: ignore[arg-type]


def test_too_few_pictures_give_no_figure() -> None:
    held_out = HeldOut(data(held_out=LEAST - 1), SIDE, MeanColours())
    assert not held_out.enough
    assert held_out.distances(Shift(0)) == []  # type: ignore[arg-type]
    assert HeldOut(data(held_out=LEAST), SIDE, MeanColours()).enough


def test_the_test_part_is_another_one() -> None:
    both = data()
    validation, test = (HeldOut(both, SIDE, MeanColours(), split) for split in ("validation", "test"))
    assert not torch.equal(validation.pictures[0], test.pictures[0])
    assert not torch.equal(validation.real[0], test.real[0])


def test_of_many_pictures_some_are_taken_always_the_same() -> None:
    many = data(held_out=MOST + 20, train=10)
    one, same, other = (HeldOut(many, SIDE, MeanColours(), seed=seed) for seed in (0, 0, 1))
    assert len(one.pictures[0]) == MOST
    assert torch.equal(one.pictures[0], same.pictures[0])
    assert not torch.equal(one.pictures[0], other.pictures[0])


@pytest.mark.parametrize(("domains", "most"), [(2, 200), (3, 200), (4, 200), (5, 120), (8, 42), (20, 20)])
def test_the_work_of_a_figure_does_not_grow_with_the_square_of_the_domains(domains: int, most: int) -> None:
    assert most_of(domains) == most
    numbers = np.random.default_rng(0)
    part = tuple(PictureArray(numbers.integers(0, 256, (45, SIDE, SIDE, 3), np.uint8)) for _ in range(domains))
    many = DomainData("many", tuple(map(str, range(domains))), part, part, part)
    assert HeldOut(many, SIDE, MeanColours()).count == min(most, 45)


def test_against_the_truth() -> None:
    held_out = HeldOut(data(truth=Scenes(5)), SIDE, MeanColours())
    nothing = held_out.against_truth(Shift(0))[("grey", "red")]  # type: ignore[arg-type]
    assert nothing.gain == 0
    right = held_out.against_truth(Shift(0.4))[("grey", "red")]  # type: ignore[arg-type]
    assert right.psnr_inside > 60
    assert right.change_outside == pytest.approx(0.2 / 3, abs=1e-3), "it also reddened what it should have left alone"
    assert set(held_out.against_truth(Shift(0))) == {("grey", "red"), ("red", "grey")}  # type: ignore[arg-type]
    assert HeldOut(data(), SIDE, MeanColours()).against_truth(Shift(0)) == {}  # type: ignore[arg-type]


def test_against_so_much_of_the_truth_as_is_looked_at() -> None:
    model = Shift(0.4)
    HeldOut(data(truth=Scenes(30)), SIDE, MeanColours(), most=12).against_truth(model)  # type: ignore[arg-type]
    assert sum(model.sizes) == 2 * 12


def test_the_best_is_the_nearest_whatever_doing_nothing_scores() -> None:
    """An unbiased distance of domains that are nearly alike lies about 0, also below it."""

    def directions(*both: float, ceilings: tuple[float, float]) -> list[Direction]:
        return [Direction("a", "b", d, c, 0.0) for d, c in zip(both, ceilings, strict=True)]

    for ceilings in ((0.5, 0.4), (-0.002, 0.4), (1e-9, 0.4), (-0.002, -0.001), (0.0, 0.0)):
        near, far = (rank(directions(*both, ceilings=ceilings)) for both in ((0.1, 0.1), (0.1, 0.2)))
        assert near < far
    assert rank(directions(0.1, 0.2, ceilings=(0.2, 0.4))) == pytest.approx(0.5)
    assert rank([Direction("noise", "b", 0.3, None, 0.0)]) == 0.3
    assert Direction("a", "b", 0.1, -0.002, 0.0).share is None
    assert Direction("a", "b", 0.1, 0.0, 0.0).share is None


def test_translation_in_batches() -> None:
    model, x = Shift(0.5), torch.zeros(7, 3, 4, 4)
    y = translated(model, x, 1, batch=3)  # type: ignore[arg-type]
    assert model.sizes == [3, 3, 1]
    assert y.shape == x.shape
    assert (y[:, 0] == 0.5).all()
