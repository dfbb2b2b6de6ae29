"""Figures of found labels: worked by hand, textbook examples, and what must not change them."""

from itertools import combinations, permutations

import numpy as np
import pytest

from domainxfer.metrics.clustering import (
    ari,
    clustering_figures,
    confusion,
    hungarian_accuracy,
    nmi,
    purity,
)

# Manning, Raghavan, Schuetze, "Introduction to Information Retrieval", figure 16.4: 17 points of three classes.
TEXTBOOK = np.array([[5, 1, 0], [1, 4, 1], [2, 0, 3]])


def labels(table: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Found and true labels that have such a table."""
    cells = [(i, j) for i, j in np.ndindex(*table.shape) for _ in range(table[i, j])]
    found, truth = np.array(cells).T
    return found, truth


def ari_of_pairs(found: np.ndarray, truth: np.ndarray) -> float:
    pairs = list(combinations(range(len(found)), 2))
    clusters, classes = ({(i, j) for i, j in pairs if of[i] == of[j]} for of in (found, truth))
    chance = len(clusters) * len(classes) / len(pairs)
    return (len(clusters & classes) - chance) / ((len(clusters) + len(classes)) / 2 - chance)


def test_the_table() -> None:
    table = confusion(np.array([0, 0, 3, 3, 3, 1]), np.array([1, 1, 0, 2, 2, 0]))
    assert table.tolist() == [[0, 2, 0], [1, 0, 0], [0, 0, 0], [1, 0, 2]], "cluster 2 is empty"
    np.testing.assert_array_equal(confusion(*labels(TEXTBOOK)), TEXTBOOK)


def test_the_textbook_example() -> None:
    """The book has purity .71 and NMI .36; of 136 pairs 40 share a cluster, 44 a class and 20 both."""
    found = clustering_figures(*labels(TEXTBOOK))
    assert found.purity == pytest.approx(12 / 17)
    assert found.accuracy == pytest.approx(12 / 17)
    assert found.nmi == pytest.approx(0.36, abs=0.005)
    chance = 40 * 44 / 136
    assert found.ari == pytest.approx((20 - chance) / (42 - chance))


@pytest.mark.parametrize(
    ("found", "truth", "expected"),
    [([0, 0, 1, 2], [0, 0, 1, 1], 4 / 7), ([0, 0, 0, 1, 1, 1], [0, 0, 1, 1, 2, 2], 8 / 33), ([0, 1], [0, 0], 0)],
)
def test_known_rand_indices(found: list[int], truth: list[int], expected: float) -> None:
    assert ari(confusion(np.array(found), np.array(truth))) == pytest.approx(expected)


def test_worse_than_chance_is_below_zero() -> None:
    """Two pairs crossed: no pair in both, chance 2 * 2 / 6: (0 - 2/3) / (2 - 2/3)."""
    assert ari(np.array([[1, 1], [1, 1]])) == pytest.approx(-0.5)


def test_information_by_hand() -> None:
    """Halves found, of which one is half a class and half another: I = log 2, H = log 2 and 1.5 log 2."""
    assert nmi(np.array([[4, 0, 0], [0, 2, 2]])) == pytest.approx(1 / 1.25)


def test_more_clusters_than_classes() -> None:
    """Classes 0 and 1 of 10 pictures, three clusters: the one without a class is wrong, but pure."""
    table = np.array([[6, 0], [4, 0], [0, 10]])
    assert hungarian_accuracy(table) == pytest.approx(16 / 20)
    assert purity(table) == 1


def test_fewer_clusters_than_classes() -> None:
    table = np.array([[6, 4, 0], [0, 0, 10]])
    assert hungarian_accuracy(table) == pytest.approx(16 / 20)
    assert purity(table) == pytest.approx(16 / 20)


def test_the_best_match_is_not_the_greedy_one() -> None:
    """The greedy match takes 10 first and is left with 0; 9 + 8 is better."""
    assert hungarian_accuracy(np.array([[10, 9], [8, 0]])) == pytest.approx(17 / 27)


@pytest.mark.parametrize("shape", [(4, 4), (3, 5), (5, 3)])
def test_against_all_matches_and_all_pairs(shape: tuple[int, int]) -> None:
    table = np.random.default_rng(shape[0]).integers(0, 4, shape)
    found, truth = labels(table)
    square = np.zeros((5, 5), int)
    square[: shape[0], : shape[1]] = table
    best = max(sum(square[i, j] for i, j in enumerate(order)) for order in permutations(range(5)))
    assert hungarian_accuracy(table) == pytest.approx(best / table.sum())
    assert ari(table) == pytest.approx(ari_of_pairs(found, truth))


def test_names_of_clusters_do_not_matter() -> None:
    numbers = np.random.default_rng(0)
    truth = numbers.integers(0, 10, 500)
    found = np.where(numbers.random(500) < 0.6, truth, numbers.integers(0, 13, 500))
    renamed = numbers.permutation(20)[found]
    one, other = clustering_figures(found, truth), clustering_figures(renamed, truth)
    for name, value in vars(one).items():
        assert getattr(other, name) == pytest.approx(value), name
        assert 0.3 < value < 0.9, name


def test_empty_clusters_change_nothing() -> None:
    spaced = np.zeros((9, 3), int)
    spaced[[1, 4, 8]] = TEXTBOOK
    assert vars(clustering_figures(*labels(spaced))) == pytest.approx(vars(clustering_figures(*labels(TEXTBOOK))))


def test_the_truth_itself() -> None:
    truth = np.random.default_rng(1).integers(0, 10, 300)
    found = clustering_figures((truth + 3) % 10, truth)
    assert vars(found) == pytest.approx({"accuracy": 1, "purity": 1, "nmi": 1, "ari": 1})


def test_independent_labels() -> None:
    numbers = np.random.default_rng(2)
    found = clustering_figures(numbers.integers(0, 10, 50_000), numbers.integers(0, 10, 50_000))
    assert found.ari == pytest.approx(0, abs=1e-3)
    assert found.nmi == pytest.approx(0, abs=1e-3)
    assert found.accuracy == pytest.approx(0.1, abs=0.01)
    assert found.purity == pytest.approx(0.1, abs=0.01)


def test_one_cluster_finds_nothing() -> None:
    found = clustering_figures(np.zeros(10, int), np.array([0] * 6 + [1] * 4))
    assert vars(found) == pytest.approx({"accuracy": 0.6, "purity": 0.6, "nmi": 0, "ari": 0})


def test_one_class_of_many_clusters() -> None:
    found = clustering_figures(np.array([0] * 6 + [1] * 4), np.zeros(10, int))
    assert vars(found) == pytest.approx({"accuracy": 0.6, "purity": 1, "nmi": 0, "ari": 0})


@pytest.mark.parametrize("count", [1, 10])
def test_one_cluster_that_is_the_only_class(count: int) -> None:
    found = clustering_figures(np.full(count, 2), np.zeros(count, int))
    assert vars(found) == {"accuracy": 1, "purity": 1, "nmi": 1, "ari": 1}


def test_every_picture_its_own_cluster() -> None:
    """Pure without having found anything: two classes of 4, I = log 2, H = log 8 and log 2."""
    found = clustering_figures(np.arange(8), np.repeat([0, 1], 4))
    assert vars(found) == pytest.approx({"accuracy": 2 / 8, "purity": 1, "nmi": 1 / 2, "ari": 0})


def test_many_pictures_do_not_overflow() -> None:
    table = np.diag([20_000_000] * 10)
    assert ari(table) == 1
    assert abs(ari(np.full((10, 10), 20_000_000))) < 1e-8


@pytest.mark.parametrize(
    ("found", "truth", "line"),
    [
        ([0, 1], [0, 1, 1], r"one found and one true label, got shapes \(2,\) and \(3,\)"),
        ([], [], "one found and one true label"),
        ([[0, 1]], [[0, 1]], "one found and one true label"),
        ([0, -1], [0, 1], "labels count from 0, got -1"),
    ],
)
def test_labels_that_do_not_fit(found: list[int], truth: list[int], line: str) -> None:
    with pytest.raises(ValueError, match=line):
        confusion(np.array(found, int), np.array(truth, int))
