"""The built-in data set: one animal on a landscape, in a plain, a striped or a spotted coat.

A scene is the same in each coat but for the animal's skin: plain is chestnut, striped is fair with dark bands, spotted
is golden with brown spots. Marks lie at places that the plain picture shows (see ``animal``), and each colour is the
scene's own fair colour times the dye of the coat. So the right answer to every translation is known, and can be
inferred from its source.
"""

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from domainxfer.datasets.domain_data import DomainData, PictureArray
from domainxfer.datasets.rendered.animal import FINE, Skin, draw_pose, draw_skin
from domainxfer.datasets.rendered.scenery import cast_shadow, draw_scenery
from domainxfer.draws import draw
from domainxfer.errors import UsageError, did_you_mean

COATS = ("plain", "striped", "spotted")


class Dye(NamedTuple):
    """How a coat is coloured."""

    ground: tuple[float, float, float]
    """By what the animal's fair colour is multiplied."""
    ink: tuple[float, float, float]
    """The colour of the marks."""
    cover: float
    """How much of the ink covers the ground there."""


DYES = {
    "plain": Dye((0.42, 0.24, 0.18), (0, 0, 0), 0.0),
    "striped": Dye((1.0, 1.0, 1.0), (60, 54, 66), 0.62),
    "spotted": Dye((1.0, 0.78, 0.3), (128, 66, 24), 0.85),
}

SPOT_RADIUS, SPOTS_APART = 0.37, 1.1  # in stripes
LANDSCAPE_FINE = 2  # the landscape is drawn so many times larger, then averaged

# The first scene of each split. They are far apart, so that splits share no scene, and the held-out scenes stay the
# same when the number of training pictures changes.
FIRST_SCENE = {"test": 0, "validation": 1_000_000, "train": 2_000_000}


@dataclass(frozen=True)
class RenderedTruth:
    """The right answers of the paired splits, ``validation`` and ``test``."""

    _images: dict[str, np.ndarray] = field(repr=False)
    _masks: dict[str, np.ndarray] = field(repr=False)

    def images(self, split: str) -> np.ndarray:
        """uint8 (scenes, coats, size, size, 3): each scene of the split in each coat, in the order of ``COATS``."""
        return self._images[split]

    def masks(self, split: str) -> np.ndarray:
        """bool (scenes, size, size): the pixels that the animal touches."""
        return self._masks[split]


def demo_data(size: int = 64, seed: int = 0, train: int = 600, validation: int = 60, test: int = 100) -> DomainData:
    """The demo data set, rendered in memory.

    The training pictures are unpaired: each coat has scenes of its own. Picture i of each domain of ``validation``
    and ``test`` is scene i in that coat.

    Args:
        size: the side of the pictures in px.
        seed: another seed gives other scenes.
        train: training pictures a coat.
        validation, test: scenes held out; like ``train`` at least 1.
    """
    training = []
    for label, coat in enumerate(COATS):
        scenes = training_scenes(label, train)
        training.append(PictureArray(np.stack([render_scene(seed, scene, coat, size)[0] for scene in scenes])))
    images, masks = {}, {}
    for split, count in (("validation", validation), ("test", test)):
        rendered = [render_coats(seed, FIRST_SCENE[split] + number, COATS, size) for number in range(count)]
        images[split] = np.stack([pictures for pictures, _ in rendered])
        masks[split] = np.stack([mask for _, mask in rendered])
    held_out = {
        split: tuple(PictureArray(np.ascontiguousarray(pictures[:, label])) for label in range(len(COATS)))
        for split, pictures in images.items()
    }
    return DomainData(
        name="demo",
        domains=COATS,
        train=tuple(training),
        validation=held_out["validation"],
        test=held_out["test"],
        truth=RenderedTruth(images, masks),
    )


def training_scenes(label: int, count: int) -> range:
    """The numbers of the ``count`` training scenes of one coat; coats share none."""
    first = FIRST_SCENE["train"] + label
    return range(first, first + count * len(COATS), len(COATS))


def render_scene(seed: int, index: int, coat: str, size: int = 64) -> tuple[np.ndarray, np.ndarray]:
    """Scene ``index`` with its animal in ``coat``.

    Args:
        seed: another seed gives other scenes.
        index: the scene's number, not negative.
        coat: one of ``COATS``.
        size: the side of the picture in px.

    Returns:
        The picture, uint8 (size, size, 3), and the mask, bool (size, size): the pixels that the animal touches.
        Pixels outside of the mask are the same in every coat.

    Raises:
        UsageError: there is no such coat.
    """
    pictures, mask = render_coats(seed, index, (coat,), size)
    return pictures[0], mask


def render_coats(
    seed: int, index: int, coats: tuple[str, ...] = COATS, size: int = 64
) -> tuple[np.ndarray, np.ndarray]:
    """Scene ``index`` in several coats: uint8 (coats, size, size, 3), and the mask they share, bool (size, size)."""
    landscape, mood = draw_scenery(draw(seed, "demo scenery", index), size * LANDSCAPE_FINE)
    pose = draw_pose(draw(seed, "demo animal", index))
    cast_shadow(landscape, pose.x + 0.03 * pose.facing, pose.ground, 0.62 * pose.scale, 0.075 * pose.scale, 0.5)
    background = np.asarray(landscape.reduce(LANDSCAPE_FINE), np.float32).reshape(-1, 3).T

    skin = draw_skin(pose, mood.tint, size)
    cover = np.bincount(skin.cells, minlength=size * size)
    seen = background * (1 - cover / FINE**2)
    pictures = [_with_coat(seen, skin, coat).T.reshape(size, size, 3) for coat in coats]
    return np.stack(pictures), np.asarray(cover > 0).reshape(size, size)


def _with_coat(seen: np.ndarray, skin: Skin, coat: str) -> np.ndarray:
    """Add the figure in ``coat`` to what is ``seen`` of the landscape, (3, pixels); the sum as uint8."""
    marked = marks(coat, skin.u, skin.v) & skin.patterned  # refuses an unknown coat
    cover = DYES[coat].cover * marked
    layers = []
    for behind, fair, dye, ink in zip(seen, skin.colours, DYES[coat].ground, DYES[coat].ink, strict=True):
        ground = np.where(skin.dyed, fair * dye, fair)
        figure = np.bincount(skin.cells, ground + (ink - ground) * cover, minlength=behind.size) / FINE**2
        layers.append(np.rint(behind + figure))
    return np.stack(layers).astype(np.uint8)


def marks(coat: str, u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """Where a coat is dark, bool, at the skin's coordinates u (along) and v (across), in stripes.

    A stripe lies around each u = n + 1/2, so that a part begins and neighbours meet in a gap. The spots sit on the
    same lines, two neighbouring lines staggered: stripes broken up are spots, spots joined are stripes.

    Raises:
        UsageError: there is no such coat.
    """
    from_line = u - np.floor(u) - 0.5
    match coat:
        case "plain":
            return np.zeros(u.shape, bool)
        case "striped":
            return np.asarray(np.abs(from_line) < 0.25)
        case "spotted":
            staggered = v / SPOTS_APART - 0.5 * (np.floor(u) % 2)
            from_spot = SPOTS_APART * (staggered - np.rint(staggered))
            return np.asarray(np.hypot(from_line, from_spot) < SPOT_RADIUS)
    raise UsageError(f"there is no coat {coat!r}; the coats are {', '.join(COATS)}.{did_you_mean(coat, list(COATS))}")
