"""The loop: steps, log, samples, figures, checkpoints, and an end that leaves a model behind."""

import copy
import math
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, replace
from statistics import median
from typing import Any

import torch
from torch import Tensor

from domainxfer import __version__
from domainxfer.datasets.batches import Batch, BatchSource, batches
from domainxfer.datasets.domain_data import DomainData
from domainxfer.errors import DomainxferError, UsageError
from domainxfer.metrics.extractors import load_extractor
from domainxfer.metrics.truth import TruthFigure
from domainxfer.models.config import ModelConfig
from domainxfer.models.model import NetworkModel, mark_finished
from domainxfer.models.networks import NoCritic, new_critic, new_generator
from domainxfer.models.precision import pays_bf16
from domainxfer.recipe import Recipe
from domainxfer.training import environment
from domainxfer.training.books import Books, Figures
from domainxfer.training.fine_tune import take_over
from domainxfer.training.generated import extractor_of
from domainxfer.training.health import NotANumber, Watch
from domainxfer.training.held_out import Direction, rank
from domainxfer.training.listener import Listener, Outcome
from domainxfer.training.model_card import model_card
from domainxfer.training.neighbour_labels import read_labels_anew
from domainxfer.training.pace import Pace
from domainxfer.training.processes import Processes
from domainxfer.training.run_folder import RunFolder, checkpoint_files
from domainxfer.training.sensible import refuse_senseless
from domainxfer.training.state import (
    MovingAverage,
    load_checkpoint,
    restore,
    save_checkpoint,
)
from domainxfer.training.step import Stepper, places_of_critic
from domainxfer.training.terms import asks_critic

WORSE = 0.05
"""A last figure is worse than the best one if it is higher by more than this part of it; else they hardly differ."""


class Run:
    """A recipe, its data, and the networks in training.

    Args:
        recipe: resolved for the data (`Recipe.resolved`).
        data: the domains.
        processes: one, or several.
        folder: where everything goes; None writes nothing (a dry run).
        listener: who watches.

    Raises:
        DomainxferError: an unknown term, a batch that the processes cannot share, a generator deaf to its label.
    """

    def __init__(
        self, recipe: Recipe, data: DomainData, processes: Processes, folder: RunFolder | None, listener: Listener
    ) -> None:
        self.recipe, self.data, self.processes, self.folder, self.listener = recipe, data, processes, folder, listener
        refuse_senseless(recipe)
        self._refuse_uneven_shares()
        if processes.is_main:
            load_extractor(extractor_of(recipe))  # a misspelt one is refused before anything is written
        device, precision = processes.device, recipe.training.precision
        self.bf16 = precision == "bf16" or (precision == "auto" and pays_bf16(device))
        self.memory_format = torch.contiguous_format if recipe.training.channels_last == "no" else torch.channels_last
        torch.manual_seed(recipe.training.seed)
        generator = new_generator(recipe.generator)
        critic = new_critic(recipe.critic) if asks_critic(recipe) else NoCritic(recipe.critic)
        for network in (generator, critic):
            network.to(device=device, memory_format=self.memory_format)  # type: ignore[call-overload]
            processes.same_start(network)
        self.stepper = Stepper(generator, critic, recipe, processes, bf16=self.bf16)
        self.average = MovingAverage(generator, recipe.training.ema)
        self.source = BatchSource(
            data,
            recipe.data,
            recipe.training.seed,
            recipe.generator.channels,
            processes.rank,
            processes.count,
            reuse=recipe.objective.reuse if recipe.mode == "translate" else 1,  # noise is not loaded
            batches_a_step=recipe.objective.batches_a_step,
        )
        self.books: Books | None = None
        self.watch = Watch()
        self.step = 0
        self.seconds = 0.0
        self.best: float | None = None
        self.best_step: int | None = None
        self.best_judge: str | None = None
        """Digest of the extractor that both are by."""
        self.last_rank: float | None = None
        self.sums: dict[str, list[Tensor]] = defaultdict(list)  # parts of the loss since the last row of the log
        self.labels_read: Tensor | None = None
        self._measured_at = -1
        self.between_steps = True
        """Whether the networks are as a whole step has left them."""

    @property
    def skipped(self) -> list[str]:
        """Training pictures that could not be read, with the reason."""
        return [reason for _, reason in self.data.skipped] + self.source.bad

    def resume(self) -> None:
        """Go on from the newest checkpoint that can be read and is of this run.

        Raises:
            DomainxferError: there is none, it has more steps than the recipe, or the data has other domains now.
        """
        assert self.folder is not None
        problem, mend = "", "start the run anew"
        for path in reversed(checkpoint_files(self.folder.checkpoints)):
            if problem:
                self.listener.say(f"{problem}; trying the one before")
            try:
                state = load_checkpoint(path)
            except DomainxferError as error:
                problem = str(error)
                continue
            domains = tuple(state["extra"].get("domains", self.data.domains))
            if domains != self.data.domains:
                problem = f"{path} learned {', '.join(domains)}, and the data has {', '.join(self.data.domains)} now"
                mend = "put the domains back as they were, or start a run with --init-from"
                continue
            self._refuse_what_does_not_fit(state["step"], state["extra"])
            try:
                self.step = restore(state, self.stepper, self.average)
                self._take_back(state["extra"])
            except torch.OutOfMemoryError:
                raise
            except (KeyError, TypeError, ValueError, AttributeError, RuntimeError):  # torch's, for other networks
                problem = f"{path} is of another run: its networks are not those of recipe.yaml"
                continue
            return
        nothing = f"{problem}; there is none before it" if problem else f"{self.folder.checkpoints} holds no checkpoint"
        raise DomainxferError(f"{nothing}: {mend}")

    def _refuse_what_does_not_fit(self, done: int, extra: dict[str, Any]) -> None:
        steps = self.recipe.training.steps
        if done > steps:
            raise UsageError(f"--steps {steps}: this run has done {done} already; ask for more than that")
        if extra.get("counts", self.data.counts()) != self.data.counts():
            if extra.get("labels_read") is not None:
                raise DomainxferError(
                    "this run teaches labels that it has read of each training picture, and there are more or fewer "
                    "pictures now; put them back as they were, or start a new run"
                )
            self.listener.say(
                "the data has more or fewer pictures than at this run's last checkpoint: it goes on with those "
                "that are there, and a few that are held out now may have been trained on"
            )

    def _take_back(self, extra: dict[str, Any]) -> None:
        """What `_checkpoint` wrote beside networks and optimizers; older versions wrote less."""
        device = self.processes.device
        self.seconds = float(extra["seconds"])
        self.best, self.best_step = extra.get("best_rank"), extra.get("best_step")
        self.best_judge = extra.get("best_judge")
        self.watch = Watch(**extra.get("watch", {}))
        self.sums.update({name: list(values.to(device)) for name, values in extra.get("sums", {}).items()})
        read = extra.get("labels_read")
        self.labels_read = None if read is None else read.to(device)

    def start_from(self, model: NetworkModel) -> None:
        """Fine-tune: begin with a model's weights where they fit; labels follow their names (`fine_tune.take_over`)."""
        domains = self.data.domains if self.recipe.critic.patch_labels else ()
        for name, network, old in (
            ("generator", self.stepper.generator, model.generator),
            ("critic", self.stepper.critic, model.critic),
        ):
            known = None if isinstance(network, NoCritic) else old
            fresh = [] if known is None else take_over(network, known, domains, model.domains, name)
            if fresh:
                self.listener.say(f"--init-from: {len(fresh)} tensors of the {name} do not fit and start fresh")
        self.average = MovingAverage(self.stepper.generator, self.recipe.training.ema)

    def train(self, max_seconds: float | None = None) -> Outcome:
        """Train until the recipe's last step, until the time is up, or until the listener says stop.

        Args:
            max_seconds: of this call, preparations included; the step in progress is finished, and one is done anyway.

        Raises:
            NotANumber: training diverged; the last good checkpoint is kept.
        """
        t = self.recipe.training
        began, self._pace = time.monotonic(), Pace()
        self._deadline = math.inf if max_seconds is None else began + max_seconds
        if self.processes.is_main and self.folder is not None:
            self.books = self._open_books(self.folder)
        first, stepping = self.step, self._batches(range(self.step, t.steps))
        try:
            stopped = self._steps(stepping, range(self.step, t.steps))
        except NotANumber:
            raise
        except (DomainxferError, OSError, SystemExit):  # a log that cannot be written, or nobody listens any more
            if self.between_steps and self.step > first and self.processes.count == 1:
                with suppress(DomainxferError, OSError):
                    self._checkpoint(finished=False)
            raise
        stepping.close()
        return self._end(finished=not stopped)

    def _steps(self, stepping: Iterator[Batch], steps: range) -> bool:
        """Do them; whether the listener said stop."""
        t, per_step = self.recipe.training, self.recipe.objective.batches_a_step
        for step in steps:
            stopped = self.processes.any(self.listener.stop())
            timed_out = self.processes.any(time.monotonic() > self._deadline)
            if stopped or (timed_out and step > steps.start):  # a finished model has learned from one batch at least
                return stopped
            anew = self.recipe.objective.labels_from_neighbours
            if anew is not None and step == anew.at:
                self._read_labels_anew()
            seen = [self._with_labels_read(next(stepping)) for _ in range(per_step)]
            self.between_steps = False
            for name, value in self.stepper(seen, step).items():
                self.sums[name].append(value)
            self.step = step + 1
            self.average.update(self.stepper.generator, step)
            self.between_steps = True
            self._pace.tick()
            if self.step % t.log_every == 0 or self.step == t.steps:
                if self.recipe.generator.code_size:
                    self.sums["code_response"].append(self.stepper.code_response(seen[-1]))
                self._log()
            if self.step % t.sample_every == 0 and self.books is not None:
                self.books.sample(self.step)
            if self.step % t.figure_every == 0 and self.step < t.steps:
                self._figure()
            if self.step % t.checkpoint_every == 0:
                self._share_sums()
                self._checkpoint(finished=False)
        return False

    def model(self, *, finished: bool = True) -> NetworkModel:
        """The moving average of the generator, with the critic where there is one, as a model."""
        critic = None if isinstance(self.stepper.critic, NoCritic) else self.stepper.critic
        config = ModelConfig(
            version=__version__,
            card=self.recipe.card,
            domains=self.data.domains if self.recipe.critic.patch_labels else (),
            size=self.recipe.data.size,
            steps=self.step,
            finished=finished,
            generator=self.recipe.generator,
            critic=None if critic is None else self.recipe.critic,
        )
        model = NetworkModel(config, self.average.network, critic)  # type: ignore[arg-type]
        model.device = self.processes.device
        return model

    def _refuse_uneven_shares(self) -> None:
        batch, count = self.recipe.data.batch, self.processes.count
        if batch % count:
            raise DomainxferError(
                f"data.batch is {batch}, which {count} processes cannot share evenly; "
                f"--set data.batch={count * max(1, batch // count)}"
            )
        places = places_of_critic(self.recipe) or []
        normalises = self.recipe.critic.label_norm == "batch" and not self.recipe.critic.layers
        if normalises and (len(places) or batch) == count:
            raise DomainxferError(
                "critic.label_norm: batch normalises over the pictures that a process has, and one is none to compare "
                "with; take a larger objective.critic_batch or data.batch"
            )
        if len({sum(place * count // batch == rank for place in places) for rank in range(count)}) > 1:
            raise DomainxferError(
                f"objective.critic_batch is {len(places)}, which {count} processes cannot share evenly, each label as "
                f"often; take a multiple of {count} times the number of labels for it and for data.batch"
            )

    # --- parts of the loop -------------------------------------------------------------------------------------------

    def _batches(self, steps: range):  # type: ignore[no-untyped-def]
        per_step = self.recipe.objective.batches_a_step
        return batches_on(
            batches(self.source, range(steps.start * per_step, steps.stop * per_step), self.recipe.data.workers),
            self.processes.device,
            self.memory_format,
        )

    def _read_labels_anew(self) -> None:
        nats, self.labels_read = read_labels_anew(self.stepper, self.source.pictures[0], self.source.label_of)
        sure = float((self.labels_read >= 0).float().mean())
        self.listener.say(
            f"step {self.step}: labels read anew; of {len(nats)} label heads that learned from neighbours the best has "
            f"found {max(nats):.3f} nats, the median {median(nats):.3f}, the worst {min(nats):.3f}; it is sure of "
            f"{100 * sure:.1f} % of the pictures, whose labels are taught from here on"
        )

    def _with_labels_read(self, batch: Batch) -> Batch:
        return batch if self.labels_read is None else replace(batch, y_known=self.labels_read[batch.picks])

    def _open_books(self, folder: RunFolder) -> Books:
        parts = [f"{phase}/{term.name}" for phase, terms in self.stepper.terms.items() for term in terms]
        books = Books(folder, self.recipe, self.data, self.listener, parts, self.step, self.model)
        books.warned(self.watch.said.values())
        if self.step == 0:
            environment.write(folder.environment, self.processes, self.bf16, self.memory_format, self.data)
            books.sample(0)
        return books

    def _log(self) -> None:
        means = {name: _mean(name, torch.stack(values)) for name, values in self.sums.items()}
        row = {name: float(self.processes.mean(mean)) for name, mean in means.items()}
        self.sums.clear()
        warnings = self.watch.look(self.step, row)
        if not self.processes.is_main:
            return
        speed = self._pace.steps_per_second
        row["learning_rate"] = self.stepper.optimizers["generator"].param_groups[0]["lr"]
        row["pictures_per_second"] = speed * self.recipe.data.batch
        row["seconds"] = self.seconds + self._pace.total
        if self.books is not None:
            self.books.log.add(self.step, **row)
        self._warn(warnings)
        work = self.recipe.data.work
        left = work(range(self.step, self.recipe.training.steps)) / work(range(self.step - 1, self.step))
        seconds_left = min(left / speed, max(0.0, self._deadline - time.monotonic()))
        self.listener.row(self.step, {**row, "seconds_left": seconds_left})

    def _warn(self, warnings: list[str]) -> None:
        for warning in warnings:
            self.listener.say(warning)
        if warnings and self.books is not None:
            self.books.warned(self.watch.said.values())

    def _figure(self) -> Figures:
        """Measure the validation pictures: keep the best model, and look for troubles that figures show."""
        self._measured_at = self.step
        if self.books is None:
            return [], {}
        directions, truth = self.books.measure(self.step)
        if directions:
            now = self.last_rank = rank(directions)
            if (judge := self.books.validation.extractor.digest) != self.best_judge:
                self.best, self.best_judge = None, judge  # ranks of another judge do not compare
            if self.best is None or now < self.best:
                self.best, self.best_step = now, self.step
                self.model(finished=False).save(self.books.folder.best)
        by_heart = {d.target: d.by_heart for d in directions if d.by_heart is not None}
        self._warn(self.watch.look_at_critic(self.step, by_heart))
        for d in directions:
            if d.cells is not None and self.stepper.terms["generator"]:
                judge = self.books.validation.extractor.digest
                self._warn(self.watch.look_at_figure(self.step, judge, d.distance, d.cells))
        return directions, truth

    def _share_sums(self) -> None:
        """All processes go on with the mean of theirs, which is what the checkpoint has."""
        for name, values in self.sums.items():
            self.sums[name] = list(self.processes.mean(torch.stack(values)))

    def _checkpoint(self, *, finished: bool) -> None:
        if self.books is None:
            return
        if not all(bool(p.isfinite().all()) for p in self.stepper.generator.parameters()):
            raise NotANumber(f"a weight of the generator is no longer finite at step {self.step}")
        extra = {
            "seconds": self.seconds + self._pace.total,
            "best_rank": self.best,
            "best_step": self.best_step,
            "best_judge": self.best_judge,
            "watch": asdict(self.watch),
            "sums": {name: torch.stack(values) for name, values in self.sums.items()},
            "labels_read": self.labels_read,
            "domains": list(self.data.domains),
            "counts": self.data.counts(),
        }
        folder, keep = self.books.folder, self.recipe.training.keep
        save_checkpoint(folder.checkpoints, self.stepper, self.average, self.step, extra, keep)
        self.model(finished=finished).save(folder.model, model_card(self.recipe, self.data, self.step))

    def _end(self, *, finished: bool) -> Outcome:
        directions: list[Direction] = []
        truth: dict[tuple[str, str], TruthFigure] = {}
        self._share_sums()
        self._checkpoint(finished=finished)  # first of all, so that nothing that follows can lose the work
        if self.books is not None and finished:
            self.books.sample(self.step)
            if self._measured_at != self.step:  # the time was up right after a figure
                watch = copy.deepcopy(self.watch)
                directions, truth = self._figure()
                self.watch = watch  # that figure is of the end, where a run with more steps has none
                self._checkpoint(finished=True)  # again: it holds what is the best, which that figure may have changed
            if all(len(pictures) for pictures in self.data.test):
                directions, truth = self.books.measure(self.step, "test")
            if (self.books.folder.best / "config.json").exists():  # there are no figures, or somebody took it away
                mark_finished(self.books.folder.best)
        self.processes.wait()
        if not finished:
            return Outcome(self.step, finished)
        side, size = self.recipe.data.size_at(max(0, self.step - 1)), self.recipe.data.size
        return Outcome(
            self.step,
            finished,
            self._better_step(),
            directions,
            truth,
            unused_steps=self.recipe.training.steps - self.step,
            still_small=side if side < size else None,
        )

    def _better_step(self) -> int | None:
        if self.best is None or self.last_rank is None or self.last_rank <= self.best + WORSE * abs(self.best):
            return None
        return self.best_step


def _mean(name: str, values: Tensor) -> Tensor:
    """Of a row's steps. Norms of gradients span orders of magnitude: their mean is the geometric one, or the largest
    would speak for all.
    """
    return values.clamp_min(1e-30).log().mean().exp() if name.startswith("gradient/") else values.mean()


def batches_on(source, device: torch.device, memory_format: torch.memory_format):  # type: ignore[no-untyped-def]
    """Batches moved to a device as they come."""
    for batch in source:
        yield batch.to(device, memory_format)
