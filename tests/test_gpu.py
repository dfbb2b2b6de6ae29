"""On a GPU: a run in bf16 that learns, goes on after a stop, and whose model translates there as on the CPU.

The rest of the suite hides the GPU (conftest.py). By hand: DOMAINXFER_TEST_GPU=1 pytest tests/test_gpu.py
"""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

import domainxfer

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU, and DOMAINXFER_TEST_GPU=1"),
]

SMALL = ("--set", "data.size=32", "--set", "generator.width=16", "--set", "training.figure_every=1000")


def test_a_run_learns_there_and_goes_on(run: Callable[..., tuple[int, str, str]], tmp_path: Path) -> None:
    code, _, err = run("train", "demo", "--steps", "20", *SMALL)
    assert code == 0, err
    found = json.loads((tmp_path / "runs" / "demo-1" / "environment.json").read_text())
    assert found["device"].startswith("cuda")
    code, _, err = run("train", "--resume", "--steps", "40")
    assert code == 0, err
    rows = (tmp_path / "runs" / "demo-1" / "metrics.csv").read_text().splitlines()
    assert rows[-1].startswith("40,")


def test_a_model_translates_there_as_on_the_cpu() -> None:
    model = domainxfer.load("horse2zebra")
    assert model.device.type == "cuda"
    x = torch.rand(2, 3, 64, 96, generator=torch.Generator().manual_seed(0)) * 2 - 1
    label = torch.tensor([0, 1])
    there, here = model.apply(x, label).cpu(), model.to("cpu").apply(x, label)
    assert (there - here).abs().mean() < 0.01  # bf16 in one, and perhaps not in the other
    assert (here - x).abs().mean() > 0.01
