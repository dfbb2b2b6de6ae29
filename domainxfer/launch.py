"""Run one command in several processes that share a training: what torchrun does, without its noise."""

import os
import signal
import socket
import subprocess
import sys
import time
from types import FrameType

GRACE = 20.0  # seconds that the others get to end by themselves after one has failed


def launch(processes: int, arguments: list[str]) -> int:
    """Start ``python -m domainxfer ARGUMENTS`` as ranks 0 to ``processes`` - 1 on this machine and wait for all.

    Only rank 0 speaks on standard error. Ctrl-C and SIGTERM reach every rank; each saves and ends.

    Returns:
        0 if all went well, else the exit code of the first that failed.
    """
    shared = {
        **os.environ,
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(_free_port()),
        "WORLD_SIZE": str(processes),
        "LOCAL_WORLD_SIZE": str(processes),
    }
    shared.setdefault("OMP_NUM_THREADS", str(max(1, (os.cpu_count() or 1) // processes)))
    command = [sys.executable, "-m", "domainxfer", *arguments]
    children = []
    for rank in range(processes):
        environment = {**shared, "RANK": str(rank), "LOCAL_RANK": str(rank)}
        quiet = subprocess.DEVNULL if rank else None
        # A session of its own: a Ctrl-C then comes once, from here, and not a second time from the terminal.
        children.append(subprocess.Popen(command, env=environment, stderr=quiet, stdout=quiet, start_new_session=True))

    def pass_on(number: int, frame: FrameType | None) -> None:
        for child in children:
            child.send_signal(number)

    before = {number: signal.signal(number, pass_on) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        return _wait(children)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _wait(children: list[subprocess.Popen[bytes]]) -> int:
    failed, since = 0, 0.0
    while any(child.poll() is None for child in children):
        codes = [child.returncode for child in children if child.returncode]
        if codes and not failed:
            failed, since = abs(codes[0]), time.monotonic()
        if failed and time.monotonic() - since > GRACE:
            for child in children:
                child.kill()  # it waits for one that is gone
        time.sleep(0.05)
    return failed or next((abs(child.returncode) for child in children if child.returncode), 0)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
