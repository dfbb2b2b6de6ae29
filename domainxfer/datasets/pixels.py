"""A picture's way to the size of training and into a tensor."""

import cv2
import numpy as np
import torch
from PIL import Image
from torch import Tensor

from domainxfer.datasets.domain_data import Pictures
from domainxfer.errors import PictureError

THINNEST = 64
"""The longest side of a picture, in shorter sides, that is looked at."""

LUMA = np.array([0.299, 0.587, 0.114], np.float32).reshape(1, 3, 1, 1)


def shrink(picture: Image.Image, size: int) -> np.ndarray:
    """Shorter side to ``size``, aspect kept, without aliasing: (H, W, 3) uint8."""
    return resized(np.asarray(picture.convert("RGB")), size)


def resized(array: np.ndarray, size: int) -> np.ndarray:
    """The same for a picture that is an array (H, W, 3) uint8; of a very thin one only the middle, `THINNEST` long."""
    height, width = array.shape[:2]
    most = THINNEST * min(height, width)
    if max(height, width) > most:  # a ruler of 1 x 3,000 px would become one of 286 x 858,000
        top, left = max(0, height - most) // 2, max(0, width - most) // 2
        array = array[top : top + most, left : left + most]
        height, width = array.shape[:2]
    scale = size / min(height, width)
    return to_sides(array, max(size, round(width * scale)), max(size, round(height * scale)))


def to_sides(array: np.ndarray, width: int, height: int) -> np.ndarray:
    """A picture (H, W, 3) uint8 at another size of the same aspect: means over areas, or cubic where it grows.

    The one way to the size at which a network sees a picture, in training, in figures and in translation.
    """
    if array.shape[:2] == (height, width):
        return array
    shrinks = height < array.shape[0]
    changed: np.ndarray = cv2.resize(
        array, (width, height), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC
    )
    return changed


def centre_crop(array: np.ndarray, size: int) -> np.ndarray:
    """The middle (size, size, 3) of a picture."""
    top, left = (array.shape[0] - size) // 2, (array.shape[1] - size) // 2
    return array[top : top + size, left : left + size]


def held_out_tensor(
    pictures: Pictures, size: int, indices: range | list[int], channels: int = 3, *, fill: bool = False
) -> Tensor:
    """Held-out pictures as the samples and figures use them: whole shorter side, centre crop, no augmentation.

    Args:
        pictures: of a domain.
        size: px.
        indices: which.
        channels: 3, or 1 for grey.
        fill: put the first that can be read in the place of those that cannot.

    Returns:
        (len(indices), channels, size, size) in [-1, 1].

    Raises:
        PictureError: one cannot be read; with ``fill``, none can.
    """
    arrays: list[np.ndarray | None] = []
    problem: PictureError | None = None
    for i in indices:
        try:
            arrays.append(centre_crop(shrink(pictures[i], size), size))
        except PictureError as error:
            if not fill:
                raise
            arrays.append(None)
            problem = problem or error
    readable = [array for array in arrays if array is not None]
    if problem is not None and not readable:
        raise problem
    return to_tensor(np.stack([readable[0] if array is None else array for array in arrays]), channels)


def to_tensor(arrays: np.ndarray, channels: int = 3) -> Tensor:
    """(B, H, W, 3) uint8 -> (B, channels, H, W) in [-1, 1]; grey is the luma of the colours (ITU-R BT.601).

    By NumPy alone, since the thread that makes batches comes here (`BatchSource`).
    """
    x = arrays.transpose(0, 3, 1, 2).astype(np.float32) / np.float32(127.5) - np.float32(1)
    if channels == 1:
        x = (x * LUMA).sum(1, keepdims=True)
    return torch.from_numpy(x)
