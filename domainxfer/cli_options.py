"""Options that several commands share, and how their text is read."""

from pathlib import Path
from typing import Annotated, Any

import typer

from domainxfer.errors import UsageError

DataRoot = Annotated[
    Path | None,
    typer.Option(
        help="Folder in which data sets are looked for first. [default: $DOMAINXFER_DATA, ./datasets, the cache]"
    ),
]
Runs = Annotated[Path, typer.Option(help="Folder of the runs.")]
Names = Annotated[str | None, typer.Option(help="Names of the domains: A=horse,B=zebra.")]
Offline = Annotated[bool, typer.Option("--offline", help="Never use the network.")]
Changes = Annotated[list[str] | None, typer.Option("--set", metavar="a.b=c", help="Change a setting of the recipe.")]
Steps = Annotated[int | None, typer.Option(min=1, help="Training steps.")]
Size = Annotated[int | None, typer.Option(min=8, help="Side of the training pictures, px.")]
MaxTime = Annotated[
    str | None, typer.Option(help="Train no longer than 20m, 2h, 90s; the figures of the end come on top.")
]
RunName = Annotated[str | None, typer.Option(help="Name of the run; a number is added.")]
Cpu = Annotated[bool, typer.Option("--cpu", help="Do not use a GPU.")]
Seed = Annotated[int | None, typer.Option(min=0)]
Mend = Annotated[
    int,
    typer.Option(
        min=0,
        help="Of noise: draw a part of it again, so many times, and keep what the model's critic likes better: fewer "
        "mistakes, less variety.",
    ),
]


def settings_in(changes: list[str] | None, **shorthands: int | None) -> dict[str, Any]:
    """The settings in ``--set`` and in the options that are short for some of them."""
    from domainxfer.recipe import set_option

    paths = {"steps": "training.steps", "size": "data.size", "seed": "training.seed"}
    found: dict[str, Any] = {}
    for assignment in changes or []:
        set_option(found, assignment)
    for shorthand, value in shorthands.items():
        if value is not None:
            set_option(found, f"{paths[shorthand]}={value}")
    return found


def names_in(text: str | None) -> dict[str, str]:
    """Folder -> domain in "A=horse,B=zebra"."""
    pairs = [pair.partition("=") for pair in text.split(",")] if text else []
    for folder, equals, domain in pairs:
        if not (folder and equals and domain):
            raise UsageError(f"--names {text}: write it as FOLDER=DOMAIN,FOLDER=DOMAIN, e.g. A=horse,B=zebra")
    return {folder.strip(): domain.strip() for folder, _, domain in pairs}


def output_file(output: Path | None, name: str) -> Path:
    """The file that ``-o`` means: itself, or one of this name in that folder; without it, one of this name here."""
    if output is None:
        return Path(name)
    return output / name if output.is_dir() else output


def numbers_in(text: str | None) -> list[float] | None:
    """The numbers in "0.5,-1"."""
    if text is None:
        return None
    try:
        return [float(number) for number in text.split(",")]
    except ValueError:
        raise UsageError(f"--code {text}: write numbers separated by commas, e.g. 0.5,-1") from None
