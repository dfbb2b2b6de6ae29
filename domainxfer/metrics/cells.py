"""Which kinds of real pictures does a generator not make? Cells of the real ones, and who falls into each.

The features of real pictures are cut into cells, and the share of generated pictures in each is held against that of
real ones, as NDB does (Richardson & Weiss 2018, "On GANs and GMMs"). Their cells are those of k-means; here they are
those of Ward (1963), who lowers the same sum of squares by joining what is nearest. That needs no random start and
leaves a tree, whose branches are groups of neighbouring cells. A mode that is lost empties a whole branch; styles that
a healthy generator makes too rarely are cells here and there. No label is asked for.
"""

from dataclasses import dataclass

import numpy as np
import torch
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.spatial.distance import cdist
from scipy.special import ndtri

from domainxfer.metrics.kernel_distance import kernel_distance

CELLS = 50
"""At most so many cells; fewer where there are fewer than `A_CELL` pictures for each."""

A_CELL = 10
LEAST_GROUP = 0.05
"""A group holds at least so much of the real pictures: what is rarer than one in twenty is not missed."""

RARER = float(ndtri(0.05))
"""Two proportions differ significantly in NDB's sense: z below this, 5 % one-sided."""

NEARLY_NONE = 0.1
"""A group or a cell with less than this part of its share is nearly empty, if z is below `NO_CHANCE`."""

NO_CHANCE = -3.0
MADE = 0.5
"""A group with at least this part of its share is made."""

TOO_OFTEN = 3.0
"""A group with at least so many times its share crowds the others."""

LOOKS_REAL = 2.0
"""A picture looks real if it lies no farther from the nearest cell's centre than so many times what real ones do."""


@dataclass(frozen=True)
class CellFigures:
    """How generated pictures spread over the cells of real ones."""

    rare: float
    """Share of the cells, 0 to 1, in which generated pictures are significantly rarer than real ones."""
    empty: int
    """Cells in which there are nearly none."""
    covered: float
    """Share of the real pictures, 0 to 1, in cells that get at least half of their share."""
    missing: float
    """Share of the real pictures, 0 to 1, in groups that get nearly none."""
    spread: float
    """Total variance of the generated pictures' features, as a share of that of the real ones."""
    far: float
    """Median distance to the nearest cell's centre, in those of real pictures: near 1 for what looks real."""
    crowded: float
    """The largest excess of a group that is made too often, 0 to 1: the share of the generated pictures that are in it
    and look real, less the share of the real ones that are."""
    one_kind: float
    """The kernel distance to real pictures of real ones of a single kind, those of the largest cell."""
    groups: tuple[float, ...] = ()
    """Each group's share of the real pictures."""
    made: tuple[bool, ...] = ()
    """Whether a group gets at least half of its share."""
    gone: tuple[bool, ...] = ()
    """Whether it gets nearly none."""

    @property
    def look_real(self) -> bool:
        """Whether most of the generated pictures lie as near to the cells as real ones do, give or take."""
        return self.far < LOOKS_REAL


class Cells:
    """Cells of real pictures, and groups of them.

    Args:
        placed: (N, F) features of the real pictures that say where the cells are, N >= 4.
        counted: (M, F) features of other real pictures, which say how many belong into each: those that placed the
            cells fill them better than any others can.
    """

    def __init__(self, placed: np.ndarray, counted: np.ndarray) -> None:
        tree = linkage(placed, "ward")
        count = max(2, min(CELLS, len(placed) // A_CELL))
        cell_of = fcluster(tree, count, "maxclust") - 1
        self.centres = np.stack([placed[cell_of == cell].mean(0) for cell in range(cell_of.max() + 1)])
        nearest, away = self._nearest(counted)
        self.real = self._shares(nearest)
        self.pictures, self.variance = len(counted), counted.var(0).sum()
        self.usual = float(np.median(away))
        cells = self.of(placed)
        largest = placed[cells == np.bincount(cells).argmax()]
        self.one_kind = kernel_distance(torch.from_numpy(largest), torch.from_numpy(counted))
        groups = {members for size in range(2, count + 1) for members in _branches(tree, size, cell_of)}
        large = sorted(group for group in groups if self.real[list(group)].sum() >= LEAST_GROUP)
        self.members = np.array([np.isin(np.arange(len(self.centres)), group) for group in large], float)
        self.members = self.members.reshape(len(large), len(self.centres))

    def figures(self, features: np.ndarray) -> CellFigures:
        """Judge generated pictures by their features (N, F)."""
        nearest, away = self._nearest(features)
        fake, count = self._shares(nearest), len(features)
        apart = _two_proportions(fake, self.real, count, self.pictures)
        empty = (fake < NEARLY_NONE * self.real) & (apart < NO_CHANCE)
        groups, of_fake = self.members @ self.real, self.members @ fake
        significant = _two_proportions(of_fake, groups, count, self.pictures) < NO_CHANCE
        gone = (of_fake < NEARLY_NONE * groups) & significant
        look_real = np.bincount(nearest[away < LOOKS_REAL * self.usual], minlength=len(self.centres)) / count
        crowd = self.members @ look_real
        return CellFigures(
            rare=float((apart < RARER).mean()),
            empty=int(empty.sum()),
            covered=float(self.real[fake >= MADE * self.real].sum()),
            missing=float(self.real[self.members[gone].any(0)].sum()),
            spread=float(features.var(0).sum() / self.variance),
            far=float(np.median(away) / self.usual),
            crowded=float(np.max((crowd - groups)[crowd >= TOO_OFTEN * groups], initial=0.0)),
            one_kind=self.one_kind,
            groups=tuple(groups.tolist()),
            made=tuple((of_fake >= MADE * groups).tolist()),
            gone=tuple(gone.tolist()),
        )

    def of(self, features: np.ndarray) -> np.ndarray:
        """The cell of each picture, the one with the nearest centre: (N, F) -> (N,) integers."""
        return self._nearest(features)[0]

    def _nearest(self, features: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The cell of each picture, and how far away its centre is: (N, F) -> (N,) integers, (N,) distances."""
        distances = cdist(features, self.centres)
        return distances.argmin(1), distances.min(1)

    def _shares(self, nearest: np.ndarray) -> np.ndarray:
        """The share of pictures in each cell, (cells,), by the cell of each."""
        shares: np.ndarray = np.bincount(nearest, minlength=len(self.centres)) / len(nearest)
        return shares


def _branches(tree: np.ndarray, count: int, cell_of: np.ndarray) -> set[tuple[int, ...]]:
    """The branches of the tree where it is cut into ``count``, each as the cells it holds."""
    branch_of = fcluster(tree, count, "maxclust")
    return {tuple(np.unique(cell_of[branch_of == branch]).tolist()) for branch in np.unique(branch_of)}


def _two_proportions(fake: np.ndarray, real: np.ndarray, fakes: int, reals: int) -> np.ndarray:
    """z of the binomial test that two shares, of so many pictures each, are equal; below 0 where ``fake`` is less."""
    pooled = (fake * fakes + real * reals) / (fakes + reals)
    deviation = np.sqrt(pooled * (1 - pooled) * (1 / fakes + 1 / reals))
    z: np.ndarray = (fake - real) / np.maximum(deviation, 1e-12)
    return z
