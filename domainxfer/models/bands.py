"""Pictures as networks see them: decorrelated bands, all of them equally loud.

Neighbouring pixels are nearly alike, and so are the three colours of one. What differs between them, fine texture and
hue, is ten to a hundred times fainter than brightness, and a network fed raw pixels learns it as much later. A critic
that has not learned it yet lets a generator paint rainbows. So pictures are first turned into opponent colours
(Ruderman et al. 1998) and Haar bands of 2 x 2 pixels, each divided by its usual deviation.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

OPPONENT = ((1.0, 1.0, 1.0), (1.0, 0.0, -1.0), (1.0, -2.0, 1.0))
"""Rows: brightness, red against blue, green against the rest; made orthonormal before use."""

HAAR = ((1.0, 1.0, 1.0, 1.0), (1.0, -1.0, 1.0, -1.0), (1.0, 1.0, -1.0, -1.0), (1.0, -1.0, -1.0, 1.0))
"""Rows: mean, change along x, change along y, both; over the pixels of a 2 x 2 block, times 1/2."""

LOUDNESS = ((1.5, 0.3, 0.3, 0.15), (0.4, 0.05, 0.05, 0.025), (0.2, 0.03, 0.03, 0.016))
"""Deviation of each band (columns: `HAAR`) of each colour (rows: `OPPONENT`) for pictures in [-1, 1]; rounded from the
training pictures of horse2zebra at 64 and 128 px. Drawings (emoji) have the same within a factor of 2."""


class Bands(nn.Module):
    """(B, C, H, W) in [-1, 1], C 1 or 3 -> (B, 4 C, H/2, W/2), fp32: bands of deviation about 1, colour by colour.

    A picture of one channel is brightness alone, and its bands are fainter by the root of 3.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        colours = opponent_colours() if channels == 3 else torch.ones(1, 1)
        loudness = torch.tensor(LOUDNESS[:channels])
        matrix = torch.einsum("kp,oc->okcp", torch.tensor(HAAR) / 2, colours) / loudness[:, :, None, None]
        self.channels = channels
        self.register_buffer("kernel", matrix.reshape(4 * channels, channels, 2, 2), persistent=False)

    def forward(self, image: Tensor) -> Tensor:
        with torch.autocast(image.device.type, enabled=False):  # bf16 would round the faint bands away
            bands: Tensor = F.conv2d(image.float(), self.get_buffer("kernel"), stride=2)
            return bands


class FromColours(nn.Module):
    """(B, 3, H, W), opponent colours of like deviation -> RGB, fp32, in which hue is as faint as it is in pictures."""

    def __init__(self) -> None:
        super().__init__()
        loudness = torch.tensor([row[0] / LOUDNESS[0][0] for row in LOUDNESS])
        self.register_buffer("kernel", (opponent_colours().T * loudness)[:, :, None, None], persistent=False)

    def forward(self, colours: Tensor) -> Tensor:
        with torch.autocast(colours.device.type, enabled=False):
            image: Tensor = F.conv2d(colours.float(), self.get_buffer("kernel"))
            return image


def opponent_colours() -> Tensor:
    """(3, 3), orthonormal: opponent colours from RGB, row by row; its transpose leads back."""
    rows = torch.tensor(OPPONENT)
    return F.normalize(rows, dim=1)
