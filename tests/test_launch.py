"""One command in several processes: what each is told, and what becomes of all when one fails or the user stops them.

A small program stands in for domainxfer, found before it on the path: what is tested is the launcher.
"""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import FrameType

import pytest

from domainxfer import launch as module
from domainxfer.errors import UsageError
from domainxfer.launch import launch

PROGRAM = """
import json, os, signal, sys, time
from pathlib import Path

rank = os.environ["RANK"]

def wait_for(name):
    while not Path(name).exists():
        time.sleep(0.01)

{body}
"""


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Path]:
    """`program(body)`: what every rank runs in place of ``python -m domainxfer``; returns its working folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)

    def write(body: str) -> Path:
        (tmp_path / "domainxfer").mkdir()
        (tmp_path / "domainxfer" / "__init__.py").touch()  # else an installed one would come first
        (tmp_path / "domainxfer" / "__main__.py").write_text(PROGRAM.format(body=body))
        return tmp_path

    return write


def told(folder: Path, count: int) -> list[tuple[list[str], dict[str, str]]]:
    return [tuple(json.loads((folder / str(rank)).read_text())) for rank in range(count)]  # type: ignore[misc]


TELL = "Path(rank).write_text(json.dumps([sys.argv[1:], dict(os.environ)]))"


def test_every_rank_gets_the_arguments_and_its_place(program, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = program(TELL)
    monkeypatch.setattr(os, "cpu_count", lambda: 3)
    monkeypatch.setenv("MASTER_PORT", "1")  # a leftover of another run
    arguments = ["train", "my photos", "--set", "data.batch=8", "--nproc", "3"]
    assert launch(3, arguments) == 0
    ranks = told(folder, 3)
    assert [given for given, _ in ranks] == [arguments] * 3
    for rank, (_, environment) in enumerate(ranks):
        assert [environment[name] for name in ("RANK", "LOCAL_RANK")] == [str(rank)] * 2
        assert [environment[name] for name in ("WORLD_SIZE", "LOCAL_WORLD_SIZE")] == ["3", "3"]
    (place,) = {(environment["MASTER_ADDR"], environment["MASTER_PORT"]) for _, environment in ranks}
    assert place[0] == "127.0.0.1"
    assert int(place[1]) > 1023
    assert "RANK" not in os.environ, "the launcher itself is no rank"


def test_the_cores_are_shared_unless_the_user_said_otherwise(program, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = program(TELL)
    monkeypatch.setattr(os, "cpu_count", lambda: 7)
    launch(2, [])
    assert {environment["OMP_NUM_THREADS"] for _, environment in told(folder, 2)} == {"3"}
    monkeypatch.setattr(os, "cpu_count", lambda: 1)
    launch(2, [])
    assert {environment["OMP_NUM_THREADS"] for _, environment in told(folder, 2)} == {"1"}
    monkeypatch.setenv("OMP_NUM_THREADS", "5")
    launch(2, [])
    assert {environment["OMP_NUM_THREADS"] for _, environment in told(folder, 2)} == {"5"}


@pytest.mark.parametrize(("cores", "too_many"), [(1, 3), (2, 3), (8, 99), (None, 3)])
def test_more_processes_than_cores_are_refused_before_any_is_started(
    program, monkeypatch: pytest.MonkeyPatch, cores: int | None, too_many: int
) -> None:
    folder = program(TELL)
    monkeypatch.setattr(os, "cpu_count", lambda: cores)
    with pytest.raises(UsageError, match=rf"--nproc {too_many}: processor cores here: {cores or 1};"):
        launch(too_many, [])
    assert not (folder / "0").exists()


def test_where_not_all_can_be_started_none_is_left(program, monkeypatch: pytest.MonkeyPatch) -> None:
    program("time.sleep(60)")
    started, start = [], subprocess.Popen

    def popen(*command, **options):  # type: ignore[no-untyped-def]
        if started:
            raise BlockingIOError(11, "no more processes")
        started.append(start(*command, **options))
        return started[0]

    monkeypatch.setattr(module.subprocess, "Popen", popen)
    handlers = {number: signal.getsignal(number) for number in module.stop_signals()}
    with pytest.raises(BlockingIOError):
        launch(2, [])
    assert started[0].wait(timeout=20) != 0
    assert {number: signal.getsignal(number) for number in module.stop_signals()} == handlers


def test_only_rank_0_speaks(program, capfd: pytest.CaptureFixture[str]) -> None:
    program("print('out of', rank); print('error of', rank, file=sys.stderr)")
    launch(2, [])
    assert capfd.readouterr() == ("out of 0\n", "error of 0\n")


@pytest.mark.parametrize("failing", [0, 1])
def test_one_failure_is_the_failure_of_all(program, failing: int) -> None:
    program(f"sys.exit(3 if rank == '{failing}' else 0)")
    assert launch(2, []) == 3


def test_the_first_failure_counts_not_those_it_causes(program) -> None:
    program(
        """
if rank == "1":
    Path("failed").touch()
    sys.exit(3)
wait_for("failed")
time.sleep(1)
sys.exit(1)
"""
    )
    assert launch(2, []) == 3


def test_a_rank_that_waits_for_a_dead_one_is_ended(program, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "GRACE", 0.1)
    folder = program(
        """
if rank == "1":
    wait_for("waiting")
    os.kill(os.getpid(), signal.SIGKILL)
Path("waiting").touch()
time.sleep(10)
Path("survived").touch()
"""
    )
    assert launch(2, []) > 0
    assert not (folder / "survived").exists()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_reaches_every_rank_once_and_is_ours_again_afterwards(program, number: signal.Signals) -> None:
    folder = program(
        """
heard = []
for number in (signal.SIGINT, signal.SIGTERM):
    signal.signal(number, lambda number, frame: heard.append(number))
Path("ready" + rank).touch()
while not heard:
    time.sleep(0.01)
time.sleep(0.3)
Path("heard" + rank).write_text(json.dumps(heard))
sys.exit(130)
"""
    )

    def stop_when_ready() -> None:
        while not all((folder / f"ready{rank}").exists() for rank in range(2)):
            time.sleep(0.01)
        os.kill(os.getpid(), number)

    stray: list[int] = []

    def ours(number: int, frame: FrameType | None) -> None:
        stray.append(number)

    before = signal.signal(number, ours)
    try:
        thread = threading.Thread(target=stop_when_ready, daemon=True)
        thread.start()
        assert launch(2, []) == 130
        assert signal.getsignal(number) is ours
    finally:
        signal.signal(number, before)
    assert stray == []
    assert [json.loads((folder / f"heard{rank}").read_text()) for rank in range(2)] == [[number]] * 2


def test_the_command_is_this_python(program, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = program("Path('python').write_text(sys.executable)")
    launch(1, [])
    assert (folder / "python").read_text() == sys.executable
