"""How fast is the training step, and how much of what the machine can do does it use?

    python benchmarks/step_speed.py [--sizes 64 128] [--seconds 20] [--batch 8] [--card horse2zebra] [--set A.B=C ...]
        [--threads N] [--markdown]

The step is that of the default translation recipe (two domains), or of a card's recipe, whole; its batches lie in
memory, so that loading is not in the figures. Its floating-point operations (convolutions and matrix products) are
averaged over the period of the lazy penalty and set against the peak: what a 3x3 convolution of 128 channels reaches
here, forward and backward, batch 16, 32 x 32 px, channels last, in the same number format.
"""

import argparse
import platform
import time
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode

from domainxfer.datasets.batches import Batch
from domainxfer.datasets.card import load_card
from domainxfer.models.critic import Critic
from domainxfer.models.generator import Generator
from domainxfer.models.precision import pays_bf16
from domainxfer.recipe import Recipe, override, set_option
from domainxfer.training.processes import Processes
from domainxfer.training.step import Stepper

DOMAINS = 2
PRECISIONS = ("fp32", "bf16")
HEAD = ("px", "format", "images/s", "ms a step", "GFLOP a step", "GFLOP/s", "of the peak")


def main() -> None:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(description="Speed of the training step, and its share of the convolution peak.")
    parser.add_argument("--sizes", type=int, nargs="+", default=[64, 128], help="sides of the pictures, px")
    parser.add_argument("--seconds", type=float, default=20.0, help="each measurement lasts at least so long")
    parser.add_argument("--batch", type=int, default=8, help="pictures in a batch")
    parser.add_argument("--card", help="a data set whose recipe is measured; the default recipe without it")
    parser.add_argument("--set", action="append", default=[], metavar="A.B=C", help="change a setting of the recipe")
    parser.add_argument("--threads", type=int, help="CPU threads; PyTorch's choice without it")
    parser.add_argument("--markdown", action="store_true", help="print the table as Markdown")
    options = parser.parse_args()
    if options.threads:
        torch.set_num_threads(options.threads)
    processes = Processes()
    device = processes.device
    peaks = {name: convolution_peak(device, name == "bf16", options.seconds / 4) for name in PRECISIONS}
    rows = []
    for size in options.sizes:
        recipe = recipe_of(options.card, size, options.batch, options.set)
        for precision in PRECISIONS:
            rows.append(step_speed(recipe, precision, processes, options.seconds, peaks[precision]))
    cpu = f"{platform.machine()} CPU ({torch.backends.cpu.get_cpu_capability()}), {torch.get_num_threads()} threads"
    print(torch.cuda.get_device_name() if device.type == "cuda" else cpu)
    peaks_shown = ", ".join(f"{name} {peak / 1e9:.0f} GFLOP/s" for name, peak in peaks.items())
    print(f"torch {torch.__version__}; batches of {options.batch}; convolution peak: {peaks_shown}")
    if not pays_bf16(device):
        print("bf16 does not pay on this hardware: training's precision `auto` chooses fp32")
    print_table([HEAD, *rows], options.markdown)


def convolution_peak(device: torch.device, bf16: bool, seconds: float) -> float:
    """Operations a second of a 3x3 convolution, forward and backward."""
    dtype, layout = torch.bfloat16 if bf16 else torch.float32, torch.channels_last
    layer = nn.Conv2d(128, 128, 3, padding=1, bias=False).to(device, dtype, memory_format=layout)
    x = torch.randn(16, 128, 32, 32).to(device, dtype, memory_format=layout).requires_grad_()
    gradient = torch.randn_like(layer(x))
    convolve = lambda number: layer(x).backward(gradient)
    return counted(convolve, 1) / timed(convolve, 1, seconds, device)


def recipe_of(card: str | None, size: int, batch: int, settings: Sequence[str] = ()) -> Recipe:
    """The translation recipe of a card, or the default one for two domains, at a size and a batch."""
    changes: dict[str, Any] = {}
    for assignment in settings:
        set_option(changes, assignment)
    known = load_card(card) if card else None
    base = override(Recipe(), known.recipe) if known else Recipe()
    sized = override(override(base, changes), {"data": {"size": size, "batch": batch}})
    return sized.resolved(len(known.domains) if known else DOMAINS)


def step_speed(recipe: Recipe, precision: str, processes: Processes, seconds: float, peak: float) -> list[str]:
    """A row of the table: the step of a recipe, counted and timed."""
    one_by_one = override(recipe, {"training": {"cuda_graphs": False}})  # what is replayed escapes the counter
    operations = counted(*step_of(one_by_one, precision, processes))
    step, period = step_of(recipe, precision, processes)
    timed(step, period, 0, processes.device)
    lasted = timed(step, period, seconds, processes.device)
    rate, batch = operations / lasted, recipe.data.batch
    numbers = [f"{batch / lasted:.1f}", f"{1e3 * lasted:.0f}", f"{operations / 1e9:.1f}", f"{rate / 1e9:.0f}"]
    return [str(recipe.data.size), precision, *numbers, f"{100 * rate / peak:.0f} %"]


def step_of(recipe: Recipe, precision: str, processes: Processes) -> tuple[Callable[[int], None], int]:
    """The step of a recipe as a function of its number, and the period of its lazy penalty."""
    torch.manual_seed(0)
    generator, critic = Generator(recipe.generator), Critic(recipe.critic)
    for network in (generator, critic):
        network.to(processes.device, memory_format=torch.channels_last)
    stepper = Stepper(generator, critic, recipe, processes, bf16=precision == "bf16")
    batches = [random_batch(recipe, processes.device)] * recipe.objective.batches_a_step
    period = max(term.settings.every for terms in stepper.terms.values() for term in terms)
    # The last steps of the recipe: in the first ones a loss may not have begun.
    first = max(0, recipe.training.steps - period) // period * period

    def step(number: int) -> None:
        stepper(batches, first + number)

    return step, period


def random_batch(recipe: Recipe, device: torch.device) -> Batch:
    """Pictures of noise; labels take turns, and each picture goes to the next domain."""
    size, batch = recipe.data.size, recipe.data.batch
    x, places = torch.rand(batch, 3, size, size) * 2 - 1, list(range(batch))
    y = torch.arange(batch) % recipe.generator.labels
    here = Batch(0, places, x, y, x.roll(1, 0), y.roll(1), places[-1:] + places[:-1])
    return here.to(device, torch.channels_last)


class OperationCounter(TorchDispatchMode):
    """Adds up operations by PyTorch's formulas; its own counter also hooks modules, which gradient penalties forbid."""

    def __init__(self) -> None:
        super().__init__()
        self.formulas, self.total = FlopCounterMode(display=False).flop_registry, 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Run an operation and count it."""
        out = func(*args, **(kwargs or {}))
        if func.overloadpacket in self.formulas:
            self.total += self.formulas[func.overloadpacket](*args, **(kwargs or {}), out_val=out)
        return out


def counted(work: Callable[[int], None], period: int) -> float:
    """Floating-point operations of a call, averaged over calls 0 .. period - 1."""
    with OperationCounter() as counter:
        for number in range(period):
            work(number)
    return counter.total / period


def timed(work: Callable[[int], None], period: int, seconds: float, device: torch.device) -> float:
    """Seconds of a call, averaged over whole periods, at least one; warm everything up before."""
    began, calls = now(device), 0
    while calls == 0 or now(device) - began < seconds:
        for number in range(period):
            work(number)
        calls += period
    return (now(device) - began) / calls


def now(device: torch.device) -> float:
    """The clock, once all work is done."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter()


def print_table(rows: Sequence[Sequence[str]], markdown: bool) -> None:
    """Print an empty line, and rows in columns, the first as the head."""
    print()
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    for number, row in enumerate(rows):
        cells = [cell.rjust(width) for cell, width in zip(row, widths, strict=True)]
        print(f"| {' | '.join(cells)} |" if markdown else "  ".join(cells))
        if markdown and number == 0:
            print("|" + "---:|" * len(row))


if __name__ == "__main__":
    main()
