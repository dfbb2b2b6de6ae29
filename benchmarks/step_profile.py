"""Where does the time of the training step go?

    python benchmarks/step_profile.py [--size 128] [--batch 8] [--precision bf16] [--card horse2zebra]
        [--threads N] [--markdown]

The step of `step_speed.py`, watched by PyTorch's profiler over whole periods of the lazy penalty; each operation's own
time, without what it calls, summed by kind.
"""

import argparse
from collections import Counter
from collections.abc import Callable

import torch
from step_speed import PRECISIONS, print_table, recipe_of, step_of
from torch.profiler import ProfilerActivity, profile

from domainxfer.training.processes import Processes

KINDS = {
    "convolution, backward": ("convolution_backward",),
    "convolution, forward": ("mkldnn_convolution", "conv"),
    "normalisation": ("layer_norm", "batch_norm", "group_norm"),
    "activation": ("relu", "tanh", "softplus", "sigmoid"),
    "space to depth and back": ("pixel_unshuffle", "pixel_shuffle"),
    "padding": ("pad2d", "constant_pad"),
    "copies and casts": ("copy_", "to_copy", "contiguous", "clone", "cat"),
    "matrix products": ("addmm", "aten::mm", "bmm", "linear"),
    "optimizer and average": ("Optimizer", "_fused_adam", "foreach", "lerp"),
    "sums, products, means": ("aten::mul", "aten::add", "aten::sub", "aten::div", "sum", "mean", "pow", "abs", "neg"),
}
"""Kind -> parts of the names of its operations; the first kind that fits counts."""


def main() -> None:
    """Profile, and print the table."""
    parser = argparse.ArgumentParser(description="Where the time of the training step goes.")
    parser.add_argument("--size", type=int, default=128, help="side of the pictures, px")
    parser.add_argument("--batch", type=int, default=8, help="pictures in a batch")
    parser.add_argument("--precision", choices=PRECISIONS, default="bf16")
    parser.add_argument("--card", help="a data set whose recipe is profiled; the default recipe without it")
    parser.add_argument("--threads", type=int, help="CPU threads; PyTorch's choice without it")
    parser.add_argument("--periods", type=int, default=2, help="periods of the lazy penalty to watch")
    parser.add_argument("--markdown", action="store_true", help="print the table as Markdown")
    options = parser.parse_args()
    if options.threads:
        torch.set_num_threads(options.threads)
    recipe = recipe_of(options.card, options.size, options.batch)
    step, period = step_of(recipe, options.precision, Processes())
    shares = shares_by_kind(step, period, options.periods)
    rows = [[kind, f"{100 * share:.1f} %"] for kind, share in shares.most_common()]
    print(f"{options.size} px, batch {options.batch}, {options.precision}, {torch.get_num_threads()} threads")
    print_table([["operation", "of the step"], *rows], options.markdown)


def shares_by_kind(step: Callable[[int], None], period: int, periods: int) -> Counter[str]:
    """Kind of operation -> share of the time of ``periods`` periods; the first period only warms up."""
    for number in range(period):
        step(number)
    with profile(activities=[ProfilerActivity.CPU]) as watched:
        for number in range(period * periods):
            step(number % period)
    times: Counter[str] = Counter()
    for operation in watched.key_averages():
        times[kind_of(operation.key)] += operation.self_cpu_time_total
    return Counter({kind: time / times.total() for kind, time in times.items()})


def kind_of(operation: str) -> str:
    """The kind of an operation by its name, as the profiler has it."""
    fitting = (kind for kind, parts in KINDS.items() if any(part in operation for part in parts))
    return next(fitting, "everything else")


if __name__ == "__main__":
    main()
