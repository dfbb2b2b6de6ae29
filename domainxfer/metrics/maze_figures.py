"""What generated mazes are worth: are they mazes, each another one, and none a training maze?"""

from dataclasses import dataclass

import numpy as np
from torch import Tensor

from domainxfer.datasets.rendered.mazes import SIDE, inspect_maze


@dataclass(frozen=True)
class MazeFigures:
    """Shares of the pictures, and two means over all of them, right or wrong."""

    valid: float
    """One connected corridor without loops, and one exit, which can be reached."""
    perfect: float
    """Valid, and the corridor leads to every room; a corridor of a few pixels can be valid."""
    distinct: float
    """Different pictures over pictures: of those that are alike only the first counts."""
    unseen: float
    """Not among the training mazes."""
    valid_distinct_unseen: float
    """All three at once: the figure to compare generators by."""
    components: float
    """Mean number of separate pieces of corridor; 1 is right."""
    loops: float
    """Mean number of independent ways to walk in a circle; 0 is right."""


def maze_figures(pictures: Tensor, training: Tensor) -> MazeFigures:
    """Judge generated mazes. Corridor is where a picture is above 0; pictures are alike if their corridors are.

    Args:
        pictures: (N, 1, 28, 28) in [-1, 1], N >= 1.
        training: (M, 1, 28, 28) in [-1, 1], the mazes the generator learned from.

    Raises:
        ValueError: no pictures, or others than grey ones of 28 x 28 px.
    """
    mazes = _corridors(pictures)
    if not len(mazes):
        raise ValueError("figures of mazes need at least 1 picture")
    reports = [inspect_maze(maze) for maze in mazes]
    valid = np.array([report.valid for report in reports])
    distinct = np.zeros(len(mazes), bool)
    distinct[np.unique(mazes, axis=0, return_index=True)[1]] = True
    seen = {maze.tobytes() for maze in _corridors(training)}
    unseen = np.array([maze.tobytes() not in seen for maze in mazes])
    return MazeFigures(
        valid=float(valid.mean()),
        perfect=float(np.mean([report.perfect for report in reports])),
        distinct=float(distinct.mean()),
        unseen=float(unseen.mean()),
        valid_distinct_unseen=float((valid & distinct & unseen).mean()),
        components=float(np.mean([report.components for report in reports])),
        loops=float(np.mean([report.loops for report in reports])),
    )


def _corridors(pictures: Tensor) -> np.ndarray:
    """(N, 1, 28, 28) -> (N, 28, 28) bool."""
    if pictures.ndim != 4 or pictures.shape[1:] != (1, SIDE, SIDE):
        raise ValueError(f"wanted mazes (N, 1, {SIDE}, {SIDE}), got {tuple(pictures.shape)}")
    return (pictures[:, 0] > 0).cpu().numpy()
