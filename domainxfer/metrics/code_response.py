"""Does the code matter? How far pictures move while one value of the code goes from -1 to 1 and all others are 0."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from domainxfer.metrics.per_picture import feature_cosine, pixel_distance

MakeWithCode = Callable[[Tensor], Tensor]
"""From a code (code_size,) to pictures (N, C, H, W) in [-1, 1]: the same contents and labels whatever the code."""


@dataclass(frozen=True)
class CodeResponse:
    """How far each picture moves with one value of the code."""

    pixels: Tensor
    """(N,) mean absolute difference of its two ends, range [0, 1]."""
    features: Tensor
    """(N,) 1 - cosine of their features: 0 for alike, 1 for nothing in common."""


def code_responses(make: MakeWithCode, code_size: int, features: Callable[[Tensor], Tensor]) -> list[CodeResponse]:
    """The response to each value of the code.

    Args:
        make: the generator with its contents and labels, from pictures or from noise.
        code_size: values of the code; 0 gives an empty list.
        features: of pictures, (N, C, H, W) -> (N, F).
    """
    return [
        CodeResponse(pixel_distance(low, high), 1 - feature_cosine(features(low), features(high)))
        for low, high in both_ends(make, code_size)
    ]


def both_ends(make: MakeWithCode, code_size: int) -> Iterator[tuple[Tensor, Tensor]]:
    """For each value of the code, the pictures with it at -1 and at 1, all other values 0."""
    for alone in torch.eye(code_size):
        yield make(-alone), make(alone)
