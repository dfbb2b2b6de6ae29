"""An estimate: two steps of the run itself, the second of which counts."""

import math
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from domainxfer.datasets.domain_data import DomainData
from domainxfer.recipe import DataSettings, Recipe
from domainxfer.training import dry_run
from domainxfer.training.dry_run import Estimate, estimate
from domainxfer.training.listener import Listener
from domainxfer.training.processes import Processes
from domainxfer.training.run import Run


class TimedRun:
    """A run whose first step takes 10 s on its clock, each further one 2 s, and loading a batch .25 s."""

    bf16, memory_format = True, torch.channels_last

    def __init__(self, batches_a_step: int = 1, steps: int = 9000, grow: dict[int, int] | None = None) -> None:
        self.clock, self.loaded, self.done = 0.0, list[int](), list[tuple[int, int]]()
        data = DataSettings(size=64, grow=grow or {})
        self.recipe = SimpleNamespace(training=SimpleNamespace(steps=steps), data=data)
        self.processes = SimpleNamespace(device=torch.device("cpu"))
        outer = self

        class Source:
            def __getitem__(self, number: int) -> "Source":
                outer.clock += 0.25
                outer.loaded.append(number)
                return self

            def to(self, device: torch.device, memory_format: torch.memory_format) -> "Source":
                return self

        class Stepper:
            generator, critic = torch.nn.Linear(3, 2), torch.nn.Linear(5, 1)

            def __init__(self) -> None:
                self.batches_a_step = batches_a_step

            def __call__(self, batches: list[Any], step: int) -> dict[str, torch.Tensor]:
                outer.clock += 2 if outer.done else 10
                outer.done.append((step, len(batches)))
                return {"generator/cycle": torch.tensor(float(step))}

        self.source, self.stepper = Source(), Stepper()


def timed(monkeypatch: pytest.MonkeyPatch, **settings: Any) -> tuple[TimedRun, Estimate]:
    run = TimedRun(**settings)
    monkeypatch.setattr(dry_run, "time", SimpleNamespace(perf_counter=lambda: run.clock))
    return run, estimate(run)  # type: ignore[arg-type]


def test_warming_up_does_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    run, found = timed(monkeypatch, steps=9000)
    assert found.seconds_a_step == 2.25
    assert found.steps == 9000
    assert found.hours == pytest.approx(9000 * 2.25 / 3600)
    assert found.parts == {"generator/cycle": 1.0}
    assert [step for step, _ in run.done] == [0, 1]


def test_steps_of_full_size_are_measured_and_smaller_ones_count_less(monkeypatch: pytest.MonkeyPatch) -> None:
    run, found = timed(monkeypatch, steps=9000, grow={4000: 32})
    assert [step for step, _ in run.done] == [4000, 4001]
    assert run.loaded == [4000, 4001]
    assert found.hours == pytest.approx((4000 / 4 + 5000) * 2.25 / 3600)


def test_each_step_gets_batches_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    run, found = timed(monkeypatch, batches_a_step=3)
    assert run.loaded == [0, 1, 2, 3, 4, 5]
    assert run.done == [(0, 3), (1, 3)]
    assert found.seconds_a_step == 2.75


def test_what_it_says_of_the_networks_and_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    _, found = timed(monkeypatch)
    assert (found.generator_parameters, found.critic_parameters) == (3 * 2 + 2, 5 + 1)
    assert (found.device, found.precision) == ("cpu", "bf16")
    assert 10 < found.memory_mb < 1e6, "MB: this process holds torch, and no machine has a terabyte to spare"


@pytest.mark.parametrize("mode", ["translate", "generate"])
def test_a_real_run_is_built_and_stepped(
    tiny_recipe: Callable[..., Recipe], tiny_data: Callable[..., DomainData], mode: str
) -> None:
    recipe = tiny_recipe({"mode": mode, "training": {"extractor": "gabor"}})
    run = Run(recipe, tiny_data(), Processes(cpu=True), None, Listener())
    before = [p.detach().clone() for p in run.stepper.generator.parameters()]
    found = estimate(run)
    assert found.precision == "fp32"
    assert found.seconds_a_step > 0
    assert all(math.isfinite(value) for value in found.parts.values())
    assert ("generator/cycle" in found.parts) is (mode == "translate")
    moved = [not torch.equal(a, b) for a, b in zip(before, run.stepper.generator.parameters(), strict=True)]
    assert any(moved), "its steps are real ones"
