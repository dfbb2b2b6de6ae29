"""The lines beside an evaluation: which pictures judged, and when a Frechet distance misleads."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
from PIL import Image

from domainxfer.datasets.domain_data import without_labels
from domainxfer.datasets.folders import load_folder
from domainxfer.evaluation.generation_bench import MOST_TRAIN
from domainxfer.evaluation.notes import generation_notes, notes_of, singular
from domainxfer.evaluation.subject import Subject
from domainxfer.metrics.extractors import load_extractor
from domainxfer.recipe import Recipe, override
from domainxfer.training.held_out import HeldOut


def _notes(tiny_data: Any, split: str, *, paired: bool = False) -> str:
    held_out = HeldOut(tiny_data((30, 30)), 32, load_extractor("gabor"), split)
    held_out.real = [held_out.pictures[0].flatten(1)] * 2
    subject = Subject(None, None, None, None, "")  # type: ignore[arg-type]
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


def _generation_notes(data: Any, *others: Subject, **more: Any) -> str:
    facts = {
        "data": data, "split": "test", "count": 80, "size": 32, "card": "", "mazes": None, "reader": None,
        "real": torch.zeros(80, 70), "train": torch.zeros(500, 70), "train_pictures": 500, "floor_count": 80,
        "mode_count": 80, **more,
    }  # fmt: skip
    network = SimpleNamespace(config=SimpleNamespace(finished=True))
    subject = Subject(Path("runs/n-1"), network, None, None, "")  # type: ignore[arg-type]
    return "\n".join(generation_notes(SimpleNamespace(**facts), [subject, *others]))  # type: ignore[arg-type]


def _trained_with(seed: int) -> Subject:
    recipe = override(Recipe(), {"training": {"seed": seed}})
    return Subject(Path("runs/other-1"), SimpleNamespace(config=SimpleNamespace(finished=True)), recipe, None, "")  # type: ignore[arg-type]


def test_a_baseline_of_another_seed_learned_from_other_pictures(tmp_path: Path, tiny_data: Any) -> None:
    data, other = tiny_data((30,), labelled=False), _trained_with(7)
    assert "authentic and unseen" in _generation_notes(data, other, card="stacked-mnist")
    assert "may have seen these pictures" in _generation_notes(data, other, card="mnist", split="validation")
    assert _generation_notes(data, other, card="mnist").count("\n") == 0, "its test pictures are nobody's choice"
    for i in range(8):
        Image.new("RGB", (16, 16)).save(tmp_path / f"{i}.png")
    loose = load_folder(tmp_path, allow_single=True)
    assert "may have seen these pictures" in _generation_notes(loose, other)


def test_a_baseline_that_held_out_fewer_may_have_seen_some(tmp_path: Path) -> None:
    for i in range(8):
        Image.new("RGB", (16, 16)).save(tmp_path / f"{i}.png")
    loose = load_folder(tmp_path, allow_single=True)
    ours, other = (override(Recipe(), {"data": {"validation_share": share}}) for share in (0.1, 0.02))
    network = SimpleNamespace(config=SimpleNamespace(finished=True))
    subjects = [Subject(Path("runs/n-1"), network, one, None, "") for one in (ours, other)]  # type: ignore[arg-type]
    facts = {
        "data": loose, "size": 32, "card": "", "mazes": None, "reader": None, "real": torch.zeros(80, 70),
        "train": torch.zeros(500, 70), "train_pictures": 500, "floor_count": 80, "mode_count": 80,
    }  # fmt: skip
    for split, seen in (("validation", True), ("test", False)):
        bench = SimpleNamespace(**facts, split=split)
        notes = "\n".join(generation_notes(bench, subjects))  # type: ignore[arg-type]
        assert ("may have seen these pictures" in notes) is seen, split


def test_what_to_know_of_pictures_made_of_noise(tiny_data: Any) -> None:
    data = tiny_data((30,), labelled=False)
    assert _generation_notes(data).count("\n") == 0, "only which split it is"
    assert "rendered with seed 0" in _generation_notes(data, card="mazes", mazes=torch.zeros(1))
    assert "50 training pictures in the place of 80" in _generation_notes(data, floor_count=50)
    assert f"among {MOST_TRAIN} of 70000" in _generation_notes(
        data, train=torch.zeros(1, 1).expand(MOST_TRAIN, 1), train_pictures=70_000
    )
    assert "are of 26000 outputs, the others of 80" in _generation_notes(data, reader="any", mode_count=26_000)
    assert "judged at 28 px, and these pictures have 32" in _generation_notes(data, card="mazes")
    assert "singular" in _generation_notes(data, real=torch.zeros(70, 70))
    assert "1 pictures cannot be read" in _generation_notes(replace(data, skipped=((Path("a.png"), "broken"),)))


def test_without_the_seed_of_training_held_out_pictures_may_have_been_seen(tmp_path: Path, tiny_data: Any) -> None:
    """Pictures held out by lot from one folder, or from several that became one group."""
    for domain in ("a", "b"):
        (tmp_path / domain).mkdir()
        for i in range(8):
            Image.new("RGB", (16, 16)).save(tmp_path / domain / f"{i}.png")
    assert "drawn with seed 0" in _generation_notes(without_labels(load_folder(tmp_path)))
    assert "drawn with seed 0" in _generation_notes(load_folder(tmp_path / "a", allow_single=True))
    assert "drawn with seed 0" not in _generation_notes(without_labels(tiny_data((9, 9))))
