"""The contestants of equal_time.py: each trains for the same seconds on the same data, and leaves a model to judge.

Time is that of the steps alone, with their batches, augmentation and log. Decoding the pictures beforehand, features
for figures, sample grids and model files do not count.
"""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from cyclegan import CycleGAN, Pair, pictures_of
from torch import nn

from domainxfer import api
from domainxfer.datasets.batches import BatchSource, batches
from domainxfer.datasets.domain_data import DomainData
from domainxfer.errors import UsageError
from domainxfer.loaded import load as load_model
from domainxfer.recipe import Recipe, override, set_option
from domainxfer.training.held_out import Translates
from domainxfer.training.logbook import LogBook
from domainxfer.training.processes import Processes
from domainxfer.training.run import Listener, Run

METHODS = ("ours", "cyclegan", "cyclegan-bf16")
NEVER = 1_000_000_000
WARM = 3  # first steps of the probe that its speed leaves out
LOG_COLUMNS = ("adversarial", "cycle", "identity", "critic", "seconds")

Say = Callable[[str], None]


@dataclass(frozen=True)
class Contest:
    """What all agree on, and the few settings that each has of its own."""

    data: str
    minutes: float
    size: int
    data_root: Path | None = None
    seed: int = 0
    threads: int | None = None
    recipe: Path | None = None
    """Ours: a recipe.yaml in place of the card's."""
    settings: tuple[str, ...] = ()
    """Ours: changes of the recipe, as ``a.b=c``."""
    steps: int | None = None
    """Ours: planned steps, in place of what a probe of the speed says."""
    probe: float = 30.0
    """Ours: seconds of the probe."""
    blocks: int = 9
    """CycleGAN: residual blocks of a generator."""
    width: int = 64
    """CycleGAN: channels of the first layers."""

    @property
    def seconds(self) -> float:
        """Of training."""
        return 60 * self.minutes

    def run_options(self, **training: Any) -> api.RunOptions:
        """Of our run: nothing is measured or drawn while it trains, and the first checkpoint is its end."""
        changes: dict[str, Any] = {}
        for assignment in self.settings:
            set_option(changes, assignment)
        quiet = dict.fromkeys(("figure_every", "sample_every", "checkpoint_every"), NEVER)
        changes["data"] = {**changes.get("data", {}), "size": self.size}
        # gabor: features are computed once before a run begins, and are not looked at; these take least time.
        ours = {"seed": self.seed, "extractor": "gabor", **quiet, **training}
        changes["training"] = {**changes.get("training", {}), **ours}
        return {"changes": changes, "recipe_file": self.recipe, "data_root": self.data_root}

    def opened(self, say: Say) -> tuple[Recipe, DomainData]:
        """Our resolved recipe, and the pictures.

        Raises:
            UsageError: the data is not of two domains, or the size is none that a CycleGAN can take.
            DomainxferError: the data is not there, ...
        """
        if self.size % 4 or self.size < 24:
            raise UsageError(f"--size {self.size}: a CycleGAN takes multiples of 4, from 24 on")
        recipe, data = api.prepare(self.data, say, **self.run_options())
        if len(data.domains) != 2:
            raise UsageError(f"a CycleGAN moves pictures between two domains; {self.data} has {len(data.domains)}")
        return recipe, data

    def terms(self, method: str, recipe: Recipe) -> dict[str, Any]:
        """Everything on which a method's training depends; with other terms it has to be done again."""
        terms: dict[str, Any] = {name: getattr(self, name) for name in ("data", "minutes", "size", "seed", "threads")}
        if method == "ours":
            terms |= {"steps": self.steps, "recipe": recipe.model_dump(mode="json", exclude={"source"})}
        else:
            loading = recipe.data.model_dump(mode="json", exclude={"batch", "grow"})
            terms |= {"blocks": self.blocks, "width": self.width, "loading": loading}
        as_read: dict[str, Any] = json.loads(json.dumps(terms))  # what a record of these terms is compared with
        return as_read


@dataclass
class Clock:
    """Ends a training when its time is over. Asked before each step; time begins with the first question."""

    limit: float
    """Seconds."""
    most: int = NEVER
    """Steps after which it ends at the latest."""
    times: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)

    def __call__(self) -> bool:
        """Whether to stop before the next step."""
        self.times.append(time.monotonic())
        self.cpu.append(time.process_time())
        return self.seconds >= self.limit or self.steps >= self.most

    @property
    def steps(self) -> int:
        """Done before the last question."""
        return len(self.times) - 1

    @property
    def seconds(self) -> float:
        """Passed at the last question."""
        return self.times[-1] - self.times[0]

    @property
    def cpu_seconds(self) -> float:
        """Of processor time, all threads together: far fewer than seconds times threads on a machine that is busy."""
        return self.cpu[-1] - self.cpu[0]

    def speed(self) -> float:
        """Steps a second, without the first few if there are more."""
        first = WARM if self.steps > WARM else 0
        return (self.steps - first) / max(self.times[-1] - self.times[first], 1e-9)


def train(
    method: str, contest: Contest, recipe: Recipe, data: DomainData, folder: Path, say: Say
) -> tuple[Translates, dict[str, Any]]:
    """Train one of `METHODS` for the contest's minutes.

    Args:
        method: which.
        contest: the terms.
        recipe: what `Contest.opened` gave.
        data: likewise.
        folder: gets the model.
        say: gets a line of progress now and then.

    Returns:
        The model, and the record of its training: plain types, which `load` needs to find the model again.
    """
    if method == "ours":
        model, record = _train_ours(contest, recipe, data, folder, say)
    else:
        model, record = _train_cyclegan(contest, recipe, data, folder, say, fast=method == "cyclegan-bf16")
    return model, {"method": method, "terms": contest.terms(method, recipe), **record}


def load(contest: Contest, folder: Path, record: dict[str, Any]) -> Translates:
    """The model of a training that is done."""
    if record["method"] == "ours":
        return load_model(folder / record["model"])
    pair = Pair(contest.width, contest.blocks, fast=record["method"] == "cyclegan-bf16", device=Processes().device)
    pair.load(folder / record["model"])
    return pair


def _train_ours(
    contest: Contest, recipe: Recipe, data: DomainData, folder: Path, say: Say
) -> tuple[Translates, dict[str, Any]]:
    steps = contest.steps or _planned_steps(contest, recipe, data, say)
    # A run that reaches its last step looks at the test pictures, so it is stopped one step before.
    clock = Clock(contest.seconds, most=steps - 1)
    now_and_then = _Seldom(say)
    row = lambda step, row: now_and_then(f"step {step} of {steps}, {row['pictures_per_second'] / 2:.2f} pairs a second")
    trained = api.train(
        contest.data,
        runs=folder,
        name="run",
        listener=Listener(stop=clock, say=say, row=row),
        **contest.run_options(steps=steps),
    )
    assert trained.run is not None
    model = trained.model
    record = {"model": trained.run.name, "planned_steps": steps}
    return model, record | _measured(clock, recipe.data.batch / 2, model.generator, model.critic)


def _planned_steps(contest: Contest, recipe: Recipe, data: DomainData, say: Say) -> int:
    """The steps that fit into the minutes, for the schedules that go by steps: throw-away runs tell the speed.

    Pictures that grow have a speed for each of their sizes.
    """
    done, left = 0, contest.seconds
    for until, side in [*sorted(recipe.data.grow.items()), (NEVER, recipe.data.size)]:
        speed = _speed_at(side, contest, recipe, data, say)
        if done + speed * left <= until:
            break
        done, left = until, left - (until - done) / speed
    steps = max(2, done + round(speed * left))
    say(f"{steps} steps planned")
    return steps


def _speed_at(side: int, contest: Contest, recipe: Recipe, data: DomainData, say: Say) -> float:
    """Steps a second with pictures of this size."""
    clock = Clock(contest.probe, most=recipe.training.steps - 1)
    Run(override(recipe, {"data": {"size": side, "grow": {}}}), data, Processes(), None, Listener(stop=clock)).train()
    say(f"{clock.speed():.2f} steps a second at {side} px in a probe of {clock.seconds:.0f} s")
    return clock.speed()


def _train_cyclegan(
    contest: Contest, recipe: Recipe, data: DomainData, folder: Path, say: Say, *, fast: bool
) -> tuple[Translates, dict[str, Any]]:
    settings = recipe.data.model_copy(update={"batch": 2, "grow": {}})  # one picture of each domain
    source = BatchSource(data, settings, contest.seed)
    pair = Pair(contest.width, contest.blocks, fast=fast, device=Processes().device)
    gan = CycleGAN(pair, contest.width, seed=contest.seed)
    log, now_and_then = LogBook(folder / "metrics.csv", list(LOG_COLUMNS), 0), _Seldom(say)
    stepping = batches(source, range(1_000_000), settings.workers)
    clock = Clock(contest.seconds)
    while not clock():
        gan.set_rate(clock.seconds / contest.seconds)
        parts = gan.step(pictures_of(next(stepping).to(pair.device, pair.layout)))
        done = clock.steps + 1
        if done % recipe.training.log_every == 0:
            log.add(done, **{name: float(part) for name, part in parts.items()}, seconds=clock.seconds)
            now_and_then(f"step {done}, {clock.speed():.2f} pairs a second")
    stepping.close()  # type: ignore[attr-defined]
    pair.save(folder / "pair.safetensors")
    return pair, {"model": "pair.safetensors"} | _measured(clock, 1, pair.generators, gan.critics)


def _measured(clock: Clock, pairs_a_step: float, generator: nn.Module, critic: nn.Module | None) -> dict[str, Any]:
    return {
        "steps": clock.steps,
        "seconds": clock.seconds,
        "cpu_seconds": clock.cpu_seconds,
        "pairs_per_second": clock.steps * pairs_a_step / clock.seconds,
        "generator_parameters": sum(p.numel() for p in generator.parameters()),
        "critic_parameters": sum(p.numel() for p in critic.parameters()) if critic is not None else 0,
        "threads": torch.get_num_threads(),
    }


@dataclass
class _Seldom:
    """Passes a line on where the last one was a minute ago."""

    say: Say
    last: float = field(default_factory=time.monotonic)

    def __call__(self, text: str) -> None:
        if time.monotonic() - self.last >= 60:
            self.say(text)
            self.last = time.monotonic()
