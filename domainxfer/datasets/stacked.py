"""Stacked digits: each picture has three digits, one a colour, so that there are a thousand classes of equal share.

The test of mode collapse (Metz et al. 2017; Lin et al. 2018, "PacGAN"): which classes a generator leaves out, a
classifier of digits finds colour by colour. Nothing is stored but which digits make a picture; the picture is put
together when it is asked for.
"""

from collections.abc import Iterator
from itertools import product

import numpy as np
from PIL import Image

from domainxfer.datasets.domain_data import SPLITS, DomainData, PictureArray, Split
from domainxfer.draws import draw

COUNTS: dict[Split, int] = {"train": 128_000, "validation": 2_000, "test": 10_000}
"""Pictures of each split; 128,000 for training is the usual protocol."""


class StackedDigits:
    """Pictures made of three digits each: the first is red, the second green, the third blue.

    Args:
        digits: uint8 (M, H, W).
        classes: int64 (M,), what each digit is: 0 to 9.
        chosen: int64 (N, 3), the digits that make each picture.
    """

    def __init__(self, digits: np.ndarray, classes: np.ndarray, chosen: np.ndarray) -> None:
        self.digits, self.chosen = digits, chosen
        self.triples: np.ndarray = classes[chosen]
        """int64 (N, 3): what the red, the green and the blue digit of each picture are."""

    def __len__(self) -> int:
        return len(self.chosen)

    def __getitem__(self, index: int) -> Image.Image:
        return Image.fromarray(np.stack(self.digits[self.chosen[index]], axis=-1))

    def __iter__(self) -> Iterator[Image.Image]:
        return (self[index] for index in range(len(self)))

    def name(self, index: int) -> str:
        return f"picture {index}"


def stacked_digits(
    digits: DomainData, name: str, *, seed: int = 0, counts: dict[Split, int] | None = None
) -> DomainData:
    """Stacked digits without labels; the truth, class 207 for the digits 2, 0 and 7, is put aside in ``classes``.

    Args:
        digits: ten domains of grey pictures in memory; each split is composed of that split's digits only.
        name: what to call the result.
        seed: decides which digits meet. Picture i of a seed and split is the same, however many there are.
        counts: pictures of each split; None for `COUNTS`.
    """
    made = {split: _composed(digits, split, seed, (counts or COUNTS)[split]) for split in SPLITS}
    return DomainData(
        name=name,
        domains=(),
        train=(made["train"],),
        validation=(made["validation"],),
        test=(made["test"],),
        class_names=tuple(map("".join, product(digits.domains, repeat=3))),
        classes={split: pictures.triples @ (100, 10, 1) for split, pictures in made.items()},
    )


def _composed(digits: DomainData, split: Split, seed: int, count: int) -> StackedDigits:
    parts = [part.array for part in digits.split(split) if isinstance(part, PictureArray)]
    images, classes = np.concatenate(parts), np.repeat(np.arange(len(parts)), list(map(len, parts)))
    chosen = draw(seed, "stacked digits", SPLITS.index(split)).integers(len(images), size=(count, 3))
    return StackedDigits(images, classes, chosen)
