"""Randomness without hidden state: every draw is a function of (seed, purpose, where it is used).

A run that is resumed, split over processes or fed by loader workers makes the same draws, since none of them
depends on what was drawn before. Philox is a counter-based generator made for this (Salmon et al., "Parallel random
numbers: as easy as 1, 2, 3", SC 2011): the key is the seed and the purpose, the counter is the place.
"""

import zlib

import numpy as np
import torch
from torch import Tensor


def draw(seed: int, purpose: str, *place: int) -> np.random.Generator:
    """A NumPy generator for one ``purpose`` ("crop", "code", ...) at one place, e.g. (step, position in the batch).

    Args:
        seed: the run's seed, an integer from 0 up (of any other its lowest 64 bits count).
        purpose: draws of different purposes are independent.
        place: up to three non-negative integers.
    """
    if len(place) > 3:
        raise ValueError("a place has at most three coordinates")
    counter = [0, *place] + [0] * (3 - len(place))  # the first word is the one that drawing itself counts up
    key = [seed & 0xFFFFFFFFFFFFFFFF, zlib.crc32(purpose.encode())]
    return np.random.Generator(np.random.Philox(key=np.array(key, np.uint64), counter=np.array(counter, np.uint64)))


def permutation(size: int, seed: int, purpose: str, *place: int) -> np.ndarray:
    """A random order of ``range(size)``, int64."""
    return draw(seed, purpose, *place).permutation(size)


def per_position(kind: str, shape: tuple[int, ...], seed: int, purpose: str, step: int, positions: list[int]) -> Tensor:
    """Numbers of a kind, one tensor of ``shape`` for each position of the global batch: (len(positions), *shape).

    Args:
        kind: ``"normal"`` for N(0, 1), ``"uniform"`` for U(0, 1), ``"symmetric"`` for U(-1, 1).
    """
    if 0 in shape:
        return torch.empty(len(positions), *shape)  # as of a code that there is not, in each step
    rows = []
    for position in positions:
        numbers = draw(seed, purpose, step, position)
        match kind:
            case "normal":
                rows.append(numbers.standard_normal(shape, dtype=np.float32))
            case "uniform":
                rows.append(numbers.random(shape, dtype=np.float32))
            case "symmetric":
                rows.append(2 * numbers.random(shape, dtype=np.float32) - 1)
            case _:
                raise ValueError(f"unknown kind of noise {kind!r}")
    return torch.from_numpy(np.stack(rows)) if rows else torch.empty(0, *shape)
