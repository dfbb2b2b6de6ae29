"""Does the trainer's warning of a mode collapse come when digits are lost, and only then?

    python benchmarks/collapse.py [--preset failure-collapse] [--seeds 0 1 2 3 4] [--epochs 100] [--every STEPS]
        [--data-root DIR] [--threads N] [--out FOLDER] [--markdown]

Each seed trains a preset of digits. At each of the run's own held-out figures the digit network reads 2,000 digits that
the generator makes there, which the detector (`domainxfer/training/health.py`) knows nothing of: it has no labels. A
digit is made if it has at least half of its share, a tenth, in a figure in which half of the digits have that: specks
are read as some digit too. It is lost once it was made and has then less than a tenth of its share. Both moments are
given in epochs, and after both a run goes on for two more. A healthy preset should end without either.

The class histogram of every figure, and what the detector goes by, lie in FOLDER/PRESET-seedN.csv; what is there is not
trained again.
"""

import argparse
import json
import sys
from dataclasses import asdict, dataclass, field
from pathlib import Path

import torch
from step_speed import print_table

from domainxfer.datasets.domain_data import DomainData
from domainxfer.draws import per_position
from domainxfer.files import write_text
from domainxfer.metrics.extractors.digits import Digits
from domainxfer.metrics.modes import class_histogram
from domainxfer.models.model import NetworkModel
from domainxfer.prepare import prepare
from domainxfer.recipe import Recipe, override
from domainxfer.training.held_out import Direction
from domainxfer.training.listener import Listener
from domainxfer.training.logbook import LogBook
from domainxfer.training.processes import Processes
from domainxfer.training.run import Run
from domainxfer.training.run_folder import new_run

DIGITS, LOOKED_AT = 10, 2000
MADE, LOST = 0.5 / DIGITS, 0.1 / DIGITS
GROWN = DIGITS // 2
"""So many digits at once are no specks that happen to be read as a digit."""
OF_CELLS = ("covered", "missing", "spread", "far", "crowded")
"""What the detector goes by: `CellFigures`."""
AFTERWARDS = 2.0
"""Epochs that a run goes on once a digit is lost and the warning given."""
HEAD = ("preset", "seed", "epochs", "first digit lost", "warned of a collapse", "later by", "digits made at the end")


@dataclass
class Course:
    """How the run of a seed goes; times in epochs."""

    preset: str
    seed: int
    wanted: float
    """Epochs at most."""
    every: int
    """Steps between figures."""
    epochs: float = 0.0
    """So far."""
    made: list[bool] = field(default_factory=lambda: [False] * DIGITS)
    """Which digits have been made so far."""
    lost_at: float | None = None
    """The first figure in which a digit that was made has nearly none."""
    warned_at: float | None = None
    warning: str = ""
    digits: int = 0
    """That are made in the last figure."""

    def look(self, shares: list[float]) -> None:
        """Take in the shares of the digits in a figure."""
        lost = [had and share < LOST for had, share in zip(self.made, shares, strict=True)]
        if self.lost_at is None and any(lost):
            self.lost_at = self.epochs
        if sum(share >= MADE for share in shares) >= GROWN:
            self.made = [had or share >= MADE for had, share in zip(self.made, shares, strict=True)]
        self.digits = sum(share >= LOST for share in shares)

    def hear(self, text: str) -> None:
        """Take in what the trainer says."""
        if "mode collapse" in text and self.warned_at is None:
            self.warned_at, self.warning = self.epochs, text

    @property
    def is_told(self) -> bool:
        """Whether a digit is lost and the warning given, both long enough ago."""
        times = (self.lost_at, self.warned_at)
        return all(time is not None and self.epochs >= time + AFTERWARDS for time in times)

    def row(self) -> list[str]:
        """Of the table."""
        later = self.warned_at - self.lost_at if self.warned_at is not None and self.lost_at is not None else None
        times = ["" if time is None else f"{time:.1f}" for time in (self.lost_at, self.warned_at, later)]
        return [self.preset, str(self.seed), f"{self.epochs:.1f}", *times, str(self.digits)]


def main() -> None:
    """Train each seed, and print the table."""
    parser = argparse.ArgumentParser(description="When digits are lost, and when the trainer says so.")
    parser.add_argument("--preset", default="failure-collapse", help="a preset of digits")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    parser.add_argument("--epochs", type=float, default=100.0, help="a run that loses no digit ends after so many")
    parser.add_argument("--every", type=int, help="steps between figures; those of the preset without it")
    parser.add_argument("--data-root", type=Path, help="where the digits are looked for first")
    parser.add_argument("--threads", type=int, help="CPU threads; PyTorch's choice without it")
    parser.add_argument("--out", type=Path, default=Path("runs/collapse"), metavar="FOLDER")
    parser.add_argument("--markdown", action="store_true", help="print the table as Markdown")
    options = parser.parse_args()
    if options.threads:
        torch.set_num_threads(options.threads)
    rows = []
    for seed in options.seeds:
        record = options.out / f"{options.preset}-seed{seed}.json"
        if record.exists():
            course = Course(**json.loads(record.read_text(encoding="utf-8")))
            if course.wanted != options.epochs or options.every not in (None, course.every):
                sys.exit(f"{record} is of {course.wanted:g} epochs, every {course.every}; take another folder: --out")
        else:
            course = watched(seed, options)
            write_text(record, json.dumps(asdict(course), indent=2) + "\n")
        rows.append(course.row())
    print_table([HEAD, *rows], options.markdown)


def watched(seed: int, options: argparse.Namespace) -> Course:
    """Train one seed, and look at what it makes whenever it is measured."""
    preset, out = options.preset, options.out
    recipe, data = opened(seed, options)
    epoch = epoch_of(recipe, data)
    course, digits = Course(preset, seed, options.epochs, recipe.training.figure_every), Digits()
    histograms = LogBook(out / f"{preset}-seed{seed}.csv", [*map(str, range(DIGITS)), *OF_CELLS], 0)

    def figure(step: int, split: str, directions: list[Direction], *_: object) -> None:
        course.epochs = step / epoch
        shares = shares_made(run.model(), digits)
        course.look(shares)
        cells = directions[0].cells
        seen = {} if cells is None else {name: getattr(cells, name) for name in OF_CELLS}  # too few pictures for cells
        histograms.add(step, **{str(digit): share for digit, share in enumerate(shares)}, **seen)

    def say(text: str) -> None:
        print(f"{preset}, seed {seed}: {text}", flush=True)
        course.hear(text)

    stop = lambda: course.is_told or run.step == recipe.training.steps - 1
    run: Run = Run(recipe, data, Processes(), None, Listener(figures=figure, say=say, stop=stop))
    run.folder = new_run(out, f"{preset}-seed{seed}")
    run.train()
    return course


def opened(seed: int, options: argparse.Namespace) -> tuple[Recipe, DomainData]:
    """The recipe of a seed and the digits. Its last step is never taken, so that the test digits are not looked at."""
    changes = {"training": {"seed": seed}}
    recipe, data = prepare("mnist", print, preset=options.preset, data_root=options.data_root, changes=changes)
    steps = round(options.epochs * epoch_of(recipe, data))
    every = options.every or recipe.training.figure_every
    training = {"steps": steps + 1, "figure_every": every, "checkpoint_every": steps + 1}
    return override(recipe, {"training": training}), data


def epoch_of(recipe: Recipe, data: DomainData) -> float:
    """Steps that take as many pictures as there are; each critic step has a batch of its own."""
    return sum(map(len, data.train)) / (recipe.data.batch * recipe.objective.batches_a_step)


def shares_made(model: NetworkModel, digits: Digits) -> list[float]:
    """What the digit network reads of digits made of noise that neither figures nor samples use: shares of 0 to 9."""
    config, numbers = model.config.generator, list(range(LOOKED_AT))
    noise = per_position(config.noise_kind, (config.noise_size,), 0, "class histogram", 0, numbers)
    read = torch.cat([digits.read(model.apply(part, None).float().cpu()) for part in noise.split(500)])
    return [float(share) / LOOKED_AT for share in class_histogram(read.numpy(), DIGITS)]


if __name__ == "__main__":
    main()
