"""The same mazes in colours that prove them: a look at a few pixels says whether a maze is right there.

Whether a black and white maze is one connected corridor without loops is decided far away: a corridor may close into a
circle thirty steps on. Here each pixel also says where it leads. Following the corridors' colours one comes to the
exit, following those of the walls to the frame, and the frame has one colour from its first corner to the exit and
another from there on. If that holds around each pixel, the whole is a perfect maze: a corridor that leads in a circle
would surround walls that cannot lead to the frame, so they would lead in a circle, too, and surround corridors that
cannot lead to the exit, and so on until no pixel is left. (Certificates that can be checked from place to place are
known as proof labelling schemes: Korman, Kutten, Peleg, Distributed Computing 22, 2010.)

Red is the maze itself: 255 in corridors, 0 in walls. Green says up (0) or down (255), blue left (0) or right (255);
128 is neither.
"""

from dataclasses import replace

import numpy as np

from domainxfer.datasets.domain_data import DomainData, PictureArray, Pictures, Split
from domainxfer.datasets.rendered.mazes import LAST, SIDE, mazes_data

NEITHER = 128
WAYS = {(-1, 0): (0, NEITHER), (1, 0): (255, NEITHER), (0, -1): (NEITHER, 0), (0, 1): (NEITHER, 255)}
"""(rows, columns) of a step -> green and blue of a pixel that leads there."""
BEFORE, AFTER = (217, 38), (38, 217)
"""Green and blue of the frame, clockwise from its upper left corner: until the exit, and after it."""


def coloured_mazes_data(seed: int = 0, train: int = 6000, validation: int = 500, test: int = 1000) -> DomainData:
    """The mazes of `mazes_data`, coloured: one unlabelled group of pictures for each split."""
    plain = mazes_data(seed, train, validation, test)

    def in_colour(split: Split) -> tuple[Pictures, ...]:
        (pictures,) = plain.split(split)
        assert isinstance(pictures, PictureArray)
        return (PictureArray(coloured(pictures.array)),)

    return replace(
        plain,
        name="coloured-mazes",
        train=in_colour("train"),
        validation=in_colour("validation"),
        test=in_colour("test"),
    )


def coloured(mazes: np.ndarray) -> np.ndarray:
    """Colour perfect mazes.

    Args:
        mazes: uint8 (N, 28, 28), 255 for corridor and 0 for wall, as `render_maze` makes them.

    Returns:
        uint8 (N, 28, 28, 3).
    """
    corridor = mazes >= 128
    exits, frame = corridor & (_EDGE >= 0), ~corridor & (_AROUND >= 0)
    way = np.where(exits, _EDGE, -1)
    _lead_to(exits, corridor, way)
    _lead_to(frame, ~corridor, way)
    colours = np.empty((*mazes.shape, 3), np.uint8)
    colours[..., 0] = 255 * corridor
    colours[..., 1:] = np.array([*WAYS.values(), (NEITHER, NEITHER)], np.uint8)[way]
    exit_at = np.where(exits, _AROUND, -1).max(axis=(1, 2), keepdims=True)
    colours[frame & (exit_at > _AROUND), 1:] = BEFORE
    colours[frame & (exit_at < _AROUND), 1:] = AFTER
    return colours


def _lead_to(starts: np.ndarray, region: np.ndarray, way: np.ndarray) -> None:
    """Write down by which of the `WAYS` each pixel of a region leads to the starts; all are (N, 28, 28)."""
    left = np.pad(region & ~starts, ((0, 0), (1, 1), (1, 1)))
    _, height, width = left.shape
    left, found = left.ravel(), np.full(left.size, -1)
    front = np.flatnonzero(np.pad(starts, ((0, 0), (1, 1), (1, 1))))
    while front.size:
        reached = []
        for number, (down, right) in enumerate(WAYS):
            leading = front - (down * width + right)
            leading = leading[left[leading]]
            left[leading], found[leading] = False, number
            reached.append(leading)
        front = np.concatenate(reached)
    inside = found.reshape(-1, height, width)[:, 1:-1, 1:-1]
    np.copyto(way, inside, where=inside >= 0)


def _edges() -> np.ndarray:
    """(28, 28): the edge on which a pixel lies, as the place of its way out in `WAYS`; -1 within."""
    edges = np.full((SIDE, SIDE), -1)
    edges[0], edges[LAST], edges[:, 0], edges[:, LAST] = 0, 1, 2, 3
    return edges


def _around() -> np.ndarray:
    """(28, 28): how far along the frame a pixel lies, clockwise from the upper left corner; -1 within.

    Below and at the right the frame is two pixels thick.
    """
    rows, columns = np.mgrid[:SIDE, :SIDE]
    places = [rows == 0, columns >= LAST - 1, rows >= LAST - 1, columns == 0]
    along = [columns, LAST + rows, 3 * LAST - columns, 4 * LAST - rows]
    return np.select(places, along, -1)


_EDGE, _AROUND = _edges(), _around()
