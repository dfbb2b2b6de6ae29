"""Labels are found without help, named, and judged by a truth that took no part."""

import csv
import json
import os
from collections import Counter
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

from domainxfer.api import discover, name_discovered, train
from domainxfer.datasets.domain_data import DomainData, PictureArray, without_labels
from domainxfer.datasets.find import open_data
from domainxfer.discovered import Labelled, _sheet, label_pictures, write_discovered
from domainxfer.errors import DomainxferError, UsageError
from domainxfer.generate import PictureMaker
from domainxfer.loaded import load
from domainxfer.models.config import CriticConfig, GeneratorConfig, ModelConfig
from domainxfer.models.critic import Critic
from domainxfer.models.generator import Generator
from domainxfer.models.model import NetworkModel

SIDE = 16
HUES = {"blue": (70, 70, 210), "green": (60, 190, 60), "red": (200, 60, 60)}
TINY = {
    "data": {"size": SIDE, "batch": 48},
    "generator": {"width": 8, "blocks": 1, "noise_size": 8},
    "critic": {"width": 16, "depth": 2, "fields": [1], "style": False, "extra_heads": [6], "norm": "none"},
    # The generator has nothing to do with what is tested here, and would take most of the time.
    "objective": {
        "critic": {"nonsaturating": 0, "r1": 0},
        "generator": {"nonsaturating": 0},
        "info": {"label_fake": 0},
    },
    "training": {"steps": 120, "log_every": 20, "sample_every": 200, "precision": "fp32", "extractor": "digits"},
}

FEW_STEPS = {"training": {**TINY["training"], "steps": 2}}

TRANSLATOR = {
    "data": {"size": SIDE, "batch": 6},
    "generator": {"width": 8, "blocks": 1},
    "critic": {"width": 8, "depth": 2, "fields": [1]},
}


def drawn(hue: str, numbers: np.random.Generator) -> np.ndarray:
    """A grainy picture of one hue, darker or brighter."""
    colour = np.array(HUES[hue]) * numbers.uniform(0.6, 1.1)
    return (colour + numbers.normal(0, 25, (SIDE, SIDE, 3))).clip(0, 255).astype(np.uint8)


@pytest.fixture
def hues(tmp_path: Path) -> Path:
    """train/HUE and test/HUE, 60 and 20 pictures each."""
    numbers = np.random.default_rng(0)
    for split, count in (("train", 60), ("test", 20)):
        for hue in HUES:
            folder = tmp_path / "hues" / split / hue
            folder.mkdir(parents=True)
            for i in range(count):
                Image.fromarray(drawn(hue, numbers)).save(folder / f"{hue}{i:02}.png")
    return tmp_path / "hues"


def test_hues_are_told_apart_without_their_labels(hues: Path, tmp_path: Path) -> None:
    done, found = discover(str(hues), 3, runs=tmp_path / "runs", changes=TINY)
    assert found is not None
    assert found.figures["test"].accuracy > 0.9
    assert sum(found.counts["test"]) == 60
    assert found.tables["test"].sum() == 60

    rows = list(csv.DictReader((done.run / "discovered" / "labels.csv").open()))
    test = [row for row in rows if row["split"] == "test"]
    assert len(test) == 60
    assert {row["truth"] for row in test} == set(HUES)
    assert all(row["truth"] in row["picture"] for row in rows)
    assert all(1 / 3 <= float(row["confidence"]) <= 1 for row in rows)
    of_hue = {hue: Counter(row["label"] for row in test if row["truth"] == hue) for hue in HUES}
    right = sum(labels.most_common(1)[0][1] for labels in of_hue.values())
    assert right / len(test) == pytest.approx(found.figures["test"].accuracy)

    figures = json.loads((done.run / "discovered" / "figures.json").read_text())
    assert figures["classes"] == list(HUES)
    assert figures["figures"]["test"]["accuracy"] == found.figures["test"].accuracy
    for label, count in enumerate(found.counts["train"]):
        sheet = done.run / "discovered" / f"label_{label:02}.png"
        assert sheet.exists() == bool(count)
    assert Image.open(done.run / "discovered" / "generated.png").width > 3 * SIDE

    again = name_discovered(done.run)
    assert again.counts == found.counts

    translator = {**TRANSLATOR, "training": {"steps": 1, "precision": "fp32", "extractor": "gabor"}}
    made = train(str(done.run / "discovered"), runs=tmp_path / "runs", changes=translator)
    assert load(made.run).domains == ("label 0", "label 1", "label 2")


def test_a_table_that_was_mended_is_kept(hues: Path, tmp_path: Path) -> None:
    done, found = discover(str(hues), 3, runs=str(tmp_path / "runs"), changes={**TINY, **FEW_STEPS})
    assert found.kept is None
    table = found.folder / "labels.csv"
    assert name_discovered(str(done.run)).kept is None, "it says the same"
    written = table.read_text()
    table.write_text(written.replace(",0,", ",apple,"))
    again = name_discovered(done.run)
    assert again.kept == found.folder / "labels-1.csv"
    assert ",apple," in again.kept.read_text()
    assert table.read_text() == written
    table.write_text("mine\n")
    assert name_discovered(done.run).kept == found.folder / "labels-2.csv"


def test_a_label_that_lost_its_pictures_has_no_sheet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model, data = tiny_model(), some_pictures()
    write_discovered(model, data, tmp_path)
    (tmp_path / "discovered" / "label_02.png").touch()
    zeros = torch.nn.functional.one_hot(torch.zeros(30, dtype=torch.int64), 3).float()
    monkeypatch.setattr(NetworkModel, "label_probabilities", lambda self, pictures: zeros[: len(pictures)])
    found = write_discovered(model, data, tmp_path)
    assert found.counts["train"][1:] == [0, 0]
    assert sorted(path.name for path in found.folder.glob("label_*.png")) == ["label_00.png"]


def test_names_that_are_no_utf_8_are_listed_as_they_are(hues: Path, tmp_path: Path) -> None:
    for hue in HUES:
        folder = hues / "train" / hue
        first = next(folder.iterdir())
        try:
            os.rename(first, os.fsencode(folder) + b"/gr\xfcn.png")
        except OSError:
            pytest.skip("this file system takes no such names")
    found = discover(str(hues), 3, runs=tmp_path / "runs", changes={**TINY, **FEW_STEPS})[1]
    assert b"/gr\xfcn.png," in (found.folder / "labels.csv").read_bytes()
    opened = open_data(str(found.folder))
    listed = [pictures.name(i) for pictures in opened.train for i in range(len(pictures))]
    assert sum(os.fsencode(name).endswith(b"gr\xfcn.png") for name in listed) == 3


def test_a_few_known_labels_say_which_is_which(hues: Path, tmp_path: Path) -> None:
    anew = {**TINY["objective"], "labels_from_neighbours": {"at": 60, "heads": 4, "steps": 60}}
    changes = {**TINY, "objective": anew}
    done, found = discover(str(hues), 3, runs=tmp_path / "runs", supervise=0.05, changes=changes)
    rows = list(csv.DictReader((done.run / "discovered" / "labels.csv").open()))
    right = [row["truth"] == list(HUES)[int(row["label"])] for row in rows if row["split"] == "test"]
    assert np.mean(right) > 0.9
    assert found.figures["test"].accuracy > 0.9


@pytest.mark.parametrize(
    ("labels", "changes", "reason"),
    [
        (2, {}, "has 3 classes, which 2 labels cannot stand for"),
        (3, {"objective": {"critic": {"label_known": 0}}}, "no term learns from known labels"),
    ],
)
def test_known_labels_that_cannot_be_used(labels: int, changes, reason: str, hues: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=reason):
        discover(str(hues), labels, runs=tmp_path / "runs", supervise=0.1, changes=changes)
    with pytest.raises(UsageError, match="say how many there are with --labels"):
        train(str(hues), mode="generate", labels="none", runs=tmp_path / "runs", supervise=0.1)
    assert not (tmp_path / "runs").exists()


def tiny_model(labels: int = 3, code_size: int = 0) -> NetworkModel:
    generator = GeneratorConfig(
        content="noise", output="plain", labels=labels, code_size=code_size, size=SIDE, width=8, blocks=1, noise_size=4
    )
    critic = CriticConfig(labels=labels, patch_labels=False, width=8, depth=2, fields=(1,), style=False)
    config = ModelConfig(size=SIDE, generator=generator, critic=critic)
    return NetworkModel(config, Generator(generator), Critic(critic))


def some_pictures(labelled: bool = False) -> DomainData:
    numbers = np.random.default_rng(1)
    parts = [PictureArray(np.stack([drawn(hue, numbers) for _ in range(9)])) for hue in HUES]
    data = DomainData("hues", tuple(HUES), tuple(parts), tuple(parts), tuple(parts))
    return data if labelled else without_labels(data)


def test_labels_are_the_critics_and_the_confidence_its_probability() -> None:
    model, data = tiny_model(), some_pictures()
    found = label_pictures(model, data, "test", batch=5)
    whole = label_pictures(model, data, "test", batch=100)
    np.testing.assert_array_equal(found.labels, whole.labels)
    np.testing.assert_allclose(found.confidence, whole.confidence, atol=0.02)  # bf16
    np.testing.assert_array_equal(found.truth, np.repeat([0, 1, 2], 9))


def test_a_sheet_for_each_value_of_the_code(tmp_path: Path) -> None:
    model = tiny_model(code_size=2)
    write_discovered(model, some_pictures(), tmp_path, seed=3)
    for place in range(2):
        with Image.open(tmp_path / "discovered" / f"sweep_{place}.png") as sheet:
            assert sheet.tobytes() == PictureMaker(model, seed=3).code_sweep(9, only=place).tobytes()
    assert not (tmp_path / "discovered" / "sweep_2.png").exists()
    write_discovered(tiny_model(), some_pictures(), tmp_path / "without")
    assert not list((tmp_path / "without" / "discovered").glob("sweep*"))


def test_what_cannot_be_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="comes with its labels"):
        write_discovered(tiny_model(), some_pictures(labelled=True), tmp_path)
    with pytest.raises(DomainxferError, match="trained without labels"):
        label_pictures(tiny_model(0), some_pictures(), "test")
    model = tiny_model()
    model.critic = None
    with pytest.raises(DomainxferError, match="saved without its critic"):
        write_discovered(model, some_pictures(), tmp_path)
    assert not (tmp_path / "discovered").exists()


def test_one_label_is_refused(hues: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="at least 2"):
        discover(str(hues), 1, runs=tmp_path / "runs")
    assert not (tmp_path / "runs").exists()


def test_a_sheet_shows_the_surest_first() -> None:
    shades = np.arange(12, dtype=np.uint8) * 20
    pictures = PictureArray(np.broadcast_to(shades[:, None, None, None], (12, SIDE, SIDE, 3)).copy())
    found = Labelled([f"{i}" for i in range(12)], np.array([0] * 11 + [1]), np.linspace(0.4, 0.9, 12), None)
    model = SimpleNamespace(config=SimpleNamespace(size=SIDE, generator=SimpleNamespace(channels=3)))
    sheet = np.asarray(_sheet(found, pictures, 0, model).convert("L"))
    first, second = (sheet[SIDE // 2, place] for place in (SIDE // 2, SIDE + SIDE // 2 + 2))
    assert (abs(int(first) - 200), abs(int(second) - 180)) < (3, 3), "pictures 10 and 9 of label 0"


def test_a_table_of_pictures_in_a_relative_place_is_read_from_anywhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for label, red in (("a", 0), ("b", 200)):
        (tmp_path / "datasets" / "mixed" / label).mkdir(parents=True)
        for i in range(8):
            Image.new("RGB", (16, 16), (red + i, 0, 0)).save(tmp_path / "datasets" / "mixed" / label / f"{i}.png")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DOMAINXFER_DATA", raising=False)
    found = write_discovered(tiny_model(), open_data("mixed", unlabelled=True), tmp_path / "run")
    monkeypatch.chdir("/")
    rows = list(csv.DictReader((found.folder / "labels.csv").open()))
    assert len(rows) == 16
    assert all(Path(row["picture"]).is_file() for row in rows)
