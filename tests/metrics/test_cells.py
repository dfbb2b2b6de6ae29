"""Cells of real pictures: what each figure says of generators that miss nothing, something, or everything."""

import math

import numpy as np
import pytest
import torch

from domainxfer.metrics.cells import Cells, _two_proportions
from domainxfer.metrics.kernel_distance import kernel_distance

CLASSES, WIDE = 10, 12


def pictures(count: int, shares: list[float] | None = None, seed: int = 0) -> np.ndarray:
    """Features (count, WIDE) of ten kinds of pictures, each a cloud around a corner of its own."""
    numbers = np.random.default_rng(seed)
    weights = np.array(shares or [1.0] * CLASSES)
    kinds = numbers.choice(CLASSES, count, p=weights / weights.sum())
    return 6 * np.eye(WIDE)[kinds] + numbers.normal(0, 1, (count, WIDE))


def with_share_of_kind_3(share: float) -> list[float]:
    return [share if kind == 3 else 1.0 for kind in range(CLASSES)]


@pytest.fixture(scope="module")
def cells() -> Cells:
    return Cells(pictures(1000, seed=100), pictures(1000, seed=101))


@pytest.mark.parametrize("seed", range(20))
def test_a_generator_of_every_kind_misses_nothing(cells: Cells, seed: int) -> None:
    found = cells.figures(pictures(1000, seed=seed))
    assert (found.missing, found.empty) == (0, 0)
    assert not any(found.gone)
    assert found.rare < 0.2, "5 % by chance, and the cells are few"
    assert found.covered > 0.9
    assert found.spread == pytest.approx(1, abs=0.1)
    assert found.far == pytest.approx(1, abs=0.05)
    assert found.crowded < 0.1


@pytest.mark.parametrize("seed", range(5))
def test_a_kind_that_is_not_made_is_missed(cells: Cells, seed: int) -> None:
    found = cells.figures(pictures(1000, with_share_of_kind_3(0), seed=seed))
    assert found.missing == pytest.approx(0.1, abs=0.03)
    assert any(found.gone)
    assert max(share for share, gone in zip(found.groups, found.gone, strict=True) if gone) == pytest.approx(
        0.1, abs=0.03
    )
    assert not any(made and gone for made, gone in zip(found.made, found.gone, strict=True))
    assert found.empty > 0
    assert found.covered == pytest.approx(0.88, abs=0.08)


@pytest.mark.parametrize("seed", range(5))
def test_a_kind_at_a_third_of_its_share_is_rare_but_not_missed(cells: Cells, seed: int) -> None:
    found = cells.figures(pictures(1000, with_share_of_kind_3(1 / 3), seed=seed))
    assert found.missing == 0
    assert not any(found.gone)
    group = np.argmin(np.abs(np.array(found.groups) - 0.1))
    assert not all(found.made), f"a group of {found.groups[group]:.0%}"


def test_blobs_of_a_young_generator_lie_far_from_every_cell(cells: Cells) -> None:
    blobs = 20 + np.random.default_rng(0).normal(0, 0.5, (1000, WIDE))
    found = cells.figures(blobs)
    assert found.far > 5
    assert found.covered < 0.2
    assert found.crowded == 0, "all fall into some cell, and none looks real"


def test_one_picture_again_and_again_has_no_spread(cells: Cells) -> None:
    found = cells.figures(np.repeat(pictures(1), 500, axis=0))
    assert found.spread == pytest.approx(0, abs=1e-9)
    assert found.missing > 0.7


@pytest.mark.parametrize(("times", "share"), [(5, 5 / 14), (9, 9 / 18)])
def test_a_kind_that_is_made_too_often_crowds_the_others(cells: Cells, times: int, share: float) -> None:
    found = cells.figures(pictures(1000, with_share_of_kind_3(times), seed=7))
    assert found.missing == 0
    assert found.crowded == pytest.approx(share - 0.1, abs=0.05)


def test_a_kind_that_is_made_twice_as_often_as_it_should_be_crowds_nothing(cells: Cells) -> None:
    assert cells.figures(pictures(1000, with_share_of_kind_3(9 / 4), seed=7)).crowded == 0


def test_only_what_looks_real_crowds(cells: Cells) -> None:
    """Half are of one kind, and these are specks that only happen to be nearest to it."""
    numbers = np.random.default_rng(3)
    specks = np.zeros((500, WIDE))
    specks[:, 3] = 20 + numbers.normal(0, 1, 500)
    found = cells.figures(np.concatenate([specks, pictures(500, seed=8)]))
    assert found.crowded < 0.1
    assert found.look_real == (found.far < 2)


def test_the_spread_is_that_of_the_features(cells: Cells) -> None:
    centred = pictures(1000, seed=101)
    centred -= centred.mean(0)
    assert cells.figures(3 * centred).spread == pytest.approx(9)
    assert cells.figures(centred / 2).spread == pytest.approx(0.25)


def test_one_kind_is_the_distance_of_the_pictures_of_the_largest_cell(cells: Cells) -> None:
    placed, counted = pictures(1000, seed=100), pictures(1000, seed=101)
    nearest = ((placed[:, None] - cells.centres) ** 2).sum(2).argmin(1)
    largest = placed[nearest == np.bincount(nearest).argmax()]
    assert cells.one_kind == pytest.approx(kernel_distance(torch.from_numpy(largest), torch.from_numpy(counted)))
    assert cells.one_kind > 100 * abs(kernel_distance(torch.from_numpy(placed), torch.from_numpy(counted)))


def test_groups_are_branches_that_hold_a_twentieth_or_more(cells: Cells) -> None:
    shares = cells.members @ cells.real
    assert shares.min() >= 0.05
    sets = [frozenset(np.flatnonzero(row)) for row in cells.members]
    assert len(set(sets)) == len(sets)
    for a in sets:
        for b in sets:
            assert a <= b or b <= a or not a & b, "a tree: one lies within the other, or they are apart"


def test_few_pictures_make_few_cells_and_are_judged_with_care() -> None:
    few = Cells(pictures(100, seed=1), pictures(100, seed=2))
    assert len(few.centres) == 10
    for seed in range(10):
        assert few.figures(pictures(100, seed=seed + 3)).missing == 0, "three of a hundred less is no proof"


def test_everything_follows_from_the_pictures(cells: Cells) -> None:
    again = Cells(pictures(1000, seed=100), pictures(1000, seed=101))
    assert again.figures(pictures(500)) == cells.figures(pictures(500))


def test_two_proportions_is_the_binomial_test() -> None:
    z = _two_proportions(np.array([0.02, 0.1, 0.0]), np.array([0.05, 0.1, 0.0]), 200, 400)
    pooled = (4 + 20) / 600
    assert z[0] == pytest.approx((0.02 - 0.05) / math.sqrt(pooled * (1 - pooled) * (1 / 200 + 1 / 400)))
    assert z[1:].tolist() == [0, 0], "a cell without any picture says nothing"


@pytest.mark.parametrize(("made", "missed"), [(30, False), (120, True)])
def test_few_pictures_are_no_proof_that_a_kind_is_missed(cells: Cells, made: int, missed: bool) -> None:
    """Of 30 pictures without a tenth of the kinds, chance is not excluded (z = -1.8); of 120 it is (z = -3.6)."""
    found = cells.figures(pictures(made, with_share_of_kind_3(0), seed=0))
    assert any(found.gone) == missed
    assert (found.missing > 0) == missed
