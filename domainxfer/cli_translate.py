"""What `domainxfer translate` prints, and its exit code."""

import sys
from functools import partial
from pathlib import Path
from typing import Any

from rich.console import Console

from domainxfer.cli_console import note_unfinished, say
from domainxfer.errors import UsageError
from domainxfer.latent import SWEEP_STEPS
from domainxfer.loaded import find_model
from domainxfer.pictures import open_picture
from domainxfer.translate_files import FileResult, translate_files


def translate_command(
    paths: list[str],
    to: str,
    model: str | None,
    runs: Path,
    output: Path | None,
    *,
    mask: Path | None,
    like: Path | None,
    sweep_code: bool,
    steps: int | None,
    **options: Any,
) -> int:
    """Translate, print a line a picture; 0 if all went well, 1 if any failed or was left as it was."""
    if steps is not None and not sweep_code:
        raise UsageError("--steps belongs to --sweep-code; leave it out")
    console = Console(stderr=True, highlight=False)  # standard output may carry the picture

    tell = partial(say, console)
    where, network = find_model(model, to, runs)
    if model is None:
        tell(f"model: {where} ({', '.join(network.domains)})")
    note_unfinished(network.config, where, console)

    def show(result: FileResult) -> None:
        count = f"[{result.number}/{result.total}] " if result.total > 1 else ""
        if result.problem:
            tell(f"{count}{result.problem}")
        else:
            tell(f"{count}{result.source} -> {result.target}{'  (' + result.note + ')' if result.note else ''}")

    report = translate_files(
        network,
        paths,
        to,
        output,
        on_result=show,
        mask=open_picture(mask) if mask else None,
        like=open_picture(like) if like else None,
        sweep_steps=(SWEEP_STEPS if steps is None else steps) if sweep_code else None,
        **options,
    )
    if report.own:
        tell(f"{len(report.own)} earlier translations among them passed over")
    if len(report.done) + len(report.failed) + len(report.skipped) > 1:
        left = f", {len(report.failed)} failed, {len(report.skipped)} left as they were" if not report.ok else ""
        tell(f"{len(report.done)} translated{left}")
    sys.stdout.flush()
    return 0 if report.ok else 1
