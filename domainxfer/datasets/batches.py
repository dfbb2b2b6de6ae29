"""Balanced label batches: which pictures a step sees, which becomes which, and their tensors.

All of it follows from (seed, step, position in the global batch), so a resumed run, any number of loader workers and
any number of processes see the same data.
"""

import signal
from collections.abc import Collection, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from math import lcm
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from domainxfer.datasets.augment import Augmentation
from domainxfer.datasets.domain_data import DomainData, Pictures
from domainxfer.datasets.pixels import resized, shrink, to_tensor
from domainxfer.draws import draw, permutation
from domainxfer.errors import PictureError
from domainxfer.on_device import on_device
from domainxfer.recipe import DataSettings


@dataclass(frozen=True)
class Plan:
    """What one step does with its global batch of B pictures."""

    y_real: np.ndarray
    """(B,) label of the real at each position; as even as B allows, and the surplus moves on from step to step."""
    picks: np.ndarray
    """(B,) which picture of its domain that real is."""
    sources: np.ndarray
    """(B,) the position whose picture is translated to this position's label: a derangement of the labels."""
    known: np.ndarray
    """Positions whose pictures are among the few of known label; none unless there are such."""


class Planner:
    """Plans batches for domains of given sizes.

    Args:
        sizes: number of pictures of each domain.
        batch: global batch size B.
        seed: the run's seed.
        known: of unlabelled pictures, the few whose label is known.
        known_every: each so many-th picture of a batch is one of those.
    """

    def __init__(
        self, sizes: tuple[int, ...], batch: int, seed: int, known: np.ndarray | None = None, known_every: int = 8
    ) -> None:
        self.sizes, self.batch, self.seed = sizes, batch, seed
        self.known = np.arange(0) if known is None else known
        self.known_positions = np.arange(0, batch if len(self.known) else 0, known_every)
        self._orders: dict[tuple[str | int, ...], tuple[int, np.ndarray]] = {}

    def plan(self, step: int) -> Plan:
        """The plan of one step. Each domain is gone through in a new order each epoch, without repeats."""
        domains = len(self.sizes)
        drawn = step * self.batch + np.arange(self.batch)  # how many pictures the run has drawn before each of these
        y_real, nth = drawn % domains, drawn // domains
        if domains > self.batch:
            # No room for all: labels that follow each other meet in a batch, and the order changes so that all do. Both
            # a batch and a turn of all labels lie within one order.
            turn = step * self.batch // lcm(domains, self.batch)
            y_real = permutation(domains, self.seed, "label order", turn)[y_real]
        picks = np.array([self._pick(label, n) for label, n in zip(y_real.tolist(), nth.tolist(), strict=True)])
        picks[self.known_positions] = self._picks_of_known(step)
        return Plan(y_real, picks, deranged(y_real, draw(self.seed, "targets", step)), self.known_positions)

    def _picks_of_known(self, step: int) -> list[int]:
        each = len(self.known_positions)
        turns = range(step * each, (step + 1) * each)
        return [int(self.known[self._in_turn(len(self.known), n, "known order")]) for n in turns]

    def _pick(self, label: int, nth: int) -> int:
        return self._in_turn(self.sizes[label], nth, "order", label)

    def _in_turn(self, count: int, nth: int, purpose: str, *of: int) -> int:
        """The nth of ``count`` things that are gone through in a new order each epoch."""
        epoch, place = divmod(nth, count)
        kept = self._orders.get((purpose, *of))
        if kept is None or kept[0] != epoch:
            kept = epoch, permutation(count, self.seed, purpose, *of, epoch)
            self._orders[purpose, *of] = kept
        return int(kept[1][place])


def deranged(labels: np.ndarray, numbers: np.random.Generator) -> np.ndarray:
    """For each position another position of another label, each used once.

    The positions, sorted by label (in a random order of labels, shuffled within), are shifted by the size of the
    largest group: every label then has as many fakes as reals, and over the steps every label becomes every other.

    Args:
        labels: (B,); no label may fill more than half of the batch. With a single label, or too unequal ones, the
            result is a plain permutation.
        numbers: the draws.
    """
    batch = len(labels)
    shuffled = numbers.permutation(batch)
    rank = numbers.permutation(int(labels.max()) + 1 if batch else 0)
    row = shuffled[np.argsort(rank[labels[shuffled]], kind="stable")]
    largest = int(np.bincount(labels).max()) if batch else 0
    sources = np.empty(batch, np.int64)
    sources[row] = np.roll(row, -largest)
    return sources


@dataclass(frozen=True)
class Batch:
    """One process's share of a step's data. b pictures; fakes are ordered by the labels of the reals."""

    step: int
    positions: list[int]
    """Places of these pictures in the global batch."""
    x_real: Tensor
    """(b, C, H, W) in [-1, 1]."""
    y_real: Tensor
    """(b,) int64."""
    x_source: Tensor
    """(b, C, H, W): what is translated to y_real."""
    y_source: Tensor
    """(b,) its own labels, nowhere equal to y_real where there are two domains or more."""
    sources: list[int] | None
    """Places of the sources in the global batch; None where not all of them stand there."""
    y_known: Tensor | None = None
    """(b,) int64, of unlabelled pictures of which a few labels are known: the label, or -1."""
    picks: Tensor | None = None
    """(b,) int64, which picture of its domain each real is."""

    def to(self, device: torch.device, memory_format: torch.memory_format) -> "Batch":
        """The batch on a device, pictures in a memory format."""
        return Batch(
            step=self.step,
            positions=self.positions,
            x_real=on_device(self.x_real, device).contiguous(memory_format=memory_format),
            y_real=on_device(self.y_real, device),
            x_source=on_device(self.x_source, device).contiguous(memory_format=memory_format),
            y_source=on_device(self.y_source, device),
            sources=self.sources,
            y_known=None if self.y_known is None else on_device(self.y_known, device),
            picks=None if self.picks is None else on_device(self.picks, device),
        )

    def part(self, places: Collection[int]) -> "Batch":
        """What of it stands at these places of the global batch."""
        rows = [row for row, position in enumerate(self.positions) if position in places]
        return Batch(
            step=self.step,
            positions=[self.positions[row] for row in rows],
            x_real=self.x_real[rows],
            y_real=self.y_real[rows],
            x_source=self.x_source[rows],
            y_source=self.y_source[rows],
            sources=None,
            y_known=None if self.y_known is None else self.y_known[rows],
            picks=None if self.picks is None else self.picks[rows],
        )


def balanced_part(batch: int, size: int, labels: int) -> list[int]:
    """``size`` places of a global batch, spread over all of it so that processes share them as they share the batch.

    K places that follow each other have K labels, so whole runs of K are taken: each label is there equally often.

    Args:
        batch: pictures B in the global batch.
        size: at most B; a multiple of K, if K is at most B.
        labels: K, where labels are known; else 0.
    """
    run = labels if 0 < labels <= batch else 1
    runs, wanted = batch // run, size // run
    return [(number * runs // wanted) * run + place for number in range(wanted) for place in range(run)]


class BatchSource(Dataset[Batch]):
    """`source[step]` is this process's share of the batch of a step.

    No operation of PyTorch is in it, since `batches` makes it on a thread: the first one would start a second team of
    OpenMP threads, and with more of them than cores the team of the training step goes to sleep after each of its
    operations (on two cores a step of 64 px took 1.6 times as long).

    Args:
        data: the domains.
        settings: sizes and augmentation.
        seed: the run's seed.
        channels: 3, or 1 for grey pictures.
        rank: this process.
        processes: how many share a batch.
        reuse: batches that have the sources of the first of them.
        batches_a_step: how many a step takes; pictures that grow do so by steps.
    """

    def __init__(
        self,
        data: DomainData,
        settings: DataSettings,
        seed: int,
        channels: int = 3,
        rank: int = 0,
        processes: int = 1,
        reuse: int = 1,
        batches_a_step: int = 1,
    ) -> None:
        self.settings, self.batches_a_step = settings, batches_a_step
        load_size = round(settings.size * settings.margin)
        budget = settings.cache_mb * 2**20 // len(data.train)
        self.pictures = [LoadedPictures(pictures, load_size, budget) for pictures in data.train]
        known = _known_among(self.pictures[0], data.known_labels)
        sizes = tuple(map(len, self.pictures))
        self.planner = Planner(sizes, settings.batch, seed, np.array(list(known), np.int64), settings.known_every)
        self.label_of = known
        sides = {settings.size_at(step) for step in (0, *settings.grow)}  # an edge is where the next size begins
        self.augmentation = {side: Augmentation(side, settings.augment, seed) for side in sides}
        self.channels, self.reuse = channels, reuse
        self._first: Batch | None = None
        self._bad_in_workers: dict[str, None] = {}
        share = settings.batch // processes
        self.positions = list(range(rank * share, (rank + 1) * share if rank < processes - 1 else settings.batch))

    @property
    def bad(self) -> list[str]:
        """Pictures that could not be read so far, with the reason."""
        return list(dict.fromkeys([line for p in self.pictures for line in p.bad]) | self._bad_in_workers)

    def note_bad(self, lines: list[str]) -> None:
        """Remember what a loader process, which has a copy of this, could not read."""
        self._bad_in_workers |= dict.fromkeys(lines)

    def __getitem__(self, step: int) -> Batch:
        plan, first = self.planner.plan(step), step - step % self.reuse
        side = self.settings.size_at(first // self.batches_a_step)
        if step != first:
            return self._with_sources_of(self._first_of_its_kind(first), plan, step, side)
        sources = plan.sources[self.positions].tolist()
        # A source may lie in the share of another process: it is loaded here too.
        needed = sorted({*self.positions, *sources})
        row_of = {position: row for row, position in enumerate(needed)}
        pictures = np.stack([self._picture(plan, step, p, side) for p in needed])
        real, source = ([row_of[p] for p in places] for places in (self.positions, sources))
        batch = Batch(
            step,
            self.positions,
            to_tensor(pictures[real], self.channels),
            torch.from_numpy(plan.y_real[self.positions]),
            to_tensor(pictures[source], self.channels),
            torch.from_numpy(plan.y_real[sources]),
            sources,
            self._known_labels(plan) if self.label_of else None,
            torch.from_numpy(plan.picks[self.positions]),
        )
        if self.reuse > 1:
            self._first = batch
        return batch

    def _first_of_its_kind(self, step: int) -> Batch:
        """The batch whose sources several batches of reals meet, loaded once for all of them."""
        return self[step] if self._first is None or self._first.step != step else self._first

    def _known_labels(self, plan: Plan) -> Tensor:
        labels = np.full(len(plan.picks), -1)
        labels[plan.known] = [self.label_of[pick] for pick in plan.picks[plan.known].tolist()]
        return torch.from_numpy(labels[self.positions])

    def _with_sources_of(self, first: Batch, plan: Plan, step: int, side: int) -> Batch:
        reals = np.stack([self._picture(plan, step, p, side) for p in self.positions])
        y_real = torch.from_numpy(plan.y_real[self.positions])
        return replace(
            first,
            step=step,
            x_real=to_tensor(reals, self.channels),
            y_real=y_real,
            sources=None,
            picks=torch.from_numpy(plan.picks[self.positions]),
        )

    def _picture(self, plan: Plan, step: int, position: int, side: int) -> np.ndarray:
        picture = self.pictures[int(plan.y_real[position])][int(plan.picks[position])]
        if side < self.settings.size:
            picture = resized(picture, round(side * self.settings.margin))
        return self.augmentation[side](picture, step, position)


def _known_among(pictures: "LoadedPictures", known_labels: Mapping[int, int]) -> dict[int, int]:
    """Place among the pictures that could be loaded -> label, of the few whose label is known."""
    if not known_labels:
        return {}
    return {place: known_labels[n] for place, n in enumerate(pictures.numbers) if n in known_labels}


class LoadedPictures:
    """Pictures decoded and reduced to the load size, kept in memory as far as the budget goes.

    A picture that cannot be decoded is left out and named in `bad`. The few beyond the budget are decoded when their
    turn comes; a bad one among them is replaced by the first picture. `numbers` are their places in the collection.

    Args:
        pictures: of one domain.
        size: length of the shorter side, px; aspect kept.
        budget: bytes.

    Raises:
        PictureError: no picture of the domain can be read.
    """

    def __init__(self, pictures: Pictures, size: int, budget: int) -> None:
        self.pictures, self.size = pictures, size
        self.kept: list[np.ndarray] = []
        self.numbers: list[int] = []
        self.bad: list[str] = []
        loaded = held = 0
        with ThreadPoolExecutor(2) as pool:  # Pillow decodes outside Python's lock
            for start in range(0, len(pictures), 64):
                if held > budget:
                    break
                chunk = range(start, min(start + 64, len(pictures)))
                for number, array in zip(chunk, map(self._named_if_bad, pool.map(self._load, chunk)), strict=True):
                    if array is not None:
                        self.kept.append(array)
                        self.numbers.append(number)
                        held += array.nbytes
                loaded = chunk.stop
        self.later = range(loaded, len(pictures))
        self.numbers += self.later
        if not self.kept:
            raise PictureError(self.bad[0] if self.bad else "a domain has no pictures to train on")

    def __len__(self) -> int:
        return len(self.numbers)

    def __getitem__(self, index: int) -> np.ndarray:
        """(H, W, 3) uint8, shorter side `size`."""
        if index < len(self.kept):
            return self.kept[index]
        array = self._named_if_bad(self._load(self.later[index - len(self.kept)]))
        return self.kept[0] if array is None else array

    def _load(self, index: int) -> np.ndarray | PictureError:
        try:
            return shrink(self.pictures[index], self.size)
        except PictureError as error:
            return error

    def _named_if_bad(self, loaded: np.ndarray | PictureError) -> np.ndarray | None:
        if not isinstance(loaded, PictureError):
            return loaded
        if str(loaded) not in self.bad:
            self.bad.append(str(loaded))
        return None


class _Telling(Dataset[tuple[Batch, list[str]]]):
    """A batch, and what could not be read up to it."""

    def __init__(self, source: BatchSource) -> None:
        self.source = source

    def __getitem__(self, step: int) -> tuple[Batch, list[str]]:
        batch = self.source[step]
        return batch, self.source.bad


def _leave_signals_to_the_main_process(worker: int) -> None:
    """A terminal sends Ctrl-C to all; the main process saves first, and needs batches until it has."""
    for name in ("SIGINT", "SIGHUP"):  # Windows has no SIGHUP
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_IGN)


def batches(source: BatchSource, steps: range, workers: int) -> Iterator[Batch]:
    """The batches of ``steps``, prepared ahead: by loader processes, or by one thread where ``workers`` is 0."""
    if workers:
        loader: Any = DataLoader(
            _Telling(source),
            batch_size=None,
            sampler=list(steps),
            num_workers=workers,
            prefetch_factor=4,
            worker_init_fn=_leave_signals_to_the_main_process,
            # It would draw a seed for the workers, which draw nothing, from the numbers that terms may draw from.
            generator=torch.Generator(),
        )
        for batch, bad in loader:
            source.note_bad(bad)
            yield batch
        return
    with ThreadPoolExecutor(1) as pool:  # the step computes outside Python's lock, so a thread of NumPy suffices
        ahead = [pool.submit(source.__getitem__, step) for step in steps[:2]]
        for step in steps:
            batch = ahead.pop(0).result()
            if step + 2 * steps.step in steps:
                ahead.append(pool.submit(source.__getitem__, step + 2 * steps.step))
            yield batch
