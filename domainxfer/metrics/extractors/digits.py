"""The digit network: a small classifier of MNIST; `domainxfer.evaluation.train_digits` is its recipe."""

from functools import cached_property
from pathlib import Path

import torch
from torch import Tensor, nn

from domainxfer.metrics.extractors.base import BICUBIC, file_digest, read_weights, resized

DIGITS = {str(digit): digit for digit in range(10)}
WEIGHTS = Path(__file__).with_name("digits.safetensors")


class DigitNetwork(nn.Module):
    """Five convolutions, pooled features, ten logits. Takes grey pictures (B, 1, 28, 28) in [-1, 1]."""

    features = 128

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for inside, outside, stride in ((1, 32, 1), (32, 32, 2), (32, 64, 1), (64, 64, 2), (64, self.features, 1)):
            layers += [nn.Conv2d(inside, outside, 3, stride, padding=1, bias=False), nn.BatchNorm2d(outside), nn.ReLU()]
        self.body = nn.Sequential(*layers)
        self.head = nn.Linear(self.features, 10)

    def pooled(self, x: Tensor) -> Tensor:
        """(B, 1, 28, 28) -> (B, 128): the mean of each feature over the picture."""
        maps: Tensor = self.body(x)
        return maps.mean((2, 3))

    def forward(self, x: Tensor) -> Tensor:
        """(B, 1, 28, 28) -> (B, 10) logits."""
        logits: Tensor = self.head(self.pooled(x))
        return logits


class Digits:
    """Pooled features (128) of the digit network, and what it reads: for pictures of digits, and for nothing else."""

    name, size, resize = "digits", 28, BICUBIC
    classes = DIGITS

    def __init__(self, weights: Path = WEIGHTS) -> None:
        self.digest = file_digest(weights)[:16]
        self.weights = weights

    @cached_property
    def network(self) -> DigitNetwork:
        """The network, loaded when first needed; weights are stored as fp16."""
        network = DigitNetwork()
        network.load_state_dict(read_weights(self.weights))
        return network.eval()

    @torch.inference_mode()
    def features(self, x: Tensor) -> Tensor:
        """(B, 3, H, W) or (B, 1, H, W) in [-1, 1] -> (B, 128); colours are averaged."""
        return self.network.pooled(_as_mnist(x, self.size))

    @torch.inference_mode()
    def logits_of(self, features: Tensor) -> Tensor:
        """Features (B, 128) -> (B, 10) logits, digit by digit."""
        logits: Tensor = self.network.head(features)
        return logits

    def read(self, x: Tensor) -> Tensor:
        """The digit of each picture (B, C, H, W) in [-1, 1]: (B,) int64, 0 to 9."""
        return self.logits_of(self.features(x)).argmax(1)


class StackedDigits:
    """For colour pictures with a digit of its own in each channel: the features of `Digits`, channel by channel."""

    name, size, resize = "stacked-digits", 28, BICUBIC

    def __init__(self) -> None:
        self.digits = Digits()
        self.digest = self.digits.digest

    def features(self, x: Tensor) -> Tensor:
        """(B, 3, H, W) in [-1, 1] -> (B, 3 * 128), fp32."""
        return self.digits.features(x.flatten(0, 1)[:, None]).reshape(len(x), -1)

    def read(self, x: Tensor) -> Tensor:
        """The digit in each channel of pictures (B, 3, H, W) in [-1, 1]: (B, 3) int64, 0 to 9."""
        return self.digits.read(x.flatten(0, 1)[:, None]).view(len(x), -1)


def _as_mnist(x: Tensor, size: int) -> Tensor:
    grey = x.float().cpu().mean(1, keepdim=True)
    height, width = grey.shape[-2:]
    if 28 < height <= 40 and height == width:  # MNIST with a black frame: the frame goes, the digit stays sharp
        frame = (height - 28) // 2
        return grey[:, :, frame : frame + 28, frame : frame + 28]
    return resized(grey, size)
