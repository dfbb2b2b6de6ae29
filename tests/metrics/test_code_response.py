"""The response to a code, of generators simple enough to work out."""

import math

import pytest
import torch
from torch import Tensor

from domainxfer.metrics.code_response import both_ends, code_responses

BASE = torch.tensor([-0.5, 0.0, 0.25]).view(-1, 1, 1, 1).expand(-1, 3, 4, 4)


def painted(code: Tensor) -> Tensor:
    """The first value brightens every picture, the second the upper half only, the third nothing."""
    half = torch.zeros(3, 4, 4)
    half[:, :2] = 1
    return BASE + 0.4 * code[0] + 0.2 * code[1] * half


def halves(x: Tensor) -> Tensor:
    """Features (N, 2): brightness above and below, from black on."""
    return torch.stack([x[:, :, :2].mean((1, 2, 3)), x[:, :, 2:].mean((1, 2, 3))], 1) + 1


def test_each_value_goes_from_one_end_to_the_other_alone() -> None:
    seen: list[list[float]] = []
    for low, high in both_ends(lambda code: seen.append(code.tolist()) or code, 3):
        assert torch.equal(low, -high)
    assert seen == [[-1, 0, 0], [1, 0, 0], [0, -1, 0], [0, 1, 0], [0, 0, -1], [0, 0, 1]]


def test_pixels_count_on_the_scale_of_0_to_1() -> None:
    first, second, third = code_responses(painted, 3, halves)
    assert first.pixels.tolist() == pytest.approx([0.4] * 3)
    assert second.pixels.tolist() == pytest.approx([0.1] * 3)
    assert third.pixels.tolist() == [0, 0, 0]


def test_features_count_by_their_cosine() -> None:
    first, second, third = code_responses(painted, 3, halves)
    assert first.features.tolist() == pytest.approx([0] * 3, abs=1e-7), "both halves alike: the direction stays"
    for response, base in zip(second.features.tolist(), (0.5, 1.0, 1.25), strict=True):
        low, high = math.atan2(base - 0.2, base), math.atan2(base + 0.2, base)
        assert response == pytest.approx(1 - math.cos(high - low), rel=1e-4)
    assert third.features.tolist() == pytest.approx([0] * 3, abs=1e-7)


def test_without_a_code_there_is_none() -> None:
    assert code_responses(painted, 0, halves) == []
