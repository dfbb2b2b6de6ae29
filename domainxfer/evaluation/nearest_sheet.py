"""Likely copies on a sheet: made pictures above the training pictures nearest to them, the most suspicious first."""

import numpy as np
from PIL import Image
from torch import Tensor

from domainxfer.contact_sheet import contact_sheet

PAIRS = 12
GAP = 2  # px between the two, before the sheet enlarges them


def nearest_sheet(made: Tensor, training: Tensor, nearness: Tensor) -> Image.Image:
    """Pairs, six in a row, with their nearness under them.

    Args:
        made: (N, C, H, W) in [-1, 1], N >= 1.
        training: of the same shape; what is nearest to each.
        nearness: (N,), `NearestTraining.nearness`: at most 1 where it is as near as a copy would be.
    """
    pairs = [_pair(above, below) for above, below in zip(made, training, strict=True)]
    return contact_sheet([(f"{value:.2f}", pair) for value, pair in zip(nearness.tolist(), pairs, strict=True)])


def _pair(above: Tensor, below: Tensor) -> Image.Image:
    """One above the other on white."""
    upper, lower = (
        x.expand(3, -1, -1).clamp(-1, 1).add(1).mul(127.5).round().byte().permute(1, 2, 0).numpy()
        for x in (above, below)
    )
    paper = np.full((GAP, *upper.shape[1:]), 255, np.uint8)
    return Image.fromarray(np.concatenate([upper, paper, lower]))
