"""What a run would cost: everything is built, two steps of full size are done, nothing is written."""

import sys
import time
from dataclasses import dataclass

import torch

from domainxfer.training.run import Run


@dataclass(frozen=True)
class Estimate:
    """What two steps say of a whole run."""

    generator_parameters: int
    critic_parameters: int
    seconds_a_step: float
    steps: int
    full_steps: float
    """As many steps of full size take as long as the run's, whose first may be of smaller pictures."""
    memory_mb: float
    """Peak of the process, or of the GPU where there is one."""
    device: str
    precision: str
    parts: dict[str, float]

    @property
    def hours(self) -> float:
        """Of the whole run, without figures and samples."""
        return self.seconds_a_step * self.full_steps / 3600


def estimate(run: Run) -> Estimate:
    """Do two steps of a run and measure the second: the first also pays for warming up."""
    seconds, parts = 0.0, {}
    first = max(run.recipe.data.grow, default=0)  # from there on all is of full size
    for step in range(first, first + 2):
        began = time.perf_counter()
        numbers = range(step * run.stepper.batches_a_step, (step + 1) * run.stepper.batches_a_step)
        batches = [run.source[n].to(run.processes.device, run.memory_format) for n in numbers]
        parts = {name: float(value) for name, value in run.stepper(batches, step).items()}
        seconds = time.perf_counter() - began
    return Estimate(
        generator_parameters=sum(p.numel() for p in run.stepper.generator.parameters()),
        critic_parameters=sum(p.numel() for p in run.stepper.critic.parameters()),
        seconds_a_step=seconds,
        steps=run.recipe.training.steps,
        full_steps=run.recipe.data.work(range(run.recipe.training.steps)),
        memory_mb=_peak_memory_mb(run.processes.device),
        device=str(run.processes.device),
        precision="bf16" if run.bf16 else "fp32",
        parts=parts,
    )


def _peak_memory_mb(device: torch.device) -> float:
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 2**20
    if sys.platform == "win32":
        return float("nan")  # the module below is not there
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 2**20 if sys.platform == "darwin" else peak / 2**10  # bytes there, KiB here
