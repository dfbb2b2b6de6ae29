"""The sheet of mazes: green frames around mazes, red ones around the rest, in reading order."""

import numpy as np
import torch

from domainxfer.datasets.rendered.mazes import render_maze
from domainxfer.evaluation.maze_sheet import FRAME, GAP, INVALID, SCALE, VALID, maze_sheet

STEP = 28 * SCALE + 2 * FRAME + GAP


def test_frames_say_which_are_mazes() -> None:
    mazes = np.stack([render_maze(0, number) for number in range(10)])
    mazes[3] = 0
    mazes[9, 13, :] = 255  # a corridor from edge to edge
    x = torch.from_numpy(mazes).float()[:, None].expand(-1, 3, -1, -1) / 127.5 - 1
    pixels = np.asarray(maze_sheet(x))
    assert pixels.shape == (2 * STEP + GAP, 8 * STEP + GAP, 3)
    for number in range(10):
        row, column = divmod(number, 8)
        cell = pixels[GAP + row * STEP :, GAP + column * STEP :][: STEP - GAP, : STEP - GAP]
        frame = INVALID if number in (3, 9) else VALID
        assert (cell[:FRAME] == frame).all()
        assert (cell[:, -FRAME:] == frame).all()
        inner = cell[FRAME:-FRAME, FRAME:-FRAME]
        assert np.array_equal(inner[1::SCALE, 1::SCALE, 0], mazes[number])
    assert (pixels[GAP + STEP :, GAP + 2 * STEP :] == 255).all(), "paper after the last"


def test_it_shows_64_at_most() -> None:
    assert maze_sheet(torch.zeros(70, 1, 28, 28) - 1).height == 8 * STEP + GAP
