"""Perfect mazes of 28 x 28 px, carved at random, and the judge that says whether a picture is one.

A maze has 13 x 13 rooms at the odd rows and columns 1, 3, ..., 25; a wall of one pixel lies between two rooms unless
there is a door. Corridor is 1 (white), wall 0 (black). One exit leads from a room to the edge of the picture.
"""

from dataclasses import dataclass

import numpy as np

from domainxfer.datasets.domain_data import DomainData, PictureArray
from domainxfer.draws import draw

SIDE = 28  # px
ROOMS = 13  # along each side
LAST = SIDE - 1

# The first maze of each split, far apart: splits of any length share none.
FIRST_MAZE = {"test": 0, "validation": 1_000_000, "train": 2_000_000}


@dataclass(frozen=True)
class MazeReport:
    """What is right and wrong with a maze.

    Attributes:
        components: separate pieces of corridor, neighbours being above, below, left and right; 1 is right.
        loops: independent ways to walk in a circle; 0 is right. An open square of 2 x 2 px counts as one.
        exits: corridor pixels on the edge of the picture; 1 is right.
        exit_reachable: an exit is part of the largest piece of corridor.
        rooms: how many of the 13 x 13 rooms are open.
    """

    components: int
    loops: int
    exits: int
    exit_reachable: bool
    rooms: int

    @property
    def valid(self) -> bool:
        """One connected corridor without loops, and one exit, which can be reached."""
        return self.components == 1 and self.loops == 0 and self.exits == 1 and self.exit_reachable

    @property
    def perfect(self) -> bool:
        """Valid, and the corridor leads to every room, as in the mazes that are rendered here."""
        return self.valid and self.rooms == ROOMS * ROOMS


def mazes_data(seed: int = 0, train: int = 6000, validation: int = 500, test: int = 1000) -> DomainData:
    """Mazes without labels, rendered in memory: one group of pictures for each split."""
    counts = {"train": train, "validation": validation, "test": test}
    pictures = {
        split: PictureArray(np.stack([render_maze(seed, FIRST_MAZE[split] + number) for number in range(count)]))
        for split, count in counts.items()
    }
    return DomainData(
        name="mazes",
        domains=(),
        train=(pictures["train"],),
        validation=(pictures["validation"],),
        test=(pictures["test"],),
    )


def render_maze(seed: int, index: int) -> np.ndarray:
    """Maze number ``index`` of a seed: uint8 (28, 28), 255 for corridor and 0 for wall."""
    numbers = draw(seed, "maze", index)
    maze = np.zeros((SIDE, SIDE), np.uint8)
    _carve_rooms(maze, numbers)
    _carve_exit(maze, numbers)
    return maze * np.uint8(255)


def inspect_maze(picture: np.ndarray) -> MazeReport:
    """Judge a maze.

    Args:
        picture: (28, 28), bool (True is corridor) or uint8 (128 and above is corridor).
    """
    if picture.shape != (SIDE, SIDE) or picture.dtype not in (np.bool_, np.uint8):
        raise ValueError(f"wanted a bool or uint8 picture of {SIDE} x {SIDE}, got {picture.dtype} {picture.shape}")
    corridor = picture if picture.dtype == np.bool_ else picture >= 128
    pieces = _pieces(corridor)
    doors = np.count_nonzero(corridor[1:] & corridor[:-1]) + np.count_nonzero(corridor[:, 1:] & corridor[:, :-1])
    exits = {(r, c) for r, c in np.argwhere(corridor).tolist() if r in (0, LAST) or c in (0, LAST)}
    return MazeReport(
        components=len(pieces),
        loops=int(doors - np.count_nonzero(corridor) + len(pieces)),  # edges - nodes + components of the graph
        exits=len(exits),
        exit_reachable=bool(exits & max(pieces, key=len, default=set())),
        rooms=int(np.count_nonzero(corridor[1 : 2 * ROOMS : 2, 1 : 2 * ROOMS : 2])),
    )


def _carve_rooms(maze: np.ndarray, numbers: np.random.Generator) -> None:
    """The recursive backtracker: walk to a random unvisited room, two pixels on; where there is none, go back."""
    lots = iter(numbers.random(ROOMS * ROOMS).tolist())  # one for each room that is entered
    first = 2 * numbers.integers(ROOMS, size=2) + 1
    room = (int(first[0]), int(first[1]))
    unvisited = {(row, column) for row in range(1, 2 * ROOMS, 2) for column in range(1, 2 * ROOMS, 2)} - {room}
    maze[room] = 1
    path = [room]
    while path:
        row, column = path[-1]
        around = ((row - 2, column), (row + 2, column), (row, column - 2), (row, column + 2))
        options = [neighbour for neighbour in around if neighbour in unvisited]
        if not options:
            path.pop()
            continue
        chosen = options[int(next(lots) * len(options))]
        maze[chosen] = maze[(row + chosen[0]) // 2, (column + chosen[1]) // 2] = 1
        unvisited.remove(chosen)
        path.append(chosen)


def _carve_exit(maze: np.ndarray, numbers: np.random.Generator) -> None:
    """Open the wall between a random outer room and the edge of the picture."""
    along = 2 * int(numbers.integers(ROOMS)) + 1
    match int(numbers.integers(4)):
        case 0:
            maze[0, along] = 1
        case 1:
            maze[along, 0] = 1
        case 2:
            maze[2 * ROOMS :, along] = 1  # below and at the right the wall is two pixels thick, 28 being even
        case _:
            maze[along, 2 * ROOMS :] = 1


def _pieces(corridor: np.ndarray) -> list[set[tuple[int, int]]]:
    """The connected pieces of the corridor, each as the set of its pixels."""
    left = {(row, column) for row, column in np.argwhere(corridor).tolist()}
    pieces = []
    while left:
        front = [left.pop()]
        piece = set(front)
        while front:
            row, column = front.pop()
            for neighbour in ((row - 1, column), (row + 1, column), (row, column - 1), (row, column + 1)):
                if neighbour in left:
                    left.remove(neighbour)
                    piece.add(neighbour)
                    front.append(neighbour)
        pieces.append(piece)
    return pieces
