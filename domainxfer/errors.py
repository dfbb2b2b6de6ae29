"""The errors a user can mend: one line that says what is wrong, where, and how to mend it."""

import re

CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")
"""What a terminal would obey or cannot show, but for line breaks and tabs."""


class DomainxferError(Exception):
    """Something went wrong that the user can understand and mend; the command line prints it and exits with 1.

    The message is one line: what, where, and how to mend it.
    """

    exit_code = 1


class UsageError(DomainxferError):
    """The command or a setting was written wrongly (exit code 2), e.g. a misspelt name."""

    exit_code = 2


class PictureError(DomainxferError):
    """A picture cannot be read: broken, no picture at all, or above the pixel limit."""


class MissingExtra(DomainxferError):
    """An optional package is not installed; the message holds the exact ``pip install``."""

    def __init__(self, what: str, extra: str) -> None:
        super().__init__(f"{what} needs an optional package: pip install 'domainxfer[{extra}]'")


def printable(message: str) -> str:
    r"""A message as a terminal may have it: control characters, of a file's name for one, are written as ``\x1b``."""
    return CONTROL.sub(lambda found: found[0].encode("unicode_escape").decode(), message)


def did_you_mean(name: str, known: list[str]) -> str:
    """``' Did you mean X?'`` for the known name nearest to ``name``, or an empty string."""
    from difflib import get_close_matches

    lowered = {candidate.lower(): candidate for candidate in known}
    close = get_close_matches(name.lower(), lowered, n=1, cutoff=0.6)
    return f" Did you mean {lowered[close[0]]!r}?" if close else ""
