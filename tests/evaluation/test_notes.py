"""The lines beside an evaluation: which pictures judged, and when a Frechet distance misleads."""

from typing import Any

from domainxfer.evaluation.notes import notes_of, singular
from domainxfer.evaluation.subject import Subject
from domainxfer.metrics.extractors import load_extractor
from domainxfer.training.held_out import HeldOut


def _notes(tiny_data: Any, split: str, *, paired: bool = False) -> str:
    held_out = HeldOut(tiny_data((30, 30)), 32, load_extractor("gabor"), split)
    held_out.real = [held_out.pictures[0].flatten(1)] * 2
    subject = Subject(None, None, None, None)  # type: ignore[arg-type]
    return "\n".join(notes_of(held_out, [subject], paired=paired))


def test_as_many_pictures_as_features_are_too_few_for_a_covariance() -> None:
    assert singular(71, 70) == []
    assert "70 pictures" in singular(70, 70)[0]


def test_validation_flatters_and_test_is_the_last_word(tiny_data: Any) -> None:
    assert "flatter" in _notes(tiny_data, "validation")
    assert "not to choose by" in _notes(tiny_data, "test")


def test_scenes_taken_for_the_same_are_said_to_be(tiny_data: Any) -> None:
    assert "--unpaired" in _notes(tiny_data, "test", paired=True)
    assert "--unpaired" not in _notes(tiny_data, "test")
