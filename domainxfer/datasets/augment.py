"""Albumentations pipelines whose every draw is a function of (seed, step, position).

albumentations 2.0.8 seeds its transforms once a process: left alone, each loader worker draws the same augmentations,
in every epoch. Here the pipeline is seeded anew for each picture, from its place in the run.
"""

import os
import warnings
from typing import Any

import numpy as np

from domainxfer.draws import draw
from domainxfer.errors import UsageError, did_you_mean
from domainxfer.recipe import Transform

os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")  # it would ask its host for a newer version at import


class Augmentation:
    """Random crop to the training size, then the transforms of the recipe.

    Args:
        size: side of the result, px; the input's sides must not be smaller.
        transforms: Albumentations transforms by name.
        seed: the run's seed.

    Raises:
        UsageError: a transform that Albumentations does not have, arguments that it refuses, or pictures of another
            size.
    """

    def __init__(self, size: int, transforms: tuple[Transform, ...], seed: int) -> None:
        import albumentations  # three seconds: only when a run begins

        self.seed, self.size, self.crops_only = seed, size, not transforms
        steps = [albumentations.RandomCrop(size, size), *(_build(albumentations, t) for t in transforms)]
        self.pipeline = albumentations.Compose(steps)
        try:
            for position in range(3):  # sizes may be drawn, too
                self(np.zeros((size + 1, size + 1, 3), np.uint8), 0, position)
        except UsageError:
            raise
        except Exception as error:  # what a transform wants beside a picture, it says in its own way
            raise UsageError(f"data.augment: {_reason(error)}") from error

    def __call__(self, picture: np.ndarray, step: int, position: int) -> np.ndarray:
        """Augment one picture.

        Args:
            picture: (H, W, 3) uint8.
            step: training step.
            position: place of the picture in the global batch.

        Returns:
            (size, size, 3) uint8.

        Raises:
            UsageError: the transforms made something else of it.
        """
        if self.crops_only and picture.shape[:2] == (self.size, self.size):
            return picture  # there is nothing to draw, and digits go by in thousands
        numbers = draw(self.seed, "augmentation", step, position)
        self.pipeline.set_random_seed(int(numbers.integers(2**31)))
        result: np.ndarray = self.pipeline(image=picture)["image"]
        wanted = (self.size, self.size, 3)
        if result.shape != wanted or result.dtype != np.uint8:
            raise UsageError(
                f"data.augment: it makes pictures {result.shape} of {result.dtype}; training takes {wanted} of uint8, "
                "so leave out what scales, crops or converts them (data.margin makes room for the random crop)"
            )
        return result


def _build(albumentations: Any, transform: Transform) -> Any:
    known = [name for name in dir(albumentations) if name[0].isupper()]
    if transform.name not in known:
        raise UsageError(
            f"data.augment: albumentations has no {transform.name!r}.{did_you_mean(transform.name, known)}"
        )
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("error", message="Argument")  # a misspelt one only earns a warning there
            return getattr(albumentations, transform.name)(**transform.arguments)
    except (TypeError, ValueError, UserWarning) as error:
        raise UsageError(f"data.augment: {transform.name}: {_reason(error)}") from error


def _reason(error: Exception) -> str:
    """In one line. Albumentations hands pydantic's text on: argument and reason stand in its second and third line."""
    first, *more = str(error).splitlines() or [type(error).__name__]
    return f"{more[0].strip()}: {more[1].strip().split(' [')[0]}" if "validation error" in first and more[1:] else first
