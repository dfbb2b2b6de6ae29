"""What was asked of `evaluate`, where the result goes, and what cannot be asked."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from domainxfer.errors import DomainxferError, UsageError, did_you_mean
from domainxfer.evaluation.result import Evaluation, refuse_existing
from domainxfer.evaluation.subject import Subject
from domainxfer.metrics.extractors import Extractor
from domainxfer.training.held_out import LEAST

MOST = 1000
HELD_OUT = ("validation", "test")


class NotKept(DomainxferError):
    """A result that is there and could not be written: `evaluation`."""

    def __init__(self, problem: DomainxferError, evaluation: Evaluation) -> None:
        super().__init__(str(problem))
        self.evaluation = evaluation


@dataclass(frozen=True)
class Wish:
    """The arguments of `evaluate`.

    Raises:
        UsageError: no such split, or too few pictures to speak of.
    """

    data_root: Path | None
    names: dict[str, str] | None
    split: str
    extractor: str
    weights: Path | None
    size: int | None
    seed: int
    mend: int
    masks: Path | None
    most: int | None
    """None takes what suits the pictures."""
    unpaired: bool
    offline: bool
    json_file: Path | None
    apart: tuple[str, ...]
    """What sets it apart from the run's plain evaluation, for the name of the file in the run."""
    keep_in_run: bool
    overwrite: bool
    say: Callable[[str], None]

    def __post_init__(self) -> None:
        if self.split not in HELD_OUT:
            raise UsageError(
                f"there is no held-out split {self.split!r}.{did_you_mean(self.split, list(HELD_OUT))} "
                "validation or test"
            )
        if self.most is not None and self.most < LEAST:
            raise UsageError(
                f"--most {self.most}: at least {LEAST}, with fewer pictures a kernel distance is mostly noise"
            )

    def place(self, judge: Extractor, subject: Subject | None = None) -> Path | None:
        """Where the result is to be written; nothing that exists is in its way."""
        place = self.json_file
        if place is None and self.keep_in_run and subject is not None and subject.run is not None:
            name = "-".join(["evaluation", self.split, judge.name, *self.apart])
            place = subject.run.path / f"{name}.json"
        if place is not None:
            refuse_existing(place, overwrite=self.overwrite)
        return place

    def kept(self, place: Path | None, evaluation: Evaluation) -> Evaluation:
        """The evaluation, written to its place where it has one.

        Raises:
            NotKept: the disk is full by now, another has written there meanwhile, ...
        """
        if place is not None:
            try:
                evaluation.save(place, overwrite=self.overwrite)
            except DomainxferError as problem:
                raise NotKept(problem, evaluation) from problem
            self.say(f"written to {place}")
        return evaluation
