"""Precision, recall, density and coverage: worked by hand, against plain loops, and against torch-fidelity."""

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from domainxfer.metrics import manifold
from domainxfer.metrics.manifold import NEIGHBOURS, ManifoldFigures, manifold_figures


def column(*values: float) -> Tensor:
    return torch.tensor(values)[:, None]


def test_by_hand() -> None:
    """On a line, k = 1. Reals 0, 1, 3, 10: balls [-1, 1], [0, 2], [1, 5], [3, 17]. Fakes .5, 4, 4.5, 30.

    .5 lies in two balls (of 0 and 1), 4 and 4.5 in two each (of 3 and 10), 30 in none: precision 3/4, density 6/4; each
    real's ball holds a fake: coverage 1. Fakes' radii 3.5, .5, .5, 25.5: [-3, 4], [3.5, 4.5], [4, 5], [4.5, 55.5] hold
    0, 1, 3 and 10: recall 1.
    """
    found = manifold_figures(column(0, 1, 3, 10), column(0.5, 4, 4.5, 30), k=1)
    assert found == ManifoldFigures(precision=0.75, recall=1.0, density=1.5, coverage=1.0)


def test_fakes_that_are_all_alike() -> None:
    """Every fake is good, but only one kind of real is made: precision 1, recall and coverage low, density high.

    k = 2. Reals 0, 1, 2, 8, 9, 10: radii 2, 1, 2, 2, 1, 2. Fakes at 1, radius 0: each in the balls of 0, 1 and 2.
    """
    found = manifold_figures(column(0, 1, 2, 8, 9, 10), column(1, 1, 1), k=2)
    assert found == ManifoldFigures(precision=1.0, recall=1 / 6, density=1.5, coverage=0.5)


def test_an_outlier_buys_precision_but_no_density() -> None:
    """A real far off has a ball that reaches back over everything between: why density and coverage were proposed."""
    reals, fakes = column(0, 1, 2, 100), column(40, 50, 60)
    found = manifold_figures(reals, fakes, k=1)
    assert found.precision == 1
    assert found.density == 1
    assert found.coverage == 0.25
    far = manifold_figures(column(0, 1, 2, 3), fakes, k=1)
    assert far.precision == far.density == far.coverage == 0


def test_a_set_against_itself() -> None:
    x = torch.from_numpy(np.random.default_rng(0).normal(size=(40, 30)))
    found = manifold_figures(x, x.clone())
    assert found.precision == found.recall == found.coverage == 1
    assert found.density > 1, "each point lies in its own ball too"


def by_loops(real: Tensor, fake: Tensor, k: int) -> ManifoldFigures:
    def radius(points: list[list[float]], i: int) -> float:
        return sorted(math.dist(points[i], points[j]) for j in range(len(points)) if j != i)[k - 1]

    reals, fakes = real.tolist(), fake.tolist()
    in_real = [[math.dist(f, r) <= radius(reals, j) for j, r in enumerate(reals)] for f in fakes]
    in_fake = [[math.dist(f, r) <= radius(fakes, i) for r in reals] for i, f in enumerate(fakes)]
    return ManifoldFigures(
        precision=sum(any(row) for row in in_real) / len(fakes),
        recall=sum(any(row[j] for row in in_fake) for j in range(len(reals))) / len(reals),
        density=sum(sum(row) for row in in_real) / (k * len(fakes)),
        coverage=sum(any(row[j] for row in in_real) for j in range(len(reals))) / len(reals),
    )


@pytest.mark.parametrize("rows", [4, 2048])
@pytest.mark.parametrize(("m", "n", "k"), [(12, 9, 1), (9, 14, 3), (20, 20, 5), (6, 6, 5)])
def test_against_loops(monkeypatch: pytest.MonkeyPatch, m: int, n: int, k: int, rows: int) -> None:
    """Whether all distances are in memory at once or only some."""
    monkeypatch.setattr(manifold, "ROWS", rows)
    numbers = np.random.default_rng(m)
    real, fake = torch.from_numpy(numbers.normal(size=(m, 3))), torch.from_numpy(numbers.normal(0.7, 0.8, (n, 3)))
    assert manifold_figures(real, fake, k) == by_loops(real, fake, k)


def test_precision_and_recall_against_torch_fidelity() -> None:
    prc = pytest.importorskip("torch_fidelity.metric_prc")
    numbers = np.random.default_rng(3)
    real, fake = (torch.from_numpy(numbers.normal(mean, 1, (60, 8))) for mean in (0, 0.8))
    theirs = prc.prc_features_to_metric(fake, real, prc_neighborhood=NEIGHBOURS, verbose=False)
    found = manifold_figures(real, fake)
    assert 0 < found.precision < 1, "a case that tells"
    assert found.precision == pytest.approx(theirs["precision"])
    assert found.recall == pytest.approx(theirs["recall"])


@pytest.mark.parametrize(("m", "n"), [(5, 20), (20, 5)])
def test_too_few_pictures(m: int, n: int) -> None:
    with pytest.raises(ValueError, match=r"5th nearest neighbour needs at least 6 pictures"):
        manifold_figures(torch.zeros(m, 2), torch.zeros(n, 2))


def test_balls_are_closed() -> None:
    """k = 1. Reals 0, 1, 3: radii 1, 1, 2. A fake at 5 lies on the edge of 3's ball, one at 5.5 in none."""
    found = manifold_figures(column(0, 1, 3), column(5, 5.5), k=1)
    assert found == ManifoldFigures(precision=0.5, recall=0.0, density=0.5, coverage=1 / 3)
