"""The demo's animal: a small, sturdy pony-like figure, and the two coordinates on its skin that coats are drawn in.

The figure is drawn in its own frame: x forward, y up, the length of the trunk is 1, the origin its middle. Each part
(trunk, neck, legs) carries coordinates (u, v) in units of one stripe: u along the part, 0 at a landmark that is seen
in every coat (shoulder, root of the neck, belly), v across. Marks that are a function of (u, v) alone can therefore
be foretold from the plain picture.
"""

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from PIL import Image, ImageFilter

from domainxfer.datasets.rendered.scenery import Brush, Colour, Point, mixed

STRIPE = 0.215  # of the trunk's length: about 8 px of a 64 px picture
FINE = 4  # fine pixels a pixel, along each side: the figure is drawn large and averaged

# Fair coats: dyed by the coat's kind, they stay apart from scene to scene.
BASES: tuple[Colour, ...] = (
    (246, 243, 236), (242, 226, 196), (226, 196, 150), (216, 172, 124), (222, 178, 156), (204, 208, 214),
    (186, 194, 208), (236, 212, 206),
)  # fmt: skip
HAIRS: tuple[Colour, ...] = ((52, 40, 38), (92, 62, 44), (74, 74, 84), (120, 84, 56))

TRUNK: tuple[Point, ...] = (
    (-0.51, 0.03), (-0.47, 0.17), (-0.3, 0.24), (-0.02, 0.2), (0.22, 0.22), (0.4, 0.21), (0.5, 0.06), (0.47, -0.1),
    (0.28, -0.21), (0.0, -0.245), (-0.26, -0.21), (-0.45, -0.12),
)  # fmt: skip


def _smooth_outline(points: tuple[Point, ...], steps: int = 6) -> list[Point]:
    """A closed Catmull-Rom curve through the points."""
    p = np.asarray(points)
    before, after, beyond = np.roll(p, 1, 0), np.roll(p, -1, 0), np.roll(p, -2, 0)
    curve = []
    for t in np.arange(steps) / steps:
        curve.append(
            p
            + 0.5 * t * (after - before)
            + t**2 * (before - 2.5 * p + 2 * after - 0.5 * beyond)
            + 0.5 * t**3 * (3 * p - before - 3 * after + beyond)
        )
    outline = np.stack(curve, 1).reshape(-1, 2)
    return [(float(x), float(y)) for x, y in outline]


TRUNK_OUTLINE = _smooth_outline(TRUNK)

# Numbers of the parts, in the order in which they are painted over one another.
TAIL, FAR_LEG, NEAR_LEG, HOOF, TRUNK_PART, NECK, MANE, EAR, HEAD, MUZZLE, EYE = range(1, 12)
PATTERNED = (FAR_LEG, NEAR_LEG, TRUNK_PART, NECK)
DYED = (*PATTERNED, EAR, HEAD, MUZZLE)


@dataclass(frozen=True)
class Pose:
    """Where the animal stands and how it is built; drawn once for a scene, the same in every coat."""

    scale: float  # length of the trunk, as a share of the picture's side
    facing: int  # 1 to the right, -1 to the left
    x: float  # of the trunk's middle
    ground: float  # y of the hooves
    girth: float  # thickness of the trunk, 1 is usual
    leg: float  # visible length of a leg
    neck_angle: float  # radians above the horizontal
    neck: float  # length of the neck
    stride: tuple[float, float, float, float]  # how far each hoof is before its hip
    tail: float  # swing of the tail
    base: Colour
    hair: Colour

    @property
    def y(self) -> float:
        """The height of the trunk's middle in the picture."""
        return self.ground - (self.leg + 0.2 * self.girth) * self.scale


@dataclass(frozen=True)
class Skin:
    """The n fine pixels (``FINE`` x ``FINE`` to a pixel of the picture) that the figure covers.

    Attributes:
        cells: (n,) int64, the pixel of the flattened picture that each lies in.
        colours: (3, n) float32 in [0, 255], the undyed coat with its shading.
        u, v: (n,) float32, the coordinates on the skin, in stripes.
        patterned: (n,) bool, where a coat may have marks: not on head, mane, tail and hooves.
        dyed: (n,) bool, where a coat has its own colour: not on mane, tail, hooves and eye.
    """

    cells: np.ndarray
    colours: np.ndarray
    u: np.ndarray
    v: np.ndarray
    patterned: np.ndarray
    dyed: np.ndarray


def draw_pose(numbers: np.random.Generator) -> Pose:
    """A pose that keeps the whole figure in the picture."""
    scale = numbers.uniform(0.45, 0.57)
    facing = 1 if numbers.random() < 0.5 else -1
    neck_angle, neck = math.radians(numbers.uniform(42, 64)), numbers.uniform(0.44, 0.5)
    tail = numbers.uniform(-0.05, 0.07)
    behind, ahead = 0.65 + max(1.1 * tail, 0), 0.6 + neck * math.cos(neck_angle)  # how far the figure reaches
    spare = max(0.964 - (behind + ahead) * scale, 0.0)
    from_rear = 0.018 + behind * scale + spare * numbers.random()
    far_hind, far_fore, near_hind, near_fore = numbers.uniform(-0.06, 0.06, 4).tolist()
    return Pose(
        scale=scale,
        facing=facing,
        x=from_rear if facing > 0 else 1 - from_rear,
        ground=numbers.uniform(0.87, 0.94),
        girth=numbers.uniform(0.96, 1.12),
        leg=numbers.uniform(0.32, 0.4),
        neck_angle=neck_angle,
        neck=neck,
        stride=(far_hind, far_fore, near_hind, near_fore),
        tail=tail,
        base=BASES[numbers.integers(len(BASES))],
        hair=HAIRS[numbers.integers(len(HAIRS))],
    )


def draw_skin(pose: Pose, tint: tuple[float, float, float], size: int) -> Skin:
    """Draw the figure for a picture of ``size`` x ``size`` px and say what each of its fine pixels is.

    Args:
        tint: the colour of the scene's light, by which the coat is multiplied.
    """
    fine = size * FINE
    painting = _Painting(pose, fine)
    _paint_parts(painting, pose)
    parts = np.asarray(painting.image).reshape(-1)
    covered = np.flatnonzero(parts)
    part = parts[covered]
    cells, across, down = (grid[covered] for grid in _fine_grids(size))
    x = (across - pose.x) * (pose.facing / pose.scale)
    y = (pose.y - down) / pose.scale
    cos, sin, u_start, v_start = (axis[part] for axis in np.ascontiguousarray(painting.axes.T))
    light = _light(painting.image, y, cells)
    tints = _part_colours(pose) * np.array(tint, np.float32)
    return Skin(
        cells=cells,
        colours=np.stack([np.minimum(channel[part] * light, 255) for channel in np.ascontiguousarray(tints.T)]),
        u=cos * x + sin * y + u_start,
        v=cos * y - sin * x + v_start,
        patterned=np.isin(np.arange(EYE + 1), PATTERNED)[part],
        dyed=np.isin(np.arange(EYE + 1), DYED)[part],
    )


@lru_cache(maxsize=1)
def _fine_grids(size: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """For each fine pixel: the pixel of the picture that it lies in, and its centre as shares of the side (x, y)."""
    place = np.arange(size * FINE)
    centre = ((place + 0.5) / (size * FINE)).astype(np.float32)
    down, across = np.meshgrid(centre, centre, indexing="ij")
    return np.add.outer(place // FINE * size, place // FINE).reshape(-1), across.reshape(-1), down.reshape(-1)


class _Painting:
    """A canvas of part numbers, and for each part the rigid map (cos, sin, u0, v0) from (x, y) to (u, v)."""

    def __init__(self, pose: Pose, canvas: int) -> None:
        self.image = Image.new("L", (canvas, canvas))
        self.axes = np.zeros((EYE + 1, 4), np.float32)
        self._brush = Brush(self.image)
        self._pose = pose

    def polygon(self, part: int, points: list[Point]) -> None:
        self._brush.polygon([self._place(x, y) for x, y in points], part)

    def dot(self, part: int, centre: Point, radius: float) -> None:
        self._brush.ellipse(*self._place(*centre), radius * self._pose.scale, radius * self._pose.scale, part)

    def limb(self, part: int, start: Point, end: Point, half_start: float, half_end: float) -> None:
        """A tapered limb with round ends."""
        angle = math.atan2(end[1] - start[1], end[0] - start[0])
        nx, ny = -math.sin(angle), math.cos(angle)
        self.polygon(part, [
            (start[0] + nx * half_start, start[1] + ny * half_start), (end[0] + nx * half_end, end[1] + ny * half_end),
            (end[0] - nx * half_end, end[1] - ny * half_end), (start[0] - nx * half_start, start[1] - ny * half_start),
        ])  # fmt: skip
        self.dot(part, start, half_start)
        self.dot(part, end, half_end)

    def skin_along(self, part: int, root: Point, angle: float, aside: float = 0.0) -> None:
        """Let u of this part run from ``root``, where v is ``aside``, in the direction of ``angle``."""
        cos, sin = math.cos(angle) / STRIPE, math.sin(angle) / STRIPE
        self.axes[part] = cos, sin, -(cos * root[0] + sin * root[1]), aside + sin * root[0] - cos * root[1]

    def _place(self, x: float, y: float) -> Point:
        pose = self._pose
        return pose.x + pose.facing * x * pose.scale, pose.y - y * pose.scale


def _paint_parts(painting: _Painting, pose: Pose) -> None:
    belly = -0.2 * pose.girth
    hoof_y = belly - pose.leg
    hips = ((FAR_LEG, -0.21), (FAR_LEG, 0.23), (NEAR_LEG, -0.375), (NEAR_LEG, 0.385))
    painting.limb(TAIL, (-0.47, 0.15), (-0.58 - pose.tail, -0.12), 0.04, 0.055)
    painting.limb(TAIL, (-0.58 - pose.tail, -0.12), (-0.57 - 1.3 * pose.tail, -0.26), 0.055, 0.02)
    for (part, hip), stride in zip(hips, pose.stride, strict=True):
        foot = (hip + stride, hoof_y + 0.05)
        painting.limb(part, (hip, belly + 0.08), foot, 0.086, 0.058)
        painting.polygon(HOOF, [(foot[0] - 0.06, foot[1]), (foot[0] + 0.058, foot[1]), (foot[0] + 0.072, hoof_y),
                                (foot[0] - 0.066, hoof_y)])  # fmt: skip
        painting.skin_along(part, (hip, belly), -math.pi / 2)
    _paint_neck_and_head(painting, pose)


def _paint_neck_and_head(painting: _Painting, pose: Pose) -> None:
    cos, sin = math.cos(pose.neck_angle), math.sin(pose.neck_angle)
    root = (0.34, 0.1)
    poll = (root[0] + pose.neck * cos, root[1] + pose.neck * sin)  # where the neck meets the head
    nose_angle = pose.neck_angle - math.radians(85)
    nose = (poll[0] + 0.2 * math.cos(nose_angle), poll[1] + 0.2 * math.sin(nose_angle))

    painting.limb(MANE, (root[0] - 0.15 * sin, root[1] + 0.15 * cos), (poll[0] - 0.06 * sin, poll[1] + 0.06 * cos),
                  0.06, 0.07)  # fmt: skip
    painting.limb(NECK, root, poll, 0.16, 0.1)
    painting.skin_along(NECK, (root[0] + 0.03 * cos, root[1] + 0.03 * sin), pose.neck_angle, aside=0.5)
    painting.polygon(TRUNK_PART, [(x, y * pose.girth) for x, y in TRUNK_OUTLINE])
    painting.skin_along(TRUNK_PART, (0.44, 0.0), math.pi)
    for lean in (0.05, -0.02):
        tip = (poll[0] - 0.02 + lean, poll[1] + 0.22)
        painting.polygon(EAR, [(poll[0] - 0.06 + lean, poll[1] + 0.06), tip, (poll[0] + 0.04 + lean, poll[1] + 0.07)])
    painting.limb(HEAD, poll, nose, 0.108, 0.072)
    painting.dot(MUZZLE, (nose[0] + 0.01, nose[1] - 0.005), 0.062)
    painting.dot(EYE, (poll[0] + 0.05, poll[1] + 0.015), 0.024)


def _light(parts: Image.Image, y: np.ndarray, cells: np.ndarray) -> np.ndarray:
    """The shading of each fine pixel: brighter above, duskier below and towards the outline, so that it looks round."""
    shape = parts.point([0] + [255] * 255).reduce(FINE)
    inside = np.asarray(shape.filter(ImageFilter.BoxBlur(shape.width / 32)), np.float32).reshape(-1)
    round_off = 0.86 + 0.14 * np.minimum(inside / 200, 1)
    light: np.ndarray = round_off[cells] * np.clip(0.98 + 0.3 * y, 0.84, 1.04)
    return light


def _part_colours(pose: Pose) -> np.ndarray:
    """The undyed colour of each part, float32 (parts, 3)."""
    table = np.zeros((EYE + 1, 3), np.float32)
    for part in (NEAR_LEG, TRUNK_PART, NECK, HEAD):
        table[part] = pose.base
    table[FAR_LEG] = np.array(pose.base) * 0.8
    table[EAR] = mixed(pose.base, pose.hair, 0.25)
    table[MUZZLE] = mixed(pose.base, (120, 84, 84), 0.5)
    table[TAIL] = table[MANE] = pose.hair
    table[HOOF] = mixed(pose.hair, (40, 34, 34), 0.5)
    table[EYE] = (24, 18, 20)
    return table
