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
        UsageError: a transform that Albumentations does not have, or arguments that it refuses.
    """

    def __init__(self, size: int, transforms: tuple[Transform, ...], seed: int) -> None:
        import albumentations  # three seconds: only when a run begins

        self.seed, self.size, self.crops_only = seed, size, not transforms
        steps = [albumentations.RandomCrop(size, size), *(_build(albumentations, t) for t in transforms)]
        self.pipeline = albumentations.Compose(steps)

    def __call__(self, picture: np.ndarray, step: int, position: int) -> np.ndarray:
        """Augment one picture.

        Args:
            picture: (H, W, 3) uint8.
            step: training step.
            position: place of the picture in the global batch.

        Returns:
            (size, size, 3) uint8.
        """
        if self.crops_only and picture.shape[:2] == (self.size, self.size):
            return picture  # there is nothing to draw, and digits go by in thousands
        numbers = draw(self.seed, "augmentation", step, position)
        self.pipeline.set_random_seed(int(numbers.integers(2**31)))
        result: np.ndarray = self.pipeline(image=picture)["image"]
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
        raise UsageError(f"data.augment: {transform.name}: {str(error).splitlines()[0]}") from error
