"""What `domainxfer train` prints while and after a run, its exit codes, and how it stops."""

import io
import os
import shlex
import signal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from rich.console import Console

from domainxfer import cli_train
from domainxfer.api import Trained
from domainxfer.cli_train import INTERRUPTED, TrainCommand
from domainxfer.metrics.cells import CellFigures
from domainxfer.metrics.truth import TruthFigure
from domainxfer.training.held_out import Direction
from domainxfer.training.listener import Listener, Outcome

RUN = Path("runs") / "demo-1"
ROW = {"generator/cycle": 0.25, "score/spread": 0.5, "change": 0.125, "pictures_per_second": 12.5}


class Command(TrainCommand):
    """One whose console is a string."""

    def __init__(self, **changes: Any) -> None:
        self.text = io.StringIO()
        console = Console(file=self.text, width=140, highlight=False)
        settings: dict[str, Any] = {"changes": {}, "runs": Path("runs"), "max_seconds": None, "offline": False}
        super().__init__(**{**settings, "cpu": True, "console": console, **changes})

    @property
    def lines(self) -> list[str]:
        return self.text.getvalue().splitlines()

    @property
    def rows(self) -> list[list[str]]:
        """The cells of the table of figures that are not empty."""
        rows = [[cell.strip() for cell in line.split("│")] for line in self.lines if " > " in line and "│" in line]
        return [[cell for cell in row if cell] for row in rows]


def ends(
    monkeypatch: pytest.MonkeyPatch,
    run: Path | None = RUN,
    *,
    finished: bool = True,
    skipped: int = 0,
    better: int | None = None,
) -> None:
    """Let training end so, without training."""
    done = Trained(run, Outcome(7, finished, better), [f"{i}.png: broken" for i in range(skipped)])
    monkeypatch.setattr(cli_train, "train", lambda data, **arguments: done)


def listening(monkeypatch: pytest.MonkeyPatch, watch: Any) -> None:
    """Let training do nothing but ``watch(listener)``."""

    def train(data: str, *, listener: Listener, **arguments: Any) -> Trained:
        watch(listener)
        return Trained(RUN, Outcome(7, True), [])

    monkeypatch.setattr(cli_train, "train", train)


def test_all_is_passed_on(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[str, str | None, dict[str, Any]]] = []
    done = Trained(RUN, Outcome(7, True), [])
    for name in ("train", "resume"):
        monkeypatch.setattr(
            cli_train, name, lambda subject, name=name, **arguments: seen.append((name, subject, arguments)) or done
        )
    command = Command(changes={"training": {"steps": 3}}, max_seconds=60.0, offline=True)
    assert command.train("demo", mode="generate") == 0
    assert command.resume(None) == 0
    own = {"changes": {"training": {"steps": 3}}, "runs": Path("runs"), "max_seconds": 60.0, "offline": True}
    assert [(name, subject) for name, subject, _ in seen] == [("train", "demo"), ("resume", None)]
    for (_, _, arguments), further in zip(seen, ({"mode": "generate"}, {}), strict=True):
        arguments.pop("listener")
        assert arguments == {**own, "cpu": True, **further}


def test_a_finished_run_names_an_earlier_model_that_was_better(monkeypatch: pytest.MonkeyPatch) -> None:
    ends(monkeypatch, better=3)
    command = Command()
    assert command.train("demo") == 0
    assert command.lines[-1] == f"step 3 has the better validation figures; its model: {RUN / 'best'}"


def test_a_finished_run_says_where_its_model_is(monkeypatch: pytest.MonkeyPatch) -> None:
    ends(monkeypatch)
    command = Command()
    assert command.train("demo") == 0
    assert command.lines == [f"done: 7 steps, model in {RUN / 'model'}"]


def test_a_run_that_the_time_ended_says_what_it_has_not_done(monkeypatch: pytest.MonkeyPatch) -> None:
    outcome = Outcome(7, True, unused_steps=93, still_small=64)
    monkeypatch.setattr(cli_train, "train", lambda data, **arguments: Trained(RUN, outcome, []))
    command = Command()
    assert command.train("demo") == 0
    assert command.lines[-1] == (
        f"the time was up at step 7 of 100, pictures still of 64 px; go on with: domainxfer train --resume {RUN}"
    )


def test_labels_that_nothing_has_named_are_told_of(monkeypatch: pytest.MonkeyPatch) -> None:
    found = Trained(RUN, Outcome(7, True), [], finds_labels=True)
    monkeypatch.setattr(cli_train, "resume", lambda run, **arguments: found)
    command = Command()
    assert command.resume(None) == 0
    assert command.lines[-1] == f"labels were found; name them: domainxfer discover {RUN}"


def test_pictures_left_out_are_named_and_make_the_exit_code_one(monkeypatch: pytest.MonkeyPatch) -> None:
    ends(monkeypatch, skipped=13)
    command = Command()
    assert command.train("demo") == 1
    assert command.lines[:10] == [f"left out: {i}.png: broken" for i in range(10)]
    assert command.lines[10].startswith("left out: 3 more pictures")
    assert len(command.lines) == 12


@pytest.mark.parametrize("name", ["demo-1", "my photos-1"])
def test_an_interrupted_run_says_the_command_that_goes_on(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    run = Path("runs") / name
    ends(monkeypatch, run, finished=False)
    command = Command()
    assert command.train("demo") == INTERRUPTED
    said, _, to_type = command.lines[-1].partition("; go on with: ")
    assert said == "stopped at step 7"
    assert shlex.split(to_type) == ["domainxfer", "train", "--resume", str(run)]


@pytest.mark.parametrize(("finished", "code"), [(True, 0), (False, INTERRUPTED)])
def test_other_processes_are_silent(monkeypatch: pytest.MonkeyPatch, finished: bool, code: int) -> None:
    ends(monkeypatch, None, finished=finished, skipped=3)
    command = Command()
    assert command.train("demo") == code
    assert command.lines == []


def test_a_row_shows_the_losses_but_no_scores(monkeypatch: pytest.MonkeyPatch) -> None:
    listening(monkeypatch, lambda listener: listener.row(25, {**ROW, "seconds_left": 3725.4}))
    monkeypatch.setattr(cli_train, "PLAIN_EVERY", 0.0)
    command = Command()
    command.train("demo")
    assert command.lines[0] == "step 25  12.5 pictures/s  left 1:02:05  generator/cycle 0.250  change 0.125"


def test_a_row_of_content_from_noise_has_no_change_to_show(monkeypatch: pytest.MonkeyPatch) -> None:
    row = {name: value for name, value in ROW.items() if name != "change"}
    listening(monkeypatch, lambda listener: listener.row(25, {**row, "seconds_left": 5.0}))
    monkeypatch.setattr(cli_train, "PLAIN_EVERY", 0.0)
    command = Command()
    command.train("demo")
    assert command.lines[0] == "step 25  12.5 pictures/s  left 0:05  generator/cycle 0.250"


def test_without_a_terminal_rows_do_not_flood_the_log(monkeypatch: pytest.MonkeyPatch) -> None:
    def watch(listener: Listener) -> None:
        for step in range(100):
            listener.row(step, {**ROW, "seconds_left": 59.0})

    clock = iter(range(1000, 2000))  # a second each time it is looked at
    monkeypatch.setattr(cli_train, "time", SimpleNamespace(monotonic=lambda: float(next(clock))))
    listening(monkeypatch, watch)
    command = Command()
    command.train("demo")
    shown = [line for line in command.lines if line.startswith("step ")]
    assert len(shown) == 10
    assert shown[0].startswith("step 0 ")
    assert "left 0:59" in shown[0]


def test_figures_stand_beside_doing_nothing_and_the_truth(monkeypatch: pytest.MonkeyPatch) -> None:
    directions = [Direction("cat", "dog", 0.1, 0.4, 0.01), Direction("dog", "cat", 0.5, 0.4, 0.02)]
    truth = {("cat", "dog"): TruthFigure(20.5, 17.25, 0.0125, 0.2)}
    listening(monkeypatch, lambda listener: listener.figures(500, "test", directions, truth))
    command = Command()
    command.train("demo")
    assert "test pictures after 500 steps" in command.text.getvalue()
    there = ["0.1000", "0.4000", "0.0100", "25 %", "20.50", "17.25", "+3.25", "0.0125"]
    assert command.rows == [["cat > dog", *there], ["dog > cat", "0.5000", "0.4000", "0.0200", "125 %"]]


def test_figures_of_noise_have_no_ceiling_but_kinds(monkeypatch: pytest.MonkeyPatch) -> None:
    cells = CellFigures(0.24, 3, 0.6, 0.11, 0.87, 1.1, 0.1, 0.7)
    directions = [Direction("noise", "mnist", 0.125, None, 0.002, cells)]
    listening(monkeypatch, lambda listener: listener.figures(500, "test", directions, {}))
    command = Command()
    command.train("mnist")
    assert command.rows == [["noise > mnist", "0.1250", "0.0020", "24 %", "11 %", "87 %"]]
    assert "do nothing" not in command.text.getvalue()


def test_square_brackets_in_a_domains_name_are_not_markup(monkeypatch: pytest.MonkeyPatch) -> None:
    directions = [Direction("cat [old]", "dog", 0.1, 0.4, 0.01)]
    listening(monkeypatch, lambda listener: listener.figures(500, "test", directions, {}))
    command = Command()
    command.train("demo")
    assert [row[0] for row in command.rows] == ["cat [old] > dog"]


def test_figures_against_the_truth_alone_and_none_at_all(monkeypatch: pytest.MonkeyPatch) -> None:
    def watch(listener: Listener) -> None:
        listener.figures(1, "test", [], {})
        listener.figures(2, "test", [], {("a", "b"): TruthFigure(20.5, 17.25, 0.0125, 0.2)})

    listening(monkeypatch, watch)
    command = Command()
    command.train("demo")
    text = command.text.getvalue()
    assert "after 1 steps" not in text
    assert "+3.25" in text
    assert "KID" not in text


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_first_signal_asks_and_the_second_stops_at_once(
    monkeypatch: pytest.MonkeyPatch, number: signal.Signals
) -> None:
    before = signal.getsignal(number)
    asked: list[bool] = []

    def watch(listener: Listener) -> None:
        asked.append(listener.stop())
        os.kill(os.getpid(), number)
        asked.append(listener.stop())
        os.kill(os.getpid(), number)
        asked.append(listener.stop())

    listening(monkeypatch, watch)
    with pytest.raises(KeyboardInterrupt):
        Command().train("demo")
    assert asked == [False, True]
    assert signal.getsignal(number) is before


def test_a_signal_before_the_first_step_stops_at_once(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    listening(monkeypatch, lambda listener: os.kill(os.getpid(), signal.SIGINT))
    with pytest.raises(KeyboardInterrupt):
        Command().train("demo")

    def watch(listener: Listener) -> None:
        listener.stop()
        assert "once more" not in capfd.readouterr().err
        os.kill(os.getpid(), signal.SIGINT)
        assert "once more stops at once" in capfd.readouterr().err

    listening(monkeypatch, watch)
    Command().train("demo")


def test_a_download_says_how_far_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    def watch(listener: Listener) -> None:
        listener.downloaded(12 * 2**20, 106 * 2**20)
        monkeypatch.setattr(cli_train, "PLAIN_EVERY", 0.0)
        listener.downloaded(13 * 2**20, None)

    listening(monkeypatch, watch)
    command = Command()
    assert command.train("horse2zebra") == 0
    assert command.lines[:2] == ["downloading: 12 of 106 MiB", "downloading: 13 MiB"]
