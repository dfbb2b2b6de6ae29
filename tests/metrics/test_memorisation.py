"""Copies of training pictures: a hand-made example, plain loops, and what perfect generators show."""

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from domainxfer.metrics.memorisation import nearest_training


def normal(count: int, size: int, seed: int) -> Tensor:
    return torch.from_numpy(np.random.default_rng(seed).normal(size=(count, size)))


def share_of_authentic(train: Tensor, fake: Tensor) -> float:
    return nearest_training(train, fake).authenticity


def test_by_hand() -> None:
    """Training pictures 0, 1, 4, 10, at 1, 1, 3, 6 from their nearest.

    Fakes: .2 (of 0 at .2: a copy), 2.4 (of 1 at 1.4: authentic), 6.5 (of 4 at 2.5: a copy), 17 (of 10 at 7: authentic),
    16 (of 10 at 6, no farther than 4 is: a copy).
    """
    found = nearest_training(
        torch.tensor([[0.0], [1.0], [4.0], [10.0]]), torch.tensor([[0.2], [2.4], [6.5], [17.0], [16.0]])
    )
    assert found.index.tolist() == [0, 1, 2, 3, 3]
    assert found.distance.tolist() == pytest.approx([0.2, 1.4, 2.5, 7, 6])
    assert found.own_distance.tolist() == [1, 1, 3, 6, 6]
    assert found.authentic.tolist() == [False, True, False, True, False]
    assert found.authenticity == pytest.approx(0.4)
    assert found.nearness.tolist() == pytest.approx([0.2, 1.4, 2.5 / 3, 7 / 6, 1])
    assert torch.equal(found.nearness > 1, found.authentic)


def test_copies_are_not_authentic() -> None:
    train = normal(60, 32, 0) + 100
    found = nearest_training(train, train[10:30].clone())
    assert found.index.tolist() == list(range(10, 30))
    assert found.distance.max() == 0
    assert found.own_distance.min() > 1
    assert share_of_authentic(train, train) == 0


def test_near_copies_are_not_either() -> None:
    train = normal(60, 32, 0)
    assert share_of_authentic(train, train[:20] + 0.01 * normal(20, 32, 1)) == 0


def test_copies_of_a_picture_that_is_there_twice() -> None:
    """0 is not more than 0, whatever rounding says."""
    once = normal(30, 64, 0).float() * 1000
    assert share_of_authentic(torch.cat([once, once]), once) == 0
    assert (nearest_training(torch.cat([once, once]), once).nearness == 0).all()


def test_fakes_far_away_are_authentic() -> None:
    assert share_of_authentic(normal(60, 32, 0), normal(20, 32, 1) + 50) == 1


@pytest.mark.parametrize(("size", "expected"), [(1, 1 / 3), (2, 1 - 6 * math.pi / (8 * math.pi + 3 * math.sqrt(3)))])
def test_new_pictures_of_the_same_distribution(size: int, expected: float) -> None:
    """All but those that are mutual nearest neighbours, whose share is known: 2/3 on a line, .62 in the plane."""
    train, fresh = (torch.from_numpy(np.random.default_rng(seed).random((4000, size))) for seed in (0, 1))
    assert share_of_authentic(train, fresh) == pytest.approx(expected, abs=0.03)


def test_it_tells_a_generator_that_learned_by_heart() -> None:
    """Half of the fakes are copies, half are new."""
    train = normal(500, 16, 0)
    new, mixed = normal(200, 16, 1), torch.cat([normal(100, 16, 1), train[:100] + 0.05 * normal(100, 16, 2)])
    assert share_of_authentic(train, new) > 0.5
    assert share_of_authentic(train, mixed) == pytest.approx(share_of_authentic(train, normal(100, 16, 1)) / 2)


def test_against_loops() -> None:
    train, fake = normal(40, 5, 0).tolist(), normal(25, 5, 1).tolist()
    found = nearest_training(torch.tensor(train), torch.tensor(fake))
    for i, picture in enumerate(fake):
        distance, index = min((math.dist(picture, other), j) for j, other in enumerate(train))
        own = min(math.dist(train[index], other) for j, other in enumerate(train) if j != index)
        assert int(found.index[i]) == index
        assert float(found.distance[i]) == pytest.approx(distance, rel=1e-5)
        assert float(found.own_distance[i]) == pytest.approx(own, rel=1e-5)


@pytest.mark.parametrize("chunk", [1, 7, 50, 64])
def test_chunks_change_nothing(chunk: int) -> None:
    train, fake = normal(90, 12, 0).float(), normal(50, 12, 1).float()
    whole, parts = nearest_training(train, fake, chunk=10_000), nearest_training(train, fake, chunk=chunk)
    assert torch.equal(whole.index, parts.index)
    assert torch.equal(whole.distance, parts.distance)
    assert torch.equal(whole.own_distance, parts.own_distance)


@pytest.mark.parametrize(("m", "n"), [(1, 5), (5, 0)])
def test_too_few_pictures(m: int, n: int) -> None:
    with pytest.raises(ValueError, match=f"at least 2 training pictures and 1 fake, got {m} and {n}"):
        share_of_authentic(normal(m, 3, 0), normal(n, 3, 1))
