"""Figures against a known right answer, by hand."""

import math

import numpy as np
import pytest
import torch

from domainxfer.metrics.truth import truth_figure


def test_by_hand() -> None:
    numbers = np.random.default_rng(0)
    source, output, truth = (numbers.uniform(-1, 1, (3, 2, 4, 5)) for _ in range(3))
    mask = numbers.random((3, 4, 5)) < 0.4
    figure = truth_figure(*(torch.from_numpy(a) for a in (source, output, truth)), torch.from_numpy(mask))
    error, nothing, inside, outside = [], [], [], []
    for n, c, i, j in np.ndindex(source.shape):
        s, o, t = ((float(a[n, c, i, j]) + 1) / 2 for a in (source, output, truth))
        if mask[n, i, j]:
            error.append((o - t) ** 2)
            nothing.append((s - t) ** 2)
            inside.append(abs(o - s))
        else:
            outside.append(abs(o - s))

    def mean(values: list[float]) -> float:
        return sum(values) / len(values)

    assert figure.psnr_inside == pytest.approx(10 * math.log10(1 / mean(error)))
    assert figure.psnr_inside_nothing == pytest.approx(10 * math.log10(1 / mean(nothing)))
    assert figure.change_inside == pytest.approx(mean(inside))
    assert figure.change_outside == pytest.approx(mean(outside))
    assert figure.gain == pytest.approx(figure.psnr_inside - figure.psnr_inside_nothing)


def scene() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """A grey picture whose lower half should turn white."""
    source = torch.zeros(1, 3, 4, 4)
    mask = torch.zeros(1, 4, 4, dtype=torch.bool)
    mask[:, 2:] = True
    truth = torch.where(mask[:, None], 1.0, source)
    return source, truth, mask


def test_doing_nothing_gains_nothing() -> None:
    source, truth, mask = scene()
    figure = truth_figure(source, source, truth, mask)
    assert figure.gain == 0
    assert figure.change_inside == figure.change_outside == 0
    assert figure.psnr_inside == pytest.approx(10 * math.log10(4)), "half of the range [0, 1] off"


def test_the_right_answer_is_as_good_as_it_gets() -> None:
    source, truth, mask = scene()
    figure = truth_figure(source, truth, truth, mask)
    assert figure.psnr_inside == pytest.approx(100), "capped, not infinite"
    assert figure.change_inside == pytest.approx(0.5)
    assert figure.change_outside == 0


def test_inside_and_outside_are_kept_apart() -> None:
    source, truth, mask = scene()
    spoilt = torch.where(mask[:, None], truth, truth + 0.2)
    figure = truth_figure(source, spoilt, truth, mask)
    assert figure.psnr_inside == pytest.approx(100)
    assert figure.change_outside == pytest.approx(0.1)
