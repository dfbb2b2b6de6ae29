"""Coloured mazes: from every pixel the colours lead where they should, and the frame changes colour at the exit."""

import numpy as np
import pytest

from domainxfer.datasets.domain_data import SPLITS, PictureArray
from domainxfer.datasets.rendered.coloured_mazes import AFTER, BEFORE, coloured, coloured_mazes_data
from domainxfer.datasets.rendered.mazes import mazes_data, render_maze

WAYS = {(0, 128): (-1, 0), (255, 128): (1, 0), (128, 0): (0, -1), (128, 255): (0, 1)}
FRAME = {(r, c) for r in range(28) for c in range(28) if r in (0, 26, 27) or c in (0, 26, 27)}


@pytest.fixture(scope="module")
def mazes() -> np.ndarray:
    return np.stack([render_maze(4, index) for index in range(40)])


@pytest.fixture(scope="module")
def colours(mazes: np.ndarray) -> np.ndarray:
    return coloured(mazes)


def test_red_is_the_maze(mazes, colours):
    assert colours.dtype == np.uint8
    assert np.array_equal(colours[..., 0], mazes)


def test_corridors_lead_out_and_walls_to_the_frame(mazes, colours):
    for maze, picture in zip(mazes, colours, strict=True):
        for start in np.ndindex(28, 28):
            place, region = start, maze[start]
            for _ in range(28 * 28):
                if region == 0 and place in FRAME:
                    break
                down, right = WAYS[tuple(picture[place][1:].tolist())]
                place = place[0] + down, place[1] + right
                if not (0 <= place[0] < 28 and 0 <= place[1] < 28):
                    assert region == 255, f"the wall at {start} leads out of the picture"
                    break
                assert maze[place] == region, f"{start} leads from corridor to wall, or back"
            else:
                pytest.fail(f"{start} leads in a circle")


def test_the_frame_changes_its_colour_at_the_exit(mazes, colours):
    clockwise = [(0, c) for c in range(28)] + [(r, 27) for r in range(1, 28)]
    clockwise += [(27, c) for c in range(26, -1, -1)] + [(r, 0) for r in range(26, 0, -1)]
    for maze, picture in zip(mazes, colours, strict=True):
        (exit_at,) = [number for number, place in enumerate(clockwise) if maze[place]]
        seen = [tuple(picture[place][1:].tolist()) for place in clockwise]
        assert set(seen[:exit_at]) <= {BEFORE}
        assert set(seen[exit_at + 1 :]) <= {AFTER}


def test_the_splits_are_those_of_the_plain_mazes():
    plain, data = (make(2, train=12, validation=10, test=11) for make in (mazes_data, coloured_mazes_data))
    assert data.counts() == plain.counts()
    assert data.name == "coloured-mazes"
    for split in SPLITS:
        (of_plain,), (of_data,) = plain.split(split), data.split(split)
        assert isinstance(of_plain, PictureArray)
        assert isinstance(of_data, PictureArray)
        assert np.array_equal(of_data.array, coloured(of_plain.array))
