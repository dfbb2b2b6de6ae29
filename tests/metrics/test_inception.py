"""Inception: the network of torch-fidelity with weights of any origin it can vouch for, here random ones."""

from pathlib import Path

import pytest
import torch

from domainxfer.datasets import download
from domainxfer.datasets.download import DownloadError
from domainxfer.errors import DomainxferError, MissingExtra
from domainxfer.metrics.extractors import Inception, file_digest, inception, load_extractor

library = pytest.importorskip(
    "torch_fidelity.feature_extractor_inceptionv3", reason="needs torch-fidelity: pip install 'domainxfer[metrics]'"
)
FILE = "weights-inception-2015-12-05-6726825d.pth"


@pytest.fixture
def no_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the weights would be kept; they are not there."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    load_extractor.cache_clear()
    return tmp_path / "torch" / "hub" / "checkpoints" / FILE


def one_line(error: pytest.ExceptionInfo[DomainxferError]) -> str:
    assert "\n" not in str(error.value)
    return str(error.value)


def test_the_features_are_torch_fidelitys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    theirs_class = library.FeatureExtractorInceptionV3
    with monkeypatch.context() as patched:  # a network as it is before weights are loaded
        patched.setattr(library, "load_state_dict_from_url", lambda *args, **more: {})
        patched.setattr(theirs_class, "load_state_dict", lambda self, weights: None)
        torch.manual_seed(0)
        theirs = theirs_class("theirs", ["2048"])
    path = tmp_path / "random.pth"
    torch.save(theirs.state_dict(), path)
    monkeypatch.setattr(inception, "SHA256", file_digest(path))
    ours = Inception(path)
    pixels = torch.randint(0, 256, (2, 3, 48, 48), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    features = ours.features(pixels.float() / 127.5 - 1)
    assert features.shape == (2, 2048)
    assert ours.digest == file_digest(path)[:16]
    torch.testing.assert_close(features, theirs(pixels)[0])
    assert not torch.equal(features[0], features[1])


def test_other_weights_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "other.pth"
    torch.save({}, path)
    with pytest.raises(DomainxferError, match="not the Inception that FID is defined with") as caught:
        Inception(path)
    assert FILE in one_line(caught), "where to get the right one"


def test_no_weights_offline(no_weights: Path) -> None:
    with pytest.raises(DomainxferError, match="--weights") as caught:
        load_extractor("inception", offline=True)
    line = one_line(caught)
    assert str(no_weights) in line
    assert library.URL_INCEPTION_V3 in line


def test_no_weights_and_no_network(no_weights: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(url: str, target: Path, *, sha256: str) -> Path:
        assert (url, target, sha256[:8]) == (library.URL_INCEPTION_V3, no_weights, "6726825d")
        raise DownloadError("the host cannot be reached, after 2 tries")

    monkeypatch.setattr(download, "download", fail)
    with pytest.raises(DomainxferError, match="cannot be reached") as caught:
        load_extractor("inception")
    assert str(no_weights) in one_line(caught)


def test_no_torch_fidelity(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inception, "find_spec", lambda name: None)
    with pytest.raises(MissingExtra, match=r"domainxfer\[metrics\]"):
        Inception()
