"""Where does a model change a picture? A sheet of source, translation and their difference.

    python benchmarks/difference_sheet.py MODEL FOLDER --to zebra --count 20 -o sheet.png

The difference is the mean absolute change over the colours, black where nothing changed, white from a half of the
range on. Pictures are taken at even steps through the folder's names, so nobody chose them.
"""

import argparse
from pathlib import Path

import numpy as np
from PIL import Image

import domainxfer
from domainxfer.contact_sheet import contact_sheet
from domainxfer.datasets.pixels import centre_crop, shrink
from domainxfer.pictures import find_pictures, open_picture, to_rgb

WHITE_AT = 0.5  # of the range


def spread_out(pictures: list[Path], count: int) -> list[Path]:
    """``count`` of the pictures at even steps, or all where there are no more."""
    count = min(count, len(pictures))
    return [pictures[i * len(pictures) // count] for i in range(count)]


def difference(source: Image.Image, output: Image.Image) -> Image.Image:
    """Mean absolute change over the colours, as a grey picture."""
    change = abs(np.asarray(output, np.float32) - np.asarray(source, np.float32)).mean(axis=2)
    return Image.fromarray(np.rint(change / WHITE_AT).clip(0, 255).astype(np.uint8))


def sheet_of(model: domainxfer.Model, pictures: list[Path], to: str, size: int) -> Image.Image:
    """Two pictures a row, three columns each."""
    cells = []
    for path in pictures:
        source = Image.fromarray(centre_crop(shrink(to_rgb(open_picture(path)), size), size))
        output = model.translate(source, to=to)
        cells += [(path.name, source), (f"> {to}", output), ("change", difference(source, output))]
    return contact_sheet(cells, columns=6)


def main() -> None:
    """Read the command line, write the sheet."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path, help="run or model folder")
    parser.add_argument("folder", type=Path, help="pictures")
    parser.add_argument("--to", required=True, help="domain")
    parser.add_argument("--count", type=int, default=20)
    parser.add_argument("--size", type=int, help="side, px; the model's own by default")
    parser.add_argument("-o", "--output", type=Path, default=Path("differences.png"))
    wish = parser.parse_args()
    model = domainxfer.load(wish.model)
    pictures = spread_out(find_pictures(wish.folder), wish.count)
    if not pictures:
        parser.error(f"no pictures in {wish.folder}")
    sheet_of(model, pictures, wish.to, wish.size or model.config.size).save(wish.output)
    print(f"{wish.output}: {len(pictures)} pictures")


if __name__ == "__main__":
    main()
