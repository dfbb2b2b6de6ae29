"""Sample grids: always the same held-out pictures (or noise), so that progress shows."""

import io
from collections.abc import Sequence
from pathlib import Path

import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from domainxfer.datasets.domain_data import DomainData
from domainxfer.datasets.pixels import held_out_tensor
from domainxfer.draws import per_position, permutation
from domainxfer.files import written_whole
from domainxfer.models.model import NetworkModel
from domainxfer.training.held_out import Translates, translated

ROWS = 8


class TranslationSamples:
    """A block of columns for each domain: its pictures, then those translated to each other domain.

    Args:
        data: validation pictures are taken from it.
        size: px.
        seed: which ones.
        rows: pictures of each domain.
    """

    def __init__(self, data: DomainData, size: int, seed: int, rows: int = ROWS) -> None:
        self.domains = data.domains
        rows = min(rows, *(len(pictures) for pictures in data.validation))
        self.pictures = [
            held_out_tensor(pictures, size, permutation(len(pictures), seed, "samples")[:rows].tolist())
            for pictures in data.validation
        ]

    def draw(self, model: Translates) -> Image.Image:
        """The grid, with the domains' names above the columns."""
        columns, titles = [], []
        for s, source in enumerate(self.pictures):
            columns.append(source)
            titles.append(self.domains[s])
            for t, target in enumerate(self.domains):
                if t != s:
                    columns.append(translated(model, source, t))
                    titles.append(f"> {target}")
        return titled_grid(columns, titles)


class NoiseSamples:
    """A column for each label (or eight columns without labels); a row is one noise vector.

    Args:
        model: its sizes.
        seed: which noise.
        rows: noise vectors.
    """

    def __init__(self, model: NetworkModel, seed: int, rows: int = ROWS) -> None:
        config = model.config.generator
        self.labels, self.rows = config.labels, rows
        count = rows if self.labels else rows * 8
        self.noise = noise_of(model, seed, range(count))

    def draw(self, model: NetworkModel) -> Image.Image:
        """The grid."""
        if not self.labels:
            return titled_grid(list(torch.split(model.apply(self.noise, None).cpu(), self.rows)), None)
        columns = [model.apply(self.noise, torch.full((self.rows,), k)).cpu() for k in range(self.labels)]
        names = model.domains or [str(k) for k in range(self.labels)]
        return titled_grid(columns, list(names))


class RebuiltSamples:
    """Pictures of noise, and below them held-out pictures, each above what the model rebuilds it as.

    Args:
        model: with an encoder; its sizes.
        data: validation pictures are taken from it.
        seed: which noise, and which pictures.
        rows: of held-out pictures, in a column for each label (or eight columns without labels).
    """

    def __init__(self, model: NetworkModel, data: DomainData, seed: int, rows: int = 3) -> None:
        config = model.config.generator
        self.new = NoiseSamples(model, seed)
        wanted = rows if config.labels else rows * 8
        count = min(wanted, *(len(pictures) for pictures in data.validation))
        groups = [
            held_out_tensor(p, config.size, permutation(len(p), seed, "samples")[:count].tolist(), config.channels)
            for p in data.validation
        ]
        if not config.labels:
            rows = max(1, count // 8)
            groups = [x for x in torch.split(groups[0], rows) if len(x) == rows]
        self.columns = groups
        self.labels = [torch.full((len(x),), k) if config.labels else None for k, x in enumerate(groups)]

    def draw(self, model: NetworkModel) -> Image.Image:
        """Both grids, one above the other."""
        rebuilt = [model.rebuild(x, label).cpu() for x, label in zip(self.columns, self.labels, strict=True)]
        pairs = [torch.stack(pair, dim=1).flatten(0, 1) for pair in zip(self.columns, rebuilt, strict=True)]
        below = titled_grid(pairs, ["real, below each: rebuilt"])
        above = self.new.draw(model)
        sheet = Image.new("RGB", (max(above.width, below.width), above.height + below.height), "white")
        sheet.paste(above, (0, 0))
        sheet.paste(below, (0, above.height))
        return sheet


def of_noise(model: NetworkModel, data: DomainData, seed: int) -> NoiseSamples | RebuiltSamples:
    """What a run of generation shows: new pictures, and where there is an encoder, pictures rebuilt by it."""
    return RebuiltSamples(model, data, seed) if model.config.generator.encoder else NoiseSamples(model, seed)


def noise_of(model: NetworkModel, seed: int, numbers: Sequence[int]) -> Tensor:
    """The noise behind pictures of a seed, (len(numbers), noise_size), of the kind the model learned from."""
    config = model.config.generator
    return per_position(config.noise_kind, (config.noise_size,), seed, "samples", 0, list(numbers))


def codes_of(model: NetworkModel, seed: int, numbers: Sequence[int]) -> Tensor:
    """The codes by which figures judge the pictures of a seed: (len(numbers), code_size), uniform in [-1, 1]."""
    return per_position("symmetric", (model.config.generator.code_size,), seed, "codes of samples", 0, list(numbers))


def titled_grid(columns: list[Tensor], titles: list[str] | None) -> Image.Image:
    """Columns of pictures (N, C, H, W) in [-1, 1] side by side, small ones enlarged, with a title above each.

    A title that is wider than its column is cut short; the last one may take all columns that are left.
    """
    from torchvision.utils import make_grid  # seconds, which translate need not wait for

    scale = max(1, 96 // columns[0].shape[-1])
    cells = torch.stack(columns, dim=1).flatten(0, 1).clamp(-1, 1)
    cells = cells.repeat_interleave(scale, 2).repeat_interleave(scale, 3)
    pixels = make_grid((cells + 1) / 2, nrow=len(columns), padding=2, pad_value=1.0)
    grid = Image.fromarray(pixels.mul(255).round().byte().permute(1, 2, 0).numpy())
    if titles is None:
        return grid
    sheet = Image.new("RGB", (grid.width, grid.height + 16), "white")
    sheet.paste(grid, (0, 16))
    pen, font = ImageDraw.Draw(sheet), ImageFont.load_default(12)
    width = cells.shape[-1]
    for place, title in enumerate(titles):
        left = 4 + place * (width + 2)
        room = width - 4 if place < len(titles) - 1 else grid.width - left - 2
        pen.text((left, 1), _cut_short(title, room, font), fill="black", font=font)
    return sheet


def _cut_short(title: str, width: int, font: ImageFont.FreeTypeFont | ImageFont.ImageFont) -> str:
    """The title, or as much of it as fits into so many pixels with two dots after it."""
    if font.getlength(title) <= width:
        return title
    fits = (f"{title[:end]}.." for end in range(len(title), 0, -1))
    return next((short for short in fits if font.getlength(short) <= width), "")


def save_picture(picture: Image.Image, path: Path) -> None:
    """Write a PNG, whole or not at all."""
    buffer = io.BytesIO()
    picture.save(buffer, "png")
    with written_whole(path) as part:
        part.write_bytes(buffer.getvalue())
