"""Draws are functions of (seed, purpose, place), and of nothing else."""

import zlib

import numpy as np
import pytest
import torch

from domainxfer import draws
from domainxfer.draws import draw, per_position, permutation


def philox(counter: list[int], key: list[int]) -> list[int]:
    """Philox 4x64 with ten rounds, from the paper: multiply, swap, add the key; four words a counter."""
    whole = 2**64 - 1
    c, k = list(counter), list(key)
    for _ in range(10):
        high_0, low_0 = divmod(c[0] * 0xD2E7470EE14C6C93, 2**64)
        high_1, low_1 = divmod(c[2] * 0xCA5A826395121157, 2**64)
        c = [high_1 ^ c[1] ^ k[0], low_1, high_0 ^ c[3] ^ k[1], low_0]
        k = [(k[0] + 0x9E3779B97F4A7C15) & whole, (k[1] + 0xBB67AE8584CAA73B) & whole]
    return c


@pytest.mark.parametrize("seed", [0, 7, 2**40, -3])
@pytest.mark.parametrize("place", [(), (5,), (5, 2), (5, 2, 9)])
def test_the_numbers_are_philox_of_seed_purpose_and_place(seed: int, place: tuple[int, ...]) -> None:
    """Worked out by hand: so a run can be resumed with another NumPy, on another machine."""
    raw = draw(seed, "crop", *place).bit_generator.random_raw(8).tolist()
    key = [seed % 2**64, zlib.crc32(b"crop")]
    rest = [*place, 0, 0, 0][:3]
    assert raw == philox([1, *rest], key) + philox([2, *rest], key)


def test_the_same_place_draws_the_same() -> None:
    assert np.array_equal(draw(1, "code", 3, 4).random(50), draw(1, "code", 3, 4).random(50))


def test_other_seeds_purposes_and_places_draw_other_numbers() -> None:
    places = [
        (0, "code"),
        (0, "code", 1),
        (0, "code", 0, 1),
        (0, "code", 2, 1),
        (0, "code", 0, 0, 1),
        (1, "code"),
        (-1, "code"),
        (0, "noise"),
    ]
    rows = [draw(seed, purpose, *place).random(1000) for seed, purpose, *place in places]  # type: ignore[misc]
    correlations = np.corrcoef(np.stack(rows)) - np.eye(len(rows))
    assert np.abs(correlations).max() < 0.15
    raws = [
        set(draw(seed, purpose, *place).bit_generator.random_raw(4000).tolist())
        for seed, purpose, *place in places  # type: ignore[misc]
    ]
    assert len(set.union(*raws)) == 4000 * len(raws), "not even a part of one stream is in another"


def test_a_place_has_three_coordinates_at_most() -> None:
    with pytest.raises(ValueError, match="three"):
        draw(0, "code", 1, 2, 3, 4)


def test_permutation() -> None:
    order = permutation(50, 3, "order", 1, 2)
    assert sorted(order.tolist()) == list(range(50))
    assert np.array_equal(order, permutation(50, 3, "order", 1, 2))
    assert not np.array_equal(order, permutation(50, 3, "order", 1, 3))


@pytest.mark.parametrize(
    ("kind", "low", "high", "mean", "variance"),
    [("uniform", 0, 1, 1 / 2, 1 / 12), ("symmetric", -1, 1, 0, 1 / 3), ("normal", -9, 9, 0, 1)],
)
def test_kinds_of_noise(kind: str, low: float, high: float, mean: float, variance: float) -> None:
    x = per_position(kind, (40, 50), 0, "noise", 2, [0, 1, 2, 3, 4])
    assert x.shape == (5, 40, 50)
    assert x.dtype == torch.float32
    assert x.min() >= low
    assert x.max() <= high
    assert float(x.mean()) == pytest.approx(mean, abs=0.03)
    assert float(x.var()) == pytest.approx(variance, rel=0.05)


@pytest.mark.parametrize("kind", ["uniform", "symmetric", "normal"])
def test_each_position_has_its_own_numbers_whoever_asks(kind: str) -> None:
    """Two processes with positions 0, 1 and 2, 3 see what one process with all four sees."""
    whole = per_position(kind, (3,), 5, "code", 8, [0, 1, 2, 3])
    parts = [per_position(kind, (3,), 5, "code", 8, share) for share in ([0, 1], [2, 3])]
    assert torch.equal(whole, torch.cat(parts))
    assert torch.equal(whole[[3, 0]], per_position(kind, (3,), 5, "code", 8, [3, 0]))
    assert not torch.equal(whole, per_position(kind, (3,), 5, "code", 9, [0, 1, 2, 3]))
    assert whole.unique().numel() == whole.numel()


def test_edges() -> None:
    assert per_position("normal", (0,), 0, "code", 0, [0, 1]).shape == (2, 0)
    assert per_position("normal", (3, 2), 0, "code", 0, []).shape == (0, 3, 2)
    with pytest.raises(ValueError, match="gaussian"):
        per_position("gaussian", (3,), 0, "code", 0, [0])


def test_nothing_is_drawn_where_there_is_nothing_to_draw(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(draws, "draw", None)
    assert per_position("normal", (0,), 0, "code", 3, [0, 1, 2]).shape == (3, 0)
