"""What a written picture keeps of the one it came from."""

import errno
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageCms, JpegImagePlugin

from domainxfer.errors import DomainxferError
from domainxfer.pictures import open_picture, to_rgb
from domainxfer.save_picture import exif_of, format_like, format_of, has_alpha, write_picture

ORIENTATION, MAKE, EXIF_TABLE, DATE_TAKEN, PIXELS_ACROSS = 0x0112, 0x010F, 0x8769, 0x9003, 0xA002
KINDS = ["JPEG", "PNG", "WEBP", "TIFF", "AVIF", "GIF", "BMP", "PPM", "TGA", "JPEG2000"]


def smooth(width: int = 60, height: int = 40, mode: str = "RGB") -> Image.Image:
    across, down = np.meshgrid(np.linspace(0, 255, width), np.linspace(0, 255, height))
    return Image.fromarray(np.stack([across, down, 0.5 * across, 255 - down], 2).astype(np.uint8)).convert(mode)


def exif(orientation: int = 1) -> Image.Exif:
    block = Image.Exif()
    block[ORIENTATION] = orientation
    block[MAKE] = "Camera"
    block.get_ifd(EXIF_TABLE)[DATE_TAKEN] = "2020:02:02 10:00:00"
    return block


def read(picture: Image.Image, kind: str, **options: Any) -> Image.Image:
    """The picture as it is after being written and read."""
    stream = BytesIO()
    picture.save(stream, kind, **options)
    return open_picture(BytesIO(stream.getvalue()))


def written(picture: Image.Image, kind: str, original: Image.Image | None = None) -> Image.Image:
    stream = BytesIO()
    write_picture(picture, stream, kind, original)
    return open_picture(BytesIO(stream.getvalue()))


def difference(a: Image.Image, b: Image.Image) -> float:
    return float(abs(np.asarray(to_rgb(a)).astype(int) - np.asarray(to_rgb(b)).astype(int)).mean())


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF"])
def test_pictures_are_stored_as_the_original_was_turned(kind: str, orientation: int) -> None:
    original = read(smooth(), kind, exif=exif(orientation))
    upright = to_rgb(original)
    again = written(upright.copy(), kind, original)
    assert again.size == original.size
    assert again.getexif().get(ORIENTATION, 1) == original.getexif().get(ORIENTATION, 1)
    assert again.getexif()[MAKE] == "Camera"
    assert difference(again, upright) < 2
    if kind != "TIFF":
        assert again.getexif().get_ifd(EXIF_TABLE)[DATE_TAKEN] == "2020:02:02 10:00:00"


@pytest.mark.parametrize("kind", KINDS)
def test_turned_picture_looks_the_same_in_every_format(kind: str) -> None:
    original = read(smooth(), "JPEG", exif=exif(6), quality=95)
    assert difference(written(to_rgb(original).copy(), kind, original), original) < 4


@pytest.mark.parametrize("kind", KINDS)
def test_transparency_is_kept_or_laid_on_white(kind: str) -> None:
    picture = smooth(mode="RGBA")
    picture.putalpha(Image.fromarray(np.repeat(np.uint8([[0], [255]]), 20, axis=0).repeat(60, axis=1)))
    again = written(picture, kind)
    assert difference(again, picture) < 4
    if has_alpha(kind):
        assert again.convert("RGBA").getchannel("A").tobytes() == picture.getchannel("A").tobytes()
    else:
        assert not again.has_transparency_data


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF"])
def test_colour_profile_is_kept(kind: str) -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    picture = smooth(mode="RGBA")
    picture.info["icc_profile"] = profile
    assert written(picture, kind).info["icc_profile"] == profile


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF", "BMP"])
@pytest.mark.parametrize("dpi", [(300, 300), (float("nan"), 1), (0, 0), "broken", 7, (1e9, 1)])
def test_resolution_is_kept_if_it_makes_sense(kind: str, dpi: Any) -> None:
    picture = smooth()
    picture.info["dpi"] = dpi
    again = written(picture, kind)
    if dpi == (300, 300):
        assert again.info["dpi"] == pytest.approx((300, 300), rel=1e-3)
    assert difference(again, picture) < 2


def test_jpeg_stays_as_fine_as_it_was() -> None:
    for quality, subsampling in [(40, 2), (97, 0)]:
        original = read(smooth(), "JPEG", quality=quality, subsampling=subsampling, progressive=True)
        again = written(to_rgb(original).copy(), "JPEG", original)
        assert again.quantization == original.quantization
        assert JpegImagePlugin.get_sampling(again) == subsampling
        assert again.info["progressive"]
    fine = read(smooth(), "JPEG", quality=95, subsampling=0)
    for original in [read(smooth(), "PNG"), read(smooth(mode="L"), "JPEG", quality=20), None]:
        again = written(smooth(), "JPEG", original)
        assert again.quantization == fine.quantization
        assert JpegImagePlugin.get_sampling(again) == 0


def test_tiff_keeps_its_compression() -> None:
    for compression, expected in [("tiff_lzw", "tiff_lzw"), ("raw", "raw"), ("jpeg", "tiff_adobe_deflate")]:
        original = read(smooth(), "TIFF", compression=compression)
        assert written(smooth(), "TIFF", original).info["compression"] == expected


def test_thumbnail_of_the_old_picture_is_dropped() -> None:
    block = exif()
    block.get_ifd(1)[0x0201] = 0  # where a thumbnail would begin
    original = read(smooth(), "JPEG", exif=block)
    assert written(smooth(), "JPEG", original).getexif().get_ifd(1) == {}


def test_broken_or_too_long_exif_does_no_harm() -> None:
    original = read(smooth(), "PNG")
    original.info["exif"] = b"Exif\0\0II*\0\xff\xff\xff\xffnonsense"
    assert exif_of(original, "PNG") == (b"", 1)
    long = exif(6)
    long[0x8298] = "x" * 70_000
    original = read(smooth(), "PNG", exif=long)
    again = written(to_rgb(original).copy(), "JPEG", original)
    assert dict(again.getexif()) == {ORIENTATION: 6}
    assert difference(again, original) < 2


def test_formats_by_suffix_and_by_original() -> None:
    assert [format_of(s) for s in (".JPG", ".tiff", ".webp", ".ppm")] == ["JPEG", "TIFF", "WEBP", "PPM"]
    assert [format_of(s) for s in (".pgm", ".psd", ".txt", "")] == [None] * 4
    for kind, expected in [("MPO", "JPEG"), ("GIF", "GIF"), ("ICO", "PNG"), (None, "PNG")]:
        picture = smooth()
        picture.format = kind
        assert format_like(picture) == expected


class FullStream(BytesIO):
    def write(self, data: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")


def test_problems_are_said_in_one_line_and_leave_nothing_behind(tmp_path: Path) -> None:
    with pytest.raises(DomainxferError, match="standard output: the disk is full"):
        write_picture(smooth(), FullStream(), "PNG")
    with pytest.raises(DomainxferError, match=r"wide\.webp: WEBP cannot hold this picture of 20000 x 1") as caught:
        write_picture(Image.new("RGB", (20_000, 1)), tmp_path / "wide.webp", "WEBP")
    assert "\n" not in str(caught.value)
    (tmp_path / "file").touch()
    with pytest.raises(DomainxferError, match="cannot write"):
        write_picture(smooth(), tmp_path / "file" / "x.png", "PNG")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_full_disk_while_encoding_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*args: object, **options: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Image.Image, "save", fail)
    with pytest.raises(DomainxferError, match="the disk is full"):
        write_picture(smooth(), tmp_path / "x.png", "PNG")
    assert list(tmp_path.iterdir()) == []
