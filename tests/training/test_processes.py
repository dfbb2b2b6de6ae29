"""Sharing a batch: two real processes agree on weights, gradients, rows and flags; one alone changes nothing."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

import domainxfer
from domainxfer.errors import UsageError
from domainxfer.training.processes import Processes

PROGRAM = """
import json
import torch
from torch import nn
from domainxfer.training.processes import Processes

processes = Processes(cpu=True)
rank = processes.rank
found = {"rank": rank, "count": processes.count, "is_main": processes.is_main, "device": str(processes.device)}

torch.manual_seed(rank)
layer = nn.BatchNorm1d(2)
nn.init.normal_(layer.weight)
layer.running_mean.fill_(rank)
processes.same_start(layer)
found["weight"], found["running_mean"] = layer.weight.tolist(), layer.running_mean.tolist()

first, second, unused = nn.Parameter(torch.zeros(3)), nn.Parameter(torch.zeros(2, 2)), nn.Parameter(torch.zeros(1))
first.grad = torch.tensor([1.0, 2.0, 3.0]) * (rank + 1)
second.grad = torch.full((2, 2), 10.0 * rank)
processes.average_gradients([first, unused, second])
found["gradients"] = [first.grad.tolist(), second.grad.tolist(), unused.grad is None]

# The loss couples all rows: its gradient with respect to row i is 2 i times the sum of all i times row i.
rows = torch.tensor([[1.0 + 2 * rank], [2.0 + 2 * rank]], requires_grad=True)
everything = processes.gather(rows)
found["rows"] = everything.tolist()
loss = (torch.arange(4.0) * everything[:, 0]).sum() ** 2
loss.backward()
found["gradient_of_rows"] = (rows.grad / processes.count).flatten().tolist()

value = torch.tensor([float(rank), 4.0])
found["mean"], found["value"] = processes.mean(value).tolist(), value.tolist()
found["any"] = [processes.any(flag) for flag in (False, rank == 1, rank == 0, True)]
processes.wait()
print(json.dumps(found))
torch.distributed.destroy_process_group()
"""


@pytest.fixture(scope="module")
def two() -> list[dict[str, Any]]:
    """What each of two processes found."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    package = str(Path(domainxfer.__file__).parents[1])
    shared = {**os.environ, "PYTHONPATH": package, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "WORLD_SIZE": "2"}
    shared |= {"LOCAL_WORLD_SIZE": "2", "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", PROGRAM]
    started = [
        subprocess.Popen(
            command,
            env={**shared, "RANK": str(rank), "LOCAL_RANK": str(rank)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(2)
    ]
    found = []
    try:
        for process in started:
            out, err = process.communicate(timeout=240)
            assert process.returncode == 0, err
            found.append(json.loads(out.splitlines()[-1]))
    finally:
        for process in started:
            process.kill()
            process.wait()
    return found


def test_who_is_who(two: list[dict[str, Any]]) -> None:
    assert [(found["rank"], found["count"], found["is_main"]) for found in two] == [(0, 2, True), (1, 2, False)]
    assert {found["device"].partition(":")[0] for found in two} == {"cpu"}


def test_all_start_from_the_main_ones_weights_and_buffers(two: list[dict[str, Any]]) -> None:
    torch.manual_seed(0)
    expected = nn.init.normal_(torch.empty(2)).tolist()
    assert [found["weight"] for found in two] == [pytest.approx(expected)] * 2
    assert [found["running_mean"] for found in two] == [[0.0, 0.0]] * 2


def test_gradients_become_their_mean_and_keep_their_shapes(two: list[dict[str, Any]]) -> None:
    mean = [[1.5, 3.0, 4.5], [[5.0, 5.0], [5.0, 5.0]], True]
    assert [found["gradients"] for found in two] == [mean, mean]


def test_gathered_rows_are_in_order_of_rank_and_pass_gradients_back(two: list[dict[str, Any]]) -> None:
    assert [found["rows"] for found in two] == [[[1.0], [2.0], [3.0], [4.0]]] * 2
    weighted = 0 * 1 + 1 * 2 + 2 * 3 + 3 * 4
    assert two[0]["gradient_of_rows"] == [0.0, 2.0 * weighted * 1]
    assert two[1]["gradient_of_rows"] == [2.0 * weighted * 2, 2.0 * weighted * 3]


def test_means_and_flags_are_the_same_everywhere(two: list[dict[str, Any]]) -> None:
    assert [found["mean"] for found in two] == [[0.5, 4.0]] * 2
    assert [found["value"] for found in two] == [[0.0, 4.0], [1.0, 4.0]], "the caller's tensor stays its own"
    assert [found["any"] for found in two] == [[False, True, True, True]] * 2


def test_alone_nothing_changes() -> None:
    processes = Processes(cpu=True)
    assert (processes.count, processes.rank, processes.is_main) == (1, 0, True)
    layer = nn.Linear(2, 2)
    weight = layer.weight.detach().clone()
    layer.weight.grad = torch.full((2, 2), 3.0)
    processes.same_start(layer)
    processes.average_gradients(layer.parameters())
    processes.average_gradients([])
    assert torch.equal(layer.weight, weight)
    assert (layer.weight.grad == 3).all()
    rows = torch.ones(3, 1, requires_grad=True)
    assert processes.gather(rows) is rows
    assert processes.mean(torch.tensor(2.5)) == 2.5
    assert [processes.any(flag) for flag in (True, False)] == [True, False]
    processes.wait()


def test_each_run_of_a_program_has_the_device_that_it_asks_for() -> None:
    Processes(cpu=True).state.device = torch.device("meta")  # as a GPU would be, of a run before
    assert Processes(cpu=True).device == torch.device("cpu")


def test_more_processes_than_gpus_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "2")
    with pytest.raises(UsageError, match=r"2 processes need a GPU each, and this machine has 1: --nproc 1, or --cpu"):
        Processes()


def test_apples_gpu_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing was ever tried on it; a Mac's processor does what is tested."""
    monkeypatch.setattr("accelerate.state.is_mps_available", lambda *_: True)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert Processes().device == torch.device("cpu")
