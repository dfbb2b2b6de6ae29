"""The digit network as an extractor: the weights that ship, and how pictures come to it."""

import pytest
import torch

from domainxfer.datasets.find import open_data
from domainxfer.errors import DomainxferError
from domainxfer.evaluation.train_digits import digits_of
from domainxfer.metrics.extractors import Digits, NamesClasses, StackedDigits, load_extractor
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


def test_stacked_digits_are_read_channel_by_channel() -> None:
    stacked, x = StackedDigits(), torch.rand(4, 3, 28, 28, generator=torch.Generator().manual_seed(0)) * 2 - 1
    each = [x[:, channel : channel + 1] for channel in range(3)]
    torch.testing.assert_close(stacked.features(x), torch.cat([Digits().features(one) for one in each], 1))
    assert torch.equal(stacked.read(x), torch.stack([Digits().read(one) for one in each], 1))
    assert load_extractor("stacked-digits").digest == load_extractor("digits").digest


def test_missing_weights_are_named(tmp_path) -> None:
    with pytest.raises(DomainxferError, match=r"none\.safetensors"):
        Digits(tmp_path / "none.safetensors")


def test_shipped_weights_read_real_digits(real_data) -> None:
    data = open_data("mnist", data_root=real_data("mnist").parent, offline=True, size=28)
    digits, (x, y) = Digits(), digits_of(data, "test")
    right = digits.read(x) == y
    assert right.float().mean() > 0.994
    stacked = StackedDigits().read(torch.cat([x[:3000], x[3000:6000], x[6000:9000]], 1))
    assert torch.equal(stacked == torch.stack([y[:3000], y[3000:6000], y[6000:9000]], 1), right[:9000].view(3, -1).T)
