"""Generated mazes on a sheet: a green frame around those that are mazes, a red one around the others."""

import numpy as np
from PIL import Image
from torch import Tensor

from domainxfer.datasets.rendered.mazes import inspect_maze

COLUMNS, ROWS = 8, 8
SCALE, FRAME, GAP = 3, 4, 4  # px; SCALE times the maze's own
VALID, INVALID, PAPER = (0, 158, 60), (213, 40, 40), (255, 255, 255)


def maze_sheet(pictures: Tensor) -> Image.Image:
    """The first 64 of generated mazes, eight in a row.

    Args:
        pictures: (N, C, 28, 28) in [-1, 1], N >= 1; corridor is where the first channel is above 0.
    """
    grey = pictures[: COLUMNS * ROWS, 0]
    shown = (grey.clamp(-1, 1) + 1).mul(127.5).round().byte().numpy()
    side = SCALE * shown.shape[1] + 2 * FRAME
    rows = -(-len(shown) // COLUMNS)
    sheet = Image.new("RGB", (COLUMNS * (side + GAP) + GAP, rows * (side + GAP) + GAP), PAPER)
    for number, (maze, corridor) in enumerate(zip(shown, (grey > 0).numpy(), strict=True)):
        framed = Image.new("RGB", (side, side), VALID if inspect_maze(corridor).valid else INVALID)
        framed.paste(Image.fromarray(np.kron(maze, np.ones((SCALE, SCALE), np.uint8))), (FRAME, FRAME))
        row, column = divmod(number, COLUMNS)
        sheet.paste(framed, (GAP + column * (side + GAP), GAP + row * (side + GAP)))
    return sheet
