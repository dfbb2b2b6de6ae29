"""What to know about the figures of an evaluation, in a line each."""

from domainxfer.datasets.domain_data import DomainData, PictureFiles
from domainxfer.evaluation.subject import Subject
from domainxfer.training.held_out import HeldOut


def notes_of(held_out: HeldOut, subjects: list[Subject], *, paired: bool) -> list[str]:
    """A line for each thing that whoever reads the figures should know.

    Args:
        held_out: the pictures.
        subjects: the model, and the baseline if there is one.
        paired: the file names were taken for those of the same scenes.
    """
    data, split = held_out.data, held_out.split
    notes = [
        "validation pictures: recipes and checkpoints are chosen by them, so they flatter a little; --split test is "
        "the last word"
        if split == "validation"
        else "test pictures: the last word on a model, not to choose by; choose with --split validation"
    ]
    if subjects[0].recipe is None and _drawn_from_train(data, split):
        notes.append(
            "no recipe lies beside the model: what is held out was drawn with seed 0; if it was trained with another, "
            "it has seen some of these pictures"
        )
    for other in subjects[1:]:
        if other.network.config.size != subjects[0].network.config.size:
            notes.append(f"the baseline was trained at {other.network.config.size} px and is judged at {held_out.size}")
        if _drawn_from_train(data, split) and _seed(other) != _seed(subjects[0]):
            notes.append("the baseline was trained with another seed, or one unknown: it may have seen these pictures")
    if paired and data.truth is None:
        notes.append(
            f"the {split} pictures have the same file names in every domain and are taken for the same scenes; "
            "--unpaired if they are not"
        )
    if data.skipped:
        notes.append(
            f"{len(data.skipped)} pictures cannot be read and were passed over; domainxfer data check names them"
        )
    return notes + singular(min(map(len, held_out.real)), held_out.real[0].shape[1])


def _drawn_from_train(data: DomainData, split: str) -> bool:
    """Whether a part of the training pictures was held out by lot, rather than by the folders they lie in."""
    held_out, train = data.split(split)[0], data.train[0]
    if not isinstance(held_out, PictureFiles) or not isinstance(train, PictureFiles):
        return False  # rendered sets and MNIST: their splits are fixed
    return bool({path.parent for path in held_out.paths} & {path.parent for path in train.paths})


def _seed(subject: Subject) -> int | None:
    return subject.recipe.training.seed if subject.recipe else None


def singular(least: int, features: int) -> list[str]:
    """The warning that a Frechet distance of so few pictures needs, if it needs one."""
    if least > features:
        return []
    return [
        f"Frechet distance: {least} pictures are not more than the {features} features, so that covariances are "
        "singular and the distance is biased up; compare it with figures of the same counts only"
    ]
