"""The recipe of the digit network, on digits with a known answer."""

import numpy as np
import torch

from domainxfer.evaluation.train_digits import accuracy, distorted, train_digit_network


def bars(count: int, *, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """A known answer: class 0 lies, class 1 stands."""
    numbers = np.random.default_rng(seed)
    x, y = -np.ones((count, 1, 28, 28), np.float32), numbers.integers(0, 2, count)
    for picture, standing in zip(x[:, 0], y, strict=True):
        place = numbers.integers(8, 20)
        (picture.T if standing else picture)[place : place + 3, 6:22] = 1
    return torch.from_numpy(x), torch.from_numpy(y)


def test_the_recipe_learns_what_it_is_shown() -> None:
    x, y = bars(512)
    network = train_digit_network(x, y, epochs=3)
    assert accuracy(network, *bars(128, seed=1)) > 0.95


def test_the_same_seed_gives_the_same_network() -> None:
    x, y = bars(128)
    first, again, other = (train_digit_network(x, y, epochs=1, seed=seed).head.weight for seed in (0, 0, 1))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_distortions_keep_the_range_and_differ() -> None:
    x = bars(8)[0]
    seen = distorted(x, np.random.default_rng(0))
    assert seen.shape == x.shape
    assert seen.min() >= -1
    assert seen.max() <= 1
    assert (seen - x).abs().mean((1, 2, 3)).min() > 0
