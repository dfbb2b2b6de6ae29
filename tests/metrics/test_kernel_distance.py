"""The kernel distance against a double loop, torchmetrics, and a distribution whose answer is known."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor

from domainxfer.metrics import kernel_distance as module
from domainxfer.metrics.bootstrap import redraws
from domainxfer.metrics.kernel_distance import bootstrap_interval, kernel_distance, kernel_estimate


def by_hand(x: np.ndarray, y: np.ndarray) -> float:
    def k(a: np.ndarray, b: np.ndarray) -> float:
        return (sum(p * q for p, q in zip(a.tolist(), b.tolist(), strict=True)) / len(a) + 1) ** 3

    m, n = len(x), len(y)
    xx = sum(k(x[i], x[j]) for i in range(m) for j in range(m) if i != j) / (m * (m - 1))
    yy = sum(k(y[i], y[j]) for i in range(n) for j in range(n) if i != j) / (n * (n - 1))
    xy = sum(k(x[i], y[j]) for i in range(m) for j in range(n)) / (m * n)
    return xx + yy - 2 * xy


def features(count: int, size: int, seed: int, shift: float = 0.0) -> Tensor:
    return torch.from_numpy(np.random.default_rng(seed).normal(shift, 1, (count, size)))


@pytest.mark.parametrize(("m", "n", "size"), [(2, 2, 3), (5, 8, 4), (12, 7, 16)])
def test_against_a_double_loop(m: int, n: int, size: int) -> None:
    x, y = features(m, size, 0), features(n, size, 1, 0.5)
    assert kernel_distance(x, y) == pytest.approx(by_hand(x.numpy(), y.numpy()), rel=1e-10)
    assert kernel_distance(x, y) == pytest.approx(kernel_distance(y, x), rel=1e-10)


def test_against_torchmetrics_on_the_same_features() -> None:
    kid = pytest.importorskip("torchmetrics.image.kid")
    x, y = features(30, 20, 2), features(30, 20, 3, 0.4)
    assert kernel_distance(x, y) == pytest.approx(float(kid.poly_mmd(x, y)), rel=1e-9)


@pytest.mark.filterwarnings("ignore:Metric `Kernel Inception Distance`")
def test_against_torchmetrics_with_an_extractor_of_ours() -> None:
    kid = pytest.importorskip("torchmetrics.image.kid")

    class Pooled(torch.nn.Module):
        """Means over a 4 x 4 grid of each colour."""

        def forward(self, x: Tensor) -> Tensor:
            return torch.nn.functional.adaptive_avg_pool2d(x.float() / 128 - 1, 4).flatten(1)

    numbers = torch.Generator().manual_seed(0)
    real = torch.randint(0, 256, (12, 3, 32, 32), generator=numbers, dtype=torch.uint8)
    fake = torch.randint(0, 200, (12, 3, 32, 32), generator=numbers, dtype=torch.uint8)
    metric = kid.KernelInceptionDistance(feature=Pooled(), subsets=1, subset_size=12)
    metric.update(real, real=True)
    metric.update(fake, real=False)
    theirs, _ = metric.compute()
    assert kernel_distance(Pooled()(real), Pooled()(fake)) == pytest.approx(float(theirs), rel=1e-3)


def test_it_is_unbiased() -> None:
    """Equal distributions: the mean over many draws is 0, and single draws fall on both sides of it."""
    values = np.array([kernel_distance(features(6, 4, 2 * s), features(9, 4, 2 * s + 1)) for s in range(400)])
    assert abs(values.mean()) < 4 * values.std() / 20
    assert values.min() < 0 < values.max()


def test_known_value() -> None:
    """Two points: k(a, a) = (1 + 1)^3 = 8, k(b, b) = 8, k(a, b) = (1 - 1)^3 = 0; so 8 + 8 - 0."""
    a, b = torch.ones(3, 2), -torch.ones(4, 2)
    assert kernel_distance(a, b) == pytest.approx(16)
    assert kernel_distance(a, a) == pytest.approx(0)


def test_it_grows_with_the_shift_and_takes_fp32() -> None:
    x = features(40, 8, 0)
    values = [kernel_distance(x, features(40, 8, 1, shift)) for shift in (0.0, 0.5, 1.0, 2.0)]
    assert values == sorted(values)
    y = features(40, 8, 1, 1.0)
    assert kernel_distance(x.float(), y.float()) == pytest.approx(kernel_distance(x, y), rel=1e-5)


@pytest.mark.parametrize("function", [kernel_distance, bootstrap_interval])
@pytest.mark.parametrize(("m", "n"), [(1, 5), (5, 1), (0, 5)])
def test_too_few_pictures(function: Callable[[Tensor, Tensor], object], m: int, n: int) -> None:
    with pytest.raises(ValueError, match="at least 2"):
        function(features(m, 3, 0), features(n, 3, 1))


@pytest.mark.parametrize("shift", [0.0, 0.5, 1.5])
def test_the_interval_holds_the_estimate(shift: float) -> None:
    x, y = features(40, 8, 4), features(50, 8, 5, shift)
    low, high = bootstrap_interval(x, y)
    assert low < kernel_distance(x, y) < high
    assert bootstrap_interval(x, y) == (low, high), "the seed decides"
    assert bootstrap_interval(x, y, seed=1) != (low, high)
    narrow_low, narrow_high = bootstrap_interval(x, y, share=0.5)
    assert low < narrow_low < narrow_high < high


def test_the_interval_shrinks_with_more_pictures() -> None:
    widths = []
    for count in (10, 40, 160):
        low, high = bootstrap_interval(features(count, 6, 0), features(count, 6, 1, 0.5))
        widths.append(high - low)
    assert widths[0] > widths[1] > widths[2]


def test_the_interval_covers_the_truth() -> None:
    """95 % of the intervals of many draws should hold the distance of the distributions; 80 % must."""
    truth = kernel_distance(features(1500, 3, 100), features(1500, 3, 101, 0.7))
    inside = 0
    for s in range(40):
        low, high = bootstrap_interval(features(30, 3, 2 * s), features(30, 3, 2 * s + 1, 0.7), rounds=80)
        inside += low <= truth <= high
    assert inside >= 32


def test_very_few_pictures_give_a_finite_interval() -> None:
    low, high = bootstrap_interval(features(2, 3, 0), features(3, 3, 1))
    assert np.isfinite([low, high]).all()
    assert low <= high


@pytest.mark.parametrize("rows", [1, 5, 12])
def test_rows_at_a_time_change_nothing(monkeypatch: pytest.MonkeyPatch, rows: int) -> None:
    """The kernels of a few pictures at a time, in place of all: the same estimate, and the same in every redraw."""
    x, y = features(12, 4, 0), features(9, 4, 1, 0.3)
    weights = redraws(12, seed=0, rounds=20), redraws(9, seed=0, place=1, rounds=20)
    whole = kernel_estimate(x, y, *weights)
    assert whole.value == pytest.approx(by_hand(x.numpy(), y.numpy()))
    monkeypatch.setattr(module, "ROWS", rows)
    parts = kernel_estimate(x, y, *weights)
    assert parts.value == pytest.approx(whole.value, rel=1e-12)
    assert whole.rounds is not None
    assert parts.rounds is not None
    torch.testing.assert_close(parts.rounds, whole.rounds, rtol=1e-12, atol=1e-12)
