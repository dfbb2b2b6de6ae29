"""What to know about the figures of an evaluation, in a line each."""

from pathlib import Path

from domainxfer.datasets.domain_data import DomainData, PictureChain, PictureFiles, Pictures
from domainxfer.datasets.rendered.mazes import SIDE as MAZE
from domainxfer.evaluation.generation_bench import MAZES, GenerationBench
from domainxfer.evaluation.subject import Subject
from domainxfer.training.held_out import HeldOut

OTHER_DRAW = (
    "the baseline was trained with another seed or data.validation_share, or it is not known which: it may have seen "
    "these pictures"
)
DRAWN_BY_SEED = (*MAZES, "stacked-mnist")
"""Sets whose training pictures follow from the seed."""


def notes_of(held_out: HeldOut, subjects: list[Subject], *, paired: bool) -> list[str]:
    """A line for each thing that whoever reads the figures should know.

    Args:
        held_out: the pictures.
        subjects: the model, and the baseline if there is one.
        paired: the file names were taken for those of the same scenes.
    """
    data, split = held_out.data, held_out.split
    notes = [*_of_split(split), *_of_seed(subjects[0], data, split)]
    for other in subjects[1:]:
        if other.network.config.size != subjects[0].network.config.size:
            notes.append(f"the baseline was trained at {other.network.config.size} px and is judged at {held_out.size}")
        if _drawn_from_train(data, split) and _held_out_by(other, split) != _held_out_by(subjects[0], split):
            notes.append(OTHER_DRAW)
    if paired and data.truth is None:
        notes.append(
            f"the {split} pictures have the same file names in every domain and are taken for the same scenes; "
            "--unpaired if they are not"
        )
    return notes + _skipped(data) + singular(min(map(len, held_out.real)), held_out.real[0].shape[1])


def generation_notes(bench: GenerationBench, subjects: list[Subject], *, mend: int = 0) -> list[str]:
    """The same for models that make pictures of noise, a part of which was drawn again ``mend`` times."""
    data, split, count = bench.data, bench.split, len(bench.real)
    notes = [*_of_split(split), *_of_seed(subjects[0], data, split)]
    if mend:
        notes.append(
            f"mended: {mend} times a part of each picture's noise was drawn again, and kept where the model's critic "
            "liked the picture better; figures of plain draws are those without --mend"
        )
    for other in subjects[1:]:
        if bench.card in DRAWN_BY_SEED:
            if _seed(other) != _seed(subjects[0]):
                notes.append(
                    "the baseline was trained with another seed, or one unknown, so it learned from other pictures of "
                    "the set: authentic and unseen are held against the wrong ones for it"
                )
        elif _held_out_by(other, split) != _held_out_by(subjects[0], split) and (
            _drawn_from_train(data, split) or (bench.card == "mnist" and split == "validation")
        ):
            notes.append(OTHER_DRAW)
    if bench.floor_count < count:
        notes.append(
            f"real: {bench.floor_count} training pictures in the place of {count} outputs: there are no more, and "
            "distances other than the kernel distance are larger for fewer pictures"
        )
    if len(bench.train) < bench.train_pictures:
        notes.append(
            f"authentic: copies were looked for among {len(bench.train)} of {bench.train_pictures} training pictures"
        )
    if bench.reader is not None and bench.mode_count != count:
        notes.append(f"modes, entropy and KL are of {bench.mode_count} outputs, the others of {count}")
    if bench.card in MAZES and subjects[0].recipe is None:
        notes.append(
            "no recipe lies beside the model: the mazes were rendered with seed 0; if it was trained with another, it "
            "has seen other ones, and unseen and authentic say nothing"
        )
    if bench.card in MAZES and bench.mazes is None:
        notes.append(f"mazes are judged at {MAZE} px, and these pictures have {bench.size}: no figures of mazes")
    return notes + _skipped(data) + unfinished(subjects) + singular(count, bench.real.shape[1])


def unfinished(subjects: list[Subject]) -> list[str]:
    """A line for each model whose training has not come to its end."""
    return [
        f"{one.path} is still training, or was stopped: these are the figures of its step {one.network.config.steps}"
        for one in subjects
        if not one.network.config.finished
    ]


def _of_split(split: str) -> list[str]:
    return [
        "validation pictures: recipes and checkpoints are chosen by them, so they flatter a little; --split test is "
        "the last word"
        if split == "validation"
        else "test pictures: the last word on a model, not to choose by; choose with --split validation"
    ]


def _of_seed(subject: Subject, data: DomainData, split: str) -> list[str]:
    if subject.recipe is not None or not _drawn_from_train(data, split):
        return []
    return [
        "no recipe lies beside the model: what is held out was drawn with seed 0; if it was trained with another, "
        "it has seen some of these pictures"
    ]


def _skipped(data: DomainData) -> list[str]:
    if not data.skipped:
        return []
    return [f"{len(data.skipped)} pictures cannot be read and were passed over; domainxfer data check names them"]


def _drawn_from_train(data: DomainData, split: str) -> bool:
    """Whether a part of the training pictures was held out by lot, rather than by the folders they lie in."""
    held_out, train = _folders(data.split(split)[0]), _folders(data.train[0])
    return bool(held_out & train)  # rendered sets and MNIST lie in no folders


def _folders(pictures: Pictures) -> set[Path]:
    """The folders that pictures lie in; none for those in memory."""
    if isinstance(pictures, PictureChain):
        return set().union(*map(_folders, pictures.parts))
    return {path.parent for path in pictures.paths} if isinstance(pictures, PictureFiles) else set()


def _seed(subject: Subject) -> int | None:
    return subject.recipe.training.seed if subject.recipe else None


def _held_out_by(subject: Subject, split: str) -> tuple[int, float] | None:
    """What decided which of the training pictures were held out; the share for validation does not move test ones."""
    if subject.recipe is None:
        return None
    return subject.recipe.training.seed, subject.recipe.data.validation_share if split == "validation" else 0.0


def singular(least: int, features: int) -> list[str]:
    """The warning that a Frechet distance of so few pictures needs, if it needs one."""
    if least > features:
        return []
    return [
        f"Frechet distance: {least} pictures are not more than the {features} features, so that covariances are "
        "singular and the distance is biased up; compare it with figures of the same counts only"
    ]
