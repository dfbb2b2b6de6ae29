"""On a GPU: a run in bf16 that learns, goes on after a stop, and whose model translates there as on the CPU; and steps
that are recorded, which learn as others do, and never make the program wait for the GPU.

The rest of the suite hides the GPU (conftest.py). By hand: DOMAINXFER_TEST_GPU=1 pytest tests/test_gpu.py
"""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

import domainxfer
from domainxfer.datasets.batches import Batch
from domainxfer.models.networks import new_critic, new_generator
from domainxfer.recipe import Recipe, override
from domainxfer.training.processes import Processes
from domainxfer.training.step import Stepper

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


# --- recorded steps ---------------------------------------------------------------------------------------------------

TRANSLATE: dict[str, Any] = {
    "generator": {"code_size": 2, "fine": 1},
    "critic": {"code_size": 2},
    "objective": {
        "critic": {"r1": {"every": 2}},
        "cycle_noise": 0.05,
        "critic_input": {"noise": 0.1, "augment": ["colour", "shift", "cutout"]},
    },
}
GENERATE: dict[str, Any] = {
    "mode": "generate",
    "generator": {"content": "noise", "output": "plain", "noise_size": 16, "code_size": 2},
    "critic": {"code_size": 2, "norm": "none"},
    "objective": {
        "critic_steps": 2,
        "generator": {"nonsaturating": 0, "cycle": 0, "identity": 0, "r3gan": 1},
        # r1 is asked for before the scores are: gradients of the parameters are under way when those are recorded.
        "critic": {"nonsaturating": 0, "label_real": 0, "r1": {"every": 2}, "r3gan": 1, "r2": {"every": 2}},
    },
}


def small(changes: dict[str, Any]) -> Recipe:
    sizes = {
        "data": {"size": 32, "batch": 4},
        "generator": {"width": 16, "blocks": 2},
        "critic": {"width": 8, "depth": 3, "fields": [2, 3]},
    }
    return override(override(Recipe(), sizes), changes).resolved(2)


def new_stepper(recipe: Recipe, *, recorded: bool) -> Stepper:
    torch.manual_seed(0)
    generator, critic, processes = new_generator(recipe.generator), new_critic(recipe.critic), Processes()
    for network in (generator, critic):
        network.to(device=processes.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    asked = override(recipe, {"training": {"cuda_graphs": recorded}})
    return Stepper(generator, critic, asked, processes, bf16=False)


def batches_of(recipe: Recipe, step: int, side: int = 32) -> list[Batch]:
    """What a step learns from, still on the host."""
    found = []
    for number in range(step * recipe.objective.batches_a_step, (step + 1) * recipe.objective.batches_a_step):
        numbers = torch.Generator().manual_seed(number)
        x = 2 * torch.rand(4, 3, side, side, generator=numbers) - 1
        y, turned = torch.tensor([0, 1, 0, 1]), [1, 2, 3, 0]
        found.append(Batch(number, [0, 1, 2, 3], x, y, x[turned], y[turned], turned))
    return found


@pytest.fixture
def exact() -> Iterator[None]:
    """Products in fp32, sums in one order."""
    before = torch.backends.cudnn.allow_tf32, torch.backends.cudnn.deterministic
    torch.backends.cudnn.allow_tf32, torch.backends.cudnn.deterministic = False, True
    yield
    torch.backends.cudnn.allow_tf32, torch.backends.cudnn.deterministic = before


@pytest.mark.usefixtures("exact")
@pytest.mark.parametrize("changes", [TRANSLATE, GENERATE], ids=["translate", "generate"])
def test_recorded_steps_learn_as_others_do(changes: dict[str, Any]) -> None:
    recipe = small(changes)
    plain, recorded = (new_stepper(recipe, recorded=how) for how in (False, True))
    sides = (16, 16, 32, 32) if recipe.mode == "translate" else (32,) * 4  # a recording holds for one size
    for step, side in enumerate(sides):
        parts = [
            stepper([b.to(stepper.processes.device, torch.channels_last) for b in batches_of(recipe, step, side)], step)
            for stepper in (plain, recorded)
        ]
        assert parts[0].keys() == parts[1].keys()
        for name in parts[0]:
            torch.testing.assert_close(parts[1][name], parts[0][name], rtol=2e-3, atol=2e-4, msg=f"{step} {name}")
    torch.manual_seed(0)
    start = new_generator(recipe.generator).to(plain.processes.device)
    apart = distance(plain.generator, recorded.generator)
    assert apart < 0.02 * distance(plain.generator, start), apart


@pytest.mark.parametrize("changes", [TRANSLATE, GENERATE], ids=["translate", "generate"])
def test_a_step_never_waits_for_the_gpu(changes: dict[str, Any]) -> None:
    recipe = small(changes)
    stepper = new_stepper(recipe, recorded=True)
    for step in range(4):
        if step == 2:  # the first two have recorded what both kinds of step replay
            torch.cuda.set_sync_debug_mode("error")
        try:
            stepper([b.to(stepper.processes.device, torch.channels_last) for b in batches_of(recipe, step)], step)
        finally:
            torch.cuda.set_sync_debug_mode("default")


def distance(one: torch.nn.Module, other: torch.nn.Module) -> Tensor:
    """Between the weights of two networks."""
    differences = [(p - q).flatten() for p, q in zip(one.parameters(), other.parameters(), strict=True)]
    return torch.cat(differences).detach().norm().cpu()
