"""Reconstruction losses of translation (CycleGAN, Zhu et al. 2017): there and back again, and nothing to change."""

import torch.nn.functional as F
from pydantic import PositiveInt
from torch import Tensor


def cycle(x_cycle: Tensor, x_source: Tensor, *, shrink: PositiveInt = 1) -> Tensor:
    """E |G(G(x, target), source) - x|: what was translated must come back.

    With ``shrink`` n both are averaged over blocks of n x n pixels first: a horse does not say where the stripes of the
    zebra were, and a G that is asked for them to the pixel hides them in the horse.
    """
    return F.l1_loss(_shrunk(x_cycle, shrink), _shrunk(x_source, shrink))


def identity(x_same: Tensor, x_real: Tensor) -> Tensor:
    """E |G(x, own label) - x|: a picture already in the domain stays as it is, so colours do not invert."""
    return F.l1_loss(x_same, x_real)


def _shrunk(x: Tensor, by: int) -> Tensor:
    return F.avg_pool2d(x, by, ceil_mode=True, count_include_pad=False) if by > 1 else x
