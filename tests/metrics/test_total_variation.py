"""Total variation against closed forms of smoothed normal distributions, and the map that both sets share."""

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from domainxfer.draws import draw
from domainxfer.metrics.total_variation import BANDWIDTH, density_distance, shared_coordinates, total_variation


def normal(count: int, size: int, seed: int, mean: float = 0.0, deviation: float = 1.0) -> Tensor:
    return torch.from_numpy(np.random.default_rng(seed).normal(mean, deviation, (count, size)))


def apart_by_mean(shift: float, variance: float) -> float:
    """Total variation of two normal distributions of one variance."""
    return math.erf(shift / (2 * math.sqrt(2 * variance)))


def apart_by_variance(a: float, b: float) -> float:
    """Total variation of two normal distributions of one mean and variances a < b: they cross at +-x."""
    x = math.sqrt(a * b * math.log(b / a) / (b - a))
    return math.erf(x / math.sqrt(2 * a)) - math.erf(x / math.sqrt(2 * b))


def on_average(distances: list[float]) -> float:
    return sum(distances) / len(distances)


@pytest.mark.parametrize(
    ("shift", "bandwidth"), [(0.5, BANDWIDTH), (1, BANDWIDTH), (2, BANDWIDTH), (4, BANDWIDTH), (1, 0.25), (1, 1)]
)
def test_two_means(shift: float, bandwidth: float) -> None:
    found = [
        density_distance(normal(1000, 1, 2 * s), normal(1000, 1, 2 * s + 1, shift), bandwidth=bandwidth, seed=s)
        for s in range(4)
    ]
    assert on_average(found) == pytest.approx(apart_by_mean(shift, 1 + bandwidth**2), abs=0.02)


def test_smoothing_shows() -> None:
    """The difference that the kernel makes is larger than the error allowed above."""
    assert apart_by_mean(1, 1) - apart_by_mean(1, 1 + BANDWIDTH**2) > 0.03


def test_two_variances() -> None:
    found = [density_distance(normal(1000, 1, 2 * s), normal(1000, 1, 2 * s + 1, 0, 3), seed=s) for s in range(4)]
    assert on_average(found) == pytest.approx(apart_by_variance(1.25, 9.25), abs=0.02)


@pytest.mark.parametrize("dimensions", [2, 3])
def test_more_dimensions(dimensions: int) -> None:
    """Along whatever direction the means differ, only how far counts."""
    shift = 1.5 / math.sqrt(dimensions)
    x, y = normal(1500, dimensions, 0), normal(1500, dimensions, 1, shift)
    assert density_distance(x, y) == pytest.approx(apart_by_mean(1.5, 1.25), abs=0.03)


def test_from_features_to_a_figure() -> None:
    """Eight features, one of them strong, turned and scaled: along it the variance is 4 and the means are 3 apart."""
    turn = torch.linalg.qr(normal(8, 8, 9)).Q * 100
    scale = torch.tensor([2.0] + [0.3] * 7).double()
    shift = torch.tensor([3.0] + [0.0] * 7).double()
    real, fake = ((normal(1200, 8, s) * scale + s * shift) @ turn + 5 for s in (0, 1))
    assert total_variation(real, fake) == pytest.approx(apart_by_mean(1.5, 1.25), abs=0.03)
    assert total_variation(real.float(), fake.float()) == pytest.approx(total_variation(real, fake), abs=1e-3)


def test_what_counts_is_the_deviation_within_the_sets() -> None:
    """Variances 1 and 9 come to .2 and 1.8, which the kernel smooths to .45 and 2.05."""
    found = total_variation(normal(1200, 1, 0), normal(1200, 1, 1, 0, 3))
    assert found == pytest.approx(apart_by_variance(0.45, 2.05), abs=0.03)


@pytest.mark.parametrize(("dimensions", "factor"), [(1, 0.8), (2, 1.4), (3, 2.6)])
def test_equal_distributions(dimensions: int, factor: float) -> None:
    """Near 0, by as much as the docstring says."""
    found = [
        density_distance(normal(500, dimensions, 2 * s), normal(500, dimensions, 2 * s + 1), seed=s) for s in range(12)
    ]
    assert on_average(found) == pytest.approx(factor / math.sqrt(500), rel=0.3)


@pytest.mark.parametrize("dimensions", [1, 2, 3])
def test_disjoint_sets(dimensions: int) -> None:
    assert total_variation(normal(300, 6, 0), normal(300, 6, 1, 30), dimensions=dimensions) == pytest.approx(1)


def test_a_collapsed_generator() -> None:
    """All fakes at one point in the middle of the reals: variances .5 -> 2 and 0, smoothed 2.25 and .25."""
    found = total_variation(normal(1200, 1, 0), torch.zeros(1200, 1))
    assert found == pytest.approx(apart_by_variance(0.25, 2.25), abs=0.03)


def test_it_grows_with_the_shift_and_has_no_sides() -> None:
    x = normal(400, 5, 0)
    shifts = (0.0, 0.5, 1.0, 2.0, 4.0)
    values = [total_variation(x, normal(400, 5, 1, shift), dimensions=2) for shift in shifts]
    assert values == sorted(values)
    for shift, value in zip(shifts, values, strict=True):
        assert total_variation(normal(400, 5, 1, shift), x, dimensions=2) == pytest.approx(value, abs=0.06)


def test_an_outlier_far_from_all_is_no_trouble() -> None:
    x = torch.cat([normal(50, 1, 0), torch.tensor([[1e6]]).double()])
    assert 0 < density_distance(x, normal(50, 1, 1)) < 0.3


def test_the_larger_set_weighs_no_more() -> None:
    """Five times as many fakes: about the same figure. The same ones seven times: the same axes and scale."""
    real, few, many = normal(300, 3, 0), normal(300, 3, 1, 1.0), normal(1500, 3, 2, 1.0)
    assert total_variation(real, many) == pytest.approx(total_variation(real, few), abs=0.07)
    x, y = shared_coordinates(real, few, 2)
    repeated_x, repeated_y = shared_coordinates(real, few.repeat(7, 1), 2)
    torch.testing.assert_close(repeated_x.abs(), x.abs())
    torch.testing.assert_close(repeated_y[:300].abs(), y.abs())


def test_the_map_is_shared() -> None:
    """Equal features get equal coordinates, whichever side they are on; within the sets the mean variance is 1."""
    shared = normal(20, 6, 5)
    x, y = shared_coordinates(torch.cat([shared, normal(80, 6, 0)]), torch.cat([shared, normal(40, 6, 1, 2, 3)]), 3)
    torch.testing.assert_close(x[:20], y[:20])
    assert (x.shape, y.shape) == ((100, 3), (60, 3))
    within = (x.var(0, correction=0) + y.var(0, correction=0)) / 2
    torch.testing.assert_close(within, torch.ones(3).double())


def test_the_first_axis_is_the_one_that_varies_most() -> None:
    scale = torch.tensor([0.5, 5.0, 1.0]).double()
    real, fake = normal(200, 3, 0) * scale, normal(200, 3, 1) * scale
    x, _ = shared_coordinates(real, fake)
    assert abs(float(torch.corrcoef(torch.stack([x[:, 0], real[:, 1]]))[0, 1])) > 0.99


def test_chunks_change_nothing_and_the_seed_decides() -> None:
    x, y = normal(130, 2, 0), normal(70, 2, 1, 0.5)
    whole = density_distance(x, y, chunk=1000)
    for chunk in (1, 32, 70):
        assert density_distance(x, y, chunk=chunk) == pytest.approx(whole, rel=1e-9)
    assert density_distance(x, y) == density_distance(x, y)
    assert density_distance(x, y, seed=1) != density_distance(x, y)


@pytest.mark.parametrize(("m", "n"), [(1, 5), (5, 1)])
def test_too_few_pictures(m: int, n: int) -> None:
    with pytest.raises(ValueError, match=f"at least 2 pictures on each side, got {m} and {n}"):
        total_variation(normal(m, 3, 0), normal(n, 3, 1))


def test_too_few_directions() -> None:
    line = normal(30, 1, 0) @ torch.ones(1, 4).double()
    assert total_variation(line, line + 1) > 0
    with pytest.raises(ValueError, match="wanted 2 coordinates, but the features vary along 1 directions only"):
        total_variation(line, line + 1, dimensions=2)
    with pytest.raises(ValueError, match="along 0 directions"):
        total_variation(torch.zeros(5, 2), torch.ones(5, 2))
    with pytest.raises(ValueError, match="wanted 4 coordinates"):
        total_variation(normal(9, 3, 0), normal(9, 3, 1), dimensions=4)


def test_a_point_has_no_part_in_the_density_at_its_own_draw() -> None:
    """By hand, from a few points, where one's own part would be most of the density."""
    x, y, bandwidth, seed = [0.0, 0.5, 3.0], [1.0, 2.5], 0.5, 3

    def density(at: float, points: list[float]) -> float:
        return sum(math.exp(-(((at - point) / bandwidth) ** 2) / 2) for point in points) / len(points)

    sides = []
    for place, (own, other) in enumerate(((x, y), (y, x))):
        moves = draw(seed, "density", place).standard_normal((len(own), 1))[:, 0] * bandwidth
        terms = []
        for number, (point, move) in enumerate(zip(own, moves, strict=True)):
            p = density(point + move, own[:number] + own[number + 1 :])
            q = density(point + move, other)
            terms.append(abs(p - q) / (p + q))
        sides.append(sum(terms) / len(terms))
    found = density_distance(*(torch.tensor(s).double()[:, None] for s in (x, y)), bandwidth=bandwidth, seed=seed)
    assert found == pytest.approx(sum(sides) / 2, rel=1e-9)
