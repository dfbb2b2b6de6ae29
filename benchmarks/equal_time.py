"""Ours against CycleGAN: the same pictures, the same minutes, the same machine, one after the other, each alone.

    python benchmarks/equal_time.py --data horse2zebra --minutes 60 --size 128 [--methods ours,cyclegan,cyclegan-bf16]
        [--data-root DIR] [--seed 0] [--threads N] [--split validation] [--markdown] [--json FILE] [--out FOLDER]

ours           `domainxfer.api.train` with the card's recipe at this size, on which --recipe and --set have a say
cyclegan       two ResNet generators and two PatchGANs as the paper has them, fp32, batch 1 (benchmarks/cyclegan.py)
cyclegan-bf16  the same in the number format and memory layout of our engine

Each trains in a fresh process, for so many minutes of wall clock; only the steps count (see contestants.py). CycleGAN's
learning rate goes by the clock. Ours goes by steps: a run of --probe seconds, thrown away, tells the speed, and as
many steps are planned as fit into the minutes. The clock ends it all the same, and a plan that is done too early shows
in the column `minutes`. --steps is a plan of your own, for a recipe whose first steps do not tell the speed of the
later ones. The model judged is the last one, of ours the moving average; none is chosen on the way.

A method that is done is not trained again: its model, record and figures lie in --out. So an interrupted contest goes
on with the next method, and --split test judges the same models once more, for the last look.
"""

import argparse
import json
import platform
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from contestants import METHODS, Contest, Say, load, train
from verdict import figures, held_out_pictures, in_columns, table

from domainxfer.datasets.domain_data import DomainData
from domainxfer.errors import DomainxferError, UsageError, did_you_mean
from domainxfer.files import write_text
from domainxfer.recipe import Recipe
from domainxfer.training.samples import TranslationSamples, save_picture


def main(arguments: Sequence[str] | None = None) -> None:
    """Hold the contest, or, in a process of its own, the part of one method."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    options = parsed(given)
    try:
        contest = contest_of(options)
        recipe, data = contest.opened(say)
        if options.child:
            compete(options.child, contest, recipe, data, options)
        else:
            hold(given, contest, recipe, options)
    except DomainxferError as error:
        print(error, file=sys.stderr)
        sys.exit(error.exit_code)


def hold(given: list[str], contest: Contest, recipe: Recipe, options: argparse.Namespace) -> None:
    """Let each method that is not done yet compete in a process of its own; then print the table."""
    results: dict[str, Any] = {}
    for method in methods_of(options.methods):
        folder = folder_of(contest, options) / method
        if record_of(folder, contest.terms(method, recipe)) is None or not figures_file(folder, options).exists():
            done = subprocess.run([sys.executable, __file__, *given, "--child", method], check=False)
            if done.returncode:
                raise DomainxferError(f"{method} did not finish (exit {done.returncode}); what did stays in {folder}")
        results[method] = {"training": read(folder / "training.json"), "figures": read(figures_file(folder, options))}
    judges = next(iter(results.values()))["figures"]
    counts = " and ".join(f"{count} {name}" for name, count in judges["pictures"].items())
    threads = {result["training"]["threads"] for result in results.values()}
    cpu = f"{platform.machine()} CPU ({torch.backends.cpu.get_cpu_capability()})"
    machine = torch.cuda.get_device_name() if torch.cuda.is_available() else cpu
    print(f"{contest.data}, {contest.size} px, {contest.minutes:g} minutes each, seed {contest.seed}")
    print(f"{machine}, {'/'.join(map(str, sorted(threads)))} threads, torch {torch.__version__}")
    print(f"{judges['split']} pictures: {counts}; judged by {judges['extractor']} ({judges['digest']}); 95 % intervals")
    print()
    print(in_columns(table(results), options.markdown))
    if options.json:
        about = {"machine": machine, "torch": torch.__version__, "split": options.split}
        write_text(options.json, json.dumps({**about, "methods": results}, indent=2) + "\n")


def compete(method: str, contest: Contest, recipe: Recipe, data: DomainData, options: argparse.Namespace) -> None:
    """Train a method, if that is not done yet, draw what it makes of the validation pictures, and judge it."""
    if contest.threads:
        torch.set_num_threads(contest.threads)
    folder = folder_of(contest, options) / method
    held_out = held_out_pictures(data, contest.size, options.extractor, options.split, contest.seed)
    record = record_of(folder, contest.terms(method, recipe))
    if record is None:
        for stale in folder.glob("figures-*.json"):
            stale.unlink()
        tell: Say = lambda text: say(f"{method}: {text}")
        model, record = train(method, contest, recipe, data, folder, tell)
        save_picture(TranslationSamples(data, contest.size, contest.seed).draw(model), folder / "samples.png")
        write_text(folder / "training.json", json.dumps(record, indent=2) + "\n")
        tell(f"{record['steps']} steps in {record['seconds']:.0f} s, {record['cpu_seconds']:.0f} s of processor time")
    else:
        model = load(contest, folder, record)
    write_text(figures_file(folder, options), json.dumps(figures(model, held_out), indent=2) + "\n")


def say(text: str) -> None:
    """A line of progress; standard output is for the table."""
    print(text, file=sys.stderr, flush=True)


def record_of(folder: Path, terms: dict[str, Any]) -> dict[str, Any] | None:
    """The record of a training that is done, or None.

    Raises:
        DomainxferError: it was done on other terms.
    """
    if not (folder / "training.json").exists():
        return None
    record = read(folder / "training.json")
    other = [name for name in terms if record["terms"].get(name) != terms[name]]
    if other:
        raise DomainxferError(
            f"{folder} was trained with other settings ({', '.join(other)}); remove it, or choose another folder: --out"
        )
    return record


def folder_of(contest: Contest, options: argparse.Namespace) -> Path:
    """Where everything of the contest lies."""
    name = f"equal-time-{Path(contest.data).name}-{contest.size}px-{contest.minutes:g}min-seed{contest.seed}"
    return options.out or Path("runs") / name


def figures_file(folder: Path, options: argparse.Namespace) -> Path:
    """Where a method's figures lie."""
    return folder / f"figures-{options.split}-{options.extractor}.json"


def read(path: Path) -> dict[str, Any]:
    """A JSON file of ours."""
    content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return content


def methods_of(listed: str) -> list[str]:
    """The methods that a list with commas names."""
    methods = [name.strip() for name in listed.split(",") if name.strip()]
    for name in methods:
        if name not in METHODS:
            hint = did_you_mean(name, list(METHODS))
            raise UsageError(f"--methods: there is no method {name!r}.{hint} Known: {', '.join(METHODS)}")
    if not methods:
        raise UsageError(f"--methods: name at least one of {', '.join(METHODS)}")
    return methods


def contest_of(options: argparse.Namespace) -> Contest:
    """The terms that the command line sets."""
    if options.minutes <= 0 or options.probe <= 0:
        raise UsageError("--minutes and --probe must be above 0")
    for name, least in (("steps", 2), ("threads", 1), ("blocks", 1), ("width", 1)):
        given = getattr(options, name)
        if given is not None and given < least:
            raise UsageError(f"--{name} {given}: must be at least {least}")
    return Contest(
        data=options.data,
        minutes=options.minutes,
        size=options.size,
        data_root=options.data_root,
        seed=options.seed,
        threads=options.threads,
        recipe=options.recipe,
        settings=tuple(options.set),
        steps=options.steps,
        probe=options.probe,
        blocks=options.blocks,
        width=options.width,
    )


def parsed(arguments: Sequence[str]) -> argparse.Namespace:
    """The options of the command line."""
    parser = argparse.ArgumentParser(description="Ours against CycleGAN: same data, same minutes, same machine.")
    add = parser.add_argument
    add("--data", required=True, help="a card of two domains, or a folder")
    add("--data-root", type=Path, help="where the card's pictures are looked for first")
    add("--minutes", type=float, required=True, help="of training, for each method")
    add("--size", type=int, required=True, help="side of the pictures, px")
    add("--methods", default=",".join(METHODS), help="in this order, with commas between")
    add("--seed", type=int, default=0)
    add("--threads", type=int, help="CPU threads; PyTorch's choice without it")
    add("--split", choices=("validation", "test"), default="validation", help="whose pictures judge; test: last look")
    add("--extractor", default="efficientnet-lite0", help="what judges")
    add("--markdown", action="store_true", help="print the table as Markdown")
    add("--json", type=Path, metavar="FILE", help="also write everything to a file")
    add("--out", type=Path, metavar="FOLDER", help="models, records, figures, samples; without it a folder in runs/")
    ours = parser.add_argument_group("ours").add_argument
    ours("--recipe", type=Path, help="a recipe.yaml in place of the card's recipe")
    ours("--set", action="append", default=[], metavar="A.B=C", help="change a setting of the recipe; can be repeated")
    ours("--steps", type=int, help="planned steps, in place of the probe's")
    ours("--probe", type=float, default=30.0, help="seconds of the probe of the speed")
    cyclegan = parser.add_argument_group("cyclegan").add_argument
    cyclegan("--blocks", type=int, default=9, help="residual blocks of a generator; the paper: 6 at 128 px, 9 above")
    cyclegan("--width", type=int, default=64, help="channels of the first layers")
    add("--child", choices=METHODS, help=argparse.SUPPRESS)
    return parser.parse_args(arguments)


if __name__ == "__main__":
    main()
