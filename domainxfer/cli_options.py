"""Options that several commands share."""

from pathlib import Path
from typing import Annotated

import typer

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
MaxTime = Annotated[str | None, typer.Option(help="Stop after so long: 20m, 2h, 90s.")]
RunName = Annotated[str | None, typer.Option(help="Name of the run; a number is added.")]
Cpu = Annotated[bool, typer.Option("--cpu", help="Do not use a GPU.")]
Seed = Annotated[int | None, typer.Option(min=0)]
