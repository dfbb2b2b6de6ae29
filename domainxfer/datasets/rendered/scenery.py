"""The landscape behind the demo's animal: sky, sun, clouds, hills, trees, a meadow with bushes, grass and flowers.

All places and lengths are shares of the picture's side, x to the right and y downwards, so that a scene looks the
same at every size. What has no edges (the glow of the sun, clouds, shadows) is drawn small and enlarged.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

Colour = tuple[int, int, int]
Point = tuple[float, float]

# Three blades of grass, around their foot.
TUFT: tuple[Point, ...] = (
    (-0.009, 0.0), (-0.019, 0.019), (-0.004, 0.008), (0.0, 0.034), (0.004, 0.008), (0.019, 0.019), (0.009, 0.0),
)  # fmt: skip
SOFT = 64  # px: the side of the small pictures that hold what is soft


@dataclass(frozen=True)
class Mood:
    """The colours of one time of day, and the tint that its light gives to the animal."""

    sky_top: Colour
    sky_low: Colour
    sun: Colour
    hill_far: Colour
    hill_near: Colour
    meadow_far: Colour
    meadow_near: Colour
    leaves: Colour
    tint: tuple[float, float, float]


# fmt: off
MOODS = (
    Mood((78, 150, 220), (206, 232, 246), (255, 248, 214), (146, 184, 206), (98, 156, 128), (126, 176, 88),
         (74, 130, 58), (48, 108, 66), (1.0, 1.0, 1.0)),  # noon
    Mood((132, 176, 226), (255, 226, 200), (255, 240, 206), (184, 176, 204), (128, 150, 150), (148, 172, 98),
         (92, 132, 70), (70, 112, 84), (1.0, 0.98, 0.94)),  # morning
    Mood((84, 92, 164), (255, 178, 128), (255, 226, 150), (150, 110, 152), (98, 86, 130), (124, 120, 84),
         (78, 84, 64), (58, 66, 84), (1.0, 0.93, 0.86)),  # dusk
    Mood((86, 168, 216), (232, 240, 220), (255, 246, 190), (170, 160, 150), (150, 138, 84), (196, 156, 76),
         (146, 104, 48), (88, 112, 50), (1.0, 0.98, 0.92)),  # savanna
    Mood((110, 142, 176), (214, 222, 226), (246, 244, 234), (140, 156, 172), (92, 122, 128), (104, 142, 108),
         (62, 102, 78), (44, 84, 78), (0.96, 0.98, 1.0)),  # overcast
)
# fmt: on


class Brush:
    """Draws on a square canvas in shares of its side."""

    def __init__(self, image: Image.Image) -> None:
        self.image = image
        self.side = image.width
        self._draw = ImageDraw.Draw(image)

    def polygon(self, points: Sequence[Point], fill: int | Colour) -> None:
        self._draw.polygon([(x * self.side, y * self.side) for x, y in points], fill=fill)

    def ellipse(self, x: float, y: float, rx: float, ry: float, fill: int | Colour) -> None:
        s = self.side
        self._draw.ellipse(((x - rx) * s, (y - ry) * s, (x + rx) * s, (y + ry) * s), fill=fill)


def mixed(first: Colour, second: Colour, share: float) -> Colour:
    """``share`` of the second colour, the rest of the first."""
    r, g, b = (round(p + (q - p) * share) for p, q in zip(first, second, strict=True))
    return r, g, b


def _vector(colour: Colour) -> np.ndarray:
    return np.array(colour, np.float32)


def draw_scenery(numbers: np.random.Generator, canvas: int) -> tuple[Image.Image, Mood]:
    """A landscape of ``canvas`` x ``canvas`` px (RGB) without its animal, and the mood it is in."""
    mood = MOODS[numbers.integers(len(MOODS))]
    horizon = numbers.uniform(0.46, 0.6)
    sun = (numbers.uniform(0.1, 0.9), numbers.uniform(0.08, horizon - 0.18))
    image = _sky(mood, sun, canvas)
    _clouds(image, numbers, horizon)
    for depth, height in ((0.0, 0.16), (0.55, 0.1), (1.0, 0.05)):
        _hill(image, numbers, mood, horizon, depth, height)
    _woods(image, numbers, mood, horizon)
    _meadow(image, numbers, mood, horizon)
    return image, mood


def cast_shadow(image: Image.Image, x: float, y: float, rx: float, ry: float, strength: float) -> None:
    """Darken the ground softly in an ellipse around (x, y), in place."""
    layer = Image.new("L", (SOFT, SOFT))
    Brush(layer).ellipse(x, y, rx, ry, round(255 * strength))
    soft = layer.filter(ImageFilter.BoxBlur(1.5)).resize(image.size, Image.Resampling.BILINEAR)
    image.paste((22, 30, 34), mask=soft)


def _sky(mood: Mood, sun: Point, canvas: int) -> Image.Image:
    across = np.linspace(0, 1, SOFT, dtype=np.float32)
    down = across[:, None]
    low = np.minimum(down / 0.62, 1)[..., None]
    plain = _vector(mood.sky_top) * (1 - low) + _vector(mood.sky_low) * low
    distance = np.hypot(across - sun[0], down - sun[1])
    glow = 0.75 * np.exp(-((distance / 0.16) ** 2)) + 0.25 * np.exp(distance / -0.25)
    sky = plain + (_vector(mood.sun) - plain) * glow[..., None]
    image = Image.fromarray(np.rint(sky).astype(np.uint8)).resize((canvas, canvas), Image.Resampling.BILINEAR)
    Brush(image).ellipse(*sun, 0.055, 0.055, mixed(mood.sun, (255, 255, 255), 0.5))
    return image


def _clouds(image: Image.Image, numbers: np.random.Generator, horizon: float) -> None:
    layer = Image.new("L", (SOFT, SOFT))
    brush = Brush(layer)
    for _ in range(numbers.integers(1, 4)):
        x, y, size = numbers.uniform(0.05, 0.95), numbers.uniform(0.08, horizon - 0.2), numbers.uniform(0.7, 1.3)
        for offset, radius in ((-0.09, 0.03), (-0.035, 0.05), (0.03, 0.042), (0.085, 0.026)):
            brush.ellipse(x + offset * size, y - 0.3 * radius * size, radius * 1.2 * size, radius * 0.75 * size, 205)
    soft = layer.filter(ImageFilter.BoxBlur(0.7)).resize(image.size, Image.Resampling.BILINEAR)
    image.paste((255, 252, 248), mask=soft)


def _hill(
    image: Image.Image, numbers: np.random.Generator, mood: Mood, horizon: float, depth: float, height: float
) -> None:
    """One range of hills, misty at its foot; ``depth`` 0 is the farthest, 1 the nearest."""
    waves = [(numbers.uniform(0.3, 1.0) / (k + 1), (k + 0.7) * 2.2, numbers.uniform(0, 2 * math.pi)) for k in range(3)]
    xs = np.linspace(0, 1, 49)
    lift = sum(size * np.sin(pitch * xs * 2 + phase) for size, pitch, phase in waves)
    ridge = horizon - height * (0.75 + 0.45 * np.asarray(lift))
    colour = mixed(mood.hill_far, mood.hill_near, depth)
    top, foot = horizon - 1.4 * height, horizon + 0.06
    _fill_below(image, xs, ridge, top, mixed(colour, (20, 40, 60), 0.06), foot, mixed(colour, mood.sky_low, 0.3))


def _fill_below(
    image: Image.Image, xs: np.ndarray, ridge: np.ndarray, top: float, upper: Colour, foot: float, lower: Colour
) -> None:
    """Fill all below a ridge line with a vertical gradient from ``upper`` at y = top to ``lower`` at y = foot."""
    side = image.width
    first = min(max(math.floor(min(ridge) * side), 0), side - 1)  # rows above the ridge stay as they are
    share = np.clip((np.arange(first, side, dtype=np.float32) / side - top) / (foot - top), 0, 1)[:, None, None]
    column = np.rint(_vector(upper) * (1 - share) + _vector(lower) * share).astype(np.uint8)
    gradient = Image.fromarray(column).resize((side, side - first), Image.Resampling.NEAREST)
    mask = Image.new("1", image.size)
    Brush(mask).polygon([*zip(xs.tolist(), ridge.tolist(), strict=True), (1.0, 1.0), (0.0, 1.0)], 1)
    image.paste(gradient, (0, first), mask.crop((0, first, side, side)))


def _woods(image: Image.Image, numbers: np.random.Generator, mood: Mood, horizon: float) -> None:
    """A few trees where the hills meet the meadow: firs, or round crowns."""
    brush = Brush(image)
    firs = numbers.random() < 0.5
    for _ in range(numbers.integers(2, 6)):
        x, foot, size = numbers.uniform(0, 1), horizon + numbers.uniform(0.0, 0.03), numbers.uniform(0.7, 1.25)
        leaves = mixed(mood.leaves, mood.hill_near, numbers.uniform(0.0, 0.4))
        lit = mixed(leaves, mood.sun, 0.16)
        width = 0.008 * size
        brush.polygon([(x - width, foot), (x + width, foot), (x + width, foot - 0.06), (x - width, foot - 0.06)],
                      mixed(leaves, (60, 40, 30), 0.6))  # fmt: skip
        if firs:
            for tier in range(3):
                low, half = foot - (0.02 + 0.045 * tier) * size, (0.05 - 0.011 * tier) * size
                brush.polygon([(x - half, low), (x + half, low), (x, low - 0.075 * size)], leaves)
                brush.polygon([(x - half, low), (x - 0.1 * half, low), (x, low - 0.075 * size)], lit)
        else:
            for dx, dy, radius in ((-0.026, 0.07, 0.036), (0.026, 0.068, 0.036), (0.0, 0.1, 0.042)):
                brush.ellipse(x + dx * size, foot - dy * size, radius * size, radius * size, leaves)
            brush.ellipse(x - 0.016 * size, foot - 0.11 * size, 0.024 * size, 0.02 * size, lit)


def _meadow(image: Image.Image, numbers: np.random.Generator, mood: Mood, horizon: float) -> None:
    xs = np.linspace(0, 1, 25)
    edge = horizon + 0.012 * np.sin(xs * numbers.uniform(3, 7) + numbers.uniform(0, 2 * math.pi))
    _fill_below(image, xs, edge, horizon, mood.meadow_far, 1.0, mood.meadow_near)
    brush = Brush(image)
    for _ in range(numbers.integers(0, 3)):
        _bush(brush, numbers, mood, horizon)
    flower = ((250, 240, 235), (250, 214, 90), (236, 130, 150))[numbers.integers(3)]
    for k in range(26):
        near = math.sqrt(numbers.uniform(0.01, 1))  # evenly over a plain that is seen from the side
        x, y, size = numbers.uniform(0, 1), horizon + 0.03 + near * (0.96 - horizon), 0.4 + 0.6 * near
        if k < 20:
            blade = mixed(mood.meadow_near, mood.leaves if k % 2 else mood.meadow_far, 0.6)
            outline = [(x + dx * size, y - dy * size) for dx, dy in TUFT]
            brush.polygon(outline, blade)
        else:
            brush.ellipse(x, y, 0.008 * size, 0.007 * size, flower)


def _bush(brush: Brush, numbers: np.random.Generator, mood: Mood, horizon: float) -> None:
    x, y, size = numbers.uniform(0, 1), horizon + numbers.uniform(0.05, 0.12), numbers.uniform(0.8, 1.3)
    leaves = mixed(mood.leaves, mood.meadow_far, 0.3)
    for dx, dy, radius in ((-0.045, 0.02, 0.032), (0.045, 0.018, 0.03), (0.0, 0.034, 0.042)):
        brush.ellipse(x + dx * size, y - dy * size, radius * size, radius * size, leaves)
    brush.ellipse(x - 0.02 * size, y - 0.048 * size, 0.022 * size, 0.014 * size, mixed(leaves, mood.sun, 0.2))
