"""Pictures side by side on white, with a title under each."""

from collections.abc import Sequence

from PIL import Image, ImageDraw, ImageFont

from domainxfer.pictures import to_rgb

LARGEST_SIDE = 512
"""Pictures with a longer side are shrunk to this."""

SMALLEST_SIDE = 128
"""Smaller pictures are enlarged by a whole factor, pixels staying squares."""

_GAP = 8
_INK, _PAPER = (32, 32, 32), (255, 255, 255)


def contact_sheet(pictures: Sequence[tuple[str, Image.Image]], columns: int = 6) -> Image.Image:
    """Lay out (title, picture) pairs from left to right, at most ``columns`` in a row: one RGB picture.

    Raises:
        ValueError: there is no picture, or ``columns`` is less than 1.
    """
    if not pictures or columns < 1:
        raise ValueError("a contact sheet needs at least one picture and one column")
    views = [fit_for_sheet(picture) for _, picture in pictures]
    cell_width = max(SMALLEST_SIDE, *(view.width for view in views))
    cell_height = max(view.height for view in views)
    font_size = max(12, cell_width // 16)
    columns = min(columns, len(views))
    rows = -(-len(views) // columns)
    step_x, step_y = cell_width + _GAP, cell_height + 2 * font_size + _GAP
    sheet = Image.new("RGB", (columns * step_x + _GAP, rows * step_y + _GAP), _PAPER)
    pen = ImageDraw.Draw(sheet)
    for i, ((title, _), view) in enumerate(zip(pictures, views, strict=True)):
        left, top = _GAP + i % columns * step_x, _GAP + i // columns * step_y
        sheet.paste(view, (left + (cell_width - view.width) // 2, top + (cell_height - view.height) // 2))
        middle = (left + cell_width / 2, top + cell_height + font_size)
        title, font = _fitting(title, font_size, cell_width)
        pen.text(middle, title, fill=_INK, font=font, anchor="mm")
    return sheet


def fit_for_sheet(picture: Image.Image) -> Image.Image:
    """An RGB picture between `SMALLEST_SIDE` and `LARGEST_SIDE` in size, its aspect kept."""
    view = to_rgb(picture)
    longer = max(view.size)
    if longer > LARGEST_SIDE:
        size = [max(1, round(side * LARGEST_SIDE / longer)) for side in view.size]
        return view.resize((size[0], size[1]), Image.Resampling.BICUBIC, reducing_gap=3.0)
    factor = -(-SMALLEST_SIDE // longer)
    return view.resize((view.width * factor, view.height * factor), Image.Resampling.NEAREST) if factor > 1 else view


def _fitting(title: str, size: int, width: int) -> tuple[str, ImageFont.FreeTypeFont | ImageFont.ImageFont]:
    """The title and a font in which it fits the width: smaller for a long one, and in the end cut short."""
    for candidate in range(size, 9, -1):
        font = ImageFont.load_default(candidate)
        if font.getlength(title) <= width:
            return title, font
    while title and font.getlength(title + "...") > width:
        title = title[:-1]
    return title + "...", font
