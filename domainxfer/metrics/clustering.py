"""Labels that were found without help against the true ones: how well do clusters and classes agree?

All figures come from one table of counts, and clusters may be renamed without any effect. Those of different numbers of
clusters do not compare: more clusters make purity easier and one-to-one accuracy harder. So accuracy is the figure for
as many clusters as classes, purity for more.
"""

from dataclasses import dataclass

import numpy as np
from scipy.optimize import linear_sum_assignment

from domainxfer.metrics.modes import entropy


@dataclass(frozen=True)
class ClusteringFigures:
    """Agreement of found labels with the truth; 1 is best everywhere."""

    accuracy: float
    """`hungarian_accuracy`, 0 to 1."""
    purity: float
    """0 to 1; the share of the largest class even if nothing was found."""
    nmi: float
    """0 (independent) to 1 (the same but for names)."""
    ari: float
    """0 on average by chance, 1 for the same but for names; may be below 0."""


def clustering_figures(found: np.ndarray, truth: np.ndarray) -> ClusteringFigures:
    """All figures at once.

    Args:
        found: (N,) integers >= 0, the cluster of each picture.
        truth: (N,) integers >= 0, its class.

    Raises:
        ValueError: no pictures, lengths that differ, or a label below 0.
    """
    table = confusion(found, truth)
    return ClusteringFigures(accuracy=hungarian_accuracy(table), purity=purity(table), nmi=nmi(table), ari=ari(table))


def confusion(found: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """How many pictures of each class each cluster holds.

    Args:
        found: (N,) integers >= 0, the cluster of each picture.
        truth: (N,) integers >= 0, its class.

    Returns:
        (K_found, K_true) int64, up to the highest label of each; labels that do not occur have zeros.

    Raises:
        ValueError: no pictures, lengths that differ, or a label below 0.
    """
    if found.shape != truth.shape or found.ndim != 1 or not len(found):
        raise ValueError(
            f"every picture needs one found and one true label, got shapes {found.shape} and {truth.shape}"
        )
    if min(found.min(), truth.min()) < 0:
        raise ValueError(f"labels count from 0, got {min(found.min(), truth.min())}")
    clusters, classes = int(found.max()) + 1, int(truth.max()) + 1
    cells = found.astype(np.int64) * classes + truth
    return np.bincount(cells, minlength=clusters * classes).reshape(clusters, classes)


def hungarian_accuracy(table: np.ndarray) -> float:
    """Share of pictures that are right when clusters are given to classes one to one, in the best way (Kuhn 1955).

    With more clusters than classes some clusters have no class, and their pictures are wrong; with fewer, some classes
    have no cluster, and theirs are.

    Args:
        table: (K_found, K_true) of `confusion`.
    """
    rows, columns = linear_sum_assignment(table, maximize=True)
    return float(table[rows, columns].sum() / table.sum())


def purity(table: np.ndarray) -> float:
    """Share of pictures that are right when each cluster is given to its most frequent class.

    Several clusters may share a class, so that it grows with their number, to 1 for a cluster a picture.

    Args:
        table: (K_found, K_true) of `confusion`.
    """
    return float(table.max(1).sum() / table.sum())


def nmi(table: np.ndarray) -> float:
    """Mutual information over the arithmetic mean of both entropies: I / ((H_found + H_true) / 2).

    One cluster that is also the only class has no entropies; being equal, they get 1.

    Args:
        table: (K_found, K_true) of `confusion`.
    """
    apart = entropy(table.sum(1)) + entropy(table.sum(0))
    shared = apart - entropy(table)
    return min(1.0, max(0.0, 2 * shared / apart)) if apart else 1.0  # rounding


def ari(table: np.ndarray) -> float:
    """The Rand index adjusted for chance: (S - E) / ((A + B) / 2 - E) (Hubert, Arabie 1985).

    Of the P pairs of pictures, A share a cluster, B a class, S both; E = A B / P is what chance lets share both. Two
    partitions into one piece, or into single pictures, leave no room above chance; being equal, they get 1.

    Args:
        table: (K_found, K_true) of `confusion`.
    """
    every, clusters, classes, both = (_pairs(counts) for counts in (table.sum(), table.sum(1), table.sum(0), table))
    chance = clusters * classes
    room = every * (clusters + classes) - 2 * chance
    return 2 * (every * both - chance) / room if room else 1.0


def _pairs(counts: np.ndarray) -> int:
    """How many pairs lie within the groups; a Python integer, whose products do not overflow."""
    return int((counts * (counts - 1) // 2).sum())
