"""Run one command in several processes that share a training: what torchrun does, without its noise."""

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from types import FrameType

from domainxfer.errors import UsageError

GRACE = 20.0  # seconds that the others get to end by themselves after one has failed


def launch(processes: int, arguments: list[str]) -> int:
    """Start ``python -m domainxfer ARGUMENTS`` as ranks 0 to ``processes`` - 1 on this machine and wait for all.

    Only rank 0 speaks; where another fails first, what it said on standard error is shown at the end. What
    asks it to stop (`stop_signals`) reaches every rank; each saves and ends.

    Returns:
        0 if all went well, else the exit code of the first that failed.

    Raises:
        UsageError: more processes than this machine has cores; each takes some 300 MB before it does anything.
    """
    cores = os.cpu_count() or 1
    if processes > max(2, cores):
        raise UsageError(
            f"--nproc {processes}: processor cores here: {cores}; more processes than that wait for each other"
        )
    shared = {
        **os.environ,
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(_free_port()),
        "WORLD_SIZE": str(processes),
        "LOCAL_WORLD_SIZE": str(processes),
    }
    shared.setdefault("OMP_NUM_THREADS", str(max(1, (os.cpu_count() or 1) // processes)))
    command = [sys.executable, "-m", "domainxfer", *arguments]
    children: list[subprocess.Popen[bytes]] = []
    open_files = ExitStack()

    def pass_on(number: int, frame: FrameType | None) -> None:
        if sys.platform == "win32":  # its console has sent Ctrl-C to all of them, and nothing else can be passed on
            return
        for child in children:
            child.send_signal(number)

    before = {number: signal.signal(number, pass_on) for number in stop_signals()}
    try:
        errors = [open_files.enter_context(tempfile.TemporaryFile()) for _ in range(processes)]  # noqa: SIM115
        for rank in range(processes):
            environment = {**shared, "RANK": str(rank), "LOCAL_RANK": str(rank)}
            out, error = (subprocess.DEVNULL, errors[rank]) if rank else (None, None)
            # A session of its own: a Ctrl-C then comes once, from here, and not a second time from the terminal.
            children.append(
                subprocess.Popen(command, env=environment, stdout=out, stderr=error, start_new_session=True)
            )
        first = _first_failure(children)
        if first:  # not 0, which has spoken for itself
            errors[first].seek(0)
            sys.stderr.write(errors[first].read().decode(errors="replace"))
        return 0 if first is None else _exit_code(children[first])
    except BaseException:
        for child in children:  # without all of them none gets anywhere
            child.kill()
        raise
    finally:
        open_files.close()
        for number, handler in before.items():
            signal.signal(number, handler)


def stop_signals() -> list[signal.Signals]:
    """What asks a training to stop: Ctrl-C, SIGTERM, and that the terminal is closed, unless `nohup` has it ignored."""
    hangup = getattr(signal, "SIGHUP", None)  # Windows has none
    numbers = [signal.SIGINT, signal.SIGTERM]
    if hangup is not None and signal.getsignal(hangup) != signal.SIG_IGN:
        numbers.append(hangup)
    return numbers


def _first_failure(children: list[subprocess.Popen[bytes]]) -> int | None:
    """Rank of the first that failed, once all have ended; None if none did."""
    first, since = None, 0.0
    while True:
        codes = [child.poll() for child in children]
        if first is None and any(codes):
            first, since = next(rank for rank, code in enumerate(codes) if code), time.monotonic()
        if None not in codes:
            return first
        if first is not None and time.monotonic() - since > GRACE:
            for child in children:
                child.kill()  # it waits for one that is gone
        time.sleep(0.05)


def _exit_code(child: subprocess.Popen[bytes]) -> int:
    code: int = child.returncode
    return code if code > 0 else 128 - code  # killed by a signal: as shells report it


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
