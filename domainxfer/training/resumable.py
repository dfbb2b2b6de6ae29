"""What the recipe of a run that goes on may not change, each refused with the reason before anything is written.

What its checkpoint forbids (fewer steps, other domains) is in `Run.resume`.
"""

from collections.abc import Iterator

from domainxfer.errors import UsageError
from domainxfer.recipe import Recipe
from domainxfer.training.terms import asks_critic, fakes_teach_labels

ANOTHER_RUN = "that is another run; start one with --init-from"
HOW_PICTURES_COME = ("workers", "cache_mb")
"""These change nothing of what the networks see."""
OTHER_PICTURES = "what was held out would be trained on, or the other way round"


def refuse_another_run(old: Recipe, new: Recipe) -> None:
    """Check the settings of a run that is resumed against those it had.

    Where its pictures lie may change (``source.data``, ``source.data_root``), as may all that training itself goes by.

    Args:
        old: as the run's folder has it.
        new: with the changes that were asked for.

    Raises:
        UsageError: the first change that would make another run of it.
    """
    for what, reason in _changes(old, new):
        raise UsageError(f"--resume cannot change {what}: {reason}")


def _changes(old: Recipe, new: Recipe) -> Iterator[tuple[str, str]]:
    for part in ("card", "mode", "generator", "critic"):
        if getattr(old, part) != getattr(new, part):
            yield part, ANOTHER_RUN
    for setting in type(old.data).model_fields:
        if setting not in HOW_PICTURES_COME and getattr(old.data, setting) != getattr(new.data, setting):
            yield f"data.{setting}", ANOTHER_RUN
    for part in ("names", "labels", "supervise", "init_from"):
        if getattr(old.source, part) != getattr(new.source, part):
            yield f"source.{part}", ANOTHER_RUN
    if old.training.seed != new.training.seed:
        yield "training.seed", OTHER_PICTURES
    if old.training.extractor != new.training.extractor:
        yield "training.extractor", "figures of two judges do not compare, so which model is best could not be said"
    if old.optimizer.kind != new.optimizer.kind:
        yield "optimizer.kind", "what one kind remembers means nothing to another"
    if (old.optimizer.info_lr is None) != (new.optimizer.info_lr is None):
        yield "whether optimizer.info_lr is set", "there would be an optimizer more or less than was saved"
    elif new.optimizer.info_lr is not None and fakes_teach_labels(old) != fakes_teach_labels(new):
        yield "what the label head learns from", "its optimizer was saved for other weights"
    if asks_critic(old) != asks_critic(new):
        yield "whether there is a critic", f"it was {'' if asks_critic(old) else 'not '}trained so far; {ANOTHER_RUN}"
