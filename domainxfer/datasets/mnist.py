"""MNIST from its idx files: handwritten digits, 28 x 28, grey.

The idx format (LeCun): two zero bytes, the type of the numbers, how many dimensions, each dimension's length as four
bytes (high byte first), then the numbers.
"""

import gzip
import hashlib
import struct
import zlib
from pathlib import Path

import numpy as np

from domainxfer.datasets.domain_data import DomainData, PictureArray, Split
from domainxfer.datasets.folders import MOST_VALIDATION_PICTURES
from domainxfer.errors import DomainxferError
from domainxfer.files import explain_os_error

DIGITS = tuple("0123456789")
_UNSIGNED_BYTE = 0x08
_LARGEST_FILE = 2**30
_NAMES: dict[str, str] = {"train": "train", "test": "t10k"}


def read_idx(path: Path) -> np.ndarray:
    """The array in an idx file of unsigned bytes, gzipped or not.

    Raises:
        DomainxferError: missing, cut off, or not such a file.
    """
    content = _content(path)
    problem = f"{path} is not an idx file of unsigned bytes; fetch it again"
    if len(content) < 4 or content[:2] != b"\0\0" or content[2] != _UNSIGNED_BYTE:
        raise DomainxferError(problem)
    dimensions = content[3]
    start = 4 + 4 * dimensions
    if len(content) < start:
        raise DomainxferError(problem)
    shape = struct.unpack(f">{dimensions}I", content[4:start])
    if len(content) - start != int(np.prod(shape, dtype=np.int64)):
        raise DomainxferError(f"{path} is cut off or damaged; fetch it again")
    return np.frombuffer(content, np.uint8, offset=start).reshape(shape)


def check_idx(path: Path, sha256: str) -> None:
    """Hold the *decompressed* contents to their digest: mirrors compress the same contents differently.

    Raises:
        DomainxferError: another digest.
    """
    digest = hashlib.sha256(_content(path)).hexdigest()
    if digest != sha256:
        raise DomainxferError(f"{path.name} has contents with sha256 {digest}, not the recorded {sha256}")


def load_mnist(folder: Path, *, seed: int = 0, size: int = 28, validation_share: float = 0.1) -> DomainData:
    """MNIST as ten domains, "0" to "9". (``without_labels`` turns it into one group with the labels put aside.)

    Args:
        folder: holds the four files, gzipped or not; torchvision's ``MNIST/raw`` will do.
        seed: decides which training digits are held out for validation (at most 200 a digit).
        size: digits are padded with black to this size if it is a little larger than 28 (up to 40), which keeps them
            sharp; beyond that they stay 28 x 28, to be resized like any picture.
        validation_share: how much of the training part is held out.
    """
    from domainxfer.draws import permutation  # late: it brings torch, which fetching does without

    splits = {split: _read_split(folder, prefix) for split, prefix in _NAMES.items()}
    margin = (size - 28) // 2 if 28 < size <= 40 else 0
    parts: dict[Split, list[PictureArray]] = {"train": [], "validation": [], "test": []}
    for digit in range(10):
        images, places = _of_digit(*splits["train"], digit, margin)
        held_out = max(1, min(round(len(places) * validation_share), MOST_VALIDATION_PICTURES, len(places) - 1))
        order = permutation(len(places), seed, "held out for validation", digit)
        parts["validation"].append(_named(images, places, np.sort(order[:held_out]), "train"))
        parts["train"].append(_named(images, places, np.sort(order[held_out:]), "train"))
        images, places = _of_digit(*splits["test"], digit, margin)
        parts["test"].append(_named(images, places, np.arange(len(places)), "test"))
    return DomainData(
        name="mnist",
        domains=DIGITS,
        train=tuple(parts["train"]),
        validation=tuple(parts["validation"]),
        test=tuple(parts["test"]),
    )


def _read_split(folder: Path, prefix: str) -> tuple[np.ndarray, np.ndarray]:
    images = read_idx(_find(folder, f"{prefix}-images-idx3-ubyte"))
    labels = read_idx(_find(folder, f"{prefix}-labels-idx1-ubyte"))
    if images.ndim != 3 or labels.shape != images.shape[:1] or set(np.unique(labels)) != set(range(10)):
        shapes = f"images {images.shape}, labels {labels.shape}"
        raise DomainxferError(f"the {prefix} files in {folder} are not MNIST's ({shapes}); fetch them again")
    return images, labels


def _find(folder: Path, name: str) -> Path:
    for place in (folder, folder / "raw", folder / "MNIST" / "raw"):
        for candidate in (place / f"{name}.gz", place / name):
            if candidate.is_file():
                return candidate
    raise DomainxferError(f"{folder} lacks {name}.gz; put MNIST's four files there, or remove the folder to fetch them")


def _of_digit(images: np.ndarray, labels: np.ndarray, digit: int, margin: int) -> tuple[np.ndarray, np.ndarray]:
    places = np.flatnonzero(labels == digit)
    return np.pad(images[places], ((0, 0), (margin, margin), (margin, margin))), places


def _named(images: np.ndarray, places: np.ndarray, chosen: np.ndarray, split: str) -> PictureArray:
    return PictureArray(images[chosen], [f"{split} {place}" for place in places[chosen]])


def _content(path: Path) -> bytes:
    try:
        if path.suffix != ".gz":
            return path.read_bytes()
        with gzip.open(path) as stream:
            content = stream.read(_LARGEST_FILE + 1)
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise DomainxferError(f"{path} is cut off or damaged ({error}); fetch it again") from error
    except OSError as error:
        raise explain_os_error(error, "read", path) from error
    if len(content) > _LARGEST_FILE:
        raise DomainxferError(f"{path} unpacks to more than {_LARGEST_FILE / 2**30:.0f} GiB; that is not MNIST")
    return content
