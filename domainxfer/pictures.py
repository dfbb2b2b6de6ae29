"""Pictures from files to plain RGB: whatever Pillow reads, turned upright and made 8-bit."""

import os
import re
import stat
import struct
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

import numpy as np
from PIL import Image, ImageOps

from domainxfer.errors import DomainxferError, PictureError
from domainxfer.files import explain_os_error

MAX_PIXELS = 100_000_000
"""Pictures above this many pixels are refused before they are decoded; $DOMAINXFER_MAX_PIXELS overrides it."""

PICTURE_SUFFIXES = frozenset(
    f".{suffix}"
    for group in (
        ("jpg", "jpeg", "jpe", "jfif", "jp2", "png", "apng", "webp", "avif", "gif"),
        ("bmp", "dib", "tif", "tiff", "ppm", "pgm", "pbm", "pnm", "tga"),
        ("heic", "heif"),  # a phone's, which Pillow cannot read: so that they are named, and not passed over
    )
    for suffix in group
)

BROKEN_DATA = (
    OSError,  # UnidentifiedImageError is one
    SyntaxError,
    ValueError,
    EOFError,
    IndexError,
    KeyError,
    TypeError,
    OverflowError,
    RuntimeError,  # broken AVIF, and by a subclass DDS of an unknown kind
    struct.error,
)
"""What Pillow's decoders raise on broken data."""

_WARNINGS = threading.Lock()  # Python's warning filters are one for all threads

_ALPHA_MODES = frozenset({"LA", "La", "PA", "RGBA", "RGBa"})


def open_picture(path: Path | BinaryIO) -> Image.Image:
    """Read a picture whole: decoded, in its own mode, with its ``format`` and ``info`` (exif, icc_profile, ...).

    Of an animated picture this is the first frame.

    Raises:
        PictureError: unreadable, cut off, no picture at all, or above the pixel limit (found before decoding).
    """
    with _named_stream(path) as (stream, name):
        image = _open_header(stream, name)
        try:
            image.load()
        except MemoryError as error:
            raise PictureError(f"{name} needs more memory than there is; make the picture smaller") from error
        except BROKEN_DATA as error:
            raise _broken(name, error) from error
        with suppress(*BROKEN_DATA):  # with a broken EXIF block the picture itself is still good
            image.getexif()  # read while the file is open; Pillow keeps it
        return image


def picture_problem(path: Path) -> str | None:
    """Why ``path`` cannot be read as a picture, or None if it can.

    Every file is read to its end; JPEGs are decoded at 1/8 size, which is quicker and finds the same faults.
    """
    try:
        with _named_stream(path) as (stream, name):
            image = _open_header(stream, name)
            try:
                image.draft("RGB", (1, 1))
                image.load()
            except (MemoryError, *BROKEN_DATA) as error:
                raise _broken(name, error) from error
    except PictureError as error:
        return str(error)
    return None


def to_rgb(image: Image.Image, *, paper: int = 255) -> Image.Image:
    """An upright 8-bit RGB picture: EXIF rotation applied, alpha composited on white, deeper samples scaled to 8 bit.

    16-bit, 32-bit and floating-point samples are scaled to [0, 255], not clipped. Another grey than white may lie
    under what is transparent: ``paper``, 0 to 255.
    """
    with suppress(*BROKEN_DATA):  # with a broken EXIF block the picture itself is still good
        image = ImageOps.exif_transpose(image)
    if image.mode == "RGB" and "transparency" not in image.info:
        return image
    if image.mode == "F" or image.mode.startswith("I"):
        return Image.fromarray(_eight_bit(np.asarray(image))).convert("RGB")
    if image.mode in _ALPHA_MODES or "transparency" in image.info:
        layers = colours_and_alpha(image)
        below = Image.new("RGBA", layers.size, (paper, paper, paper, 255))
        return Image.alpha_composite(below, layers).convert("RGB")
    return image.convert("RGB")


def colours_and_alpha(image: Image.Image) -> Image.Image:
    """RGBA of a picture of any 8-bit mode; of grey whose alpha is multiplied in (La) Pillow makes nothing but LA."""
    return (image.convert("LA") if image.mode == "La" else image).convert("RGBA")


def find_pictures(folder: Path, recursive: bool = True) -> list[Path]:
    """The picture files of a folder by their suffix, sorted; hidden ones and ``__MACOSX`` are passed over.

    Linked folders are followed, each once.

    Raises:
        DomainxferError: the folder is missing or may not be read.
    """
    found: list[Path] = []
    visited: set[str] = set()

    def fail(error: OSError) -> None:
        raise explain_os_error(error, "read the folder", Path(error.filename or folder)) from error

    if not folder.is_dir():
        raise DomainxferError(f"there is no folder {folder}; give the path of a folder with pictures")
    for here, folders, files in os.walk(folder, onerror=fail, followlinks=True):
        place = os.path.realpath(here)
        if place in visited:
            folders.clear()
            continue
        visited.add(place)
        folders[:] = sorted(name for name in folders if recursive and not is_hidden(name))
        found += [Path(here, name) for name in files if is_picture_name(name)]
    return sorted(found)


def is_hidden(name: str) -> bool:
    """Whether a file or folder of this name is passed over: hidden, or brought along by an archive made on a Mac."""
    return name.startswith(".") or name == "__MACOSX"


def is_picture_name(name: str) -> bool:
    """Whether a file of this name counts as a picture: by its suffix, and not hidden."""
    return not is_hidden(name) and os.path.splitext(name)[1].lower() in PICTURE_SUFFIXES


def pixel_limit() -> int:
    """The pixel limit now: $DOMAINXFER_MAX_PIXELS, or MAX_PIXELS."""
    wanted = os.environ.get("DOMAINXFER_MAX_PIXELS", "")
    if not wanted:
        return MAX_PIXELS
    try:
        limit = int(wanted.replace("_", ""))
    except ValueError:
        limit = 0
    if limit <= 0:
        raise DomainxferError(f"DOMAINXFER_MAX_PIXELS is {wanted!r}; it must be a whole number of pixels above 0")
    return limit


@contextmanager
def _named_stream(path: Path | BinaryIO) -> Iterator[tuple[BinaryIO, str]]:
    """The open stream and the name to use in messages; a file that is opened here is closed here."""
    if not isinstance(path, os.PathLike | str):
        yield path, str(getattr(path, "name", "the picture"))
        return
    try:
        kind = Path(path).stat().st_mode
        if not (stat.S_ISREG(kind) or stat.S_ISDIR(kind)):
            raise PictureError(f"{path} is a pipe or a device, not a file; remove it")  # to open one may wait for ever
        stream = Path(path).open("rb")  # noqa: SIM115 (closed by the ``with`` below, whose body is not in this try)
    except OSError as error:
        raise PictureError(str(explain_os_error(error, "read the picture", Path(path)))) from error
    with stream:
        yield stream, str(path)


def _open_header(stream: BinaryIO, name: str) -> Image.Image:
    limit = pixel_limit()
    if Image.MAX_IMAGE_PIXELS is not None and limit > 2 * Image.MAX_IMAGE_PIXELS:
        Image.MAX_IMAGE_PIXELS = limit  # the user raised our limit above Pillow's own
    try:
        with _WARNINGS, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow's warning about large pictures: ours is the limit that counts
            image = Image.open(stream)
    except Image.DecompressionBombError as error:
        count = re.search(r"\((\d+) pixels\)", str(error))
        raise _too_large(name, f"{int(count[1]):,} pixels" if count else "by far", limit) from error
    except BROKEN_DATA as error:
        raise PictureError(f"{name} cannot be read as a picture; convert it to PNG or JPEG, or remove it") from error
    width, height = image.size
    if width * height > limit:
        raise _too_large(name, f"{width} x {height}", limit)
    return image


def _too_large(name: str, extent: str, limit: int) -> PictureError:
    return PictureError(
        f"{name} is too large ({extent}; the limit is {limit:,} pixels); make it smaller or raise DOMAINXFER_MAX_PIXELS"
    )


def _broken(name: str, error: BaseException) -> PictureError:
    reason = " ".join(str(error).split()) or type(error).__name__
    return PictureError(f"{name} is broken or cut off ({reason}); replace or remove it")


def _eight_bit(samples: np.ndarray) -> np.ndarray:
    """Scale samples of any depth to uint8; white is what the format says: 1 or 255 (float), 65535, or the largest."""
    values = np.nan_to_num(samples.astype(np.float64), nan=0.0, posinf=0.0, neginf=0.0)
    largest = float(values.max(initial=0.0))
    steps = (1.0, 255.0, 65535.0) if samples.dtype.kind == "f" else (65535.0,)
    full = next((step for step in steps if largest <= step), largest)
    return np.rint(np.clip(values / full, 0.0, 1.0) * 255.0).astype(np.uint8)
