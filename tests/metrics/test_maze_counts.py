"""The counts of mazes that were drawn by hand, and distances that grow with what is wrong."""

import numpy as np
import pytest
import torch
from torch import Tensor

from domainxfer.datasets.rendered.mazes import SIDE, render_maze
from domainxfer.metrics.extractors import load_extractor
from domainxfer.metrics.extractors.maze_counts import FEATURES
from domainxfer.metrics.kernel_distance import kernel_distance


def tensor(pictures: np.ndarray) -> Tensor:
    """uint8 (N, 28, 28) -> (N, 3, 28, 28) in [-1, 1]."""
    return torch.from_numpy(pictures / 127.5 - 1).float()[:, None].expand(-1, 3, -1, -1)


def rendered(count: int, first: int = 0) -> np.ndarray:
    return np.stack([render_maze(0, first + number) for number in range(count)])


def counts(picture: np.ndarray) -> dict[str, float]:
    found = load_extractor("maze-counts").features(tensor(picture[None]))
    return dict(zip(FEATURES, found[0].tolist(), strict=True))


def test_a_cross_drawn_by_hand() -> None:
    cross = np.zeros((SIDE, SIDE), np.uint8)
    cross[5, 0:8] = cross[3:8, 5] = 255  # an exit at the left, three other ends, one fork in room (5, 5)
    assert counts(cross) == pytest.approx(
        {
            "log2 pieces": 0,
            "log2 (1 + loops)": 0,
            "log2 (1 + exits) - 1": 0,
            "log2 (1 + closed rooms)": np.log2(1 + 169 - 6),
            "asinh (dead ends - 20) / 3": np.arcsinh((4 - 20) / 3),
            "asinh (forks - 18) / 3": np.arcsinh((1 - 18) / 3),
            "asinh (straight rooms - 54) / 5": np.arcsinh((2 - 54) / 5),  # (5, 1) and (5, 3)
            "asinh (doors across - doors down) / 10": np.arcsinh((3 - 2) / 10),
            "asinh (corridor pixels - 338) / 10": np.arcsinh((12 - 338) / 10),
            "asinh 10 greyness": 0,
        },
        abs=1e-5,
    )


def test_pieces_loops_and_greys() -> None:
    picture = np.zeros((SIDE, SIDE), np.uint8)
    picture[1:4, 1] = picture[1:4, 3] = picture[1, 2] = picture[3, 2] = 255  # a ring
    picture[9, 9] = picture[9, 15] = picture[9, 21] = 255  # and three rooms
    found = counts(picture)
    assert (found["log2 pieces"], found["log2 (1 + loops)"], found["log2 (1 + exits) - 1"]) == (2, 1, -1)
    grey = np.full((SIDE, SIDE), 96, np.uint8)
    assert counts(grey)["asinh 10 greyness"] == pytest.approx(np.arcsinh(10 * 96 / 127.5))


def test_the_first_channel_is_the_maze() -> None:
    judge = load_extractor("maze-counts")
    pictures = tensor(rendered(3)).clone()
    plain = judge.features(pictures)
    pictures[:, 1:] = torch.rand(3, 2, SIDE, SIDE) * 2 - 1
    assert torch.equal(judge.features(pictures), plain)
    assert torch.equal(judge.features(pictures[:, :1]), plain)


def test_real_mazes_lie_about_0_and_differ_by_about_1() -> None:
    features = load_extractor("maze-counts").features(tensor(rendered(200)))
    assert features.mean(0).abs().max() < 0.5
    assert features.std(0).max() < 1.5


def test_the_distance_grows_with_the_walls_that_are_missing() -> None:
    judge, real = load_extractor("maze-counts"), rendered(150)
    distances = []
    for missing in (0, 1, 3, 10):
        mazes = rendered(150, first=1000)
        for maze, seed in zip(mazes, range(len(mazes)), strict=True):
            walls = np.argwhere(maze[2:25, 1:26:2] == 0)  # between two rooms, one above the other, or a corner's
            walls = walls[walls[:, 0] % 2 == 0]
            for row, column in np.random.default_rng(seed).permutation(walls)[:missing]:
                maze[row + 2, 2 * column + 1] = 255
        distances.append(kernel_distance(judge.features(tensor(mazes)), judge.features(tensor(real))))
    assert abs(distances[0]) < 0.1
    assert distances == sorted(distances)
    assert distances[1] > 0.05
