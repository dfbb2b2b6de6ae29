"""Pictures taken apart and put together: what is not to change stays to the last bit.

tests/test_translate.py follows whole pictures through a model; here are the parts, with changes made by hand.
"""

import numpy as np
import pytest
from PIL import Image

from domainxfer import picture_change
from domainxfer.errors import DomainxferError
from domainxfer.picture_change import PictureParts, enlarged_strips, is_rgb_profile, mask_levels, upright

ORIENTATION = 274


def noise(width: int, height: int, mode: str = "RGB") -> Image.Image:
    bands = len(mode)
    pixels = np.random.default_rng(0).integers(0, 256, (height, width, bands), dtype=np.uint8)
    return Image.merge(mode, [Image.fromarray(np.ascontiguousarray(pixels[..., band])) for band in range(bands)])


def large_change(height: int, width: int) -> np.ndarray:
    return np.random.default_rng(1).uniform(-300, 300, (height, width, 3)).astype(np.float32)


@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
def test_strength_0_gives_the_picture_back(mode: str) -> None:
    image = noise(31, 17, mode)
    out = PictureParts.of(image).with_change([large_change(17, 31)], 0.0, None)
    assert (out.mode, out.tobytes()) == (mode, image.tobytes())


def test_black_is_left_white_is_changed_and_grey_in_part() -> None:
    image = Image.new("RGB", (30, 20), (100, 50, 200))
    mask = Image.new("L", (30, 20), 0)
    mask.paste(255, (10, 0, 20, 20))
    mask.paste(51, (20, 0, 30, 20))
    change = np.full((20, 30, 3), (40, -60, 100), np.float32)
    out = np.asarray(PictureParts.of(image).with_change([change], 1.0, mask))
    np.testing.assert_array_equal(out[:, :10], np.asarray(image)[:, :10])
    assert np.unique(out[:, 10:20].reshape(-1, 3), axis=0).tolist() == [[140, 0, 255]]  # clipped
    assert np.unique(out[:, 20:].reshape(-1, 3), axis=0).tolist() == [[108, 38, 220]]  # a fifth


@pytest.mark.parametrize("mask", [None, noise(40, 33, "L")])
def test_strips_of_any_height_give_one_picture(mask: Image.Image | None) -> None:
    parts, change = PictureParts.of(noise(40, 33)), large_change(33, 40)
    whole = parts.with_change([change], 0.7, mask)
    before = change.copy()
    strips = [change[a:b] for a, b in ((0, 1), (1, 14), (14, 33))]
    assert parts.with_change(iter(strips), 0.7, mask).tobytes() == whole.tobytes()
    np.testing.assert_array_equal(change, before)  # the caller's change is still its own


def test_rows_and_columns_beyond_the_picture_are_left_out() -> None:
    parts, change = PictureParts.of(noise(21, 10)), large_change(16, 24)
    exact = parts.with_change([change[:10, :21]], 1.0, None)
    assert parts.with_change([change[:8], change[8:]], 1.0, None).tobytes() == exact.tobytes()


def test_colours_under_transparency_are_kept() -> None:
    image = noise(12, 9, "RGBA")
    image.putpixel((4, 4), (10, 20, 30, 0))
    parts = PictureParts.of(image)
    assert parts.on_white.getpixel((4, 4)) == (255, 255, 255)
    out = parts.with_change([np.full((9, 12, 3), 5, np.float32)], 1.0, None)
    assert out.getpixel((4, 4)) == (15, 25, 35, 0)
    assert parts.alpha is not None
    assert out.getchannel("A").tobytes() == parts.alpha.tobytes()


def test_a_transparent_colour_of_a_palette_is_alpha() -> None:
    image = Image.new("P", (6, 4), 0)
    image.putpalette([9, 8, 7, 60, 70, 80])
    image.putpixel((0, 0), 1)
    image.info["transparency"] = 1
    out = PictureParts.of(image).with_change([np.zeros((4, 6, 3), np.float32)], 1.0, None)
    assert (out.getpixel((0, 0)), out.getpixel((1, 0))) == ((60, 70, 80, 0), (9, 8, 7, 255))


def test_white_drawn_on_nothing_is_a_mask() -> None:
    drawn = Image.new("RGBA", (30, 20), (255, 255, 255, 0))
    drawn.paste((255, 255, 255, 255), (0, 0, 10, 20))
    levels = mask_levels(drawn, 30, 20)
    assert levels[:, :10].min() == 255
    assert levels[:, 10:].max() == 0


def test_a_mask_of_another_scale_but_not_of_another_shape() -> None:
    assert mask_levels(Image.new("1", (10, 7), 1), 101, 67).shape == (67, 101)  # 100 x 67 at a tenth, rounded
    assert (mask_levels(Image.new("RGB", (202, 134), "white"), 101, 67) == 255).all()
    with pytest.raises(DomainxferError, match=r"the mask \(67 x 101\) has another aspect ratio .*\(101 x 67\)"):
        mask_levels(Image.new("L", (67, 101)), 101, 67)
    with pytest.raises(DomainxferError, match="aspect ratio"):
        PictureParts.of(noise(101, 67)).with_change([large_change(67, 101)], 0.0, Image.new("L", (101, 101)))


def test_a_mask_is_not_hardened_and_stays_where_it_is() -> None:
    mask = Image.new("L", (4, 4), 0)
    mask.paste(255, (2, 0, 4, 4))
    levels = mask_levels(mask, 40, 40).astype(int)
    assert (levels[:, :15] == 0).all()
    assert (levels[:, 25:] == 255).all()
    assert (np.diff(levels[5]) >= 0).all()
    assert len(np.unique(levels)) > 3


@pytest.mark.parametrize("strip_pixels", [1, 300, 10**6])
def test_an_enlarged_change_is_the_same_in_any_strips(monkeypatch: pytest.MonkeyPatch, strip_pixels: int) -> None:
    change = large_change(8, 12)
    whole = [np.asarray(Image.fromarray(change[..., c]).resize((45, 30), Image.Resampling.BICUBIC)) for c in range(3)]
    monkeypatch.setattr(picture_change, "STRIP_PIXELS", strip_pixels)
    strips = list(enlarged_strips(change, 30, 45))
    assert max(len(strip) for strip in strips) == max(1, min(30, strip_pixels // 45))
    np.testing.assert_allclose(np.concatenate(strips), np.stack(whole, axis=2), atol=0.05)


def test_an_even_change_stays_even_when_enlarged() -> None:
    change = np.full((5, 7, 3), (-3.25, 0, 12.5), np.float32)
    enlarged = np.concatenate(list(enlarged_strips(change, 64, 91)))
    assert (enlarged.dtype, enlarged.shape) == (np.float32, (64, 91, 3))
    np.testing.assert_allclose(enlarged, np.broadcast_to(change[0, 0], (64, 91, 3)), atol=1e-4)


def test_a_turned_picture_is_set_upright_and_a_broken_tag_forgiven() -> None:
    image = noise(6, 4)
    image.getexif()[ORIENTATION] = 8
    turned = upright(image)
    assert turned.size == (4, 6)
    assert turned.tobytes() == image.transpose(Image.Transpose.ROTATE_90).tobytes()
    assert ORIENTATION not in turned.getexif()
    broken = noise(6, 4)
    broken.info["exif"] = b"Exif\0\0no TIFF at all"
    assert upright(broken).tobytes() == broken.tobytes()


def test_only_a_profile_of_rgb_goes_with_the_result() -> None:
    assert is_rgb_profile(b"\0" * 16 + b"RGB rest")
    for other in (b"\0" * 16 + b"CMYKrest", b"\0" * 16 + b"GRAY", b"RGB ", b"", None, "RGB "):
        assert not is_rgb_profile(other)
