"""`domainxfer data`: the known data sets, and what is wrong with a folder."""

from typing import Annotated

import typer

from domainxfer.cli_options import DataRoot, Names, Offline, names_in

data_app = typer.Typer(help="Known data sets: list, fetch, check.", no_args_is_help=True, rich_markup_mode=None)


@data_app.command("list")
def data_list(data_root: DataRoot = None) -> None:
    """List the known data sets, and which are here already."""
    from domainxfer.cli_show import show_cards

    show_cards(data_root)


@data_app.command("fetch")
def data_fetch(name: str, data_root: DataRoot = None, offline: Offline = False) -> None:
    """Download a data set and verify it."""
    from domainxfer.cli_show import fetch_shown

    fetch_shown(name, data_root, offline=offline)


@data_app.command("check")
def data_check(
    data: Annotated[str, typer.Argument(help="A known data set or a folder.")],
    size: Annotated[int, typer.Option(min=8, help="Training size: smaller pictures are named.")] = 64,
    names: Names = None,
    data_root: DataRoot = None,
    offline: Offline = False,
) -> None:
    """Name what is broken, too small, duplicated, or leaks from train to test. Exits 1 on serious findings."""
    from domainxfer.cli_show import check_shown

    raise typer.Exit(check_shown(data, data_root, names_in(names), size, offline=offline))
