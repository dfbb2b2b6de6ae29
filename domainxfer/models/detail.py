"""Gains on a picture's own detail: what a blur takes away is weakened or strengthened, a level of detail at a time.

Level 0 is what a [1 2 1] blur takes away, level i what a blur 2^i times as wide takes away from what was left (the
transform "a trous", Holschneider et al. 1990; it has no grid, so a tile is changed as the whole picture would be). A
gain of -1 takes a level away, 0 leaves it. Painted as a change, an erased stripe would have to be its own exact
negative, to the pixel.

With ``edges`` the blur stops at edges (edge-avoiding a trous, Dammertz et al. 2010): detail is then what shades a
surface and not what bounds it. Taking it away leaves flat colours, which painting would have to hit to the pixel again.
"""

import torch
import torch.nn.functional as F
from torch import Tensor


def amplified(image: Tensor, gains: Tensor, edges: float = 0.0) -> Tensor:
    """The change that gains make to a picture's own detail.

    Args:
        image: (B, C, H, W).
        gains: (B, levels, H, W), finest first.
        edges: colours that differ by this, [-1, 1] a channel, are taken into the blur at 1/e of its weight, and hardly
            where they differ by twice as much; 0 knows no edges.

    Returns:
        (B, C, H, W), to be added to the picture.
    """
    change, sharper = torch.zeros_like(image), image
    for level in range(gains.shape[1]):
        spread = 2**level
        softer = smoothed_between_edges(sharper, spread, edges) if edges else smoothed(sharper, spread)
        change = torch.addcmul(change, gains[:, level : level + 1], sharper - softer)
        sharper = softer
    return change


def smoothed(image: Tensor, spread: int) -> Tensor:
    """The [1 2 1] / 4 filter along both axes, its taps ``spread`` pixels apart, edges repeated; the shape is kept.

    Sums of shifted pictures: three channels are too few for a depthwise convolution to be fast on a CPU.
    """
    x = F.pad(image, (spread,) * 4, mode="replicate")
    for axis in (2, 3):
        side = x.shape[axis] - 2 * spread
        before, middle, after = (x.narrow(axis, start, side) for start in (0, spread, 2 * spread))
        x = (before + after).add_(middle, alpha=2)
    return x.div_(16)


def smoothed_between_edges(image: Tensor, spread: int, edges: float) -> Tensor:
    """The same nine taps, each weighed down by how much its colour differs: times exp(-|difference|^2 / edges^2).

    The weights are taken as given: gradients pass through the mean and not through them, as though the filter had been
    chosen beforehand.
    """
    height, width = image.shape[2:]
    padded = F.pad(image, (spread,) * 4, mode="replicate")
    change, total = torch.zeros_like(image), torch.full_like(image[:, :1], 4.0)  # the middle tap: weight 2 x 2
    for row in range(3):
        for column in range(3):
            if row == column == 1:
                continue
            tap = padded[:, :, row * spread : row * spread + height, column * spread : column * spread + width]
            difference = tap - image
            with torch.no_grad():
                weight = (2 - abs(row - 1)) * (2 - abs(column - 1)) * closeness(difference, edges)
                total = total + weight
            change = torch.addcmul(change, weight, difference)
    return image + change / total


def closeness(difference: Tensor, edges: float) -> Tensor:
    """exp(-|d|^2 / edges^2) of differences of colour (B, C, H, W): (B, 1, H, W)."""
    return difference.square().sum(1, keepdim=True).mul_(-1 / edges**2).exp_()
