"""Inception v3 as torch-fidelity has it: the one extractor whose Frechet distance may be called FID."""

import io
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from domainxfer.errors import DomainxferError, MissingExtra
from domainxfer.metrics.extractors.base import file_digest, read_weights

SHA256 = "6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2"
"""Of torch-fidelity's weights file, which is also the one of pytorch-fid: TensorFlow's network of 2015-12-05."""


class Inception:
    """Pooled features (2048) of the Inception network that FID is defined with (Heusel et al. 2017).

    torch-fidelity's network, with its resize: pictures become 8 bit, then 299 px as TensorFlow 1 brings them there.

    Args:
        weights: torch-fidelity's weights file; None looks where torch-fidelity keeps it, and fetches it to there.
        offline: never fetch.

    Raises:
        MissingExtra: torch-fidelity is not installed.
        DomainxferError: no weights, or others than those FID is defined with.
    """

    name, size, resize = "inception", 299, "8 bit, bilinear as in TensorFlow 1 (torch-fidelity)"

    def __init__(self, weights: Path | None = None, *, offline: bool = False) -> None:
        if find_spec("torch_fidelity") is None:
            raise MissingExtra("The extractor inception", "metrics")
        library: Any = import_module("torch_fidelity.feature_extractor_inceptionv3")

        path = weights or _kept(library.URL_INCEPTION_V3, offline=offline)
        digest = file_digest(path)
        if digest != SHA256:
            raise DomainxferError(
                f"{path} is not the Inception that FID is defined with (its sha256 begins {digest[:8]}, "
                f"not {SHA256[:8]}); take {library.URL_INCEPTION_V3}"
            )
        self.digest = digest[:16]
        # torch-fidelity unpickles the file it is given: it gets a copy written here, from tensors read safely.
        copy = io.BytesIO()
        torch.save(read_weights(path), copy)
        copy.seek(0)
        self.network: Any = library.FeatureExtractorInceptionV3(
            "domainxfer", ["2048"], feature_extractor_weights_path=copy
        )

    @torch.inference_mode()
    def features(self, x: Tensor) -> Tensor:
        """(B, 3, H, W) in [-1, 1] -> (B, 2048)."""
        pixels = x.float().cpu().add(1).mul(127.5).round().clamp(0, 255).to(torch.uint8)
        found: Tensor = self.network(pixels)[0]
        return found.float()


def _kept(url: str, *, offline: bool) -> Path:
    """The weights file in torch's folder for such files, fetched if it is not there."""
    path = Path(torch.hub.get_dir()) / "checkpoints" / url.rpartition("/")[2]
    if path.exists():
        return path
    how = f"download {url} to {path}, or name a copy with --weights"
    if offline:
        raise DomainxferError(f"the extractor inception has no weights yet (96 MB): {how}")
    from domainxfer.datasets.download import download  # late: it brings the network's packages

    try:
        return download(url, path, sha256=SHA256)
    except DomainxferError as error:
        raise DomainxferError(
            f"the extractor inception has no weights (96 MB), and they cannot be fetched ({error}): {how}"
        ) from error
