"""Where the commands print."""

from pathlib import Path

from rich.console import Console

from domainxfer.errors import printable
from domainxfer.models.config import ModelConfig


def wide_console() -> Console:
    """Standard output; wide enough for a table where it is no terminal, whose width is not known then."""
    console = Console(highlight=False)
    return console if console.is_terminal else Console(highlight=False, width=140)


def say(console: Console, text: str) -> None:
    """Print a line as it is: without markup, without breaks, and with nothing that the terminal would obey."""
    console.print(printable(text), markup=False, soft_wrap=True)


def note_unfinished(config: ModelConfig, name: str | Path, console: Console) -> None:
    """Say so, if a model's training had not ended when it was saved."""
    if not config.finished:
        say(console, f"note: the training of {name} had not ended when this model was saved (step {config.steps})")
