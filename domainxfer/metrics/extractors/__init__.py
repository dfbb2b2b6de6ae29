"""Feature extractors: what looks at pictures when a figure is computed. None of them is used in training.

A contract of five: a name, a digest of what it computes with, the side it wants its pictures at, how they come to it,
and ``features(x)`` from (B, 3, H, W) in [-1, 1] to (B, F). A figure always carries the first four.

One file each; those of digits share one. To add one: write its class, and name it in `EXTRACTORS` (and in
`TAKE_WEIGHTS`, if a file feeds it).
"""

from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

from domainxfer.errors import MissingExtra, UsageError, did_you_mean
from domainxfer.metrics.extractors.base import (
    Extractor,
    NamesClasses,
    features_in_batches,
    file_digest,
    read_weights,
    resized,
)
from domainxfer.metrics.extractors.digits import Digits, StackedDigits
from domainxfer.metrics.extractors.dinov2 import DinoV2
from domainxfer.metrics.extractors.efficientnet_lite0 import EfficientNetLite0
from domainxfer.metrics.extractors.gabor import Gabor
from domainxfer.metrics.extractors.inception import Inception
from domainxfer.metrics.extractors.maze_counts import MazeCounts

__all__ = [
    "EXTRACTORS",
    "TAKE_WEIGHTS",
    "Digits",
    "DinoV2",
    "EfficientNetLite0",
    "Extractor",
    "Gabor",
    "Inception",
    "MazeCounts",
    "NamesClasses",
    "StackedDigits",
    "features_in_batches",
    "file_digest",
    "load_extractor",
    "read_weights",
    "resized",
]

EXTRACTORS: dict[str, Callable[..., Extractor]] = {
    "efficientnet-lite0": EfficientNetLite0,
    "gabor": Gabor,
    "digits": Digits,
    "stacked-digits": StackedDigits,
    "maze-counts": MazeCounts,
    "inception": Inception,
    "dinov2": DinoV2,
}

TAKE_WEIGHTS = ("inception", "dinov2")
"""Those that are made from a file of the user's: called as ``make(weights, offline=...)``."""


@lru_cache(maxsize=2)
def load_extractor(name: str = "auto", weights: Path | None = None, *, offline: bool = False) -> Extractor:
    """An extractor by name; ``auto`` takes the best one that is installed.

    Args:
        name: one of `EXTRACTORS`, or ``auto``.
        weights: the file of one of `TAKE_WEIGHTS`, if it does not lie where that one looks.
        offline: never fetch a missing file.

    Raises:
        UsageError: unknown name, or a weights file for one that takes none.
        MissingExtra: its package is not installed.
        DomainxferError: its weights are missing or not the right ones.
    """
    if name != "auto" and name not in EXTRACTORS:
        raise UsageError(
            f"unknown extractor {name!r}.{did_you_mean(name, list(EXTRACTORS))} Known: {', '.join(EXTRACTORS)}"
        )
    if name in TAKE_WEIGHTS:
        return EXTRACTORS[name](weights, offline=offline)
    if weights is not None:
        raise UsageError(f"the extractor {name} takes no weights file; those that do: {', '.join(TAKE_WEIGHTS)}")
    if name != "auto":
        return EXTRACTORS[name]()
    try:
        return EfficientNetLite0()
    except MissingExtra:
        return Gabor()
