"""What the loop tells whoever watches it, and how it ended."""

from collections.abc import Callable
from dataclasses import dataclass, field

from domainxfer.metrics.truth import TruthFigure
from domainxfer.training.held_out import Direction


@dataclass
class Listener:
    """What the loop tells whoever watches; each default does nothing."""

    row: Callable[[int, dict[str, float]], None] = lambda step, row: None
    """A row of the log: step, and values by name, with ``pictures_per_second`` and ``seconds_left``."""
    figures: Callable[[int, str, list[Direction], dict[tuple[str, str], TruthFigure]], None] = lambda *_: None
    """New figures: step, split ("validation", at the end "test"), and what was found on it."""
    say: Callable[[str], None] = lambda text: None
    """A line worth reading."""
    downloaded: Callable[[int, int | None], None] = lambda done, total: None
    """While a data set is fetched: bytes so far, and bytes in all where that is known."""
    stop: Callable[[], bool] = lambda: False
    """Asked before each step: True saves a checkpoint and ends the run, to be resumed."""


@dataclass(frozen=True)
class Outcome:
    """How a call of `Run.train` ended."""

    step: int
    finished: bool
    """All steps done, or the time is up; False when interrupted."""
    better_step: int | None = None
    """Of the model in best/, where the last one has worse figures on the validation pictures."""
    directions: list[Direction] = field(default_factory=list)
    truth: dict[tuple[str, str], TruthFigure] = field(default_factory=dict)
    unused_steps: int = 0
    """Of a finished run: planned ones that there was no time for."""
    still_small: int | None = None
    """Of a finished run: the side of its last pictures in px, where they were to grow and have not."""
