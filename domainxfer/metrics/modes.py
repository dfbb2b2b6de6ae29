"""Is everything made, and equally often? Modes, and how evenly a classifier finds them in generated pictures.

For plain digits a mode is one of 10 classes; for stacked digits, with one digit in each colour, one of 1000 triples.
"""

import math
from dataclasses import dataclass

import numpy as np

from domainxfer.draws import draw


@dataclass(frozen=True)
class ModeFigures:
    """How the pictures spread over the modes."""

    modes: int
    """Modes with at least one picture."""
    entropy: float
    """nats, 0 (one mode only) to log(number of modes)."""
    kl: float
    """nats, from the shares found to equal shares; 0 is best."""
    floor: float
    """nats: the ``kl`` to expect of a perfect generator with as many pictures."""


def mode_figures(classes: np.ndarray, count: int) -> ModeFigures:
    """All figures at once.

    Args:
        classes: (N,) integers in [0, count).
        count: how many modes there are.

    Raises:
        ValueError: no pictures, or a class out of range.
    """
    histogram = class_histogram(classes, count)
    return ModeFigures(
        modes=int(np.count_nonzero(histogram)),
        entropy=entropy(histogram),
        kl=kl_to_uniform(histogram),
        floor=_floor(count, len(classes)),
    )


def joint_classes(channels: np.ndarray, base: int = 10) -> np.ndarray:
    """The mode of a picture from the class of each of its channels, as digits of one number: (N, C) -> (N,) int64.

    Args:
        channels: (N, C) integers in [0, base); the first channel weighs most: (2, 0, 7) is 207.
        base: classes a channel; the number of modes is base^C.

    Raises:
        ValueError: a class out of range.
    """
    if channels.size and not 0 <= channels.min() <= channels.max() < base:
        raise ValueError(f"classes of channels lie in 0 to {base - 1}, got {channels.min()} to {channels.max()}")
    joint: np.ndarray = channels.astype(np.int64) @ base ** np.arange(channels.shape[1])[::-1]
    return joint


def class_histogram(classes: np.ndarray, count: int) -> np.ndarray:
    """How many pictures each mode has: (N,) integers in [0, count) -> (count,) int64.

    Raises:
        ValueError: no pictures, or a class out of range.
    """
    if not len(classes):
        raise ValueError("a histogram needs at least 1 picture")
    if not 0 <= classes.min() <= classes.max() < count:
        raise ValueError(f"classes lie in 0 to {count - 1}, got {classes.min()} to {classes.max()}")
    return np.bincount(classes, minlength=count)


def entropy(counts: np.ndarray) -> float:
    """-sum p log p of the shares p that counts of any shape stand for; nats."""
    some = counts[counts > 0]
    return float((some * np.log(some.sum() / some)).sum() / some.sum())


def kl_to_uniform(histogram: np.ndarray) -> float:
    """sum p log(p / (1 / M)) = log M - entropy, of the shares p of M modes; nats, 0 to log M."""
    return max(0.0, math.log(len(histogram)) - entropy(histogram))  # rounding


def _floor(count: int, samples: int) -> float:
    return kl_floor(count, samples) if samples >= 5 * count else float(drawn_floor(count, samples).mean())


def kl_floor(count: int, samples: int) -> float:
    """About what `kl_to_uniform` is for draws from equal shares: (M - 1) / (2 N) nats (the bias of Miller 1955).

    Too low by a share of about M / (6 N); with fewer than two pictures a mode or so it is wrong, so take `drawn_floor`.

    Args:
        count: M, how many modes there are.
        samples: N, how many pictures.
    """
    return (count - 1) / (2 * samples)


def drawn_floor(count: int, samples: int, *, seed: int = 0, rounds: int = 100) -> np.ndarray:
    """What `kl_to_uniform` is for draws from equal shares, in each of several rounds: (rounds,), nats.

    Args:
        count: how many modes there are.
        samples: how many pictures in each round.
        seed: of the draws.
        rounds: how many times.
    """
    histograms = draw(seed, "equal modes").multinomial(samples, [1 / count] * count, size=rounds)
    return np.array([kl_to_uniform(histogram) for histogram in histograms])
