"""Other looks at a picture: what a label that is found without help must not depend on.

Whatever all looks at a picture share can become its label. Turned, sheared, stretched, bent, with thicker or thinner
ink and in another tone, a digit has little left in common with itself but which digit it is. Of a drawing whose parts
are looked at in any hue, what all looks share is the manner in which it was drawn.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from domainxfer.objective import Looks

BENDS = 5  # control points along each side of the field that bends a picture
SINGLE = 13  # turn, shear, ... each take one number
NUMBERS = SINGLE + 2 * BENDS**2
"""Numbers in [-1, 1] that one look at one picture takes."""


def looked_at(x: Tensor, settings: Looks, symmetric: Tensor) -> Tensor:
    """One look at each picture.

    Args:
        x: pictures (B, C, H, W) in [-1, 1].
        settings: how far looks differ.
        symmetric: U(-1, 1), (B, NUMBERS).

    Returns:
        (B, C, H, W) in [-1, 1].
    """
    *single, bends = symmetric.split([1] * SINGLE + [2 * BENDS**2], dim=1)
    turn, shear, wide, high, right, down, ink, tone, flip, hue, zoom, part_right, part_down = single
    angle = turn * math.radians(settings.turn)
    wide, high = (torch.exp(s * math.log(settings.stretch)) for s in (wide, high))
    if settings.flip:
        wide = torch.where(flip < 0, -wide, wide)
    part = 1 + (settings.zoom - 1) * (zoom + 1) / 2
    wide, high = wide * part, high * part
    cos, sin, slant = angle.cos(), angle.sin(), shear * settings.shear
    rows = [
        torch.cat(
            [cos * wide, (cos * slant - sin) * high, right * 2 * settings.shift + part_right * (1 - part)], dim=1
        ),
        torch.cat([sin * wide, (sin * slant + cos) * high, down * 2 * settings.shift + part_down * (1 - part)], dim=1),
    ]
    grid = F.affine_grid(torch.stack(rows, dim=1), list(x.shape), align_corners=False)
    if settings.bend:
        field = settings.bend * bends.view(-1, 2, BENDS, BENDS)
        grid = grid + F.interpolate(field, size=x.shape[2:], mode="bicubic", align_corners=False).permute(0, 2, 3, 1)
    x = F.grid_sample(x, grid.to(x.dtype), padding_mode="border", align_corners=False)
    if settings.ink:
        x = _inked(x, settings.ink * ink.view(-1, 1, 1, 1))
    if settings.hue and x.shape[1] == 3:
        x = _recoloured(x, hue[:, 0] * math.radians(settings.hue))
    if settings.tone:
        x = (x + 1) * (1 - settings.tone * (tone.view(-1, 1, 1, 1) + 1) / 2) - 1
    return x


def _recoloured(x: Tensor, angle: Tensor) -> Tensor:
    """Colours turned about the axis of greys by ``angle`` (B,) in radians (Rodrigues); cut to [-1, 1]."""
    grey = x.mean(1, keepdim=True)
    across = (x.roll(1, 1) - x.roll(-1, 1)) / math.sqrt(3)
    cos, sin = angle.cos().view(-1, 1, 1, 1), angle.sin().view(-1, 1, 1, 1)
    return (grey + cos * (x - grey) + sin * across).clamp(-1, 1)


def _inked(x: Tensor, amount: Tensor) -> Tensor:
    """Bright strokes thicker by a share of a pixel (amount > 0), or thinner: towards the 3 x 3 maximum or minimum."""
    thick, thin = F.max_pool2d(x, 3, 1, 1), -F.max_pool2d(-x, 3, 1, 1)
    return x + torch.where(amount > 0, amount * (thick - x), amount * (x - thin))
