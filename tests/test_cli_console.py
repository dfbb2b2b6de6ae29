"""Where the commands print: as wide as the terminal, wide where there is none."""

import io
import sys

import pytest

from domainxfer.cli_console import say, wide_console


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("FORCE_COLOR", "NO_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE", "COLUMNS", "LINES"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm")


def test_a_file_or_pipe_gets_whole_table_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", io.StringIO())
    console = wide_console()
    assert not console.is_terminal
    console.print("x" * 130 + " end")
    assert sys.stdout.getvalue() == "x" * 130 + " end\n"


def test_a_terminal_keeps_its_own_width(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", Terminal())
    monkeypatch.setenv("COLUMNS", "70")
    console = wide_console()
    assert console.is_terminal
    assert console.width == 70


@pytest.mark.parametrize("output", [io.StringIO, Terminal])
def test_numbers_and_paths_are_not_coloured_by_guess(monkeypatch: pytest.MonkeyPatch, output: type) -> None:
    monkeypatch.setattr(sys, "stdout", output())
    wide_console().print("step 12 of runs/demo-1: 'done', True")
    assert sys.stdout.getvalue() == "step 12 of runs/demo-1: 'done', True\n"


def test_a_line_is_said_as_it_is_and_obeyed_by_no_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", Terminal())
    monkeypatch.setenv("COLUMNS", "20")
    say(wide_console(), "[bold]cat\x1b[2J.png[/bold] -> a name that is longer than the line")
    assert sys.stdout.getvalue() == "[bold]cat\\x1b[2J.png[/bold] -> a name that is longer than the line\n"
