"""The sheet of likely copies: each made picture above its training picture, in the order given."""

import numpy as np
import torch

from domainxfer.evaluation.nearest_sheet import GAP, nearest_sheet


def test_pairs_stand_one_above_the_other() -> None:
    """Grey pictures of 64 px: pairs are 130 px high, and cells as wide as the sheet's least, 128 px."""
    greys = torch.linspace(-1, 1, 14)
    made, training = (x[:, None, None, None].expand(7, 1, 64, 64) for x in (greys[:7], greys[7:]))
    pixels = np.asarray(nearest_sheet(made, training, torch.arange(7) / 4))
    step_x = 128 + 8
    for number in range(7):
        row, column = divmod(number, 6)
        column_of_pixels = pixels[row * pixels.shape[0] // 2 :, 8 + column * step_x + 64, 0][8 : 8 + 128 + GAP]
        upper, lower = (round((float(x[number, 0, 0, 0]) + 1) * 127.5) for x in (made, training))
        assert abs(int(column_of_pixels[10]) - upper) <= 1
        assert abs(int(column_of_pixels[-10]) - lower) <= 1
        assert column_of_pixels[64] == 255, "white between the two"
    assert (pixels[-70:, 8 + 2 * step_x :] == 255).all(), "paper after the last"
