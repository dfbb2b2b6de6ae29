"""The digit network as an extractor: the weights that ship, and how pictures come to it."""

import pytest
import torch

from domainxfer.datasets.find import open_data
from domainxfer.errors import DomainxferError
from domainxfer.evaluation.train_digits import digits_of
from domainxfer.metrics.extractors import Digits, NamesClasses, load_extractor
from domainxfer.metrics.extractors.digits import WEIGHTS


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
    digits, x = Digits(), torch.rand(4, 1, 28, 28, generator=torch.Generator().manual_seed(0)) * 2 - 1
    torch.testing.assert_close(digits.features(x.expand(-1, 3, -1, -1)), digits.features(x))
    framed = torch.nn.functional.pad(x, (2, 2, 2, 2), value=-1)
    torch.testing.assert_close(digits.features(framed), digits.features(x))


def test_missing_weights_are_named(tmp_path) -> None:
    with pytest.raises(DomainxferError, match=r"none\.safetensors"):
        Digits(tmp_path / "none.safetensors")


def test_shipped_weights_read_real_digits(real_data) -> None:
    data = open_data("mnist", data_root=real_data("mnist").parent, offline=True, size=28)
    digits, (x, y) = Digits(), digits_of(data, "test")
    right = digits.logits_of(digits.features(x)).argmax(1) == y
    assert right.float().mean() > 0.994
