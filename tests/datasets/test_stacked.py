"""Stacked digits: which digits meet, what is known of them, and that nothing leaks from one split to another."""

from pathlib import Path

import numpy as np
import pytest

from domainxfer.datasets.batches import BatchSource
from domainxfer.datasets.card import load_card
from domainxfer.datasets.check import check_data
from domainxfer.datasets.domain_data import SPLITS, DomainData, PictureArray, Split, without_labels
from domainxfer.datasets.find import fetch_data, open_data
from domainxfer.datasets.stacked import COUNTS, StackedDigits, stacked_digits
from domainxfer.errors import UsageError
from domainxfer.prepare import prepare
from domainxfer.recipe import DataSettings

FEW: dict[Split, int] = {"train": 500, "validation": 40, "test": 60}
FIRST = {"train": 0, "validation": 100, "test": 150}
EACH = {"train": 9, "validation": 3, "test": 5}


def digits(side: int = 6) -> DomainData:
    """Ten domains of flat grey pictures: digit d number n of a split has the level FIRST[split] + 10 n + d."""

    def part(split: str, digit: int) -> PictureArray:
        levels = FIRST[split] + 10 * np.arange(EACH[split], dtype=np.uint8) + np.uint8(digit)
        return PictureArray(np.broadcast_to(levels[:, None, None], (EACH[split], side, side)).copy())

    parts = [tuple(part(split, digit) for digit in range(10)) for split in SPLITS]
    return DomainData("mnist", tuple("0123456789"), *parts)


def of(data: DomainData, split: str) -> StackedDigits:
    (pictures,) = data.split(split)
    assert isinstance(pictures, StackedDigits)
    return pictures


def test_each_colour_is_a_digit_of_the_split_and_the_truth_names_it() -> None:
    data = stacked_digits(digits(), "stacked-mnist", counts=FEW)
    assert (data.name, data.domains, data.counts()["train"]) == ("stacked-mnist", (), {"all": 500})
    assert without_labels(data) is data, "there are no labels to put aside"
    assert (len(data.class_names), data.class_names[207]) == (1000, "207")
    for split in SPLITS:
        pictures = of(data, split)
        colours = np.stack([np.asarray(picture)[3, 3] for picture in pictures]).astype(int)
        assert all(np.asarray(picture).shape == (6, 6, 3) for picture in pictures)
        np.testing.assert_array_equal((colours - FIRST[split]) % 10, pictures.triples)
        assert colours.min() >= FIRST[split], "a digit of another split"
        assert colours.max() < FIRST[split] + 10 * EACH[split], "a digit of another split"
        assert [data.class_names[k] for k in data.classes[split]] == [f"{a}{b}{c}" for a, b, c in pictures.triples]


def test_every_class_has_an_equal_share_and_colours_do_not_depend_on_each_other() -> None:
    data = stacked_digits(digits(), "x", counts={**FEW, "train": 50_000})
    counts = np.bincount(data.classes["train"], minlength=1000)
    assert len(counts) == 1000
    chi_square = ((counts - 50) ** 2 / 50).sum()  # of 999 degrees of freedom: mean 999, deviation 45
    assert 800 < chi_square < 1200


def test_a_picture_follows_from_seed_and_index() -> None:
    few, more = (stacked_digits(digits(), "x", seed=3, counts={**FEW, "train": n}) for n in (100, 200))
    np.testing.assert_array_equal(of(few, "train").chosen, of(more, "train").chosen[:100])
    other = stacked_digits(digits(), "x", seed=4, counts=FEW)
    assert (of(few, "train").chosen != of(other, "train").chosen[:100]).mean() > 0.9
    assert (of(few, "validation").triples != of(few, "test").triples[:40]).mean() > 0.5, (
        "splits have draws of their own"
    )


def test_batches_are_composed_and_nothing_is_kept() -> None:
    data = stacked_digits(digits(16), "x", counts=FEW)
    settings = DataSettings.model_validate({**load_card("stacked-mnist").recipe["data"], "size": 16, "batch": 32})
    source = BatchSource(data, settings, seed=0)
    assert sum(array.nbytes for array in source.pictures[0].kept) <= 64 * 16 * 16 * 3
    assert not source.pictures[0].bad
    batch = source[7]
    assert batch.x_real.shape == (32, 3, 16, 16)
    levels = ((batch.x_real[:, :, 0, 0] + 1) * 127.5).round().int().numpy()
    picks = source.planner.plan(7).picks
    np.testing.assert_array_equal(levels % 10, of(data, "train").triples[picks])


def test_the_data_check_finds_no_leak_and_no_duplicate() -> None:
    data = stacked_digits(digits(), "x", counts={"train": 20, "validation": 5, "test": 5})
    report = check_data(data, size=6)
    assert not report.serious
    assert report.counts["train"] == {"all": 20}


def test_the_card_is_made_of_mnists(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Found where MNIST is, which is not said twice; padded like MNIST; the seed is heard."""
    asked = []

    def load(folder: Path, *, seed: int, size: int, validation_share: float) -> DomainData:
        asked.append((folder, seed, size))
        return digits(size)

    monkeypatch.setattr("domainxfer.datasets.mnist.load_mnist", load)
    (tmp_path / "mnist").mkdir()
    (tmp_path / "mnist" / "file").touch()
    assert load_card("stacked-mnist").origins == ("mnist",)
    assert fetch_data("stacked-mnist", data_root=tmp_path, offline=True) == [tmp_path / "mnist"]
    data = open_data("stacked-mnist", data_root=tmp_path, seed=5, offline=True, unlabelled=True)
    assert asked == [(tmp_path / "mnist", 5, 28)]
    assert {split: counts["all"] for split, counts in data.counts().items()} == COUNTS
    assert data.train[0][127_999].size == (28, 28)
    recipe, _ = prepare("stacked-mnist", lambda text: None, data_root=tmp_path, preset="stacked-dcgan")
    assert (recipe.mode, recipe.source.labels, recipe.generator.channels) == ("generate", "none", 3)
    with pytest.raises(UsageError, match="--names"):
        open_data("stacked-mnist", data_root=tmp_path, names={"A": "x"})
