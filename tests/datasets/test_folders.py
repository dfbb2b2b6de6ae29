"""Folders as data sets: the layouts, what is held out, and what is wrong with a folder."""

import os
import sys
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from domainxfer.datasets.domain_data import (
    DomainData,
    PictureArray,
    PictureChain,
    PictureFiles,
    Pictures,
    without_labels,
)
from domainxfer.datasets.folders import folder_domains, is_filled, load_folder, load_mixed_folder
from domainxfer.errors import DomainxferError, UsageError


def fill(folder: Path, count: int, start: int = 0) -> None:
    """Put ``count`` small pictures into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(start, start + count):
        Image.new("RGB", (4, 4), (number % 256, 0, 0)).save(folder / f"{number:03d}.png")


def names(parts: Iterable[Pictures]) -> list[set[str]]:
    return [{Path(part.name(i)).name for i in range(len(part))} for part in parts]


def sizes(data: DomainData) -> dict[str, list[int]]:
    return {split: list(counts.values()) for split, counts in data.counts().items()}


def test_a_folder_per_domain(tmp_path: Path) -> None:
    fill(tmp_path / "dog", 20)
    fill(tmp_path / "cat", 30)
    data = load_folder(tmp_path)
    assert data.domains == ("cat", "dog")
    assert sizes(data) == {"train": [24, 16], "validation": [3, 2], "test": [3, 2]}
    for train, validation, test in zip(names(data.train), names(data.validation), names(data.test), strict=True):
        together = len(train | validation | test)
        assert together == len(train) + len(validation) + len(test), "no picture is in two parts"
        assert together in (20, 30)
    assert data.train[0][0].mode == "RGB"
    assert data.name == tmp_path.name


def test_lettered_folders_with_names(tmp_path: Path) -> None:
    for folder, count in {"trainA": 20, "trainB": 10, "testA": 5, "testB": 4}.items():
        fill(tmp_path / folder, count)
    assert load_folder(tmp_path).domains == ("A", "B")
    data = load_folder(tmp_path, names={"A": "horse", "B": "zebra"})
    assert data.domains == ("horse", "zebra")
    assert sizes(data) == {"train": [18, 9], "validation": [2, 1], "test": [5, 4]}
    assert folder_domains(tmp_path) == ("A", "B")


def test_more_letters_and_own_validation(tmp_path: Path) -> None:
    for letter in "ABC":
        fill(tmp_path / f"train{letter}", 10)
        fill(tmp_path / f"val{letter}", 3)
    data = load_folder(tmp_path)
    assert data.domains == ("A", "B", "C")
    assert sizes(data) == {"train": [9] * 3, "validation": [3] * 3, "test": [1] * 3}


@pytest.mark.parametrize("validation", ["val", "valid", "validation"])
def test_train_and_test_folders(tmp_path: Path, validation: str) -> None:
    for split, count in {"train": 10, validation: 4, "test": 5}.items():
        for domain in ("cat", "dog"):
            fill(tmp_path / split / domain, count)
    data = load_folder(tmp_path, names={"dog": "wolf"})
    assert data.domains == ("cat", "wolf")
    assert sizes(data) == {"train": [10, 10], "validation": [4, 4], "test": [5, 5]}


def test_an_archive_unpacked_as_name_in_name(tmp_path: Path) -> None:
    for folder in ("trainA", "trainB", "testA", "testB"):
        fill(tmp_path / "horse2zebra" / folder, 3)
    fill(tmp_path / "__MACOSX" / "horse2zebra", 1)
    assert load_folder(tmp_path).domains == ("A", "B")


def test_pictures_in_deeper_folders_belong_to_the_domain(tmp_path: Path) -> None:
    fill(tmp_path / "cat" / "tabby", 5)
    fill(tmp_path / "cat" / "black", 5, start=5)
    fill(tmp_path / "dog", 10)
    assert load_folder(tmp_path).domains == ("cat", "dog")
    assert sum(counts["cat"] for counts in load_folder(tmp_path).counts().values()) == 10


def test_what_is_held_out_depends_on_seed_and_name_only(tmp_path: Path) -> None:
    for domain in ("cat", "dog"):
        fill(tmp_path / domain, 40)
    first, again, other = load_folder(tmp_path, seed=1), load_folder(tmp_path, seed=1), load_folder(tmp_path, seed=2)
    assert names(first.test) == names(again.test)
    assert names(first.validation) == names(again.validation)
    assert names(first.test) != names(other.test)
    assert names(first.test)[0] == names(first.test)[1], "the same names fall on the same side in every domain"

    fill(tmp_path / "cat", 2, start=40)
    grown = load_folder(tmp_path, seed=1)
    assert len(names(first.train)[0] & names(grown.train)[0]) >= len(names(first.train)[0]) - 2


@pytest.mark.skipif(sys.platform != "linux", reason="file names are text here")
def test_a_name_that_is_no_utf_8(tmp_path: Path) -> None:
    for domain in ("cat", "dog"):
        fill(tmp_path / domain, 6)
    os.rename(tmp_path / "cat" / "000.png", os.fsencode(tmp_path / "cat") + b"/caf\xe9.png")
    data = load_folder(tmp_path)
    assert sizes(data) == {"train": [4, 4], "validation": [1, 1], "test": [1, 1]}


@pytest.mark.skipif(sys.platform != "linux", reason="file names are text here")
def test_a_domain_whose_name_is_no_utf_8_has_one_that_can_be_written(tmp_path: Path) -> None:
    place = tmp_path / os.fsdecode(b"pets\xe9")
    for domain in (b"caf\xe9", b"dog"):
        fill(place / os.fsdecode(domain), 6)
    data = load_folder(place)
    assert (data.name, data.domains) == (r"pets\xe9", (r"caf\xe9", "dog"))
    named = load_folder(place, names={os.fsdecode(b"caf\xe9"): "coffee"})
    assert named.domains == ("coffee", "dog")


def test_validation_is_bounded(tmp_path: Path) -> None:
    for domain in ("cat", "dog"):
        fill(tmp_path / domain, 250)
    assert sizes(load_folder(tmp_path, validation_share=0.9, test_share=0.01))["validation"] == [200, 200]
    assert sizes(load_folder(tmp_path, validation_share=0, test_share=0))["validation"] == [1, 1]


def test_unreadable_pictures_are_left_out_and_named(tmp_path: Path) -> None:
    for domain in ("cat", "dog"):
        fill(tmp_path / domain, 10)
    (tmp_path / "cat" / "broken.png").write_bytes(b"no picture")
    data = load_folder(tmp_path)
    ((path, why),) = data.skipped
    assert path.name == "broken.png"
    assert "cannot be read" in why
    assert sum(counts["cat"] for counts in data.counts().values()) == 10


def test_folders_that_will_not_do(tmp_path: Path) -> None:
    with pytest.raises(DomainxferError, match="does not exist"):
        load_folder(tmp_path / "missing")
    (tmp_path / "file").touch()
    with pytest.raises(DomainxferError, match="is a file"):
        load_folder(tmp_path / "file")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DomainxferError, match="no pictures in"):
        load_folder(tmp_path / "empty")
    (tmp_path / "hollow" / "cat").mkdir(parents=True)
    with pytest.raises(DomainxferError, match="no pictures in"):
        load_folder(tmp_path / "hollow")


def test_one_domain_only(tmp_path: Path) -> None:
    fill(tmp_path / "one" / "cat", 10)
    with pytest.raises(DomainxferError, match=r"one domain only \(cat\)"):
        load_folder(tmp_path / "one")
    single = load_folder(tmp_path / "one", allow_single=True)
    assert single.domains == ("cat",)

    fill(tmp_path / "loose", 10)
    with pytest.raises(DomainxferError, match="no folder per domain"):
        load_folder(tmp_path / "loose")
    loose = load_folder(tmp_path / "loose", allow_single=True)
    assert loose.domains == ()
    assert sizes(loose) == {"train": [8], "validation": [1], "test": [1]}


def test_a_domain_that_is_empty_unreadable_or_too_small(tmp_path: Path) -> None:
    fill(tmp_path / "cat", 10)
    (tmp_path / "dog").mkdir()
    with pytest.raises(DomainxferError, match="'dog' has no pictures"):
        load_folder(tmp_path)
    (tmp_path / "dog" / "a.png").write_bytes(b"no picture")
    with pytest.raises(DomainxferError, match=r"'dog' has no pictures.*1 cannot be read"):
        load_folder(tmp_path)
    fill(tmp_path / "dog", 2)
    with pytest.raises(DomainxferError, match=r"only 2 readable pictures.*at least 3"):
        load_folder(tmp_path)
    fill(tmp_path / "dog", 3)
    assert sizes(load_folder(tmp_path)) == {"train": [8, 1], "validation": [1, 1], "test": [1, 1]}


def test_pictures_for_testing_only(tmp_path: Path) -> None:
    fill(tmp_path / "trainA", 5)
    fill(tmp_path / "testA", 5)
    fill(tmp_path / "testB", 5)
    with pytest.raises(DomainxferError, match=r"'B' has no pictures to train with in .*trainB"):
        load_folder(tmp_path)


def test_names_that_do_not_fit(tmp_path: Path) -> None:
    for domain in ("cats", "dogs"):
        fill(tmp_path / domain, 5)
    with pytest.raises(UsageError, match="Did you mean 'cats'"):
        load_folder(tmp_path, names={"cat": "kitten"})
    with pytest.raises(UsageError, match="the same name"):
        load_folder(tmp_path, names={"cats": "pet", "dogs": "pet"})


def test_loose_pictures_beside_domains(tmp_path: Path) -> None:
    fill(tmp_path / "train" / "cat", 5)
    fill(tmp_path / "train" / "dog", 5)
    fill(tmp_path / "test", 5)
    with pytest.raises(DomainxferError, match="mixes loose pictures and folders"):
        load_folder(tmp_path)

    fill(tmp_path / "mine" / "cat", 5)
    fill(tmp_path / "mine", 2)
    with pytest.raises(
        DomainxferError, match=r"mixes loose pictures and folders: 2 lie beside its folders, e\.g\. 000"
    ):
        load_folder(tmp_path / "mine", allow_single=True)


def test_the_names_of_splits_in_any_case(tmp_path: Path) -> None:
    for place in ("Train/cat", "Train/dog", "Test/cat", "Test/dog"):
        fill(tmp_path / "mine" / place, 10)
    data = load_folder(tmp_path / "mine")
    assert data.domains == ("cat", "dog")
    assert sizes(data)["test"] == [10, 10]
    for folder in ("TrainA", "TrainB", "TestA", "TestB"):
        fill(tmp_path / "lettered" / folder, 10)
    lettered = load_folder(tmp_path / "lettered")
    assert (lettered.domains, sizes(lettered)["test"]) == (("A", "B"), [10, 10])
    held_out = names(lettered.validation)
    (tmp_path / "lettered").rename(tmp_path / "moved")
    assert names(load_folder(tmp_path / "moved").validation) == held_out, "their place in the world says nothing"


def test_a_train_beside_a_car_is_a_domain(tmp_path: Path) -> None:
    fill(tmp_path / "Train", 10)
    fill(tmp_path / "Car", 10)
    assert load_folder(tmp_path).domains == ("Car", "Train")


@pytest.mark.parametrize("name", ["test", "Validation"])
def test_held_out_pictures_beside_domains_are_not_trained_on(tmp_path: Path, name: str) -> None:
    for domain in ("cat", "dog", name):
        fill(tmp_path / domain, 10)
    with pytest.raises(DomainxferError, match=f"has {name}, but no train: .* train/DOMAIN"):
        load_folder(tmp_path)


def test_mixed_folder(tmp_path: Path) -> None:
    fill(tmp_path / "plain" / "person a", 5)
    fill(tmp_path / "plain" / "person b", 5)
    data = load_mixed_folder(tmp_path / "plain")
    assert (data.domains, sizes(data)) == ((), {"train": [8], "validation": [1], "test": [1]})
    for part in ("train", "test"):
        fill(tmp_path / "split" / part / "a", 6)
    assert sizes(load_mixed_folder(tmp_path / "split")) == {"train": [5], "validation": [1], "test": [6]}
    with pytest.raises(DomainxferError, match="no folder"):
        load_mixed_folder(tmp_path / "missing")


def test_without_labels_keeps_them_aside(tmp_path: Path) -> None:
    fill(tmp_path / "cat", 10)
    fill(tmp_path / "dog", 20)
    labelled = load_folder(tmp_path)
    mixed = without_labels(labelled)
    assert mixed.domains == ()
    assert not mixed.labelled
    assert mixed.class_names == ("cat", "dog")
    assert mixed.classes["train"].tolist() == [0] * 8 + [1] * 16
    assert len(mixed.train[0]) == 24
    assert "dog" in mixed.train[0].name(8)
    assert without_labels(mixed) is mixed


def test_is_filled(tmp_path: Path) -> None:
    assert not is_filled(tmp_path / "missing")
    (tmp_path / ".hidden").touch()
    assert not is_filled(tmp_path)
    fill(tmp_path / "a", 1)
    assert is_filled(tmp_path)


def test_picture_collections(tmp_path: Path) -> None:
    fill(tmp_path, 3)
    files = PictureFiles(sorted(tmp_path.iterdir()))
    grey = PictureArray(np.full((2, 4, 4), 7, np.uint8), ["x", "y"])
    chain = PictureChain([files, grey, PictureArray(np.zeros((1, 4, 4, 3), np.uint8))])
    assert isinstance(chain, Pictures)
    assert [picture.getpixel((0, 0))[0] for picture in chain] == [0, 1, 2, 7, 7, 0]
    assert [Path(chain.name(i)).name for i in range(6)] == ["000.png", "001.png", "002.png", "x", "y", "picture 0"]
    assert chain[-2].getpixel((0, 0)) == (7, 7, 7)
    with pytest.raises(IndexError):
        chain[6]
    with pytest.raises(ValueError, match="wanted uint8"):
        PictureArray(np.zeros((2, 4, 4), np.float32))
    with pytest.raises(ValueError, match="1 names for 2 pictures"):
        PictureArray(np.zeros((2, 4, 4), np.uint8), ["x"])


def test_domain_data_must_hold_together() -> None:
    one = (PictureArray(np.zeros((1, 4, 4), np.uint8)),)
    with pytest.raises(ValueError, match="train has 1 collections"):
        DomainData("x", ("a", "b"), one, one, one)
    with pytest.raises(ValueError, match="two domains of one name"):
        DomainData("x", ("a", "a"), one * 2, one * 2, one * 2)
    with pytest.raises(ValueError, match="no split 'tset'"):
        DomainData("x", ("a",), one, one, one).split("tset")
