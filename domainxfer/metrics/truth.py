"""Figures against a known right answer: rendered scenes, where each picture exists in every domain."""

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class TruthFigure:
    """How one direction of translation compares with the truth. Pixel values are taken in [0, 1]."""

    psnr_inside: float
    """dB, output against truth, over the pixels of the figure."""
    psnr_inside_nothing: float
    """dB, the same for the untouched source: what doing nothing scores."""
    change_outside: float
    """Mean absolute difference between output and source outside the figure."""
    change_inside: float
    """The same inside."""

    @property
    def gain(self) -> float:
        """dB inside above doing nothing."""
        return self.psnr_inside - self.psnr_inside_nothing


def truth_figure(source: Tensor, output: Tensor, truth: Tensor, mask: Tensor) -> TruthFigure:
    """Compare translations with the truth.

    Args:
        source: (N, C, H, W) in [-1, 1].
        output: (N, C, H, W) in [-1, 1], the translated sources.
        truth: (N, C, H, W) in [-1, 1], the right answers.
        mask: (N, H, W) bool, True on the figure that should change.
    """
    source, output, truth = ((t.double() + 1) / 2 for t in (source, output, truth))
    inside = mask[:, None].expand_as(source)
    change = (output - source).abs()
    return TruthFigure(
        psnr_inside=_psnr(output[inside], truth[inside]),
        psnr_inside_nothing=_psnr(source[inside], truth[inside]),
        change_outside=float(change[~inside].mean()),
        change_inside=float(change[inside].mean()),
    )


def _psnr(a: Tensor, b: Tensor) -> float:
    """10 log10(1 / mean squared error), over all pixels of all pictures together."""
    return float(-10 * torch.log10((a - b).square().mean().clamp_min(1e-10)))
