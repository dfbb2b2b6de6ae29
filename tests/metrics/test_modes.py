"""Modes and their evenness: worked by hand, and what perfect draws would show."""

import math

import numpy as np
import pytest

from domainxfer.draws import draw
from domainxfer.metrics.modes import (
    class_histogram,
    drawn_floor,
    entropy,
    joint_classes,
    kl_floor,
    kl_to_uniform,
    mode_figures,
)


def test_by_hand() -> None:
    """Shares 1/2, 1/4, 1/4, 0 of four modes: entropy 1.5 log 2, KL log 4 - 1.5 log 2."""
    found = mode_figures(np.array([0, 0, 2, 1, 0, 2, 1, 0]), 4)
    assert found.modes == 3
    assert found.entropy == pytest.approx(1.5 * math.log(2))
    assert found.kl == pytest.approx(0.5 * math.log(2))
    assert found.floor == pytest.approx(3 / 16, rel=0.25)  # the formula is for more pictures


def test_the_histogram() -> None:
    assert class_histogram(np.array([3, 0, 3]), 5).tolist() == [1, 0, 0, 2, 0]


def test_a_collapse_into_ones() -> None:
    found = mode_figures(np.ones(5000, int), 10)
    assert (found.modes, found.entropy, found.kl) == (1, 0, pytest.approx(math.log(10)))
    assert math.copysign(1, found.entropy) == 1, "not -0"


@pytest.mark.parametrize("count", [1, 10, 1000])
def test_equal_shares(count: int) -> None:
    found = mode_figures(np.tile(np.arange(count), 7), count)
    assert (found.modes, found.entropy, found.kl) == (
        count,
        pytest.approx(math.log(count)),
        pytest.approx(0, abs=1e-12),
    )
    assert found.kl >= 0


def test_half_of_the_modes() -> None:
    """Equal shares of half of them: KL log 2."""
    assert kl_to_uniform(np.array([3, 0, 3, 0, 0, 3])) == pytest.approx(math.log(2))


def test_entropy_of_a_table_is_the_joint_one() -> None:
    assert entropy(np.array([[2, 2], [0, 4]])) == pytest.approx(1.5 * math.log(2))


def test_stacked_digits() -> None:
    channels = np.array([[2, 0, 7], [0, 0, 0], [9, 9, 9], [0, 1, 0]], np.uint8)
    assert joint_classes(channels).tolist() == [207, 0, 999, 10]
    assert joint_classes(np.array([[1, 0], [1, 1]]), base=2).tolist() == [2, 3]
    every = np.stack(np.meshgrid(*[np.arange(10)] * 3), -1).reshape(-1, 3)
    assert mode_figures(joint_classes(every), 1000).modes == 1000


def test_the_floor_of_stacked_digits() -> None:
    """26,000 perfect pictures of 1000 modes have a KL of about .019, and miss no mode."""
    assert kl_floor(1000, 26_000) == pytest.approx(0.019, abs=0.0005)
    drawn = drawn_floor(1000, 26_000, rounds=30)
    assert drawn.shape == (30,)
    assert drawn.mean() == pytest.approx(kl_floor(1000, 26_000), rel=0.02)
    assert drawn.std() < 0.07 * drawn.mean(), "so that one round tells"
    perfect = mode_figures(joint_classes(draw(0, "test").integers(0, 10, (26_000, 3))), 1000)
    assert perfect.modes == 1000
    assert perfect.kl == pytest.approx(perfect.floor, rel=0.15)


@pytest.mark.parametrize(("count", "samples"), [(10, 1000), (10, 200), (100, 1000)])
def test_how_much_too_low_the_floor_is(count: int, samples: int) -> None:
    drawn = drawn_floor(count, samples, rounds=4000)
    error = drawn.std() / math.sqrt(len(drawn))
    expected = kl_floor(count, samples) * (1 + count / (6 * samples))
    assert drawn.mean() == pytest.approx(expected, abs=4 * error)


def test_with_few_pictures_only_drawing_tells() -> None:
    """200 pictures reach a fifth of the modes at most, so that their KL is at least log 5."""
    drawn = drawn_floor(1000, 200, rounds=20)
    assert drawn.min() > math.log(5)
    assert kl_floor(1000, 200) > 1.4 * drawn.mean()
    assert kl_floor(1000, 1000) < 0.9 * drawn_floor(1000, 1000, rounds=20).mean()


def test_the_floor_beside_a_figure_of_few_pictures_is_drawn() -> None:
    few, many = (mode_figures(np.arange(samples) % 10, 10).floor for samples in (20, 2000))
    assert few == drawn_floor(10, 20).mean()
    assert many == kl_floor(10, 2000)


def test_the_seed_decides() -> None:
    assert drawn_floor(10, 50, rounds=3).tolist() == drawn_floor(10, 50, rounds=3).tolist()
    assert drawn_floor(10, 50, rounds=3).tolist() != drawn_floor(10, 50, seed=1, rounds=3).tolist()


@pytest.mark.parametrize(
    ("classes", "line"),
    [([], "at least 1 picture"), ([0, 10], "0 to 9, got 0 to 10"), ([-1, 3], "0 to 9, got -1 to 3")],
)
def test_classes_that_do_not_fit(classes: list[int], line: str) -> None:
    with pytest.raises(ValueError, match=line):
        class_histogram(np.array(classes, int), 10)


def test_channels_that_do_not_fit() -> None:
    with pytest.raises(ValueError, match="0 to 9, got 0 to 10"):
        joint_classes(np.array([[0, 3, 10]]))
