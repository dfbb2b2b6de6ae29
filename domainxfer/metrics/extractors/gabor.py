"""Texture without a learned weight."""

import hashlib
import math

import torch
import torch.nn.functional as F
from torch import Tensor

from domainxfer.metrics.extractors.base import BICUBIC, resized


class Gabor:
    """Oriented band-pass energies: texture without a learned weight, there wherever torch is.

    A bank of Gabor pairs (4 scales x 8 orientations) on luma gives local energies, whose mean and deviation over the
    picture are the features; the mean and deviation of each colour channel are added. Stripes, spots and colours
    show; what an animal is does not. Mean energies of such banks are a classic of texture retrieval (Manjunath and
    Ma 1996).
    """

    name, size, resize = "gabor", 64, BICUBIC

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
