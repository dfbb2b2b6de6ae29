"""The losses of GANs side by side: the same networks, pictures, rates and steps, one thing changed at a time.

    python benchmarks/losses.py [--rows NAME ...] [--steps 400] [--seed 0] [--data-root DIR] [--threads N]
        [--out FOLDER] [--markdown]

Digits, with the networks of the preset `r3gan-28` but for the critic's end: it scores 4 x 4 patches, each of which sees
nearly all of a digit, since the cosines of SimGAN need a map. Batches of 128, rates of 1e-3, lowered over the second
half; R1 and R2 of gamma .3 every fourth step, unless the row has a penalty of its own. Figures are of validation
digits, by the digit network of the project, of the moving average at the last step.

Runs and results lie in FOLDER; what is there is not trained again.
"""

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Any

import torch
from step_speed import print_table

import domainxfer
from domainxfer.evaluation.generation_bench import GenerationBench
from domainxfer.files import write_text
from domainxfer.metrics.extractors.digits import Digits
from domainxfer.models.model import NetworkModel
from domainxfer.prepare import prepare
from domainxfer.recipe import merged

LOOKED_AT = 2000
"""Validation digits that are held out, and as many that each row makes."""

LEAKY: dict[str, Any] = {"kind": "down", "act": "leaky"}
BASE: dict[str, Any] = {
    "data": {"batch": 128},
    "critic": {
        "layers": [
            {**LEAKY, "out": 32, "kernel": 4, "stride": 2, "pad": 1},
            {**LEAKY, "out": 64, "kernel": 4, "stride": 2, "pad": 1},
            {**LEAKY, "out": 128, "kernel": 3, "stride": 2, "pad": 1},
            {"kind": "down", "out": 1, "kernel": 3, "stride": 1, "pad": 1},
        ]
    },
    "objective": {"critic": {"r3gan": 0}, "generator": {"r3gan": 0}},
    "optimizer": {"generator_lr": 1e-3, "critic_lr": 1e-3, "hold": 0.5},
    "training": {"ema": 0.99, "sample_every": 100_000},
}


def loss(name: str, of_generator: str | None = None, **options: Any) -> dict[str, Any]:
    """Both networks learn by a loss, or the generator by another; options are those of both terms."""
    term = {"weight": 1.0, **options}
    return {"objective": {"critic": {name: term}, "generator": {of_generator or name: term}}}


def penalty(**terms: Any) -> dict[str, Any]:
    """The non-saturating loss under other penalties than R1 and R2."""
    return merged(loss("nonsaturating"), {"objective": {"critic": {"r1": 0, "r2": 0, **terms}}})


def engine(**settings: Any) -> dict[str, Any]:
    """The non-saturating loss, with other settings of the objective."""
    return merged(loss("nonsaturating"), {"objective": settings})


ROWS: dict[str, dict[str, Any]] = {
    "nonsaturating": loss("nonsaturating"),
    "minimax": loss("nonsaturating", "minimax"),
    "lsgan": loss("lsgan"),
    "hinge": loss("hinge"),
    "r3gan": loss("r3gan"),
    "relativistic average, cooperative": loss("relativistic_average"),
    "relativistic average, competitive": loss("relativistic_average", cooperative=False),
    "softmax": loss("softmax"),
    "simgan": loss("simgan"),
    "simgan, the critic by lsgan": loss("lsgan", "simgan"),
    "wasserstein, gradient penalty": merged(
        loss("wasserstein"), {"objective": {"critic": {"r1": 0, "r2": 0, "gradient_penalty": 1.0}}}
    ),
    "no penalty": penalty(),
    "R1 alone": penalty(r1={"weight": 1.0, "every": 4, "gamma": 0.3}),
    "dragan": penalty(dragan=1.0),
    "instance noise .2": engine(critic_input={"noise": 0.2}),
    "two critic steps": engine(critic_steps=2),
    "critic batch 32": engine(critic_steps=2, critic_batch=32),
    "the same noise against 8 batches": engine(reuse=8),
    "three generators": merged(
        loss("nonsaturating"),
        {
            "generator": {
                "heads": 3,
                "layers": [
                    {"kind": "linear", "out": 64},  # each generator turns the noise its own way; the rest is shared
                    {"kind": "up", "out": 128, "kernel": 4, "stride": 1, "pad": 0, "norm": "batch", "act": "leaky"},
                    {"kind": "up", "out": 64, "kernel": 3, "stride": 2, "pad": 1, "norm": "batch", "act": "leaky"},
                    {"kind": "up", "out": 32, "kernel": 4, "stride": 2, "pad": 1, "norm": "batch", "act": "leaky"},
                    {"kind": "up", "out": 1, "kernel": 4, "stride": 2, "pad": 1, "act": "tanh"},
                ],
            }
        },
    ),
    "two critics": merged(loss("nonsaturating"), {"critic": {"count": 2}}),
}
HEAD = ("changed", "seconds", "kernel distance", "Frechet", "precision", "recall", "digits made", "KL to equal shares")


def main() -> None:
    """Train each row, judge it, and print the table."""
    parser = argparse.ArgumentParser(description="The losses of GANs on digits, one thing changed at a time.")
    parser.add_argument("--rows", nargs="+", choices=list(ROWS), default=list(ROWS), metavar="NAME")
    parser.add_argument("--steps", type=int, default=400)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--data-root", type=Path, help="where the digits are looked for first")
    parser.add_argument("--threads", type=int, help="CPU threads; PyTorch's choice without it")
    parser.add_argument("--out", type=Path, default=Path("runs/losses"), metavar="FOLDER")
    parser.add_argument("--markdown", action="store_true", help="print the table as Markdown")
    options = parser.parse_args()
    if options.threads:
        torch.set_num_threads(options.threads)
    bench = None
    rows = []
    for name in options.rows:
        record = options.out / f"{slug(name)}-seed{options.seed}.json"
        if record.exists():
            found = json.loads(record.read_text(encoding="utf-8"))
            if found["steps"] != options.steps:
                sys.exit(f"{record} is of {found['steps']} steps; take another folder: --out")
        else:
            bench = bench or bench_of_digits(options.data_root)
            found = {"steps": options.steps, **trained_and_judged(name, bench, options)}
            write_text(record, json.dumps(found, indent=2) + "\n")
        rows.append(row(name, found))
    print_table([HEAD, *rows], options.markdown)


def slug(name: str) -> str:
    """A row's name as part of a file's."""
    return name.replace(",", "").replace(".", "").replace(" ", "-")


def bench_of_digits(data_root: Path | None) -> GenerationBench:
    """What judges: as `domainxfer evaluate RUN --split validation`, and made once for all rows."""
    _, data = prepare("mnist", print, preset="r3gan-28", data_root=data_root)
    return GenerationBench(
        data, Digits(), card="mnist", size=28, channels=1, split="validation", seed=0, most=LOOKED_AT
    )


def row(name: str, found: dict[str, float]) -> list[str]:
    """A row of the table."""
    return [
        name,
        f"{found['seconds']:.0f}",
        f"{found['kernel']:.4f}",
        f"{found['frechet']:.2f}",
        f"{found['precision']:.2f}",
        f"{found['recall']:.2f}",
        f"{found['modes']:.0f}",
        f"{found['kl']:.3f}",
    ]


def trained_and_judged(name: str, bench: GenerationBench, options: argparse.Namespace) -> dict[str, float]:
    """Train one row, and its figures."""
    print(f"{name} ...", flush=True)
    training = {"steps": options.steps, "seed": options.seed, "figure_every": options.steps}
    began = time.perf_counter()
    done = domainxfer.train(
        "mnist",
        runs=options.out,
        name=slug(name),
        preset="r3gan-28",
        data_root=options.data_root,
        changes=merged(merged(BASE, {"training": training}), ROWS[name]),
    )
    seconds = time.perf_counter() - began
    assert done.run is not None
    measures = bench.judge(NetworkModel.load(done.run / "model")).measures
    return {"seconds": seconds, **{key: measure.estimate.value for key, measure in measures.items()}}


if __name__ == "__main__":
    main()
