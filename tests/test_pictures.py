"""Any picture to plain RGB, and a clear word about what is none."""

import io
import os
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from domainxfer.errors import DomainxferError, PictureError
from domainxfer.pictures import find_pictures, open_picture, picture_problem, to_rgb

RED, BLUE, WHITE = (255, 0, 0), (0, 0, 255), (255, 255, 255)


def halves(left: object, right: object, mode: str, size: tuple[int, int] = (8, 4)) -> Image.Image:
    """A picture whose left half has one colour and whose right half another."""
    image = Image.new(mode, size, left)
    image.paste(right, (size[0] // 2, 0, size[0], size[1]))
    return image


def saved(image: Image.Image, path: Path, **options: object) -> Image.Image:
    image.save(path, **options)
    return open_picture(path)


def ends(image: Image.Image) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The colours of the upper left and the upper right pixel of the RGB picture."""
    rgb = to_rgb(image)
    assert rgb.mode == "RGB"
    return rgb.getpixel((0, 0)), rgb.getpixel((rgb.width - 1, 0))


def test_rgb_stays_as_it_is(tmp_path: Path) -> None:
    assert ends(saved(halves(RED, BLUE, "RGB"), tmp_path / "a.png")) == (RED, BLUE)


def test_grey_and_bilevel(tmp_path: Path) -> None:
    assert ends(saved(halves(10, 200, "L"), tmp_path / "grey.png")) == ((10,) * 3, (200,) * 3)
    assert ends(saved(halves(0, 1, "1"), tmp_path / "bits.png")) == ((0,) * 3, WHITE)


def test_alpha_is_composited_on_white(tmp_path: Path) -> None:
    assert ends(saved(halves((0, 0, 0, 0), (255, 0, 0, 255), "RGBA"), tmp_path / "a.png")) == (WHITE, RED)
    assert ends(saved(halves((0, 0), (40, 255), "LA"), tmp_path / "b.png")) == (WHITE, (40,) * 3)
    half = ends(saved(halves((255, 0, 0, 128), (255, 0, 0, 255), "RGBA"), tmp_path / "c.png"))[0]
    assert half == pytest.approx((255, 127, 127), abs=1)


def test_palette_with_a_transparent_entry(tmp_path: Path) -> None:
    image = halves(0, 1, "P")
    image.putpalette([*RED, *BLUE])
    opened = saved(image, tmp_path / "a.png", transparency=0)
    assert opened.mode == "P"
    assert ends(opened) == (WHITE, BLUE)


def test_one_colour_declared_transparent(tmp_path: Path) -> None:
    assert ends(saved(halves(RED, BLUE, "RGB"), tmp_path / "a.png", transparency=RED)) == (WHITE, BLUE)


def test_cmyk_jpeg(tmp_path: Path) -> None:
    opened = saved(halves((0, 255, 255, 0), (255, 255, 0, 0), "CMYK", (32, 16)), tmp_path / "a.jpg", quality=100)
    assert opened.mode == "CMYK"
    left, right = ends(opened)
    assert left == pytest.approx(RED, abs=6)
    assert right == pytest.approx(BLUE, abs=6)


@pytest.mark.parametrize("suffix", [".png", ".tif", ".pgm"])
def test_16_bit_is_scaled_not_clipped(tmp_path: Path, suffix: str) -> None:
    samples = np.full((4, 8), 0x4000, np.uint16)
    samples[:, 4:] = 0xFFFF
    assert ends(saved(Image.fromarray(samples), tmp_path / f"a{suffix}")) == ((64,) * 3, WHITE)


def test_32_bit_and_floating_point() -> None:
    assert ends(Image.fromarray(np.array([[0.5, 1.0]], np.float32))) == ((128,) * 3, WHITE)
    assert ends(Image.fromarray(np.array([[100.0, 200.0]], np.float32))) == ((100,) * 3, (200,) * 3)
    assert ends(Image.fromarray(np.array([[2**20, 2**21]], np.int32))) == ((128,) * 3, WHITE)
    assert ends(Image.fromarray(np.array([[np.nan, 1.0]], np.float32))) == ((0,) * 3, WHITE)


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp", ".tif"])
def test_turned_upright_by_exif(tmp_path: Path, suffix: str) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned a quarter clockwise
    options = {"lossless": True} if suffix == ".webp" else {}
    opened = saved(halves(RED, BLUE, "RGB", (64, 32)), tmp_path / f"a{suffix}", exif=exif, **options)
    rgb = to_rgb(opened)
    assert rgb.size == (32, 64)
    assert rgb.getpixel((16, 2)) == pytest.approx(RED, abs=4)
    assert rgb.getpixel((16, 61)) == pytest.approx(BLUE, abs=4)


def test_broken_exif_does_not_spoil_the_picture() -> None:
    image = halves(RED, BLUE, "RGB")
    image.info["exif"] = b"Exif\0\0garbage"
    assert ends(image) == (RED, BLUE)


@pytest.mark.parametrize("suffix", [".png", ".webp", ".jpg"])
def test_nor_does_a_broken_exif_block_in_a_file(suffix: str, tmp_path: Path) -> None:
    opened = saved(halves(RED, BLUE, "RGB", (32, 16)), tmp_path / f"a{suffix}", exif=b"Exif\0\0hello world")
    assert opened.convert("RGB").getpixel((2, 8)) == pytest.approx(RED, abs=40)
    assert picture_problem(tmp_path / f"a{suffix}") is None


@pytest.mark.parametrize("error", [RuntimeError("Failed to decode frame 0"), NotImplementedError("pixel format")])
def test_whatever_a_decoder_raises_the_picture_is_broken(
    error: Exception, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Image.new("RGB", (8, 8)).save(tmp_path / "a.png")

    def fail(image: Image.Image) -> None:
        raise error

    monkeypatch.setattr("PIL.PngImagePlugin.PngImageFile.load", fail)
    with pytest.raises(PictureError, match=f"broken or cut off .{error}"):
        open_picture(tmp_path / "a.png")
    assert "broken or cut off" in (picture_problem(tmp_path / "a.png") or "")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no named pipes here")
def test_a_pipe_is_no_picture_and_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.jpg")
    assert "pipe or a device" in (picture_problem(tmp_path / "pipe.jpg") or "")
    with pytest.raises(PictureError, match="pipe or a device"):
        open_picture(tmp_path / "pipe.jpg")


def test_first_frame_of_an_animation(tmp_path: Path) -> None:
    frames = [Image.new("RGB", (8, 4), colour) for colour in (RED, BLUE)]
    opened = saved(frames[0], tmp_path / "a.gif", save_all=True, append_images=frames[1:])
    assert ends(opened) == (RED, RED)


def test_format_and_info_are_kept(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x010E] = "a description"
    opened = saved(Image.new("RGB", (8, 8)), tmp_path / "a.jpg", exif=exif, icc_profile=b"a profile")
    assert opened.format == "JPEG"
    assert opened.info["icc_profile"] == b"a profile"
    assert opened.getexif()[0x010E] == "a description"


def test_from_an_open_stream() -> None:
    stream = io.BytesIO()
    halves(RED, BLUE, "RGB").save(stream, "PNG")
    stream.seek(0)
    assert ends(open_picture(stream)) == (RED, BLUE)


def test_cut_off_picture(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    for suffix in (".jpg", ".png", ".webp", ".gif"):
        whole = tmp_path / f"whole{suffix}"
        Image.fromarray(noise).save(whole)
        cut = tmp_path / f"cut{suffix}"
        cut.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
        with pytest.raises(PictureError, match=f"cut{suffix}"):
            open_picture(cut)
        assert picture_problem(whole) is None
        assert f"cut{suffix}" in (picture_problem(cut) or "")


def test_no_picture_at_all(tmp_path: Path) -> None:
    for name, content in {"a.jpg": b"hello", "b.png": b"", "c.gif": b"GIF89a"}.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(PictureError, match=name):
            open_picture(tmp_path / name)
    with pytest.raises(PictureError, match="no such file"):
        open_picture(tmp_path / "missing.png")
    with pytest.raises(PictureError, match="folder"):
        open_picture(tmp_path)


def png_header(width: int, height: int) -> bytes:
    """A PNG that claims a size and holds nothing."""
    chunks = [b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0), b"IDAT"]
    packed = [struct.pack(">I", len(chunk) - 4) + chunk + struct.pack(">I", zlib.crc32(chunk)) for chunk in chunks]
    return b"\x89PNG\r\n\x1a\n" + b"".join(packed)


def test_huge_picture_is_refused_before_decoding(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for width, height, extent in ((12_000, 10_000, "12000 x 10000"), (60_000, 60_000, "3,600,000,000 pixels")):
        (tmp_path / "huge.png").write_bytes(png_header(width, height))  # above our limit; above Pillow's own too
        with pytest.raises(PictureError, match=rf"huge\.png is too large \({extent}; the limit.*DOMAINXFER_MAX_PIXELS"):
            open_picture(tmp_path / "huge.png")
    monkeypatch.setenv("DOMAINXFER_MAX_PIXELS", "20")
    Image.new("RGB", (5, 5)).save(tmp_path / "small.png")
    with pytest.raises(PictureError, match="limit is 20 pixels"):
        open_picture(tmp_path / "small.png")
    monkeypatch.setenv("DOMAINXFER_MAX_PIXELS", "25")
    assert open_picture(tmp_path / "small.png").size == (5, 5)
    monkeypatch.setenv("DOMAINXFER_MAX_PIXELS", "many")
    with pytest.raises(DomainxferError, match="DOMAINXFER_MAX_PIXELS is 'many'"):
        open_picture(tmp_path / "small.png")


def test_find_pictures(tmp_path: Path) -> None:
    for name in ("b.JPG", "a.png", "sub/c.webp", ".hidden.png", ".git/d.png", "__MACOSX/e.png", "notes.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    found = [path.relative_to(tmp_path).as_posix() for path in find_pictures(tmp_path)]
    assert found == ["a.png", "b.JPG", "sub/c.webp"]
    assert [path.name for path in find_pictures(tmp_path, recursive=False)] == ["a.png", "b.JPG"]
    with pytest.raises(DomainxferError, match="there is no folder"):
        find_pictures(tmp_path / "missing")


@pytest.mark.skipif(not hasattr(os, "symlink") or os.name == "nt", reason="needs links")
def test_linked_folders_are_followed_once(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "a.png").touch()
    (tmp_path / "data" / "loop").symlink_to(tmp_path / "data")
    (tmp_path / "link").symlink_to(tmp_path / "data")
    assert len(find_pictures(tmp_path / "link")) == 1
