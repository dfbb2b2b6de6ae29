"""What `domainxfer train` prints, and how it stops: progress, figures, signals, and the exit code."""

import os
import re
import shlex
import signal
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from domainxfer.api import Trained, dry_run, resume, train
from domainxfer.cli_console import say, wide_console
from domainxfer.errors import UsageError
from domainxfer.launch import stop_signals
from domainxfer.metrics.truth import TruthFigure
from domainxfer.training.held_out import Direction
from domainxfer.training.listener import Listener

INTERRUPTED = 130
CELL_TITLES = ("kinds too rare", "missing", "spread")
STDOUT, STDERR = 1, 2
PLAIN_EVERY = 10.0  # seconds between lines where there is no terminal to redraw


@dataclass
class TrainCommand:
    """One call of `domainxfer train`."""

    changes: dict[str, Any]
    runs: Path
    max_seconds: float | None
    offline: bool
    cpu: bool
    console: Console = field(default_factory=wide_console)

    def train(self, data: str, **arguments: Any) -> int:
        """Start a run; the exit code."""
        return self._close(self._watched(train, data, **arguments))

    def resume(self, run: str | None) -> int:
        """Go on with a run; the exit code."""
        return self._close(self._watched(resume, run))

    def dry_run(self, data: str, **arguments: Any) -> int:
        """Build, do a few steps, print what a run would cost."""
        common: dict[str, Any] = {"changes": self.changes, "offline": self.offline, "cpu": self.cpu, "runs": self.runs}
        with _Display(self.console) as display:
            found = dry_run(data, listener=display.listener(), **common, **arguments)
        sizes = f"generator {found.generator_parameters / 1e6:.2f} M, critic {found.critic_parameters / 1e6:.2f} M"
        self._say(f"{sizes} parameters; {found.device}, {found.precision}")
        hours = f"{found.steps} steps of {found.seconds / found.steps:.2f} s in the mean: about {found.hours:.1f} h"
        self._say(f"{hours}; peak memory {found.memory_mb:.0f} MB")
        self._say("  ".join(f"{name} {value:.3g}" for name, value in found.parts.items()))
        self._say("dry run: nothing was written")
        return 0

    def _watched(self, action: Callable[..., Trained], subject: str | None, **arguments: Any) -> Trained:
        with _StopSignals() as signals, _Display(self.console) as display:
            return action(
                subject,
                changes=self.changes,
                runs=self.runs,
                max_seconds=self.max_seconds,
                offline=self.offline,
                cpu=self.cpu,
                listener=display.listener(stop=signals.asked),
                **arguments,
            )

    def _close(self, done: Trained, *, are_named: bool = False) -> int:
        """Say how it ended; ``are_named``: what is said next is what labels it has found."""
        outcome = done.outcome
        if done.run is None:  # not the main process
            return 0 if outcome.finished else INTERRUPTED
        self._say_left_out(done.skipped)
        command = f"domainxfer train --resume {shlex.quote(str(done.run))}"
        if not outcome.finished:
            self._say(f"stopped at step {outcome.step}; go on with: {command}")
            return INTERRUPTED
        self._say(f"done: {outcome.step} steps, model in {done.run / 'model'}")
        if outcome.unused_steps:
            small = f", pictures still of {outcome.still_small} px" if outcome.still_small else ""
            planned = outcome.step + outcome.unused_steps
            self._say(f"the time was up at step {outcome.step} of {planned}{small}; go on with: {command}")
        if outcome.better_step is not None:
            self._say(f"step {outcome.better_step} has the better validation figures; its model: {done.run / 'best'}")
        if done.finds_labels and not are_named:
            self._say(f"labels were found; name them: domainxfer discover {shlex.quote(str(done.run))}")
        return 1 if done.skipped else 0

    def _say_left_out(self, pictures: Sequence[str]) -> None:
        for line in pictures[:10]:
            self._say(f"left out: {line}")
        if len(pictures) > 10:
            self._say(f"left out: {len(pictures) - 10} more pictures; domainxfer data check names them all")

    def _say(self, text: str) -> None:
        say(self.console, text)


class _Display:
    """Progress: one line redrawn on a terminal, plain lines elsewhere."""

    def __init__(self, console: Console) -> None:
        self.console, self.last = console, 0.0
        self.status = console.status("preparing ...") if console.is_terminal else None

    def __enter__(self) -> "_Display":
        if self.status is not None:
            self.status.start()
        return self

    def __exit__(self, *problem: object) -> None:
        if self.status is not None:
            self.status.stop()

    def listener(self, stop: Callable[[], bool] = lambda: False) -> Listener:
        """It shows all that it is told."""
        return Listener(row=self.row, figures=self.figures, say=self.say, downloaded=self.downloaded, stop=stop)

    def say(self, text: str) -> None:
        say(self.console, text)

    def downloaded(self, done: int, total: int | None) -> None:
        of = "" if total is None else f" of {total / 2**20:,.0f}"
        self._now(f"downloading: {done / 2**20:,.0f}{of} MiB")

    def row(self, step: int, row: dict[str, float]) -> None:
        shown = {
            name: value for name, value in row.items() if ("/" in name or name == "change") and "score" not in name
        }
        values = "  ".join(f"{name} {value:.3f}" for name, value in shown.items())
        line = f"step {step}  {row['pictures_per_second']:.1f} pictures/s  left {_clock(row['seconds_left'])}  {values}"
        self._now(line)

    def _now(self, line: str) -> None:
        if self.status is not None:
            self.status.update(line)
        elif time.monotonic() - self.last >= PLAIN_EVERY:
            self.last = time.monotonic()
            self.say(line)

    def figures(
        self, step: int, split: str, directions: list[Direction], truth: dict[tuple[str, str], TruthFigure]
    ) -> None:
        if not directions and not truth:
            return
        table = Table(title=f"{split} pictures after {step} steps", title_justify="left")
        table.add_column("from > to")
        from_noise = any(d.ceiling is None for d in directions)
        titles = ["KID", "real", *CELL_TITLES] if from_noise else ["KID", "do nothing", "real", "left of do nothing"]
        if directions:
            for title in titles:
                table.add_column(title, justify="right")
        if truth:
            for title in ("PSNR inside, dB", "do nothing", "gain", "change outside"):
                table.add_column(title, justify="right")
        by_pair = {(d.source, d.target): d for d in directions}
        for pair in by_pair or truth:
            cells = [escape(f"{pair[0]} > {pair[1]}")]
            if pair in by_pair:
                cells += _cells_of_noise(by_pair[pair]) if from_noise else _cells_of_translation(by_pair[pair])
            if pair in truth:
                t = truth[pair]
                cells += [
                    f"{t.psnr_inside:.2f}",
                    f"{t.psnr_inside_nothing:.2f}",
                    f"{t.gain:+.2f}",
                    f"{t.change_outside:.4f}",
                ]
            table.add_row(*cells)
        self.console.print(table)


def _cells_of_translation(d: Direction) -> list[str]:
    assert d.ceiling is not None
    left = "" if d.share is None else f"{100 * d.share:z.0f} %"
    return [f"{d.distance:.4f}", f"{d.ceiling:.4f}", f"{d.floor:.4f}", left]


def _cells_of_noise(d: Direction) -> list[str]:
    shares = [] if d.cells is None else [d.cells.rare, d.cells.missing, d.cells.spread]
    return [f"{d.distance:.4f}", f"{d.floor:.4f}", *(f"{100 * share:z.0f} %" for share in shares)]


class _StopSignals:
    """Ctrl-C, SIGTERM and a terminal that is closed ask the run to save and stop.

    A second Ctrl-C or SIGTERM, or one before there is a step, stops at once.
    """

    def __init__(self) -> None:
        self.up, self.is_asked = False, False
        self.on_terminal = [stream for stream in (STDOUT, STDERR) if os.isatty(stream)]

    def __enter__(self) -> "_StopSignals":
        self.before = {number: signal.signal(number, self._raise_flag) for number in stop_signals()}
        return self

    def __exit__(self, *problem: object) -> None:
        for number, handler in self.before.items():
            signal.signal(number, handler)

    def asked(self) -> bool:
        self.is_asked = True
        return self.up

    def _raise_flag(self, number: int, frame: object) -> None:
        closed = number not in (signal.SIGINT, signal.SIGTERM)
        if closed:
            for stream in self.on_terminal:  # it is gone, and what is written to it would fail
                os.dup2(os.open(os.devnull, os.O_WRONLY), stream)
        if not self.is_asked or (self.up and not closed):  # the system and the shell both say that it is closed
            raise KeyboardInterrupt
        self.up = True
        # Not by way of the console, which may be in the middle of a line.
        os.write(STDERR, b"\nsaving and stopping after this step; once more stops at once\n")


def seconds(text: str) -> float:
    """Seconds in "90s", "20m", "2h", "1h30m".

    Raises:
        UsageError: anything else, a bare number too: of what, it does not say.
    """
    number, text = r"(\d+(?:\.\d+)?)", text.strip().lower()
    match = re.fullmatch(f"(?:{number}h)?(?:{number}m)?(?:{number}s)?", text)
    if not match or not any(match.groups()):
        raise UsageError(f"--max-time {text}: write it as 20m, 2h, 1h30m or 90s")
    hours, minutes, rest = (float(group or 0) for group in match.groups())
    return 3600 * hours + 60 * minutes + rest


def _clock(left: float) -> str:
    minutes, rest = divmod(round(left), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
