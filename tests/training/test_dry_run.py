"""An estimate: steps of each kind that a run has, done twice, the second of which counts."""

import math
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, ClassVar

import pytest
import torch

from domainxfer.datasets.domain_data import DomainData
from domainxfer.objective import Objective, TermSettings
from domainxfer.recipe import DataSettings, Recipe
from domainxfer.training import dry_run
from domainxfer.training.dry_run import Estimate, estimate
from domainxfer.training.health import NotANumber
from domainxfer.training.listener import Listener
from domainxfer.training.processes import Processes
from domainxfer.training.run import Run
from domainxfer.training.terms import Term


class TimedRun:
    """A run on a clock of its own: a step takes 2 s, with an "r1" at work 5 s more, with a "late" term 7 s more, and 10
    s more whenever terms are together for the first time; loading a batch takes .25 s. Smaller pictures take less.
    """

    bf16, memory_format = True, torch.channels_last

    def __init__(
        self, *terms: Term, steps: int = 9000, grow: dict[int, int] | None = None, critic_steps: int = 1
    ) -> None:
        self.clock, self.loaded, self.done = 0.0, list[int](), list[tuple[int, int]]()
        self.recipe = SimpleNamespace(
            training=SimpleNamespace(steps=steps),
            data=DataSettings(size=64, grow=grow or {}),
            objective=Objective(critic_steps=critic_steps),
        )
        self.processes = SimpleNamespace(device=torch.device("cpu"))
        outer, seen, of_critic = self, set[tuple[str, ...]](), terms
        value_of = {"plain": 3.0, "r1": 0.5, "late": 1.0, "broken": math.nan}

        class Source:
            def __getitem__(self, number: int) -> "Source":
                outer.clock += 0.25
                outer.loaded.append(number)
                return self

            def to(self, device: torch.device, memory_format: torch.memory_format) -> "Source":
                return self

        class Stepper:
            generator, critic = torch.nn.Linear(3, 2), torch.nn.Linear(5, 1)
            terms: ClassVar[dict[str, list[Term]]] = {"critic": list(of_critic)}

            def __call__(self, batches: list[Any], step: int) -> dict[str, torch.Tensor]:
                names = tuple(term.name for term in of_critic if term.weight_at(step))
                took = 2 + 5 * ("r1" in names) + 7 * ("late" in names) + 10 * (names not in seen)
                seen.add(names)
                outer.clock += took * (outer.recipe.data.size_at(step) / 64) ** 2
                outer.done.append((step, len(batches)))
                return {f"critic/{name}": torch.tensor(value_of[name]) for name in names}

        self.source, self.stepper = Source(), Stepper()


def term(name: str, weight: float | dict[int, float] = 1.0, every: int = 1) -> Term:
    return Term(name, lambda: torch.zeros(()), TermSettings(weight=weight, every=every))


def timed(monkeypatch: pytest.MonkeyPatch, *terms: Term, **settings: Any) -> tuple[TimedRun, Estimate]:
    run = TimedRun(*terms, **settings)
    monkeypatch.setattr(dry_run, "time", SimpleNamespace(perf_counter=lambda: run.clock))
    return run, estimate(run)  # type: ignore[arg-type]


def test_warming_up_does_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    run, found = timed(monkeypatch, term("plain"), steps=9000)
    assert found.steps == 9000
    assert found.seconds == pytest.approx(9000 * 2.25)
    assert found.hours == pytest.approx(found.seconds / 3600)
    assert found.parts == {"critic/plain": 3.0}
    assert len(run.done) == 2


def test_a_lazy_term_is_at_work_in_its_share_of_the_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    run, found = timed(monkeypatch, term("plain"), term("r1", every=8), steps=9001)
    assert found.seconds == pytest.approx(9001 * 2.25 + 1126 * 5)
    assert found.parts == {"critic/plain": 3.0, "critic/r1": 0.5}
    assert len(run.done) == 4, "steps of two kinds, each twice"


def test_a_term_that_begins_later_counts_from_there(monkeypatch: pytest.MonkeyPatch) -> None:
    late = term("late", {0: 0.0, 500: 0.0, 550: 1.0})
    run, found = timed(monkeypatch, term("plain"), late, term("r1", every=2), steps=1500)
    assert found.seconds == pytest.approx(1500 * 2.25 + 750 * 5 + 999 * 7)
    assert len(run.done) == 8
    assert set(found.parts) == {"critic/plain", "critic/r1", "critic/late"}


def test_steps_of_smaller_pictures_count_less(monkeypatch: pytest.MonkeyPatch) -> None:
    run, found = timed(monkeypatch, term("plain"), steps=9000, grow={4000: 32})
    assert {step for step, _ in run.done} == {8999}, "one of full size is timed"
    assert found.seconds == pytest.approx((4000 / 4 + 5000) * 2.25)


def test_what_ends_with_the_smaller_pictures_is_timed_with_them(monkeypatch: pytest.MonkeyPatch) -> None:
    early = term("late", {2000: 1.0, 3000: 0.0})
    _, found = timed(monkeypatch, term("plain"), early, steps=9000, grow={4000: 32})
    loading = 3000 * 0.25 + (1000 / 4 + 5000) * 0.25
    assert found.seconds == pytest.approx(3000 * 9 / 4 + (1000 / 4 + 5000) * 2 + loading)


def test_each_step_gets_batches_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    run, found = timed(monkeypatch, term("plain"), steps=10, critic_steps=3)
    assert run.loaded == [27, 28, 29] * 2
    assert run.done == [(9, 3), (9, 3)]
    assert found.seconds == pytest.approx(10 * 2.75)


def test_a_loss_that_is_no_number_is_no_estimate(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(NotANumber, match="critic/broken is nan"):
        timed(monkeypatch, term("plain"), term("broken"))


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
    assert found.seconds > 0
    assert all(math.isfinite(value) for value in found.parts.values())
    assert ("generator/cycle" in found.parts) is (mode == "translate")
    moved = [not torch.equal(a, b) for a, b in zip(before, run.stepper.generator.parameters(), strict=True)]
    assert any(moved), "its steps are real ones"
