"""Write a translated picture in the format of the picture it came from, with that one's metadata.

What is kept: EXIF and the way the pixels are stored under its orientation tag (so that every viewer shows both
pictures alike), ICC profile, resolution, and the fineness of JPEG. What is not: text chunks, XMP, and the thumbnail
inside the EXIF block, which would show the old picture.
"""

import io
import math
import struct
from pathlib import Path
from typing import Any, BinaryIO

from PIL import ExifTags, Image, JpegImagePlugin

from domainxfer.errors import DomainxferError
from domainxfer.files import explain_os_error, written_whole
from domainxfer.pictures import BROKEN_DATA, to_rgb

_FORMATS = {
    "JPEG": (".jpg", ".jpeg", ".jpe", ".jfif"),
    "PNG": (".png", ".apng"),
    "WEBP": (".webp",),
    "TIFF": (".tif", ".tiff"),
    "GIF": (".gif",),
    "BMP": (".bmp", ".dib"),
    "PPM": (".ppm", ".pnm"),  # .pgm and .pbm hold no colours
    "TGA": (".tga",),
    "JPEG2000": (".jp2",),
    "AVIF": (".avif",),
}
_WITH_ALPHA = frozenset({"PNG", "WEBP", "TIFF", "GIF", "TGA", "JPEG2000", "AVIF"})
_WITH_EXIF = frozenset({"JPEG", "PNG", "WEBP", "TIFF", "AVIF"})
_KEPT_COMPRESSIONS = frozenset({"raw", "packbits", "tiff_lzw", "tiff_adobe_deflate"})
_LONGEST_JPEG_EXIF = 65_533  # bytes; what a JPEG segment can hold

# In TIFF the description of the picture and of its file share one table; these tags are of the picture. The further
# tables of EXIF are left out there: Pillow cannot write them into a compressed TIFF.
_DESCRIPTIVE_TAGS = (
    ExifTags.Base.ImageDescription,
    ExifTags.Base.Make,
    ExifTags.Base.Model,
    ExifTags.Base.Software,
    ExifTags.Base.DateTime,
    ExifTags.Base.Artist,
    ExifTags.Base.Copyright,
)

# From upright back to how a picture with this orientation tag is stored.
_TURN_BACK = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}


def has_alpha(format_name: str) -> bool:
    """Whether pictures of this format can be transparent."""
    return format_name in _WITH_ALPHA


def format_like(original: Image.Image) -> str:
    """Pillow's name of the format to write a picture in that was made from ``original``: the same, or else PNG."""
    name = "JPEG" if original.format == "MPO" else original.format  # MPO: a JPEG with further pictures behind it
    return name if name in _FORMATS and name in Image.SAVE else "PNG"


def format_of(suffix: str) -> str | None:
    """Pillow's name of the format that a file suffix like ``".jpg"`` stands for; None where it cannot be written."""
    Image.init()
    for name, suffixes in _FORMATS.items():
        if suffix.lower() in suffixes:
            return name if name in Image.SAVE else None
    return None


def write_picture(
    picture: Image.Image,
    target: Path | BinaryIO,
    format_name: str,
    original: Image.Image | None = None,
    *,
    overwrite: bool = True,
) -> None:
    """Write an upright RGB or RGBA picture, to a file whole or not at all.

    Args:
        picture: the picture; its ``info`` may hold an ICC profile and a resolution.
        target: a path, or an open binary stream.
        format_name: Pillow's name of the format, see `format_of`. One without alpha gets the picture on white.
        original: the picture it was made from, as it was read; gives EXIF, orientation and fineness.
        overwrite: replace a file that is there.

    Raises:
        ExistsError: a file is there, and ``overwrite`` is not set.
        DomainxferError: full disk, missing permission, or the format cannot hold this picture.
    """
    if not has_alpha(format_name):
        picture = _on_white(picture)
    options = _options(picture, format_name, original)
    if original is not None and format_name in _WITH_EXIF:
        exif, orientation = exif_of(original, format_name)
        if exif:
            options["exif"] = exif
        if orientation in _TURN_BACK:
            picture = picture.transpose(_TURN_BACK[orientation])
    if isinstance(target, Path):
        with written_whole(target, overwrite=overwrite) as part:
            _encode(picture, part, format_name, options, target)
        return
    encoded = io.BytesIO()
    _encode(picture, encoded, format_name, options, Path("-"))
    try:
        target.write(encoded.getvalue())
        target.flush()
    except OSError as error:
        raise explain_os_error(error, "write to", Path("standard output")) from error


def exif_of(original: Image.Image, format_name: str) -> tuple[bytes, int]:
    """The EXIF block to write into a file of a format (empty for none), and the orientation in it, 1 to 8.

    A block that cannot be read is left out, and its orientation with it.
    """
    try:
        exif = original.getexif()
        if "TIFF" in (original.format, format_name):
            exif = _described(exif)  # and upright: Pillow turns a TIFF when it reads it
        if not len(exif):
            return b"", 1
        orientation = exif.get(ExifTags.Base.Orientation, 1)
        block = exif.tobytes()
    except BROKEN_DATA:
        return b"", 1
    orientation = orientation if orientation in _TURN_BACK else 1
    if format_name == "JPEG" and len(block) > _LONGEST_JPEG_EXIF:
        block = _only_orientation(orientation)
    return block, orientation


def _described(tiff: Image.Exif) -> Image.Exif:
    kept = Image.Exif()
    for tag in _DESCRIPTIVE_TAGS:
        if tag in tiff:
            kept[tag] = tiff[tag]
    return kept


def _only_orientation(orientation: int) -> bytes:
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    return exif.tobytes()


def _on_white(picture: Image.Image) -> Image.Image:
    """The picture on white, with its ICC profile and resolution."""
    flat = to_rgb(picture)
    flat.info.update({key: value for key, value in picture.info.items() if key in ("icc_profile", "dpi")})
    return flat


def _options(picture: Image.Image, format_name: str, original: Image.Image | None) -> dict[str, Any]:
    """Pillow's settings for saving: fine enough that nobody sees the difference, or as fine as the original was."""
    options: dict[str, Any] = {}
    if picture.info.get("icc_profile"):
        options["icc_profile"] = picture.info["icc_profile"]
    dpi = _resolution(picture.info.get("dpi"))
    if dpi is not None:
        options["dpi"] = dpi
    match format_name:
        case "JPEG":
            options |= _jpeg_options(original)
        case "WEBP" | "AVIF":
            options["quality"] = 95
        case "TIFF":
            known = original.info.get("compression") if original is not None else None
            options["compression"] = known if known in _KEPT_COMPRESSIONS else "tiff_adobe_deflate"
        case "JPEG2000":
            options["irreversible"] = False
        case _:
            pass
    return options


def _jpeg_options(original: Image.Image | None) -> dict[str, Any]:
    """The tables and the colour sampling of an RGB JPEG, else quality 95 with full colour."""
    if isinstance(original, JpegImagePlugin.JpegImageFile) and original.mode == "RGB" and original.quantization:
        tables = [list(table) for _, table in sorted(original.quantization.items())]
        sampling = JpegImagePlugin.get_sampling(original)
        progressive = bool(original.info.get("progressive"))
        return {"qtables": tables, "subsampling": max(sampling, 0), "progressive": progressive}
    return {"quality": 95, "subsampling": 0}


def _resolution(dpi: object) -> tuple[float, float] | None:
    try:
        across, down = (float(value) for value in dpi)  # type: ignore[attr-defined]
    except (TypeError, ValueError, ZeroDivisionError):
        return None
    return (across, down) if all(math.isfinite(value) and 0 < value < 65536 for value in (across, down)) else None


def _encode(picture: Image.Image, to: Path | BinaryIO, format_name: str, options: dict[str, Any], named: Path) -> None:
    try:
        picture.save(to, format=format_name, **options)
    except OSError as error:
        if error.errno is not None:
            raise  # the disk's fault: written_whole knows what to say
        raise _unfit(picture, format_name, named, error) from error
    except (ValueError, TypeError, struct.error, OverflowError, RuntimeError) as error:
        raise _unfit(picture, format_name, named, error) from error


def _unfit(picture: Image.Image, format_name: str, named: Path, error: Exception) -> DomainxferError:
    reason = " ".join(str(error).split())
    return DomainxferError(
        f"cannot write {named}: {format_name} cannot hold this picture of {picture.width} x {picture.height} "
        f"({reason}); name a file that ends in .png with -o"
    )
