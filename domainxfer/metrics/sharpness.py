"""How sharp pictures are: the figure for blur, which distances between features of whole pictures hardly see."""

import torch
import torch.nn.functional as F
from torch import Tensor

LUMA = (0.299, 0.587, 0.114)
"""ITU-R BT.601."""


def sharpness(x: Tensor) -> Tensor:
    """Variance of the Laplacian of each picture's grey values in [0, 1] (Pech-Pacheco et al. 2000).

        var over the places of  g(up) + g(down) + g(left) + g(right) - 4 g

    Noise is sharp too, so more than real pictures have is no better than less. Compare pictures of one size only.
    Places at the edge, whose neighbours are not all there, are left out.

    Args:
        x: (N, 1, H, W) grey or (N, 3, H, W) pictures in [-1, 1], H and W at least 3.

    Returns:
        (N,) float64, 0 (plain) to 16.

    Raises:
        ValueError: other channels, or pictures of less than 3 px.
    """
    if x.ndim != 4 or x.shape[1] not in (1, 3) or min(x.shape[2:]) < 3:
        raise ValueError(f"wanted pictures (N, 1 or 3, H, W) of at least 3 x 3 px, got {tuple(x.shape)}")
    weights = torch.tensor(LUMA if x.shape[1] == 3 else (1.0,), dtype=torch.float64)
    grey = ((x.double() + 1) / 2 * weights.view(1, -1, 1, 1)).sum(1, keepdim=True)
    laplacian = torch.tensor([[0.0, 1, 0], [1, -4, 1], [0, 1, 0]], dtype=torch.float64)
    return F.conv2d(grey, laplacian.view(1, 1, 3, 3)).flatten(1).var(1, correction=0)
