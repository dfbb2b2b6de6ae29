"""What the small commands print: runs, doctor, and the data sets."""

import importlib.util
import os
import platform
from functools import partial
from pathlib import Path

from rich.markup import escape
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn
from rich.table import Table

from domainxfer import __version__
from domainxfer.cli_console import say, wide_console
from domainxfer.datasets.card import list_cards, load_card
from domainxfer.datasets.find import data_roots, fetch_data, find_card_folder, open_data
from domainxfer.errors import DomainxferError

console = wide_console()


def show_runs(runs: Path) -> int:
    """A table of the runs in a folder; 1 if the recipe of one cannot be read."""
    from domainxfer.recipe import read_recipe
    from domainxfer.training.logbook import read_log
    from domainxfer.training.run_folder import all_runs

    table = Table("run", "data", "size", "steps", "of", "hours", "KID, left of do nothing")
    problems = []
    for run in all_runs(runs):
        try:
            recipe, rows, figures = read_recipe(run.recipe), read_log(run.metrics), read_log(run.figures)
        except DomainxferError as error:
            problems.append(f"{run.path.name}: {error}")
            table.add_row(escape(run.path.name), "cannot be read")
            continue
        last = [f for f in figures if f["split"] == "validation" and f["kid"] and f["step"] == figures[-1]["step"]]
        table.add_row(
            escape(run.path.name),
            escape(recipe.card),
            str(recipe.data.size),
            str(max(run.step, int(rows[-1]["step"]) if rows else 0)),  # Ctrl-C saves between two rows
            str(recipe.training.steps),
            f"{float(rows[-1]['seconds']) / 3600:.1f}" if rows else "",
            _how_good(last),
        )
    console.print(table if table.row_count else f"no runs in {escape(str(runs))}; start one: domainxfer train demo")
    for problem in problems:
        say(console, problem)
    return 1 if problems else 0


def _how_good(figures: list[dict[str, str]]) -> str:
    """The share of do nothing's distance that is left; of noise, where nothing can be left alone, the distance."""
    from domainxfer.training.share_left import share_left

    if not figures:
        return ""
    distances = [float(figure["kid"]) for figure in figures]
    left = share_left(distances, [float(figure["ceiling"] or 0) for figure in figures])
    return f"KID {sum(distances) / len(distances):.3g}" if left is None else f"{100 * left:z.0f} %"


def show_doctor(data_root: Path | None) -> None:
    """What this machine has, and what is missing."""
    import torch

    from domainxfer.models.precision import pays_bf16

    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    table = Table(show_header=False)
    table.add_row("domainxfer", __version__)
    table.add_row("python, torch", f"{platform.python_version()}, {torch.__version__}")
    table.add_row(
        "device", torch.cuda.get_device_name() if device.type == "cuda" else f"CPU, {torch.get_num_threads()} threads"
    )
    table.add_row("bf16", "faster than fp32 here: used" if pays_bf16(device) else "not faster here: fp32 is used")
    for module, extra, what in (
        ("efficientnet_lite_pytorch", "metrics", "the extractor of the held-out figures"),
        ("pyarrow", "hub", "second source of the data sets"),
        ("onnxscript", "onnx", "domainxfer export"),
        ("gradio", "demo", "domainxfer demo"),
    ):
        there = importlib.util.find_spec(module) is not None
        missing = f"missing; pip install 'domainxfer[{extra}]'"
        table.add_row(escape(f"extra [{extra}]"), escape(f"{what}: {'there' if there else missing}"))
    for root in data_roots(data_root):
        table.add_row("data is looked for in", escape(f"{root}{'' if root.is_dir() else ' (not there)'}"))
    here = [name for name in list_cards() if _folders_here(name, data_root)]
    table.add_row("data sets here", ", ".join(here) or "none but the rendered ones")
    console.print(table)


def show_cards(data_root: Path | None) -> None:
    """A table of the known data sets."""
    table = Table("name", "what", "domains", "download", "here")
    for name in list_cards():
        card = load_card(name)
        size = next((source.bytes for source in card.sources if source.bytes), None)
        folders = _folders_here(name, data_root)
        here = "rendered" if card.kind == "rendered" else escape(", ".join(map(str, folders)))
        table.add_row(name, card.title, ", ".join(card.domains), f"{size / 1e6:.0f} MB" if size else "", here)
    console.print(table)


def _folders_here(name: str, data_root: Path | None) -> list[Path]:
    """Where a card's pictures lie already; a card made of others is here when all of them are."""
    folders = [find_card_folder(load_card(origin), data_root) for origin in load_card(name).origins]
    return [] if None in folders else [folder for folder in folders if folder]


def fetch_shown(name: str, data_root: Path | None, *, offline: bool) -> None:
    """Fetch a data set with a progress bar."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task(name, total=None)

        def update(done: int, total: int | None) -> None:
            progress.update(task, completed=done, total=total)

        folders = fetch_data(
            name, data_root=data_root, offline=offline, on_event=partial(say, console), on_progress=update
        )
    for folder in folders:
        say(console, f"{name}: {folder}")


def check_shown(data: str, data_root: Path | None, names: dict[str, str], size: int, *, offline: bool) -> int:
    """Check a data set and print the findings; 1 if one is serious."""
    from domainxfer.datasets.check import check_data

    opened = open_data(data, data_root=data_root, names=names, offline=offline, allow_single=True)
    with console.status("looking at every picture ...") if console.is_terminal else open(os.devnull):
        report = check_data(opened, size=size)
    table = Table("split", *map(escape, opened.domains or ("pictures",)))
    for split, counts in report.counts.items():
        table.add_row(split, *(str(count) for count in counts.values()))
    console.print(table)
    for finding in report.findings:
        say(console, f"{'! ' if finding.serious else '  '}{finding.message}")
    if not report.findings:
        console.print("nothing to complain about")
    return 1 if report.serious else 0
