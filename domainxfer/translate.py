"""Translate pictures of any size with a trained model: PIL in, PIL out.

    picture --> upright colours --> shrink to the scale that the model knows --> generator --> change
    colours + strength * mask * change (enlarged again) --> picture

Everything is a *change* that is added to the picture: what is not to change stays as it was to the last bit, and a
picture much larger than those the model was trained on keeps its own detail. Where the generator weakens the finest
detail that it sees, what is finer still is weakened alike: of an erased stripe no edges must stay.
"""

from collections.abc import Iterable, Iterator, Sequence
from numbers import Integral, Real
from typing import Protocol, TypedDict, Unpack

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from domainxfer.datasets.pixels import centre_crop, shrink, to_sides, to_tensor
from domainxfer.errors import DomainxferError, UsageError
from domainxfer.picture_change import PictureParts, enlarged_strips
from domainxfer.pictures import to_rgb
from domainxfer.tiles import blended_strips, overlap

MUCH_LARGER = 1.5
"""A picture whose shorter side exceeds the training size by more than this factor is translated at training size."""

PIXELS_AT_ONCE = 1024 * 1024
"""The generator never sees more than this many pixels at a time, whatever the size of the picture or the batch."""

TILE = 768
"""Side of a tile, px, unless the network sees so far that its tiles must share more than half of that."""
SMALLEST_SIDE = 16  # tinier pictures are padded to this: normalisation over a handful of pixels says nothing
MOST_STRENGTH = 2.0


class GeneratorSettings(Protocol):
    """What translation must know of a generator."""

    @property
    def content(self) -> str: ...
    @property
    def code_size(self) -> int: ...
    @property
    def norm(self) -> str: ...


class TranslationSettings(Protocol):
    """What translation must know of a model's settings."""

    @property
    def size(self) -> int: ...
    @property
    def generator(self) -> GeneratorSettings: ...


class TranslationModel(Protocol):
    """The part of a model that translation uses; `domainxfer.models.model.NetworkModel` has it."""

    @property
    def config(self) -> TranslationSettings: ...
    @property
    def domains(self) -> tuple[str, ...]: ...
    @property
    def multiple(self) -> int: ...
    @property
    def reach(self) -> int: ...
    def label_of(self, domain: str) -> int: ...
    def apply_with_gain(
        self, content: Tensor, label: Tensor | None, code: Tensor | None = None
    ) -> tuple[Tensor, Tensor | None]: ...
    def estimate_code(self, image: Tensor) -> Tensor: ...


class TranslationOptions(TypedDict, total=False):
    """The settings of a translation; `Translator` says what they mean."""

    strength: float
    code: Sequence[float] | None
    like: Image.Image | None
    size: int | None
    tiles: bool


def translate_image(
    model: TranslationModel,
    image: Image.Image,
    to: str,
    *,
    mask: Image.Image | None = None,
    **options: Unpack[TranslationOptions],
) -> Image.Image:
    """Translate one picture to a domain, at its own size.

    For ``options`` (strength, code, like, size, tiles) and errors see `Translator`, for the rest
    `Translator.translate`.
    """
    return Translator(model, to, **options).translate(image, mask)


def translate_images(
    model: TranslationModel,
    images: Iterable[Image.Image],
    to: str,
    *,
    mask: Image.Image | None = None,
    **options: Unpack[TranslationOptions],
) -> list[Image.Image]:
    """Translate several pictures, of different sizes if need be; those of one size go through the model together.

    The mask holds for all of them. For the rest see `translate_image`.
    """
    return Translator(model, to, **options).translate_all(images, mask)


class Translator:
    """Translates pictures to one domain with fixed settings, which are checked here, once.

    Args:
        model: the trained model.
        to: name of the domain to make.
        strength: 0 gives the picture back, 1 the translation, up to 2 exaggerates it.
        code: the variation within the domain, as many values in [-1, 1] as the model's code has; none means all 0.
        like: take the code of this picture instead, as the critic sees it.
        size: translate at the scale at which the shorter side has this many pixels, if the picture is larger. Without
            it, pictures whose shorter side exceeds `MUCH_LARGER` times the training size are translated at training
            size, all others as they are. Pictures are never enlarged for the model.
        tiles: translate large pictures at their own scale, in tiles that are blended.

    Raises:
        UsageError: the model does not know the domain, or a setting is out of range.
        DomainxferError: ``like`` needs a critic that is not there.
    """

    def __init__(
        self,
        model: TranslationModel,
        to: str,
        *,
        strength: float = 1.0,
        code: Sequence[float] | None = None,
        like: Image.Image | None = None,
        size: int | None = None,
        tiles: bool = False,
    ) -> None:
        generator = model.config.generator
        if generator.content != "picture":
            raise UsageError("this model makes pictures from noise and cannot translate; use domainxfer generate")
        if not _is(Real, strength) or not 0 <= strength <= MOST_STRENGTH:
            raise UsageError(f"strength is {strength!r}; it must be from 0 (no change) over 1 to {MOST_STRENGTH:g}")
        if size is not None and not (_is(Integral, size) and size >= SMALLEST_SIDE):
            raise UsageError(f"size is {size!r}; it must be a whole number of pixels, at least {SMALLEST_SIDE}")
        if tiles and size is not None:
            raise UsageError("tiles are translated at the picture's own scale; give tiles or a size, not both")
        if tiles and generator.norm == "instance":
            raise UsageError("this model normalises over the whole picture, so tiles would not match; leave out tiles")
        self.model, self.strength, self.size, self.tiles = model, strength, size, tiles
        self.label = model.label_of(to)
        self.code = self._checked_code(code, like)

    def translate(self, image: Image.Image, mask: Image.Image | None = None) -> Image.Image:
        """Translate one picture.

        Args:
            image: any mode. Grey, CMYK and palette become RGB; 16-bit and floating-point samples become 8-bit.
            mask: white = change, black = leave exactly as it is, grey = in part. Any size, but the picture's aspect.

        Returns:
            The upright picture at its own size, RGB, or RGBA with the alpha channel carried over unchanged (the
            model sees such a picture on white). ``info`` keeps the resolution and the ICC profile if it fits RGB.

        Raises:
            DomainxferError: the mask has another aspect ratio, or the model gives not-a-number.
        """
        return self.translate_all([image], mask)[0]

    def translate_all(self, images: Iterable[Image.Image], mask: Image.Image | None = None) -> list[Image.Image]:
        """Translate several pictures as `translate` does; those of one size go through the model together."""
        results: dict[int, Image.Image] = {}
        waiting: dict[tuple[int, ...], list[tuple[int, PictureParts, np.ndarray]]] = {}
        if mask is not None:
            refuse_others(mask)
        for i, image in enumerate(images):
            refuse_others(image)
            parts = PictureParts.of(image)
            seen = self._as_seen(parts.on_white)
            if self._in_one_piece(*seen.shape[:2]):
                waiting.setdefault(seen.shape, []).append((i, parts, seen))
            else:
                results[i] = self._finish(parts, seen, self._tiled_change(seen), mask)
        for shape, members in waiting.items():
            together = max(1, PIXELS_AT_ONCE // (shape[0] * shape[1]))
            for first in range(0, len(members), together):
                batch = members[first : first + together]
                changes = self._change(np.stack([seen for _, _, seen in batch]))
                for (i, parts, seen), change in zip(batch, changes, strict=True):
                    results[i] = self._finish(parts, seen, iter([change]), mask)
        return [results[i] for i in range(len(results))]

    def _checked_code(self, code: Sequence[float] | None, like: Image.Image | None) -> Tensor | None:
        """The code as (1, code_size), or None for all zeros."""
        if code is None and like is None:
            return None
        if code is not None and like is not None:
            raise UsageError("a code and a picture to take it from exclude each other; give one of them")
        length = self.model.config.generator.code_size
        if length == 0:
            raise UsageError("this model has no code: it knows one translation a picture; leave out code and like")
        if like is not None:
            size = self.model.config.size
            square = centre_crop(shrink(to_rgb(like), size), size)
            return self.model.estimate_code(to_tensor(square[None])).float().cpu()
        values = list(code or ())
        if len(values) != length:
            raise UsageError(f"the code has {len(values)} values; this model's code has {length}")
        if not all(-1 <= value <= 1 for value in values):
            raise UsageError(f"each value of the code must be from -1 to 1, not {', '.join(f'{v:g}' for v in values)}")
        return torch.tensor([values], dtype=torch.float32)

    def _seen_size(self, width: int, height: int) -> tuple[int, int]:
        """Width and height at which the generator sees a picture of this size."""
        shorter = min(width, height)
        known = self.size or self.model.config.size
        if self.tiles or shorter <= (known if self.size else MUCH_LARGER * known):
            return width, height
        return round(width * known / shorter), round(height * known / shorter)

    def _as_seen(self, rgb: Image.Image) -> np.ndarray:
        """What the generator sees: uint8 (h, w, 3), with its multiple as height and width.

        What is missing is filled by reflection at the right and the bottom; a side of one pixel is repeated.
        """
        seen = to_sides(np.asarray(rgb), *self._seen_size(*rgb.size))
        multiple = self.model.multiple
        sides = [max(side, SMALLEST_SIDE) for side in seen.shape[:2]]
        missing = [side + -side % multiple - there for side, there in zip(sides, seen.shape[:2], strict=True)]
        return np.pad(seen, ((0, missing[0]), (0, missing[1]), (0, 0)), mode="reflect")

    def _in_one_piece(self, height: int, width: int) -> bool:
        if self.model.config.generator.norm == "instance":
            return True  # tiles would differ, each with statistics of its own
        return max(height, width) <= TILE if self.tiles else height * width <= PIXELS_AT_ONCE

    def _change(self, pictures: np.ndarray) -> np.ndarray:
        """What the generator does to pictures, uint8 (B, H, W, 3): float32 (B, H, W, 4).

        Three channels are what it adds, in steps of 8 bit; the last is its gain on the finest detail.
        """
        content = to_tensor(pictures)
        label = torch.full((len(content),), self.label, dtype=torch.int64)
        code = None if self.code is None else self.code.expand(len(content), -1)
        image, gain = self.model.apply_with_gain(content, label, code)
        added = (image.float().cpu() - content).mul(127.5)
        gain = torch.zeros_like(added[:, :1]) if gain is None else gain.float().cpu()
        change: np.ndarray = torch.cat([added, gain], dim=1).permute(0, 2, 3, 1).numpy()
        if not np.isfinite(change).all():
            raise DomainxferError("this model gives not-a-number: its training diverged; use an earlier checkpoint")
        return change

    def _tiled_change(self, seen: np.ndarray) -> Iterator[np.ndarray]:
        height, width = seen.shape[:2]
        multiple = self.model.multiple
        margin = self.model.reach + -self.model.reach % multiple
        tile = max(TILE, 2 * overlap(margin))
        tile += -tile % multiple

        def of_window(rows: slice, columns: slice) -> np.ndarray:
            (change,) = self._change(seen[None, rows, columns])
            return np.asarray(change)

        return blended_strips(height, width, tile, margin, of_window)

    def _finish(
        self, parts: PictureParts, seen: np.ndarray, strips: Iterator[np.ndarray], mask: Image.Image | None
    ) -> Image.Image:
        height, width = parts.colours.shape[:2]
        seen_width, seen_height = self._seen_size(width, height)
        added: Iterator[np.ndarray]
        if (seen_width, seen_height) != (width, height):
            change = np.concatenate(list(strips))[:seen_height, :seen_width]
            added = _enlarged(change, seen[:seen_height, :seen_width], np.asarray(parts.on_white))
        else:
            added = (strip[..., :3] for strip in strips)
        return parts.with_change(added, self.strength, mask)


def _enlarged(change: np.ndarray, seen: np.ndarray, picture: np.ndarray) -> Iterator[np.ndarray]:
    """What was done to a small picture, for the large one that it was made from, in strips.

    Args:
        change: (h, w, 4), what is added to colours and the gain on the finest detail.
        seen: (h, w, 3), the small picture.
        picture: (H, W, 3), the large one; what is finer in it than in the small one is weakened or strengthened alike.
    """
    top = 0
    for strip in enlarged_strips(np.concatenate([change, seen.astype(np.float32)], axis=2), *picture.shape[:2]):
        added, gain, coarse = np.split(strip, [3, 4], axis=2)
        yield added + gain * (picture[top : top + len(strip)] - coarse)
        top += len(strip)


def refuse_others(image: object) -> None:
    """Check that a picture is one of Pillow's, and not without any pixels.

    Raises:
        UsageError: it is a path, an array, ...; or empty.
    """
    if not isinstance(image, Image.Image):
        raise UsageError(
            f"a picture is a PIL image, not {type(image).__name__}: open a file with PIL.Image.open, and take an array "
            "of uint8 with PIL.Image.fromarray"
        )
    if not all(image.size):
        raise UsageError(f"a picture of {image.width} x {image.height} px has nothing to look at")


def _is(kind: type, value: object) -> bool:
    """Whether a value is a number of a kind, NumPy's too, which are no ``int`` or ``float``."""
    return isinstance(value, kind)
