"""What every feature extractor offers, and what several of them share."""

import hashlib
from pathlib import Path
from typing import Protocol, runtime_checkable

import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from torch import Tensor

from domainxfer.errors import DomainxferError
from domainxfer.files import explain_os_error

BICUBIC = "bicubic, antialiased"


class Extractor(Protocol):
    """What every extractor offers."""

    name: str
    digest: str
    """16 hex digits of the sha256 of what it computes with."""
    size: int
    """Side of the pictures it looks at, px."""
    resize: str
    """How pictures come to that side, in words."""

    def features(self, x: Tensor) -> Tensor:
        """(B, 3, H, W) in [-1, 1] -> (B, F), fp32."""
        ...


@runtime_checkable
class NamesClasses(Protocol):
    """An extractor whose features a classifier of its own can read."""

    classes: dict[str, int]
    """Domain name -> number of the class that means it."""

    def logits_of(self, features: Tensor) -> Tensor:
        """(B, F) -> (B, number of classes)."""
        ...


def resized(x: Tensor, size: int) -> Tensor:
    """Square pictures (B, C, H, W) to a side, bicubic with antialiasing; unchanged at that side already."""
    if x.shape[-1] == size and x.shape[-2] == size:
        return x
    return F.interpolate(x, (size, size), mode="bicubic", antialias=True, align_corners=False).clamp(-1, 1)


def features_in_batches(extractor: Extractor, x: Tensor, batch: int = 16) -> Tensor:
    """Features of many pictures with bounded memory: (N, 3, H, W) -> (N, F)."""
    return torch.cat([extractor.features(part) for part in torch.split(x, batch)])


def file_digest(path: Path) -> str:
    """sha256 of a file, 64 hex digits.

    Raises:
        DomainxferError: it cannot be read.
    """
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise explain_os_error(error, "read the weights", path) from error


def read_weights(path: Path) -> dict[str, Tensor]:
    """Tensors by name from a ``.safetensors`` file or a file that torch wrote; nothing else in it is unpickled.

    Raises:
        DomainxferError: missing, damaged, or it holds more than tensors.
    """
    try:
        safe = path.suffix == ".safetensors"
        found = load_file(path) if safe else torch.load(path, map_location="cpu", weights_only=True)
    except OSError as error:
        raise explain_os_error(error, "read the weights", path) from error
    except Exception as error:  # damaged bytes can make torch's reader trip over anything
        raise DomainxferError(
            f"{path} holds no weights, or is damaged; it was not unpickled: fetch it again"
        ) from error
    if not isinstance(found, dict) or not all(isinstance(value, Tensor) for value in found.values()):
        raise DomainxferError(f"{path} holds other things than tensors by name; save the network's state_dict")
    return found
