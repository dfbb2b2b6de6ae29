"""What makes a maze, counted: for mazes of 28 px, and for nothing else."""

import hashlib

import numpy as np
import torch
from torch import Tensor

from domainxfer.datasets.rendered.mazes import ROOMS, SIDE, inspect_maze
from domainxfer.metrics.extractors.base import BICUBIC, resized

FEATURES = (
    "log2 pieces",
    "log2 (1 + loops)",
    "log2 (1 + exits) - 1",
    "log2 (1 + closed rooms)",
    "asinh (dead ends - 20) / 3",
    "asinh (forks - 18) / 3",
    "asinh (straight rooms - 54) / 5",
    "asinh (doors across - doors down) / 10",
    "asinh (corridor pixels - 338) / 10",
    "asinh 10 greyness",
)
"""Such that real mazes lie about 0 and differ by about 1, and that of many mistakes the first count most."""


class MazeCounts:
    """Pieces, loops and exits of a maze, and what its corridors are like: ten counts for each picture.

    Features of photographs, or of lines, see little of what makes a picture a maze: two walls that are missing change
    neither. Corridor is where the first channel is above 0: of coloured mazes, too, that one is the maze.
    """

    name, size, resize = "maze-counts", SIDE, BICUBIC

    def __init__(self) -> None:
        self.digest = hashlib.sha256(repr(FEATURES).encode()).hexdigest()[:16]

    def features(self, x: Tensor) -> Tensor:
        """(B, C, H, W) in [-1, 1] -> (B, 10)."""
        first = resized(x[:, :1].float().cpu(), self.size)[:, 0].numpy()
        counts = np.array([_counts(picture) for picture in first], np.float32)
        return torch.from_numpy(counts.reshape(len(first), len(FEATURES)))


def _counts(picture: np.ndarray) -> np.ndarray:
    """The features (10,) of a picture (28, 28) in [-1, 1]."""
    corridor = picture > 0
    report = inspect_maze(corridor)
    above, left = np.zeros_like(corridor), np.zeros_like(corridor)
    above[1:], left[:, 1:] = corridor[:-1], corridor[:, :-1]
    below, right = np.zeros_like(corridor), np.zeros_like(corridor)
    below[:-1], right[:, :-1] = corridor[1:], corridor[:, 1:]
    ways = np.stack([above, below, left, right]).sum(0) * corridor
    rooms = slice(1, 2 * ROOMS, 2)
    down, across = above & below & ~left & ~right, left & right & ~above & ~below
    straight = (corridor & (down | across))[rooms, rooms]
    doors_across, doors_down = corridor[rooms, 2 : 2 * ROOMS : 2].sum(), corridor[2 : 2 * ROOMS : 2, rooms].sum()
    logs = np.log2([max(report.components, 1), 1 + report.loops, 1 + report.exits, 1 + ROOMS**2 - report.rooms])
    scaled = [
        (np.count_nonzero(ways == 1) - 20) / 3,
        (np.count_nonzero(ways >= 3) - 18) / 3,
        (np.count_nonzero(straight) - 54) / 5,
        (int(doors_across) - int(doors_down)) / 10,
        (np.count_nonzero(corridor) - 338) / 10,
        10 * (1 - np.abs(picture).mean()),
    ]
    return np.concatenate([logs - (0, 0, 1, 0), np.arcsinh(scaled)])
