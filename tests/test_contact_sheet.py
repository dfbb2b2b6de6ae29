"""Sheets show every picture, unbent, with its title below."""

import numpy as np
import pytest
from PIL import Image

from domainxfer.contact_sheet import LARGEST_SIDE, SMALLEST_SIDE, contact_sheet, fit_for_sheet

COLOURS = [(200, 0, 0), (0, 200, 0), (0, 0, 200)]


def columns_of(sheet: np.ndarray, colour: tuple[int, int, int]) -> np.ndarray:
    return np.flatnonzero((sheet == colour).all(axis=2).any(axis=0))


def test_pictures_stand_side_by_side_in_order_with_titles_below() -> None:
    pictures = [(f"name {colour}", Image.new("RGB", (200, 150), colour)) for colour in COLOURS]
    sheet = contact_sheet(pictures)
    pixels = np.asarray(sheet)
    spans = [columns_of(pixels, colour) for colour in COLOURS]
    assert [len(span) for span in spans] == [200] * 3
    assert spans[0].max() < spans[1].min() <= spans[1].max() < spans[2].min()
    below = pixels[8 + 150 :].min(axis=2)
    assert all((below[:, span] < 128).any() for span in spans)
    blank = np.asarray(contact_sheet([("", picture) for _, picture in pictures]))
    assert (blank[8 + 150 :] == 255).all()


def test_rows_are_broken_and_sizes_bounded() -> None:
    sheet = contact_sheet([(str(i), Image.new("L", (3000, 1000))) for i in range(5)], columns=2)
    assert sheet.width < 2 * LARGEST_SIDE + 50
    assert sheet.height > 3 * LARGEST_SIDE // 3
    assert fit_for_sheet(Image.new("RGB", (3000, 2))).size == (LARGEST_SIDE, 1)
    assert fit_for_sheet(Image.new("RGBA", (50, 20))).size == (150, 60)
    assert max(fit_for_sheet(Image.new("1", (1, 1))).size) == SMALLEST_SIDE


def test_long_title_stays_in_its_column() -> None:
    pictures = [("w" * 200, Image.new("RGB", (128, 128), COLOURS[0])), ("", Image.new("RGB", (128, 128), COLOURS[1]))]
    pixels = np.asarray(contact_sheet(pictures))
    second = columns_of(pixels, COLOURS[1])
    assert (pixels[8 + 128 :, second] == 255).all()
    assert (pixels[8 + 128 :, : second.min()] < 128).any()


def test_empty_sheet_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one picture"):
        contact_sheet([])
