"""What `domainxfer generate` makes, where it goes, and what is said of it."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

from domainxfer.cli_console import note_unfinished, say, wide_console
from domainxfer.cli_options import output_file
from domainxfer.errors import UsageError
from domainxfer.save_picture import format_of, write_picture
from domainxfer.translate_plan import in_name

if TYPE_CHECKING:
    from domainxfer.generate import PictureMaker

STEPS, STEPS_OF_A_GIF = 9, 33


def generate_command(
    run: str,
    runs: Path,
    wish: "Wish",
    *,
    label: str | None,
    code: list[float] | None,
    seed: int,
    mend: int,
    output: Path | None,
    overwrite: bool,
) -> None:
    """Make what was wished for, and say on standard output where it lies; notes go to standard error."""
    wish.check(output, mend=mend)
    from domainxfer.generate import PictureMaker, refuse_existing
    from domainxfer.loaded import find_model  # imports torch: seconds, which a wrong call need not wait for
    from domainxfer.training.run_folder import name_of_model

    path, network = find_model(run, None, runs)
    maker = PictureMaker(network, label=label, code=code, seed=seed, mend=mend)
    name = name_of_model(path)
    note_unfinished(network.config, name, Console(stderr=True, highlight=False))
    if maker.label is not None:
        name += f"_{in_name(maker.names[maker.label])}"
    if wish.count is not None and output is not None:
        said = _write_many(maker, wish.count, output, name, overwrite)
    else:
        tried = f"_seed{seed}" if seed else ""  # who tries seeds need not rename each sheet
        tried += f"_mend{mend}" if mend else ""
        target = output_file(output, f"{name}_{wish.in_name}{tried}{'.gif' if wish.animated(output) else '.png'}")
        refuse_existing([target], overwrite)
        said = f"{target}: {_write_sheet(maker, wish, target)}"
    say(wide_console(), said)


@dataclass(frozen=True)
class Wish:
    """What is to be made, as it was written on the command line; a grid unless one of the first four is given."""

    count: int | None = None
    interpolate: tuple[int, int] | None = None
    add: tuple[int, int] | None = None
    sweep_code: bool = False
    linear: bool = False
    steps: int | None = None
    gif: bool = False

    def check(self, output: Path | None, *, mend: int = 0) -> None:
        """Refuse what contradicts itself, before anything slow.

        Raises:
            UsageError: two wishes at once, an option of another wish, ``mend`` where noise is shown as it is, or
                ``output`` is no name for what is made.
        """
        wishes = {"--count": self.count, "--interpolate": self.interpolate, "--add": self.add}
        wished = [option for option, given in wishes.items() if given is not None]
        wished += ["--sweep-code"] if self.sweep_code else []
        if len(wished) > 1:
            raise UsageError(f"{' and '.join(wished)} make different things; ask for one at a time")
        if mend and wished and self.count is None:
            raise UsageError(f"{wished[0]} shows what becomes of noise as it is, and --mend changes it; leave one out")
        if self.interpolate is None and (self.linear or self.gif):
            raise UsageError(f"{'--linear' if self.linear else '--gif'} says how to interpolate; add --interpolate A,B")
        if self.steps is not None and self.interpolate is None and not self.sweep_code:
            raise UsageError("--steps belongs to --interpolate A,B or to --sweep-code; leave it out")
        if self.steps is not None and self.steps < 2:
            raise UsageError(f"--steps {self.steps}: both ends are steps; take at least 2")
        if self.count is not None and output is None:
            raise UsageError(f"--count {self.count}: name a folder for the pictures with -o")
        if self.count is not None and output is not None and format_of(output.suffix) and not output.is_dir():
            raise UsageError(f"-o {output}: --count {self.count} fills a folder with pictures; name one")
        if self.count is None and output is not None and not output.is_dir():
            self._check_suffix(output)

    @property
    def in_name(self) -> str:
        """What it is, as a part of a file's name."""
        if self.interpolate:
            return "interpolate_{}_{}".format(*self.interpolate) + ("_linear" if self.linear else "")
        if self.add:
            return "add_{}_{}".format(*self.add)
        return "codes" if self.sweep_code else "grid"

    def animated(self, output: Path | None) -> bool:
        """Whether an interpolation is to move."""
        return self.gif or (self.interpolate is not None and output is not None and output.suffix.lower() == ".gif")

    def _check_suffix(self, output: Path) -> None:
        if self.gif and output.suffix.lower() != ".gif":
            raise UsageError(f"-o {output}: an animation is a GIF; name a file that ends in .gif")
        if format_of(output.suffix) is None:
            raise UsageError(f"-o {output}: there is no such folder, and no format of pictures ends so; end it in .png")


def _write_sheet(maker: "PictureMaker", wish: Wish, target: Path) -> str:
    """Make the one picture that was wished for; what it shows."""
    from domainxfer.generate import SIDE, write_animation

    seed, animated = f"of seed {maker.seed}", wish.animated(target)
    steps = wish.steps or (STEPS_OF_A_GIF if animated else STEPS)
    if wish.interpolate:
        said = "from picture {} to picture {} ".format(*wish.interpolate) + f"{seed} in {steps} steps"
        if animated:
            write_animation(maker.animation(*wish.interpolate, steps, linear=wish.linear), target)
            return f"{said}, and back"
        sheet = maker.interpolation(*wish.interpolate, steps, linear=wish.linear)
    elif wish.add:
        sheet = maker.addition(*wish.add)
        said = "pictures {} and {} ".format(*wish.add) + f"{seed}, the plain sum of their noise, and the sum scaled"
    elif wish.sweep_code:
        sheet, said = maker.code_sweep(steps), f"each value of the code from -1 to 1 in {steps} steps, {seed}"
    elif len(maker.shown) > 1:
        sheet, said = maker.grid(), f"a column for each label, a row for noise 0 to {SIDE - 1} {seed}"
    else:
        sheet, said = maker.grid(), f"pictures 0 to {SIDE * SIDE - 1} {seed}, by rows"
    write_picture(sheet, target, format_of(target.suffix) or "PNG")
    return said


def _write_many(maker: "PictureMaker", count: int, folder: Path, name: str, overwrite: bool) -> str:
    """Write single pictures, with a bar where someone watches; what was written."""
    paths = [folder / f"{name}_{number:06d}.png" for number in range(count)]
    console = Console(stderr=True)
    columns = (BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("", total=count)
        maker.write_all(paths, overwrite=overwrite, on_written=lambda done: progress.update(task, completed=done))
    turns = f", labels in turn: {', '.join(maker.names)}" if len(maker.shown) > 1 else ""
    last = f" to {paths[-1].name}" if count > 1 else ""
    return f"{paths[0]}{last}: pictures of seed {maker.seed}{turns}"


def two_numbers(option: str, text: str | None) -> tuple[int, int] | None:
    """The numbers of two pictures, as they are written behind an option.

    Raises:
        UsageError: it is something else.
    """
    if text is None:
        return None
    written = re.fullmatch(r"\s*(\d{1,18})\s*,\s*(\d{1,18})\s*", text)
    if not written:
        raise UsageError(f"{option} {text}: write the numbers of two pictures, e.g. 3,7")
    return int(written[1]), int(written[2])
