"""What Python users import: `train()` and what goes with it, and from `loaded` `load()` and the `Model` that it makes.

import domainxfer
zebra = domainxfer.load("runs/horse2zebra-1").translate(image, to="zebra")
digits = domainxfer.load("runs/mnist-1").generate(16, seed=3)
"""

import math
import re
import shlex
from contextlib import nullcontext, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Unpack

from domainxfer.datasets.domain_data import DomainData
from domainxfer.discovered import Discovered, write_discovered
from domainxfer.errors import DomainxferError, UsageError
from domainxfer.evaluation.evaluate import evaluate as evaluate
from domainxfer.files import at_home, lasting, refuse_lost
from domainxfer.loaded import DEFAULT_RUNS, Model, find_model, load
from domainxfer.models.model import NetworkModel
from domainxfer.prepare import RunOptions, card_meant, nested, open_pictures, place_of, prepare, what_is_learned
from domainxfer.recipe import Recipe, merged, override, read_recipe
from domainxfer.report import write_report
from domainxfer.training.dry_run import Estimate, estimate
from domainxfer.training.health import NotANumber
from domainxfer.training.held_out import LEAST
from domainxfer.training.listener import Listener, Outcome
from domainxfer.training.processes import Processes
from domainxfer.training.resumable import refuse_another_run
from domainxfer.training.run import Run
from domainxfer.training.run_folder import RunFolder, all_runs, find_run, new_run, refuse_name
from domainxfer.training.self_test import check_conditioning
from domainxfer.training.sensible import never_begins


@dataclass(frozen=True)
class Trained:
    """What `train` leaves behind."""

    run: Path | None
    """The run's folder; None in all but the main one of several processes."""
    outcome: Outcome
    skipped: list[str]
    """Training pictures that could not be read, with the reason."""
    finds_labels: bool = False
    """Whether it learned labels that were not known; `name_discovered` says which picture has which."""

    @property
    def model(self) -> Model:
        """The model of the run."""
        if self.run is None:
            raise DomainxferError("only the main process knows the run's folder")
        return load(self.run)


def train(
    data: str | Path,
    *,
    runs: Path | str = DEFAULT_RUNS,
    name: str | None = None,
    max_seconds: float | None = None,
    cpu: bool = False,
    listener: Listener | None = None,
    **options: Unpack[RunOptions],
) -> Trained:
    """Train a new run on a data set.

    Args:
        data: a card's name (``horse2zebra``, ``demo``, ...) or a folder with one folder of pictures a domain.
        runs: where run folders go.
        name: of the run; None takes that of the data. A number is added.
        max_seconds: stop after so long; the run counts as finished.
        cpu: do not use a GPU.
        listener: who watches.
        options: `RunOptions`.

    Raises:
        DomainxferError: anything that the user can mend; nothing half-written is left.
    """
    listener, runs = listener or Listener(), at_home(runs)
    if name is not None:
        refuse_name(name)
    _refuse_time(max_seconds)
    options["init_from"] = _begun_with(options, listener)
    place, old = _model_to_tune(options["init_from"], runs)
    recipe, pictures = prepare(str(data), listener.say, old, on_progress=listener.downloaded, **options)
    processes = Processes(cpu=cpu)
    run = Run(recipe, pictures, processes, None, listener)
    if old is not None:
        run.start_from(old)
    check_conditioning(run.stepper.generator)
    if not processes.is_main:
        return _trained(run, max_seconds)
    for line in (*never_begins(recipe), *_may_have_seen(place, recipe), *_no_figures(recipe, pictures)):
        listener.say(line)
    run.folder = new_run(runs, name or re.sub(r"[\\/]", "_", recipe.card) or "run")
    with run.folder.alone():
        listener.say(f"run {run.folder.path}: {what_is_learned(recipe, pictures)}")
        return _trained(run, max_seconds)


def resume(
    name: str | None = None,
    *,
    runs: Path | str = DEFAULT_RUNS,
    changes: dict[str, Any] | None = None,
    max_seconds: float | None = None,
    offline: bool = False,
    cpu: bool = False,
    listener: Listener | None = None,
) -> Trained:
    """Go on with a run from its newest checkpoint, exactly as if it had never stopped.

    Args:
        name: a run's name or folder, or a data set's name (its latest run); None takes the latest run.
        runs: where run folders are.
        changes: settings to change from here on, e.g. more steps; `refuse_another_run` says what cannot change.
        max_seconds: stop after so long.
        offline: never download.
        cpu: do not use a GPU.
        listener: who watches.

    Raises:
        UsageError: a change that would make another run of it, or fewer steps than were done.
        DomainxferError: no such run, no checkpoint, its data is gone or has other domains, or another process trains
            it.
    """
    listener = listener or Listener()
    _refuse_time(max_seconds)
    folder = _run_meant(at_home(runs), name)
    old = read_recipe(folder.recipe)
    changes = nested(changes)
    source = changes.get("source")
    if isinstance(source, dict) and (moved := source.get("data")):
        changes = merged(changes, {"source": {"data": place_of(str(moved))}})
    wished, labels, known = override(old, changes), old.critic.labels, old.critic.patch_labels
    refuse_another_run(old, wished)
    wished.refuse_in_vain(changes, labels, known)
    if folder.step == wished.training.steps and changes.keys() - {"source"}:
        raise UsageError(f"{folder.path} has done its {folder.step} steps; ask for more with --steps")
    recipe = wished.resolved(labels, labels_known=known)
    refuse_lost(recipe.source.data, "add --set source.data=FOLDER")
    pictures = open_pictures(recipe, offline, listener.say, listener.downloaded)
    processes = Processes(cpu=cpu)
    with folder.alone() if processes.is_main else nullcontext():
        run = Run(recipe, pictures, processes, folder, listener)
        run.resume()
        listener.say(f"run {folder.path}, from step {run.step}")
        return _trained(run, max_seconds)


def discover(
    data: str | Path, labels: int, *, runs: Path | str = DEFAULT_RUNS, **arguments: Any
) -> tuple[Trained, Discovered | None]:
    """Train on pictures without their labels, find some, and name what was found.

    Args:
        data: as for `train`; labels that it comes with are put aside, and judge at the end.
        labels: how many to find.
        runs: where run folders go.
        arguments: as for `train`; the preset is that of the card, or "discover".

    Returns:
        The run, and what it found; None where the run was interrupted before its end.

    Raises:
        DomainxferError: anything that the user can mend.
    """
    if not isinstance(labels, int):
        raise UsageError(f"labels is {labels!r}; a whole number is needed, at least 2")
    if labels < 2:
        raise UsageError(f"--labels {labels}: one label says nothing of a picture; ask for at least 2")
    card = card_meant(str(data), lambda text: None)
    preset = arguments.pop("preset", None) or (card.discover if card else "discover")
    done = train(data, runs=runs, labels=str(labels), mode="generate", preset=preset, **arguments)
    if done.run is None or not done.outcome.finished:
        return done, None
    return done, name_discovered(done.run, offline=bool(arguments.get("offline")))


def name_discovered(run: Path | str, *, offline: bool = False) -> Discovered:
    """Label all pictures of a run's data with what its critic found, into ``RUN/discovered``.

    Raises:
        DomainxferError: no such run, no model yet, a run without labels to find, or its data is gone.
    """
    folder = find_run(Path(run).parent, str(run))
    recipe = read_recipe(folder.recipe)
    refuse_lost(recipe.source.data, "move them back")
    return write_discovered(load(folder.path), open_pictures(recipe, offline, lambda text: None), folder.path)


def _trained(run: Run, max_seconds: float | None) -> Trained:
    """Train, with a report in the run's folder from its first held-out figure on."""
    if not run.processes.is_main or run.folder is None:
        return Trained(None, run.train(max_seconds), run.skipped)
    folder, tell = run.folder, run.listener.figures

    def figures(*found: Any) -> None:
        tell(*found)
        write_report(folder)

    run.listener = replace(run.listener, figures=figures)
    try:
        outcome = run.train(max_seconds)
    except BaseException as error:
        with suppress(DomainxferError):  # what went wrong matters more, and there may be nothing to report on yet
            write_report(folder)
        if isinstance(error, NotANumber):
            raise NotANumber(f"{error}. {_way_on(folder, run.recipe)}") from error
        raise
    write_report(folder)
    return Trained(folder.path, outcome, run.skipped, run.recipe.source.labels.isdecimal())


def _way_on(folder: RunFolder, recipe: Recipe) -> str:
    """What to do after a training that diverged."""
    rates = {name: getattr(recipe.optimizer, name) / 3 for name in ("generator_lr", "critic_lr")}
    lower = " ".join(f"--set optimizer.{name}={rate:.1g}" for name, rate in rates.items())
    if not folder.step:
        return f"No checkpoint was written yet; start anew with lower rates: {lower}"
    run = shlex.quote(str(folder.path))
    return f"The checkpoint of step {folder.step} is kept; with lower rates: domainxfer train --resume {run} {lower}"


def dry_run(
    data: str | Path,
    *,
    runs: Path | str = DEFAULT_RUNS,
    cpu: bool = False,
    listener: Listener | None = None,
    **options: Unpack[RunOptions],
) -> Estimate:
    """Build everything, do a few steps, and estimate time and memory; writes nothing. Arguments as for `train`."""
    listener = listener or Listener()
    options["init_from"] = _begun_with(options, listener)
    _, old = _model_to_tune(options["init_from"], at_home(runs))
    recipe, pictures = prepare(str(data), listener.say, old, on_progress=listener.downloaded, **options)
    for line in (*never_begins(recipe), *_no_figures(recipe, pictures), what_is_learned(recipe, pictures)):
        listener.say(line)
    return estimate(Run(recipe, pictures, Processes(cpu=cpu), None, listener))


def _begun_with(options: RunOptions, listener: Listener) -> Path | str | None:
    """The model to begin with: the one that is named, else that of the recipe's file, whose run began with it."""
    named, file = options.get("init_from"), options.get("recipe_file")
    if named is not None or not file:
        return named
    begun = read_recipe(at_home(file)).source.init_from
    if begun is not None:
        listener.say(f"the recipe's run began with {begun}, and so does this one (--init-from)")
    return begun


def _model_to_tune(init_from: Path | str | None, runs: Path) -> tuple[Path | None, NetworkModel | None]:
    """Where it lies, and the model itself."""
    return (None, None) if init_from is None else find_model(str(init_from), None, runs)


def _may_have_seen(place: Path | None, recipe: Recipe) -> list[str]:
    """A line, if the model to begin with was trained on a part of these pictures that is held out now."""
    if place is None:
        return []
    beside = next((one for one in (place, place.parent) if (one / "recipe.yaml").exists()), None)  # it may be RUN/best
    if beside is None:
        return []
    with suppress(DomainxferError):  # what cannot be read says nothing
        old = read_recipe(beside / "recipe.yaml")
        seed, share = old.training.seed, old.data.validation_share
        if old.source.data != recipe.source.data:
            return []
        if seed != recipe.training.seed:
            by, mend = f"seed {seed}", f"--seed {seed}"
        elif share != recipe.data.validation_share:
            by, mend = f"data.validation_share {share:g}", f"--set data.validation_share={share:g}"
        else:
            return []
        return [
            f"--init-from: that model was trained with {by}, by which other pictures are held out: it may have learned "
            f"from those that judge this run. {mend} keeps them apart"
        ]
    return []


def _refuse_time(seconds: float | None) -> None:
    if seconds is not None and (not isinstance(seconds, int | float) or not seconds > 0):
        raise UsageError(f"max_seconds (--max-time) is {seconds!r}; a number of seconds above 0 is wanted")


def _no_figures(recipe: Recipe, pictures: DomainData) -> list[str]:
    """A line, if too few pictures are held out to measure how good the model becomes."""
    counts = pictures.counts()
    held_out, train = counts["validation"], counts["train"]
    if recipe.mode == "generate":  # all of them together
        held_out, train = ({pictures.name: sum(of.values())} for of in (held_out, train))
    name = min(held_out, key=lambda domain: held_out[domain])
    if held_out[name] >= LEAST:
        return []
    wanted = math.ceil(20 * LEAST / max(1, held_out[name] + train[name])) / 20
    mend = f", or hold out more: --set data.validation_share={wanted:g}" if wanted <= 0.5 else ""
    return [
        f"no figures will say how good this becomes: of {name} {held_out[name]} pictures are held out for them, and "
        f"{LEAST} are needed; bring more pictures{mend}"
    ]


def _run_meant(runs: Path, name: str | None) -> RunFolder:
    try:
        return find_run(runs, name)
    except DomainxferError:
        of_data = [run for run in all_runs(runs) if name is not None and _is_of(run, name)]
        if not of_data:
            raise
        return of_data[-1]


def is_run_of(runs: Path, name: str, data: str) -> bool:
    """Whether a run learned from a data set.

    Raises:
        DomainxferError: there is no such run.
    """
    return _is_of(find_run(at_home(runs), name), data)


def _is_of(run: RunFolder, name: str) -> bool:
    with suppress(DomainxferError):
        recipe = read_recipe(run.recipe)
        return name == recipe.card or lasting(name) == recipe.source.data
    return False  # what cannot be read is not meant
