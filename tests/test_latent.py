"""Ways between noise vectors and their sums, held against closed forms."""

import math

import pytest
import torch

from domainxfer.draws import per_position
from domainxfer.errors import UsageError
from domainxfer.latent import added, as_normal, as_uniform, between_linear, between_slerp, code_sweep

MANY = 20_000


def two(kind: str) -> tuple[torch.Tensor, torch.Tensor]:
    a, b = per_position(kind, (MANY,), 0, "latent", 0, [0, 1])
    return a, b


def test_a_straight_line() -> None:
    line = between_linear(torch.tensor([0.0, 4.0]), torch.tensor([8.0, 0.0]), 5)
    assert line.tolist() == [[0, 4], [2, 3], [4, 2], [6, 1], [8, 0]]


def test_a_quarter_of_a_circle() -> None:
    arc = between_slerp(torch.tensor([1.0, 0.0]), torch.tensor([0.0, 1.0]), 4)
    thirds = [[math.cos(k * math.pi / 6), math.sin(k * math.pi / 6)] for k in range(4)]
    torch.testing.assert_close(arc, torch.tensor(thirds))


def test_the_radius_goes_straight_while_the_direction_turns_evenly() -> None:
    a, b = torch.tensor([0.0, 1.0, 0.0]), torch.tensor([0.0, -1.5, 1.5 * 3**0.5])  # lengths 1 and 3, 120 degrees apart
    arc = between_slerp(a, b, 7)
    torch.testing.assert_close(arc.norm(dim=1), torch.linspace(1, 3, 7))
    turned = torch.rad2deg(torch.atan2(arc[:, 2], arc[:, 1]))
    torch.testing.assert_close(turned, torch.arange(7) * 20.0)
    assert (arc[:, 0] == 0).all()


@pytest.mark.parametrize("between", [between_linear, between_slerp])
@pytest.mark.parametrize("kind", ["normal", "symmetric"])
def test_both_ends_are_the_very_vectors(between, kind) -> None:  # type: ignore[no-untyped-def]
    a, b = two(kind)
    way = between(a, b, 2)
    assert way.shape == (2, MANY)
    assert way.dtype == torch.float32
    assert torch.equal(way, torch.stack([a, b]))


def test_only_the_great_circle_stays_in_the_shell_of_normal_noise() -> None:
    a, b = two("normal")
    assert float(between_slerp(a, b, 3)[1].norm()) == pytest.approx(MANY**0.5, rel=0.02)
    assert float(between_linear(a, b, 3)[1].norm()) == pytest.approx((MANY / 2) ** 0.5, rel=0.02)


@pytest.mark.parametrize("b", [[2.0, 4.0], [1.0, 2.0], [1.0, 2.0 + 1e-7], [-1.0, -2.0], [0.0, 0.0]], ids=str)
def test_without_one_great_circle_the_way_is_straight(b: list[float]) -> None:
    a, end = torch.tensor([1.0, 2.0], dtype=torch.float64), torch.tensor(b, dtype=torch.float64)
    for first, last in ((a, end), (end, a)):
        assert torch.equal(between_slerp(first, last, 5), between_linear(first, last, 5))


def test_a_small_angle_is_still_an_arc() -> None:
    angle = 1e-3
    end = torch.tensor([math.cos(angle), math.sin(angle)], dtype=torch.float64)
    middle = between_slerp(torch.tensor([1.0, 0.0], dtype=torch.float64), end, 3)[1]
    torch.testing.assert_close(middle, torch.tensor([math.cos(angle / 2), math.sin(angle / 2)], dtype=torch.float64))
    assert float(middle.norm()) == pytest.approx(1, abs=1e-12), "the chord is 1.25e-7 shorter"


@pytest.mark.parametrize("between", [between_linear, between_slerp])
@pytest.mark.parametrize("steps", [1, 0, -3, 501])
def test_a_way_has_two_ends(between, steps) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(UsageError, match=f"2 to 500 steps.*not {steps} "):
        between(torch.zeros(2), torch.ones(2), steps)


def test_sums() -> None:
    a, b = torch.tensor([3.0, 0.0]), torch.tensor([0.0, 4.0])
    assert added(a, b, False).tolist() == [3, 4]
    torch.testing.assert_close(added(a, b, True), torch.tensor([0.6, 0.8]) * 3.5)
    assert added(a, -a, True).tolist() == [0, 0]
    torch.testing.assert_close(added(b, b, True), b)


def test_a_plain_sum_of_normal_noise_is_too_long_by_the_root_of_two() -> None:
    a, b = two("normal")
    assert float(added(a, b, False).norm()) == pytest.approx((2 * MANY) ** 0.5, rel=0.02)
    assert float(added(a, b, True).norm()) == pytest.approx(float(a.norm() + b.norm()) / 2, rel=1e-5)


def test_ranks_of_normal_and_uniform_noise() -> None:
    within_one_and_two_deviations = torch.tensor([0.0, 0.6826895, 0.9544997, -0.6826895])
    torch.testing.assert_close(as_uniform(torch.tensor([0.0, 1.0, 2.0, -1.0])), within_one_and_two_deviations)
    torch.testing.assert_close(
        as_normal(within_one_and_two_deviations), torch.tensor([0.0, 1.0, 2.0, -1.0]).double(), atol=1e-5, rtol=0
    )
    ends = as_normal(torch.tensor([-1.0, 1.0]))
    assert ends.isfinite().all()
    assert float(ends[1]) == -float(ends[0]) > 5


def test_uniform_noise_is_normal_and_comes_back() -> None:
    a, _ = two("symmetric")
    normal = as_normal(a)
    assert float(normal.mean()) == pytest.approx(0, abs=0.03)
    assert float(normal.var()) == pytest.approx(1, rel=0.03)
    torch.testing.assert_close(as_uniform(normal), a, atol=2**-23, rtol=0)


def test_great_circles_and_sums_of_uniform_noise_taken_as_normal_are_uniform_again() -> None:
    a, b = (as_normal(x) for x in two("symmetric"))
    for made in (as_uniform(between_slerp(a, b, 3)[1]), as_uniform(added(a, b, True))):
        assert float(made.abs().max()) <= 1
        assert float(made.var()) == pytest.approx(1 / 3, rel=0.03)
        quarters = torch.histc(made, 4, -1, 1) / MANY
        torch.testing.assert_close(quarters, torch.full((4,), 0.25), atol=0.02, rtol=0)
    raw = two("symmetric")
    assert float(between_slerp(*raw, 3)[1].abs().max()) > 1.2, "why it is done so: the great circle leaves the cube"
    assert float(between_linear(*raw, 3)[1].var()) == pytest.approx(1 / 6, rel=0.03), "and a line nears its middle"


def test_a_sweep_over_a_code() -> None:
    rows = code_sweep(torch.tensor([0.25, -0.5]), 3)
    assert [row.code.tolist() for row in rows] == [[-1, -0.5], [0, -0.5], [1, -0.5], [0.25, -1], [0.25, 0], [0.25, 1]]
    assert [row.title for row in rows] == [f"code {place}: {value}" for place in (1, 2) for value in (-1, 0, 1)]
    assert code_sweep(torch.zeros(1), 9)[1].title == "code 1: -0.75"


def test_what_cannot_be_swept() -> None:
    with pytest.raises(UsageError, match="no code to sweep over"):
        code_sweep(torch.zeros(0), 9)
    for steps in (1, 501):
        with pytest.raises(UsageError, match=f"2 to 500 steps, not {steps}"):
            code_sweep(torch.zeros(1), steps)
