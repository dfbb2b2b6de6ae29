"""Where the commands print."""

from rich.console import Console


def wide_console() -> Console:
    """Standard output; wide enough for a table where it is no terminal, whose width is not known then."""
    console = Console(highlight=False)
    return console if console.is_terminal else Console(highlight=False, width=140)
