"""Mazes: every rendered one is perfect, and the judge finds what is wrong with broken ones."""

import numpy as np
import pytest

from domainxfer.datasets.rendered.mazes import (
    FIRST_MAZE,
    inspect_maze,
    mazes_data,
    render_maze,
)


@pytest.fixture
def maze() -> np.ndarray:
    return render_maze(0, 0)


def test_every_maze_is_perfect() -> None:
    for index in range(200):
        picture = render_maze(3, index)
        assert picture.shape == (28, 28)
        assert picture.dtype == np.uint8
        assert set(np.unique(picture)) == {0, 255}
        assert inspect_maze(picture).perfect, f"maze {index}: {inspect_maze(picture)}"
        assert inspect_maze(picture).valid


def test_exits_lie_on_all_four_sides() -> None:
    pictures = np.stack([render_maze(0, index) for index in range(60)]) > 0
    for edge in (pictures[:, 0], pictures[:, -1], pictures[:, :, 0], pictures[:, :, -1]):
        assert edge.any()


def test_mazes_are_distinct_and_repeatable() -> None:
    pictures = [render_maze(0, index).tobytes() for index in range(100)]
    assert len(set(pictures)) == 100
    assert pictures == [render_maze(0, index).tobytes() for index in range(100)]
    assert render_maze(1, 0).tobytes() != pictures[0]


def test_a_wall_across_the_corridor_makes_two_components(maze: np.ndarray) -> None:
    row, column = _doors(maze, open_=True)[0]
    maze[row, column] = 0
    report = inspect_maze(maze)
    assert (report.components, report.loops) == (2, 0)
    assert not report.valid
    assert not inspect_maze(maze).valid


def test_a_door_too_many_makes_a_loop(maze: np.ndarray) -> None:
    row, column = _doors(maze, open_=False)[0]
    maze[row, column] = 255
    report = inspect_maze(maze)
    assert (report.components, report.loops, report.exits) == (1, 1, 1)
    assert not report.valid


def test_an_open_square_is_a_loop() -> None:
    picture = np.zeros((28, 28), bool)
    picture[0, 5] = True
    picture[1:3, 5:7] = True
    report = inspect_maze(picture)
    assert (report.components, report.loops, report.exits, report.exit_reachable) == (1, 1, 1, True)
    assert not report.valid


def test_no_exit_and_two_exits_are_wrong(maze: np.ndarray) -> None:
    walled = maze.copy()
    walled[[0, -1], :] = 0
    walled[:, [0, -1]] = 0
    report = inspect_maze(walled)
    assert (report.components, report.loops, report.exits, report.exit_reachable) == (1, 0, 0, False)
    assert not report.valid

    opened = maze.copy()
    free = next(c for c in range(1, 27, 2) if not opened[0, c])
    opened[0, free] = 255
    assert inspect_maze(opened).exits == 2
    assert not inspect_maze(opened).valid


def test_an_exit_cut_off_from_the_corridor_is_not_reachable(maze: np.ndarray) -> None:
    maze[[0, -1], :] = 0
    maze[:, [0, -1]] = 0
    maze[0, 0] = 255  # a corner touches no room
    report = inspect_maze(maze)
    assert (report.components, report.exits, report.exit_reachable) == (2, 1, False)
    assert not report.valid


def test_a_short_corridor_is_valid_but_not_perfect() -> None:
    picture = np.zeros((28, 28), np.uint8)
    picture[0:6, 1] = 255
    report = inspect_maze(picture)
    assert report.valid
    assert report.rooms == 3
    assert not report.perfect


def test_an_empty_picture_is_no_maze() -> None:
    report = inspect_maze(np.zeros((28, 28), np.uint8))
    assert (report.components, report.loops, report.exits, report.rooms) == (0, 0, 0, 0)
    assert not report.valid


def test_a_grey_picture_is_cut_at_the_middle(maze: np.ndarray) -> None:
    grey = np.where(maze > 0, 128, 127).astype(np.uint8)
    assert inspect_maze(grey) == inspect_maze(maze)


@pytest.mark.parametrize("wrong", [np.zeros((27, 28), np.uint8), np.zeros((28, 28), np.float32)])
def test_other_arrays_are_refused(wrong: np.ndarray) -> None:
    with pytest.raises(ValueError, match="28 x 28"):
        inspect_maze(wrong)


def test_the_data_is_unlabelled_and_its_splits_share_no_maze() -> None:
    data = mazes_data(seed=0, train=40, validation=10, test=20)
    assert data.domains == ()
    assert data.counts() == {"train": {"all": 40}, "validation": {"all": 10}, "test": {"all": 20}}
    groups = [split[0] for split in (data.train, data.validation, data.test)]
    pictures = [np.asarray(group[index]) for group in groups for index in range(len(group))]
    assert len({picture.tobytes() for picture in pictures}) == 70
    assert all(inspect_maze(picture[..., 0]).valid for picture in pictures)
    np.testing.assert_array_equal(pictures[0][..., 0], render_maze(0, FIRST_MAZE["train"]))


def _doors(maze: np.ndarray, open_: bool) -> list[tuple[int, int]]:
    """Places between two neighbouring rooms of a row that are open, or walled up."""
    return [(r, c) for r in range(1, 26, 2) for c in range(2, 25, 2) if (maze[r, c] > 0) == open_]
