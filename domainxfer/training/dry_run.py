"""What a run would cost: everything is built, steps of each kind that it has are done, nothing is written.

Steps differ: a penalty is lazy, a loss begins later, the first pictures are smaller. So the steps of a run are counted
by the terms that are at work in them, and a step of each kind is timed.
"""

import math
import sys
import time
from dataclasses import dataclass

import torch

from domainxfer.training.health import NotANumber
from domainxfer.training.run import Run


@dataclass(frozen=True)
class Estimate:
    """What a few steps say of a whole run."""

    generator_parameters: int
    critic_parameters: int
    steps: int
    seconds: float
    """Of all steps, without figures, samples and `labels_from_neighbours`."""
    memory_mb: float
    """Peak of the process, or of the GPU where there is one."""
    device: str
    precision: str
    parts: dict[str, float]
    """Of the loss, by name, in the steps that were tried."""

    @property
    def hours(self) -> float:
        """Of the whole run, without figures and samples."""
        return self.seconds / 3600


@dataclass
class _Kind:
    """Steps in which the same terms are at work."""

    step: int
    """The last of them: its pictures are the largest."""
    work: float = 0.0
    """How many steps of full size take as long as all of them."""


def estimate(run: Run) -> Estimate:
    """Do steps of a run, each twice, and measure the second time: the first also pays for warming up.

    Raises:
        NotANumber: a part of the loss is not finite.
    """
    seconds, parts = 0.0, dict[str, float]()
    for kind in _kinds(run):
        parts |= _step(run, kind.step)
        began = time.perf_counter()
        _step(run, kind.step)
        of_full_size = (time.perf_counter() - began) / _work(run, kind.step)
        seconds += kind.work * of_full_size
    return Estimate(
        generator_parameters=sum(p.numel() for p in run.stepper.generator.parameters()),
        critic_parameters=sum(p.numel() for p in run.stepper.critic.parameters()),
        steps=run.recipe.training.steps,
        seconds=seconds,
        memory_mb=_peak_memory_mb(run.processes.device),
        device=str(run.processes.device),
        precision="bf16" if run.bf16 else "fp32",
        parts=parts,
    )


def _kinds(run: Run) -> list[_Kind]:
    terms = [(phase, term) for phase, several in run.stepper.terms.items() for term in several]
    kinds: dict[frozenset[tuple[str, str]], _Kind] = {}
    for step in range(run.recipe.training.steps):
        at_work = frozenset((phase, term.name) for phase, term in terms if term.weight_at(step))
        kind = kinds.setdefault(at_work, _Kind(step))
        kind.step = step
        kind.work += _work(run, step)
    return list(kinds.values())


def _work(run: Run, step: int) -> float:
    return run.recipe.data.work(range(step, step + 1))


def _step(run: Run, step: int) -> dict[str, float]:
    per_step = run.recipe.objective.batches_a_step
    numbers = range(step * per_step, (step + 1) * per_step)
    batches = [run.source[n].to(run.processes.device, run.memory_format) for n in numbers]
    parts = {name: float(value) for name, value in run.stepper(batches, step).items()}
    for name, value in parts.items():
        if not math.isfinite(value):
            raise NotANumber(f"{name} is {value}: a run would diverge at once")
    return parts


def _peak_memory_mb(device: torch.device) -> float:
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 2**20
    if sys.platform == "win32":
        return float("nan")  # the module below is not there
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 2**20 if sys.platform == "darwin" else peak / 2**10  # bytes there, KiB here
