"""Large pictures in tiles: overlapping windows whose results are blended, one strip of rows at a time.

    tile          |.........////////====================
    next tile                \\\\\\\\.........============    '.' not used: the tile's own edge shows there
                             <- overlap ->

A tile's result is not trusted within a margin of an edge that is not the picture's own, since the network pads with
zeros there: as far as they reach, the tile is not what the whole picture would be. Behind it the weight rises evenly
over `FEATHER`, so that no seam can be seen even where rounding differs.
"""

from collections.abc import Callable, Iterator

import numpy as np

FEATHER = 64


def overlap(margin: int) -> int:
    """Neighbouring tiles share at least this many pixels."""
    return 2 * margin + FEATHER


def tile_starts(length: int, tile: int, margin: int) -> list[int]:
    """Where tiles of ``tile`` px begin along ``length`` px; each overlaps the next by at least `overlap`.

    Where ``length``, ``tile`` and the overlap are multiples of a number, so is every start.
    """
    return [*range(0, max(0, length - tile), tile - overlap(margin)), max(0, length - tile)]


def tile_weights(length: int, tile: int, margin: int) -> list[np.ndarray]:
    """The share of each tile in the result along one axis: float32 (tile,) each; over a pixel they sum to 1."""
    starts = tile_starts(length, tile, margin)
    side = min(tile, length)
    inward = (np.arange(side) + 0.5 - margin) / FEATHER
    rising, falling = inward, inward[::-1]
    total = np.zeros(length)
    weights = []
    for start in starts:
        weight = np.ones(side)
        if start > 0:
            weight = np.minimum(weight, rising)
        if start + side < length:
            weight = np.minimum(weight, falling)
        weights.append(weight.clip(0))
        total[start : start + side] += weights[-1]
    return [
        (weight / total[start : start + side]).astype(np.float32) for start, weight in zip(starts, weights, strict=True)
    ]


def blended_strips(
    height: int, width: int, tile: int, margin: int, of_window: Callable[[slice, slice], np.ndarray]
) -> Iterator[np.ndarray]:
    """Cover (height, width) with tiles and yield the blended result from top to bottom in strips of finished rows.

    Only one row of tiles is held at a time.

    Args:
        height: rows to cover.
        width: columns to cover.
        tile: side of a tile, px; larger than the overlap.
        margin: how far an edge of a tile is felt inside it, px.
        of_window: gives the result for the rows and columns of one tile, float32 (rows, columns, C).
    """
    tops, lefts = tile_starts(height, tile, margin), tile_starts(width, tile, margin)
    side = min(tile, width)
    across = tile_weights(width, tile, margin)
    unfinished: np.ndarray | None = None
    for top, end, down in zip(tops, [*tops[1:], height], tile_weights(height, tile, margin), strict=True):
        strip: np.ndarray | None = None
        for left, weight in zip(lefts, across, strict=True):
            result = of_window(slice(top, top + len(down)), slice(left, left + side))
            if strip is None:
                strip = np.zeros((len(down), width, result.shape[2]), np.float32)
            strip[:, left : left + side] += result * weight[None, :, None]
        assert strip is not None  # there is always at least one tile
        strip *= down[:, None, None]
        if unfinished is not None:
            strip[: len(unfinished)] += unfinished
        yield strip[: end - top]
        unfinished = strip[end - top :]
