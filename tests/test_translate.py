"""Pictures through a model of which the right answer is known exactly."""

from collections.abc import Callable
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

import domainxfer
from domainxfer import translate as module
from domainxfer.datasets.pixels import shrink
from domainxfer.errors import DomainxferError, UsageError
from domainxfer.models.config import GeneratorConfig, ModelConfig
from domainxfer.models.generator import Generator
from domainxfer.models.model import NetworkModel
from domainxfer.pictures import colours_and_alpha
from domainxfer.translate import Translator, translate_image, translate_images

SIZE = 64
ORIENTATION = 274


def invert(x: Tensor, label: Tensor, code: Tensor | None) -> Tensor:
    return -x


def brighten(x: Tensor, label: Tensor, code: Tensor | None) -> Tensor:
    """By 20 steps of 8 bit."""
    return x + 20 / 127.5


def smear(x: Tensor, label: Tensor, code: Tensor | None) -> Tensor:
    """What a place becomes depends on its neighbours, and at the edge on zeros, as in a convolutional network."""
    return nn.functional.avg_pool2d(x, 9, stride=1, padding=4)


@dataclass
class FakeModel:
    """Has what translation uses of a model; remembers what it was asked."""

    function: Callable[[Tensor, Tensor, Tensor | None], Tensor] = invert
    gain: float | None = None
    code_size: int = 0
    content: str = "picture"
    norm: str = "layer"
    multiple: int = 8
    reach: int = 32
    domains: tuple[str, ...] = ("horse", "zebra")
    calls: list[tuple[Tensor, Tensor, Tensor | None]] = field(default_factory=list)

    @property
    def config(self) -> SimpleNamespace:
        generator = SimpleNamespace(code_size=self.code_size, content=self.content, norm=self.norm)
        return SimpleNamespace(size=SIZE, generator=generator)

    def label_of(self, domain: str) -> int:
        if domain not in self.domains:
            raise UsageError(f"this model knows no domain {domain!r}; it knows {', '.join(self.domains)}.")
        return self.domains.index(domain)

    def apply_with_gain(
        self, content: Tensor, label: Tensor | None, code: Tensor | None = None
    ) -> tuple[Tensor, Tensor | None]:
        assert content.shape[1] == 3
        assert content.shape[2] % self.multiple == content.shape[3] % self.multiple == 0
        assert content.abs().max() <= 1
        assert label is not None
        assert (label.shape, label.dtype) == ((len(content),), torch.int64)
        self.calls.append((content, label, code))
        gain = None if self.gain is None else torch.full_like(content[:, :1], self.gain)
        return self.function(content, label, code), gain

    def estimate_code(self, image: Tensor) -> Tensor:
        assert image.shape == (1, 3, SIZE, SIZE)
        return torch.full((1, self.code_size), 0.25)

    @property
    def pixels(self) -> list[int]:
        """How many pixels each call held."""
        return [content.shape[0] * content.shape[2] * content.shape[3] for content, _, _ in self.calls]


def noise(width: int, height: int, low: int = 0, high: int = 256, channels: int = 3) -> Image.Image:
    shape = (height, width, channels) if channels > 1 else (height, width)
    return Image.fromarray(np.random.default_rng(0).integers(low, high, shape, dtype=np.uint8))


def values(image: Image.Image) -> np.ndarray:
    return np.asarray(image).astype(int)


@pytest.mark.parametrize("size", [(1, 1), (5, 3), (1, 40), (64, 64), (37, 91), (96, 300), (2000, 20)])
def test_any_size_is_translated_at_its_own_size(size: tuple[int, int]) -> None:
    image = noise(*size)
    out = translate_image(FakeModel(), image, "zebra")
    assert out.mode == "RGB"
    assert out.size == size
    np.testing.assert_array_equal(values(out), 255 - values(image))


def test_label_of_the_domain_is_asked_for() -> None:
    model = FakeModel()
    translate_image(model, noise(20, 20), "zebra")
    translate_image(model, noise(20, 20), "horse")
    assert [label.tolist() for _, label, _ in model.calls] == [[1], [0]]


@pytest.mark.parametrize("size", [(256, 256), (301, 200), (150, 230)])
def test_a_large_picture_is_seen_as_training_sees_it(size: tuple[int, int]) -> None:
    model, image = FakeModel(multiple=1), noise(*size)
    translate_image(model, image, "zebra")
    ((seen, _, _),) = model.calls
    expected = shrink(image, SIZE)
    assert min(seen.shape[2:]) == SIZE
    np.testing.assert_allclose(seen[0].permute(1, 2, 0), expected / 127.5 - 1, atol=1e-6)


def test_missing_pixels_are_reflected() -> None:
    model = FakeModel()
    translate_image(model, noise(30, 21), "zebra")
    seen = model.calls[0][0]
    assert seen.shape == (1, 3, 24, 32)
    torch.testing.assert_close(seen[:, :, 21:, :30], seen[:, :, [19, 18, 17], :30])
    torch.testing.assert_close(seen[:, :, :21, 30:], seen[:, :, :21, [28, 27]])


@pytest.mark.parametrize(
    ("size", "seen"), [((96, 200), (96, 200)), ((97, 194), (64, 128)), ((640, 2560), (64, 256)), ((20, 500), (24, 504))]
)
def test_much_larger_pictures_are_seen_at_the_training_scale(size: tuple[int, int], seen: tuple[int, int]) -> None:
    model = FakeModel()
    out = translate_image(model, Image.new("RGB", size), "zebra")
    assert out.size == size
    assert model.calls[0][0].shape[2:] == (seen[1], seen[0])


def test_size_sets_the_scale_and_enlarges_nothing() -> None:
    model = FakeModel()
    for side in (81, 80, 40):
        assert translate_image(model, Image.new("RGB", (side, 2 * side)), "zebra", size=80).size == (side, 2 * side)
    assert [content.shape[3] for content, _, _ in model.calls] == [80, 80, 40]


def test_large_picture_keeps_its_detail() -> None:
    image = noise(400, 300, 0, 236)
    out = translate_image(FakeModel(brighten), image, "zebra")
    np.testing.assert_array_equal(values(out), values(image) + 20)


def test_detail_too_fine_for_the_model_is_erased_where_the_model_erases() -> None:
    """Stripes of two pixels on a slope: at the training scale they are gone, in the large picture they are not."""
    smooth = np.linspace(60, 190, 512, dtype=np.float32)[None, :, None].repeat(512, 0).repeat(3, 2)
    striped = smooth + 40 * np.where(np.arange(512) // 2 % 2, 1, -1)[None, :, None]
    image = Image.fromarray(np.rint(striped).astype(np.uint8))

    def same(x: Tensor, label: Tensor, code: Tensor | None) -> Tensor:
        return x

    kept, erased, halved, doubled = (
        values(translate_image(FakeModel(same, gain=gain), image, "zebra")).astype(float)[:, 40:-40]
        for gain in (0.0, -1.0, -0.5, 1.0)
    )
    middle, own = smooth[:, 40:-40], values(image).astype(float)[:, 40:-40]
    np.testing.assert_array_equal(kept, own)
    assert abs(erased - middle).max() <= 3
    assert abs(halved - middle - (own - middle) / 2).max() <= 3
    np.testing.assert_allclose(doubled, (2 * own - middle).clip(0, 255), atol=4)


def test_strips_of_erased_detail_meet_without_seam(monkeypatch: pytest.MonkeyPatch) -> None:
    image = noise(301, 203)
    whole = translate_image(FakeModel(invert, gain=-0.7), image, "zebra")
    monkeypatch.setattr("domainxfer.picture_change.STRIP_PIXELS", 301 * 7)
    strips = translate_image(FakeModel(invert, gain=-0.7), image, "zebra")
    assert abs(values(whole) - values(strips)).max() <= 1


def test_a_gain_says_nothing_of_a_picture_at_its_own_scale() -> None:
    image = noise(SIZE, SIZE)
    for tiles in (False, True):
        out = translate_image(FakeModel(brighten, gain=-1.0), image, "zebra", tiles=tiles)
        np.testing.assert_array_equal(values(out), values(translate_image(FakeModel(brighten), image, "zebra")))


def test_change_of_a_large_picture_lies_where_it_belongs() -> None:
    image = Image.new("RGB", (640, 640), (100, 100, 100))
    image.paste((0, 0, 0), (320, 0, 640, 640))
    out = values(translate_image(FakeModel(invert), image, "zebra"))
    assert abs(out[:, :280] - 155).max() <= 1
    assert (out[:, 360:] >= 254).all()


def test_strips_of_an_enlarged_change_meet_without_seam(monkeypatch: pytest.MonkeyPatch) -> None:
    image = noise(301, 203)
    whole = translate_image(FakeModel(invert), image, "zebra")
    monkeypatch.setattr("domainxfer.picture_change.STRIP_PIXELS", 301 * 7)
    strips = translate_image(FakeModel(invert), image, "zebra")
    assert abs(values(whole) - values(strips)).max() <= 1


@pytest.mark.parametrize("size", [(1300, 700), (513, 40), (700, 1000), (512, 512)])
def test_tiles_give_what_the_whole_would_give(size: tuple[int, int], monkeypatch: pytest.MonkeyPatch) -> None:
    image, model = noise(*size), FakeModel(smear)
    tiled = translate_image(model, image, "zebra", tiles=True)
    assert max(model.pixels) <= module.TILE**2
    assert max(max(content.shape[2:]) for content, _, _ in model.calls) <= module.TILE
    monkeypatch.setattr(module, "TILE", 4096)
    whole = translate_image(FakeModel(smear), image, "zebra", tiles=True)
    assert abs(values(tiled) - values(whole)).max() <= 1


def test_extreme_aspect_ratio_stays_within_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PIXELS_AT_ONCE", 700 * 90)
    model, image = FakeModel(invert), noise(9000, 90)
    np.testing.assert_array_equal(values(translate_image(model, image, "zebra")), 255 - values(image))
    assert len(model.calls) > 10
    assert max(model.pixels) <= module.TILE * 96


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "LA", "La", "P", "1", "CMYK"])
@pytest.mark.parametrize("size", [(50, 40), (300, 200)])
def test_strength_zero_gives_the_picture_back(mode: str, size: tuple[int, int]) -> None:
    image = noise(*size, channels=4)
    image = (
        Image.merge("CMYK", image.split())
        if mode == "CMYK"
        else image.convert({"P": "RGB", "La": "LA"}.get(mode, "RGBA")).convert(mode)
    )
    same = colours_and_alpha(image) if mode in ("RGBA", "LA", "La") else image.convert("RGB")
    np.testing.assert_array_equal(values(translate_image(FakeModel(), image, "zebra", strength=0)), values(same))


@pytest.mark.parametrize(("strength", "expected"), [(0.5, 110), (1.0, 120), (1.5, 130), (2, 140)])
def test_strength_scales_the_change(strength: float, expected: int) -> None:
    out = translate_image(FakeModel(brighten), Image.new("RGB", (20, 20), (100,) * 3), "zebra", strength=strength)
    assert set(values(out).ravel()) == {expected}


def test_exaggeration_is_clipped() -> None:
    out = translate_image(FakeModel(invert), noise(30, 30), "zebra", strength=2)
    assert (values(out) == (510 - 3 * values(noise(30, 30))).clip(0, 255)).all()


@pytest.mark.parametrize("large", [1, 5])
def test_mask_keeps_black_and_changes_white(large: int) -> None:
    image = noise(60 * large, 40 * large)
    mask = Image.new("L", image.size, 0)
    mask.paste(255, (0, 0, 30 * large, 40 * large))
    mask.paste(128, (0, 0, 30 * large, 10 * large))
    out, plain = (values(translate_image(FakeModel(), image, "zebra", mask=m)) for m in (mask, None))
    before, left, half = values(image), slice(0, 30 * large), slice(0, 10 * large)
    np.testing.assert_array_equal(out[:, 30 * large :], before[:, 30 * large :])
    np.testing.assert_array_equal(out[10 * large :, left], plain[10 * large :, left])
    change = plain[half, left] - before[half, left]
    if large == 1:  # nothing is clipped
        assert abs(out[half, left] - before[half, left] - change * 128 / 255).max() <= 1


def test_mask_of_another_size_is_fitted_and_of_another_shape_refused() -> None:
    image = noise(60, 41)
    mask = Image.new("1", (30, 20), 1)
    np.testing.assert_array_equal(values(translate_image(FakeModel(), image, "zebra", mask=mask)), 255 - values(image))
    with pytest.raises(DomainxferError, match=r"the mask \(40 x 60\) has another aspect ratio .* \(60 x 41\)"):
        translate_image(FakeModel(), image, "zebra", mask=Image.new("L", (40, 60)))


def test_alpha_is_kept_and_the_model_sees_white_under_it() -> None:
    image = noise(32, 24, channels=4)
    image.putpixel((0, 0), (10, 20, 30, 0))
    model = FakeModel(brighten)
    out = translate_image(model, image, "zebra")
    assert out.mode == "RGBA"
    assert out.getchannel("A").tobytes() == image.getchannel("A").tobytes()
    assert model.calls[0][0][0, :, 0, 0].tolist() == [1, 1, 1]
    opaque = values(image)[..., :3]
    np.testing.assert_array_equal(values(out)[..., :3], (opaque + 20).clip(0, 255))


def test_palette_grey_and_deep_pictures() -> None:
    clear = Image.new("P", (20, 20), 1)
    clear.putpalette([0, 0, 0, 100, 110, 120])
    assert translate_image(FakeModel(), clear, "zebra").getpixel((3, 3)) == (155, 145, 135)
    clear.info["transparency"] = 1
    assert translate_image(FakeModel(brighten), clear, "zebra").getpixel((3, 3)) == (120, 130, 140, 0)
    assert translate_image(FakeModel(), Image.new("L", (20, 20), 50), "zebra").getpixel((3, 3)) == (205, 205, 205)
    deep = Image.fromarray(np.full((20, 20), 257 * 40, np.uint16))
    assert translate_image(FakeModel(), deep, "zebra").getpixel((3, 3)) == (215, 215, 215)


def test_turned_picture_comes_out_upright() -> None:
    image = noise(30, 20)
    upright = image.transpose(Image.Transpose.ROTATE_270)
    image.getexif()[ORIENTATION] = 6
    out = translate_image(FakeModel(), image, "zebra", mask=Image.new("L", (20, 30), 255))
    assert ORIENTATION not in out.getexif()
    np.testing.assert_array_equal(values(out), 255 - values(upright))


def test_profile_and_resolution_are_kept_where_they_fit() -> None:
    rgb, grey = noise(20, 20), noise(20, 20, channels=1)
    rgb.info.update(icc_profile=b"\0" * 16 + b"RGB rest", dpi=(300, 300), comment="x")
    grey.info.update(icc_profile=b"\0" * 16 + b"GRAYrest")
    assert translate_image(FakeModel(), rgb, "zebra").info == {
        "icc_profile": rgb.info["icc_profile"],
        "dpi": (300, 300),
    }
    assert translate_image(FakeModel(), grey, "zebra").info == {}


def test_code_reaches_the_model() -> None:
    model = FakeModel(code_size=2)
    translate_image(model, noise(20, 20), "zebra")
    translate_image(model, noise(20, 20), "zebra", code=[0.5, -1])
    translate_image(model, noise(20, 20), "zebra", like=noise(300, 99, channels=1))
    codes = [code for _, _, code in model.calls]
    assert codes[0] is None
    assert [code.tolist() for code in codes[1:]] == [[[0.5, -1]], [[0.25, 0.25]]]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"strength": -0.1}, "strength is -0.1"),
        ({"strength": 2.1}, "strength is 2.1"),
        ({"strength": float("nan")}, "strength is nan"),
        ({"size": 3}, "size is 3"),
        ({"size": "64"}, "size is '64'; it must be a whole number of pixels"),
        ({"size": 64.5}, "size is 64.5"),
        ({"size": 64, "tiles": True}, "not both"),
        ({"code": [0.0]}, "the code has 1 values; this model's code has 2"),
        ({"code": []}, "the code has 0 values"),
        ({"code": [0.0, 1.5]}, "from -1 to 1, not 0, 1.5"),
        ({"code": [0.0, float("nan")]}, "from -1 to 1"),
        ({"code": [0.0, 0.0], "like": Image.new("RGB", (9, 9))}, "exclude each other"),
    ],
)
def test_settings_out_of_range_are_refused(options: dict, message: str) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        Translator(FakeModel(code_size=2), "zebra", **options)
    assert "\n" not in str(caught.value)


def test_numbers_of_numpy_are_numbers() -> None:
    picture = noise(40, 30)
    plain = translate_image(FakeModel(), picture, "zebra", strength=0.5, size=16)
    same = translate_image(FakeModel(), picture, "zebra", strength=np.float32(0.5), size=np.int64(16))
    assert same.tobytes() == plain.tobytes()


def test_what_the_model_cannot_do_is_said() -> None:
    with pytest.raises(UsageError, match="it knows horse, zebra"):
        Translator(FakeModel(), "zebbra")
    with pytest.raises(UsageError, match="has no code"):
        Translator(FakeModel(), "zebra", code=[0.0])
    with pytest.raises(UsageError, match="has no code"):
        Translator(FakeModel(), "zebra", like=noise(9, 9))
    with pytest.raises(UsageError, match="tiles would not match"):
        Translator(FakeModel(norm="instance"), "zebra", tiles=True)
    with pytest.raises(UsageError, match="cannot translate"):
        Translator(FakeModel(content="noise"), "zebra")
    with pytest.raises(DomainxferError, match="not-a-number"):
        translate_image(FakeModel(lambda x, label, code: x * float("nan")), noise(9, 9), "zebra")


def test_batch_gives_what_single_pictures_give() -> None:
    images = [noise(w, h) for w, h in [(30, 20), (32, 24), (200, 200), (31, 21), (5, 3), (30, 20)]]
    model = FakeModel(smear)
    together = translate_images(model, images, "zebra")
    for image, out in zip(images, together, strict=True):
        np.testing.assert_array_equal(values(out), values(translate_image(FakeModel(smear), image, "zebra")))
    assert sorted(len(content) for content, _, _ in model.calls) == [1, 1, 4]
    assert translate_images(model, [], "zebra") == []


def test_batch_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PIXELS_AT_ONCE", 3 * 24 * 32)
    model = FakeModel()
    assert len(translate_images(model, [noise(32, 24)] * 7, "zebra")) == 7
    assert [len(content) for content, _, _ in model.calls] == [3, 3, 1]


def real_model(norm: str) -> NetworkModel:
    torch.manual_seed(0)
    config = GeneratorConfig(labels=2, code_size=1, size=32, width=16, blocks=2, norm=norm)
    return NetworkModel(ModelConfig(domains=("horse", "zebra"), size=32, generator=config), Generator(config))


@pytest.mark.parametrize("norm", ["layer", "instance"])
def test_a_real_model_translates_any_size(norm: str) -> None:
    model = real_model(norm)
    for size in [(1, 1), (41, 27), (130, 90)]:
        out = [values(translate_image(model, noise(*size), domain)) for domain in model.domains]
        assert out[0].shape == (size[1], size[0], 3)
        assert (out[0] != out[1]).any()
    with pytest.raises(DomainxferError, match="critic"):
        translate_image(model, noise(9, 9), "zebra", like=noise(9, 9))


def test_tiles_of_a_trained_model_show_no_seam(monkeypatch: pytest.MonkeyPatch) -> None:
    """A network of random weights hardly looks beyond its neighbours; the one that ships uses all of its reach."""
    model, image = domainxfer.load("horse2zebra"), noise(60, 12).resize((640, 128), Image.Resampling.BICUBIC)
    monkeypatch.setattr(module, "TILE", 256)
    tiled = translate_image(model, image, "zebra", tiles=True)
    monkeypatch.setattr(module, "TILE", 4096)
    whole = translate_image(model, image, "zebra", tiles=True)
    assert abs(values(whole) - values(image)).mean() > 2
    assert abs(values(tiled) - values(whole)).max() <= 1


def test_several_pictures_may_come_one_by_one() -> None:
    images = [noise(30, 20), noise(8, 9)]
    made = translate_images(FakeModel(), (image for image in images), "zebra")
    assert [image.size for image in made] == [(30, 20), (8, 9)]


@pytest.mark.parametrize("image", [np.zeros((9, 9, 3), np.uint8), "img.jpg", b"jpeg"], ids=["array", "path", "bytes"])
def test_what_is_no_picture_is_refused_with_the_way_to_make_one(image: Any) -> None:
    with pytest.raises(UsageError, match=r"a picture is a PIL image, not .*Image\.open.*Image\.fromarray"):
        translate_image(FakeModel(), image, "zebra")
    with pytest.raises(UsageError, match="a picture is a PIL image"):
        translate_images(FakeModel(), [noise(9, 9), image], "zebra")
    with pytest.raises(UsageError, match="a picture is a PIL image"):
        translate_image(FakeModel(), noise(9, 9), "zebra", mask=image)
