"""The benchmark scripts run and print what they promise; their figures are not judged here."""

import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from domainxfer.recipe import override
from domainxfer.training.processes import Processes

ROOT = Path(__file__).parents[1]
SCRIPT = ROOT / "benchmarks" / "step_speed.py"


def run(*options: str) -> list[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [
        sys.executable,
        str(SCRIPT),
        "--sizes",
        "16",
        "--seconds",
        "0.01",
        "--batch",
        "2",
        "--threads",
        "1",
        *options,
    ]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_step_speed_prints_a_row_a_size_and_format():
    lines = run("--markdown")
    assert re.search(r"convolution peak: fp32 [1-9]\d* GFLOP/s, bf16 [1-9]\d* GFLOP/s", "\n".join(lines))
    head, rule, *rows = [line for line in lines if line.startswith("|")]
    assert [cell.strip() for cell in head.strip("|").split("|")][:3] == ["px", "format", "images/s"]
    assert rule == "|" + "---:|" * 7
    cells = [[cell.strip() for cell in row.strip("|").split("|")] for row in rows]
    assert [row[:2] for row in cells] == [["16", "fp32"], ["16", "bf16"]]
    for row in cells:
        assert float(row[2]) > 0
        assert re.fullmatch(r"\d+ %", row[-1])


def test_step_speed_takes_the_recipe_of_a_card(step_speed):
    default, card = (step_speed.recipe_of(name, 32, 4) for name in (None, "horse2zebra"))
    assert (default.data.size, default.data.batch, default.generator.labels) == (32, 4, 2)
    assert (card.data.size, card.data.batch, card.generator.labels) == (32, 4, 2)
    assert (default.generator.fine, card.generator.fine) == (0, 2)
    changed = step_speed.recipe_of("horse2zebra", 32, 4, ["generator.fine=1", "training.cuda_graphs=false"])
    assert (changed.generator.fine, changed.training.cuda_graphs) == (1, False)


@pytest.fixture
def step_speed():
    spec = importlib.util.spec_from_file_location("step_speed", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_step_that_is_timed_has_every_loss_that_the_recipe_comes_to(step_speed):
    """A loss of emoji's card begins after step 1,200."""
    recipe = step_speed.recipe_of("emoji", 32, 8, ["generator.width=16", "generator.blocks=1", "critic.width=8"])
    step, period = step_speed.step_of(recipe, "fp32", Processes(cpu=True))
    early = override(recipe, {"training": {"steps": 100}})
    before, _ = step_speed.step_of(early, "fp32", Processes(cpu=True))
    assert step_speed.counted(step, period) > 1.03 * step_speed.counted(before, period)


def test_operations_are_counted_forward_and_backward(step_speed):
    import torch

    layer, x = torch.nn.Conv2d(4, 8, 3, padding=1, bias=False), torch.randn(2, 4, 10, 10, requires_grad=True)
    once = 2 * 2 * 10 * 10 * 4 * 8 * 9  # multiply and add, for each weight at each place
    assert step_speed.counted(lambda number: layer(x), 1) == once
    assert step_speed.counted(lambda number: layer(x).sum().backward(), 1) == 3 * once


def test_rare_work_is_averaged(step_speed):
    import torch

    a = torch.ones(2, 3)
    assert step_speed.counted(lambda number: a @ a.T if number == 0 else None, 4) == 2 * 2 * 2 * 3 / 4
