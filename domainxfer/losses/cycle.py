"""Reconstruction losses of translation (CycleGAN, Zhu et al. 2017): there and back again, and nothing to change."""

import torch.nn.functional as F
from torch import Tensor


def cycle(x_cycle: Tensor, x_source: Tensor) -> Tensor:
    """E |G(G(x, target), source) - x|: what was translated must come back."""
    return F.l1_loss(x_cycle, x_source)


def identity(x_same: Tensor, x_real: Tensor) -> Tensor:
    """E |G(x, own label) - x|: a picture already in the domain stays as it is, so colours do not invert."""
    return F.l1_loss(x_same, x_real)
