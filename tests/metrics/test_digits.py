"""The digit network as an extractor: the weights that ship, and how pictures come to it."""

import numpy as np
import pytest
import torch

from domainxfer.datasets.find import open_data
from domainxfer.errors import DomainxferError
from domainxfer.evaluation.train_digits import accuracy, digits_of, distorted, train_digit_network
from domainxfer.metrics.extractors import Digits, NamesClasses, load_extractor
from domainxfer.metrics.extractors.digits import WEIGHTS


def bars(count: int, *, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """A known answer: class 0 lies, class 1 stands."""
    numbers = np.random.default_rng(seed)
    x, y = -np.ones((count, 1, 28, 28), np.float32), numbers.integers(0, 2, count)
    for picture, standing in zip(x[:, 0], y, strict=True):
        place = numbers.integers(8, 20)
        (picture.T if standing else picture)[place : place + 3, 6:22] = 1
    return torch.from_numpy(x), torch.from_numpy(y)


def test_the_contract() -> None:
    digits = load_extractor("digits")
    assert isinstance(digits, Digits)
    assert isinstance(digits, NamesClasses)
    x = torch.rand(3, 3, 64, 64, generator=torch.Generator().manual_seed(0)) * 2 - 1
    features = digits.features(x)
    assert features.shape == (3, 128)
    assert features.dtype == torch.float32
    assert digits.logits_of(features).shape == (3, 10)
    assert len(digits.digest) == 16
    assert WEIGHTS.stat().st_size < 400_000


def test_colours_are_averaged_and_a_black_frame_taken_off() -> None:
    digits, x = Digits(), bars(4)[0]
    torch.testing.assert_close(digits.features(x.expand(-1, 3, -1, -1)), digits.features(x))
    framed = torch.nn.functional.pad(x, (2, 2, 2, 2), value=-1)
    torch.testing.assert_close(digits.features(framed), digits.features(x))


def test_missing_weights_are_named(tmp_path) -> None:
    with pytest.raises(DomainxferError, match=r"none\.safetensors"):
        Digits(tmp_path / "none.safetensors")


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


def test_shipped_weights_read_real_digits(real_data) -> None:
    data = open_data("mnist", data_root=real_data("mnist").parent, offline=True, size=28)
    digits, (x, y) = Digits(), digits_of(data, "test")
    right = digits.logits_of(digits.features(x)).argmax(1) == y
    assert right.float().mean() > 0.994
