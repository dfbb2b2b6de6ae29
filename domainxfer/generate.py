"""Make pictures of noise with a trained model: numbers in, PIL out.

    (seed, number) --drawn--> noise --generator, with a label and a code--> picture

A picture is named by its number: picture 7 of seed 0 is the same whoever asks for it, alone or among a thousand. The
noise is that of the sample grids of training: with the run's own seed one sees the same pictures again.
"""

import io
import operator
from collections.abc import Callable, Iterator, Sequence
from os.path import lexists
from pathlib import Path

import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from domainxfer.errors import DomainxferError, UsageError, did_you_mean
from domainxfer.files import written_whole
from domainxfer.latent import added, as_normal, as_uniform, between_linear, between_slerp, code_sweep
from domainxfer.mend import mended
from domainxfer.models.model import NetworkModel
from domainxfer.save_picture import write_picture
from domainxfer.training.samples import codes_of, noise_of, titled_grid

AT_ONCE = 16
"""Pictures that go through the model together, always as many: another number would round differently."""

SIDE = 8
"""Noise vectors of a grid: so many rows, and so many columns where there are no labels to fill them."""


class PictureMaker:
    """Makes pictures of noise with fixed settings, which are checked here, once.

    Args:
        model: the trained model.
        label: what to make: a domain's name or a label's number. None makes every label: all of them in a sheet, one
            after the other in a row of pictures.
        code: as many values in [-1, 1] as the model's code has; None means all 0.
        seed: of the noise.
        mend: so many times a part of each picture's noise is drawn again, and kept where the critic likes the picture
            better (`domainxfer.mend`).

    Raises:
        UsageError: the model translates, has no such label, or another code; or no critic to mend by.
    """

    def __init__(
        self,
        model: NetworkModel,
        *,
        label: str | int | None = None,
        code: Sequence[float] | None = None,
        seed: int = 0,
        mend: int = 0,
    ) -> None:
        config = model.config.generator
        if config.content != "noise":
            raise UsageError("this model translates pictures and needs one to begin with: use domainxfer translate")
        if mend < 0:
            raise UsageError(f"mend is {mend}; a number of draws is wanted, 0 for none")
        if mend and model.critic is None:
            raise UsageError("this model has no critic, so nothing can say which pictures to mend; leave --mend out")
        self.model, self.seed, self.mend = model, seed, mend
        self.names = model.domains if config.labels == len(model.domains) else tuple(map(str, range(config.labels)))
        self.label = self._checked_label(label)
        self.code = self._checked_code(code)

    @property
    def shown(self) -> list[int]:
        """The labels that a sheet shows; none where the model has none."""
        return list(range(len(self.names))) if self.label is None else [self.label]

    def noise(self, numbers: Sequence[int]) -> Tensor:
        """The noise of these pictures, (len(numbers), noise_size)."""
        return noise_of(self.model, self.seed, numbers)

    def pictures(self, numbers: Sequence[int]) -> list[Image.Image]:
        """Single pictures, RGB or grey; without a label of their own, picture i shows label i modulo K."""
        return [picture for part in _parts(numbers) for picture in self._few_pictures(part)]

    def as_trained(self, numbers: Sequence[int]) -> Tensor:
        """Single pictures as training draws them, which is what figures judge: (len(numbers), C, H, W) in [-1, 1].

        As `pictures`, with a code of its own for each where the model has codes and none was chosen.
        """
        has_codes = self.model.config.generator.code_size > 0
        code = codes_of(self.model, self.seed, numbers) if has_codes and self.code is None else None
        labels = self._in_turn(numbers)
        return self._made(self._chosen(numbers, labels, code), labels, code)

    def write_all(
        self,
        paths: Sequence[Path],
        *,
        overwrite: bool = False,
        on_written: Callable[[int], None] = lambda count: None,
    ) -> None:
        """Write picture i to ``paths[i]``, a few at a time.

        Args:
            paths: their suffixes do not count: all are PNG.
            overwrite: replace files that are there already.
            on_written: told how many there are by now.

        Raises:
            DomainxferError: one is there already (nothing has been written then), or the disk is full, ...
        """
        refuse_existing(paths, overwrite)
        for part in _parts(range(len(paths))):
            for number, picture in zip(part, self._few_pictures(part), strict=True):
                write_picture(picture, paths[number], "PNG", overwrite=overwrite)
            on_written(part[-1] + 1)

    def grid(self) -> Image.Image:
        """A row for each of the first noise vectors, a column for each label; else the first 64 pictures by rows."""
        if len(self.shown) > 1:
            numbers, labels = _each(list(range(SIDE)), len(self.shown)), self.shown * SIDE
            rows = [str(number) for number in range(SIDE)]
            return self._sheet(self._chosen(numbers, labels), labels, self._shown_names(), rows)
        columns = [f"+ {number}" for number in range(SIDE)]
        rows = [str(first) for first in range(0, SIDE * SIDE, SIDE)]
        labels = self.shown * SIDE * SIDE
        return self._sheet(self._chosen(range(SIDE * SIDE), labels), labels, columns, rows)

    def way(self, first: int, last: int, steps: int, *, linear: bool = False) -> Tensor:
        """Noise from that of one picture to that of another, (steps, noise_size); see `domainxfer.latent`.

        Args:
            first: number of the picture at the start.
            last: and at the end.
            steps: both ends included.
            linear: the straight line, in place of the great circle.

        Raises:
            UsageError: fewer than 2 steps, or more than `MOST_STEPS`.
        """
        a, b = self.noise([first, last])
        if linear:
            return between_linear(a, b, steps)  # stays in the cube of uniform noise, if near its middle
        if self._normal:
            return between_slerp(a, b, steps)
        return as_uniform(between_slerp(as_normal(a), as_normal(b), steps))

    def interpolation(self, first: int, last: int, steps: int, *, linear: bool = False) -> Image.Image:
        """A strip from one picture to another, a row for each label. Arguments as for `way`."""
        noise = self.way(first, last, steps, linear=linear)
        return self._labels_below(noise, [str(first), *[""] * (steps - 2), str(last)])

    def animation(self, first: int, last: int, steps: int, *, linear: bool = False) -> list[Image.Image]:
        """The pictures of `interpolation`, those of all labels side by side, there and back: 2 steps - 2 of them."""
        noise = self.way(first, last, steps, linear=linear)
        rows = torch.split(self._made(noise.repeat(self._rows, 1), _each(self.shown, steps)), steps)
        titles = self._shown_names() if self._rows > 1 else None
        there = [self._in_own_mode(titled_grid([row[i : i + 1] for row in rows], titles)) for i in range(steps)]
        return there + there[-2:0:-1]

    def addition(self, first: int, second: int) -> Image.Image:
        """Two pictures, that of the sum of their noise, and that of the sum at the length noise has, in a row.

        A sum of uniform noise leaves the cube it is from: the plain one is shown so, the other is made as normal noise.
        """
        a, b = self.noise([first, second])
        good = added(a, b, True) if self._normal else as_uniform(added(as_normal(a), as_normal(b), True))
        noise = torch.stack([a, b, added(a, b, False), good])
        return self._labels_below(noise, [str(first), str(second), "plain sum", "scaled"])

    def code_sweep(self, steps: int, *, only: int | None = None) -> Image.Image:
        """A block of rows for each value of the code, from -1 above to 1 below, while the others stay as they are.

        A column for each label, all of picture 0's noise; else for each of the first eight noise vectors.

        Args:
            steps: rows of a block.
            only: the block of this value alone, counted from 0.

        Raises:
            UsageError: the model has no code, fewer than 2 steps, or more than `MOST_STEPS`.
        """
        code = torch.zeros(self.model.config.generator.code_size) if self.code is None else self.code
        rows = code_sweep(code, steps)
        if only is not None:
            rows = rows[only * steps : (only + 1) * steps]
        several = len(self.shown) > 1
        columns = self._shown_names() if several else [str(number) for number in range(SIDE)]
        noise = self.noise([0] * len(columns) if several else range(SIDE))
        labels = self.shown if several else self.shown * SIDE
        return self._sheet(
            noise.repeat(len(rows), 1),
            labels * len(rows),
            columns,
            [row.title for row in rows],
            torch.stack([row.code for row in rows]).repeat_interleave(len(columns), dim=0),
        )

    # --- how ----------------------------------------------------------------------------------------------------------

    def _checked_label(self, label: str | int | None) -> int | None:
        if label is None:
            return None
        if not self.names:
            raise UsageError(f"this model has no labels, so it cannot be asked for {label!r}; leave out the label")
        if label in self.names:
            return self.names.index(str(label))
        number = _whole(label)
        if 0 <= number < len(self.names):
            return number
        known = f"0 to {len(self.names) - 1}" + (f" ({', '.join(self.names)})" if self.model.domains else "")
        hint = did_you_mean(str(label), list(self.names)) if self.model.domains else ""
        raise UsageError(f"this model knows no label {label!r}; it knows {known}.{hint}")

    def _checked_code(self, code: Sequence[float] | None) -> Tensor | None:
        """(code_size,), or None for all zeros."""
        if code is None:
            return None
        size = self.model.config.generator.code_size
        if size == 0:
            raise UsageError("this model was trained without a code; leave out the code")
        if len(code) != size:
            raise UsageError(f"a code of {len(code)} values was given, but the code of this model has {size}")
        if not all(-1 <= value <= 1 for value in code):
            raise UsageError(f"the code {', '.join(f'{value:g}' for value in code)} leaves the range from -1 to 1")
        return torch.tensor(list(code), dtype=torch.float32)

    @property
    def _normal(self) -> bool:
        return self.model.config.generator.noise == "normal"

    @property
    def _rows(self) -> int:
        """Rows of a sheet with a row a label."""
        return max(1, len(self.shown))

    def _shown_names(self) -> list[str]:
        return [self.names[label] for label in self.shown]

    def _few_pictures(self, numbers: Sequence[int]) -> list[Image.Image]:
        labels = self._in_turn(numbers)
        return [_as_picture(x) for x in self._made(self._chosen(numbers, labels), labels)]

    def _in_turn(self, numbers: Sequence[int]) -> list[int]:
        """The label of each picture: all of them one after the other; none where the model has none."""
        return [self.shown[number % len(self.shown)] for number in numbers] if self.shown else []

    def _made(self, noise: Tensor, labels: list[int], code: Tensor | None = None) -> Tensor:
        """Pictures (N, C, H, W) in [-1, 1] of noise (N, Z), N labels or none, and codes (N, code_size) or the one."""
        made = [self.model.apply(*given)[:count].float().cpu() for given, _, count in self._few(noise, labels, code)]
        pictures = torch.cat(made)
        if not pictures.isfinite().all():
            raise DomainxferError(
                "the pictures of this model are not-a-number: its training diverged; take the model of an earlier step"
            )
        return pictures

    def _chosen(self, numbers: Sequence[int], labels: list[int], code: Tensor | None = None) -> Tensor:
        """The noise of single pictures, mended for their labels and codes where that was asked for."""
        noise = self.noise(numbers)
        if not self.mend:
            return noise
        better = []
        for given, rows, count in self._few(noise, labels, code):
            there = [numbers[row] for row in rows]
            better.append(mended(self.model, *given, seed=self.seed, numbers=there, times=self.mend)[:count])
        return torch.cat(better)

    def _few(
        self, noise: Tensor, labels: list[int], code: Tensor | None
    ) -> Iterator[tuple[tuple[Tensor, Tensor | None, Tensor | None], list[int], int]]:
        """(noise, label, code) of `AT_ONCE` pictures, their places, and how many count: the rest fills up a batch."""
        label = torch.tensor(labels) if labels else None
        if code is None and self.code is not None:
            code = self.code.expand(len(noise), -1)
        for start in range(0, len(noise), AT_ONCE):
            rows = torch.arange(start, start + AT_ONCE).clamp(max=len(noise) - 1)
            label_there, code_there = (None if given is None else given[rows] for given in (label, code))
            yield (noise[rows], label_there, code_there), rows.tolist(), len(noise) - start

    def _labels_below(self, noise: Tensor, titles: list[str]) -> Image.Image:
        """A sheet with a column a noise vector and a row a label."""
        rows = self._shown_names() if self._rows > 1 else [""]
        return self._sheet(noise.repeat(self._rows, 1), _each(self.shown, len(noise)), titles, rows)

    def _sheet(
        self, noise: Tensor, labels: list[int], columns: list[str], rows: list[str], code: Tensor | None = None
    ) -> Image.Image:
        """Pictures in reading order as a table with titles above and to the left."""
        made = self._made(noise, labels, code)
        grid = titled_grid([made[place :: len(columns)] for place in range(len(columns))], columns)
        return self._in_own_mode(_with_row_titles(grid, rows, len(columns)))

    def _in_own_mode(self, sheet: Image.Image) -> Image.Image:
        return sheet.convert("L") if self.model.config.generator.channels == 1 else sheet


def refuse_existing(paths: Sequence[Path], overwrite: bool) -> None:
    """Raise a DomainxferError that names the first of these files that is there already, unless it may be replaced."""
    there = None if overwrite else next((path for path in paths if lexists(path)), None)
    if there is not None:
        raise DomainxferError(f"{there} exists already; replace it with --overwrite or choose another place with -o")


def write_animation(frames: Sequence[Image.Image], path: Path, seconds: float = 0.08) -> None:
    """Write a GIF that runs for ever, whole or not at all; each picture stays for ``seconds``."""
    encoded = io.BytesIO()
    frames[0].save(encoded, "GIF", save_all=True, append_images=frames[1:], duration=round(1000 * seconds), loop=0)
    with written_whole(path) as part:
        part.write_bytes(encoded.getvalue())


def _whole(label: object) -> int:
    """The number that a label is given as, of whatever library; -1 for what is none."""
    if isinstance(label, str):
        return int(label) if label.isdecimal() else -1
    try:
        return operator.index(label)  # type: ignore[arg-type]
    except TypeError:
        return -1


def _parts(numbers: Sequence[int]) -> Iterator[Sequence[int]]:
    return (numbers[start : start + AT_ONCE] for start in range(0, len(numbers), AT_ONCE))


def _each(labels: list[int], times: int) -> list[int]:
    return [label for label in labels for _ in range(times)]


def _as_picture(x: Tensor) -> Image.Image:
    """(C, H, W) in [-1, 1] -> RGB, or grey where C is 1."""
    pixels = x.add(1).mul(127.5).round().byte().permute(1, 2, 0).numpy()
    return Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels)


def _with_row_titles(grid: Image.Image, titles: list[str], columns: int) -> Image.Image:
    """A grid of square pictures with a margin on the left that holds a title for each row."""
    if not any(titles):
        return grid
    font = ImageFont.load_default(12)
    margin = 8 + round(max(font.getlength(title) for title in titles))
    step = (grid.width - 2) // columns
    top = grid.height - 2 - step * len(titles)  # below the titles of the columns
    sheet = Image.new("RGB", (grid.width + margin, grid.height), "white")
    sheet.paste(grid, (margin, 0))
    pen = ImageDraw.Draw(sheet)
    for row, title in enumerate(titles):
        pen.text((margin - 4, top + row * step + step / 2), title, fill="black", font=font, anchor="rm")
    return sheet
