"""Figures of generated mazes: rendered ones are right, and each thing that may be wrong counts where it should."""

import numpy as np
import pytest
import torch
from torch import Tensor

from domainxfer.datasets.rendered.mazes import FIRST_MAZE, render_maze
from domainxfer.metrics.maze_figures import MazeFigures, maze_figures


def mazes(first: int, count: int) -> Tensor:
    """(count, 1, 28, 28) in [-1, 1]."""
    pictures = np.stack([render_maze(0, first + number) for number in range(count)])
    return torch.from_numpy(pictures).float()[:, None] / 127.5 - 1


@pytest.fixture
def training() -> Tensor:
    return mazes(FIRST_MAZE["train"], 20)


def with_pixel(maze: Tensor, where: tuple[int, int], value: float) -> Tensor:
    changed = maze.clone()
    changed[0, where[0], where[1]] = value
    return changed


def door_to_open(maze: Tensor) -> tuple[int, int]:
    return next((r, c) for r in range(1, 26, 2) for c in range(2, 25, 2) if maze[0, r, c] < 0)


def door_to_close(maze: Tensor) -> tuple[int, int]:
    return next((r, c) for r in range(1, 26, 2) for c in range(2, 25, 2) if maze[0, r, c] > 0)


def exit_of(maze: Tensor) -> tuple[int, int]:
    return next((r, c) for r in range(28) for c in range(28) if maze[0, r, c] > 0 and {r, c} & {0, 27})


def test_rendered_mazes_are_right(training: Tensor) -> None:
    assert maze_figures(mazes(0, 10), training) == MazeFigures(
        valid=1, perfect=1, distinct=1, unseen=1, valid_distinct_unseen=1, components=1, loops=0
    )


def test_each_fault_counts_where_it_should(training: Tensor) -> None:
    """Eight pictures: two right ones; one with a loop, one in two pieces, one without an exit; the first one again; a
    training maze, twice."""
    one, other, third, fourth, fifth = mazes(0, 5)
    looped = with_pixel(third, door_to_open(third), 1)
    split = with_pixel(fourth, door_to_close(fourth), -1)
    shut = with_pixel(fifth, exit_of(fifth), -1)
    known = training[7]
    pictures = torch.stack([one, other, looped, split, shut, one, known, known])
    found = maze_figures(pictures, training)
    assert found.valid == 5 / 8
    assert found.perfect == 5 / 8
    assert found.distinct == 6 / 8
    assert found.unseen == 6 / 8
    assert found.valid_distinct_unseen == 2 / 8
    assert found.components == 9 / 8
    assert found.loops == 1 / 8
    assert maze_figures(pictures.flip(0), training) == found, "the order does not matter"


def test_a_generator_with_one_good_maze(training: Tensor) -> None:
    found = maze_figures(mazes(0, 1).expand(10, -1, -1, -1), training)
    assert (found.valid, found.unseen) == (1, 1)
    assert found.distinct == found.valid_distinct_unseen == 0.1


def test_a_generator_that_learned_by_heart(training: Tensor) -> None:
    found = maze_figures(training, training)
    assert (found.valid, found.distinct) == (1, 1)
    assert found.unseen == found.valid_distinct_unseen == 0


def test_greys_are_cut_at_zero(training: Tensor) -> None:
    """A pale copy is a copy; exactly 0 is wall."""
    pale = torch.where(training > 0, 0.01, 0.0)
    assert maze_figures(pale, training) == maze_figures(training, training)
    assert maze_figures(0.5 * torch.cat([training, pale]), training).distinct == 0.5


def test_a_small_corridor_is_valid_but_not_perfect(training: Tensor) -> None:
    picture = torch.full((1, 1, 28, 28), -1.0)
    picture[0, 0, :4, 1] = 1
    found = maze_figures(picture, training)
    assert (found.valid, found.perfect) == (1, 0)


def test_noise_is_no_maze(training: Tensor) -> None:
    noise = torch.from_numpy(np.random.default_rng(0).uniform(-1, 1, (5, 1, 28, 28)))
    found = maze_figures(noise, training)
    assert found.valid == found.valid_distinct_unseen == 0
    assert found.distinct == found.unseen == 1
    assert found.components > 20
    assert found.loops > 20


def test_an_untrained_generator_in_one_grey(training: Tensor) -> None:
    found = maze_figures(torch.zeros(4, 1, 28, 28), training)
    assert (found.valid, found.distinct, found.components, found.loops) == (0, 0.25, 0, 0)


@pytest.mark.parametrize("shape", [(3, 3, 28, 28), (3, 1, 32, 32), (3, 28, 28)])
def test_other_pictures_are_refused(training: Tensor, shape: tuple[int, ...]) -> None:
    for pictures in ((torch.zeros(shape), training), (training, torch.zeros(shape))):
        with pytest.raises(ValueError, match=r"wanted mazes \(N, 1, 28, 28\)"):
            maze_figures(*pictures)


def test_no_pictures_are_refused(training: Tensor) -> None:
    with pytest.raises(ValueError, match="at least 1"):
        maze_figures(training[:0], training)
    assert maze_figures(training, training[:0]).unseen == 1
