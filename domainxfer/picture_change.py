"""Take a picture apart, add a change to its colours, and put it together again with all that was not to change.

A change is a difference of colours in steps of 8 bit, float32 (rows, W, 3). Of a large picture it comes in strips of
rows, from top to bottom, so that little memory is needed.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image, ImageOps

from domainxfer.errors import DomainxferError
from domainxfer.pictures import BROKEN_DATA, colours_and_alpha, to_rgb

STRIP_PIXELS = 4 * 1024 * 1024

_DEEP_MODES = ("F", "I")  # grey of more than 8 bits: scaled by to_rgb; Pillow knows no alpha there


@dataclass(frozen=True)
class PictureParts:
    """An upright picture in parts."""

    colours: np.ndarray  # uint8 (H, W, 3): its own colours, also where it is transparent
    on_white: Image.Image  # RGB: as it looks
    alpha: Image.Image | None
    info: dict[str, Any]  # what Pillow keeps with a picture: its resolution, and its ICC profile if it fits RGB

    @classmethod
    def of(cls, image: Image.Image) -> "PictureParts":
        """Take a picture of any mode apart."""
        image = upright(image)
        on_white = to_rgb(image)
        info: dict[str, Any] = {key: image.info[key] for key in ("icc_profile", "dpi") if key in image.info}
        if "icc_profile" in info and not is_rgb_profile(info["icc_profile"]):
            del info["icc_profile"]
        if image.has_transparency_data and not image.mode.startswith(_DEEP_MODES):
            layers = colours_and_alpha(image)
            return cls(np.asarray(layers.convert("RGB")), on_white, layers.getchannel("A"), info)
        return cls(np.asarray(on_white), on_white, None, info)

    def with_change(self, strips: Iterable[np.ndarray], strength: float, mask: Image.Image | None) -> Image.Image:
        """The picture with ``strength * mask * change`` added to its colours.

        Args:
            strips: the change; rows and columns beyond the picture's are left out.
            strength: 0 gives the picture back as it was.
            mask: white = change, black = leave as it is; any size of the picture's aspect.

        Raises:
            DomainxferError: the mask has another aspect ratio.
        """
        height, width = self.colours.shape[:2]
        levels = None if mask is None else mask_levels(mask, width, height)
        result = np.empty_like(self.colours)
        top = 0
        for strip in strips:
            rows = slice(top, min(top + len(strip), height))
            change = strip[: rows.stop - top, :width] * np.float32(strength)
            if levels is not None:
                change *= levels[rows, :, None] / np.float32(255)
            result[rows] = np.rint(self.colours[rows] + change).clip(0, 255)
            top = rows.stop
        image = Image.fromarray(result)
        if self.alpha is not None:
            image.putalpha(self.alpha)
        image.info.update(self.info)
        return image


def upright(image: Image.Image) -> Image.Image:
    """The picture turned as its EXIF orientation says, and without that tag."""
    try:
        return ImageOps.exif_transpose(image)
    except BROKEN_DATA:
        return image  # a broken EXIF block: the picture itself is still good


def is_rgb_profile(profile: object) -> bool:
    """Whether an ICC profile describes RGB; that of a grey or CMYK picture would be wrong for its translation."""
    return isinstance(profile, bytes) and profile[16:20] == b"RGB "


def mask_levels(mask: Image.Image, width: int, height: int) -> np.ndarray:
    """The mask's brightness at the picture's size: uint8 (H, W); where it is transparent, nothing was drawn: 0.

    Raises:
        DomainxferError: the mask has another aspect ratio than the picture.
    """
    grey = to_rgb(mask, paper=0).convert("L")
    # Sides of one picture at two scales are rounded to whole pixels, which shifts the cross products by up to this.
    rounding = max(width + height, grey.width + grey.height)
    if abs(grey.width * height - grey.height * width) > rounding:
        raise DomainxferError(
            f"the mask ({grey.width} x {grey.height}) has another aspect ratio than the picture ({width} x {height}); "
            "make it of the picture's shape"
        )
    if grey.size != (width, height):
        grey = grey.resize((width, height), Image.Resampling.BILINEAR)
    return np.asarray(grey)


def enlarged_strips(change: np.ndarray, height: int, width: int) -> Iterator[np.ndarray]:
    """Enlarge a change (h, w, C) to (height, width, C) with a bicubic filter, in strips that need little memory."""
    scale = change.shape[0] / height
    channels = [Image.fromarray(np.ascontiguousarray(change[:, :, c])) for c in range(change.shape[2])]
    rows = max(1, STRIP_PIXELS // width)
    for top in range(0, height, rows):
        bottom = min(top + rows, height)
        # Pillow's filter reads beyond the box, so strips meet as if the whole had been enlarged at once.
        box = (0, top * scale, change.shape[1], min(bottom * scale, change.shape[0]))
        strip = [channel.resize((width, bottom - top), Image.Resampling.BICUBIC, box=box) for channel in channels]
        yield np.stack([np.asarray(channel) for channel in strip], axis=2)
