"""What every data set is to the rest: collections of pictures and how they are counted, chained and unlabelled.

tests/datasets/test_folders.py has them as they come from folders; here are the corners.
"""

from collections import Counter
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
    with_few_labels,
    without_labels,
)
from domainxfer.errors import PictureError, UsageError


def shades(*values: int) -> PictureArray:
    """One grey picture a value."""
    return PictureArray(np.array(values, np.uint8).reshape(-1, 1, 1).repeat(4, 1).repeat(5, 2))


def shade(picture: Image.Image) -> int:
    assert (picture.mode, picture.size) == ("RGB", (5, 4))
    red, green, blue = picture.getpixel((0, 0))
    assert red == green == blue
    return red


def labelled() -> DomainData:
    return DomainData(
        "grey",
        ("dark", "light", "none"),
        train=(shades(1, 2, 3), shades(201), shades(90, 91)),
        validation=(shades(4), shades(202, 203), shades(92)),
        test=(shades(5), shades(204), shades()),
    )


def test_files_are_decoded_when_asked_for_and_turned_upright(tmp_path: Path) -> None:
    picture = Image.new("L", (4, 5), 60)
    exif = picture.getexif()
    exif[274] = 6  # a quarter turn
    picture.save(tmp_path / "turned.png", exif=exif)
    (tmp_path / "torn.png").write_bytes(b"no picture")
    files = PictureFiles([tmp_path / "turned.png", tmp_path / "torn.png", tmp_path / "gone.png"])
    assert len(files) == 3
    assert shade(files[0]) == 60
    assert files.name(1) == str(tmp_path / "torn.png")
    for index, name in ((1, "torn"), (2, "gone")):
        with pytest.raises(PictureError, match=rf"{name}\.png"):
            files[index]


def test_every_collection_is_one_and_iterates_to_its_end() -> None:
    array = shades(7, 8, 9)
    for pictures in (array, PictureChain([array]), PictureFiles([])):
        assert isinstance(pictures, Pictures)
        assert len(list(pictures)) == len(pictures)
    assert [shade(picture) for picture in array] == [7, 8, 9]
    assert not isinstance([Image.new("RGB", (5, 4))], Pictures), "a plain list cannot name its pictures"


def test_a_chain_of_chains_with_empty_parts() -> None:
    chain = PictureChain([shades(), PictureChain([shades(1), shades(), shades(2, 3)]), shades(), shades(4)])
    assert [shade(picture) for picture in chain] == [1, 2, 3, 4]
    assert [shade(chain[index]) for index in (-1, -4)] == [4, 1]
    for index in (4, -5):
        with pytest.raises(IndexError):
            chain[index]
        with pytest.raises(IndexError):
            chain.name(index)
    assert len(PictureChain([])) == 0
    with pytest.raises(IndexError):
        PictureChain([])[0]


@pytest.mark.parametrize("shape", [(2, 4), (2, 4, 5, 1), (2, 4, 5, 4), (1, 2, 4, 5, 3)])
def test_arrays_that_are_no_pictures_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="wanted uint8"):
        PictureArray(np.zeros(shape, np.uint8))


def test_pictures_are_counted_by_split_and_domain() -> None:
    assert labelled().counts() == {
        "train": {"dark": 3, "light": 1, "none": 2},
        "validation": {"dark": 1, "light": 2, "none": 1},
        "test": {"dark": 1, "light": 1, "none": 0},
    }
    assert without_labels(labelled()).counts() == {"train": {"all": 6}, "validation": {"all": 4}, "test": {"all": 2}}


def test_labels_put_aside_still_fit_their_pictures() -> None:
    data = labelled()
    mixed = without_labels(data)
    assert (mixed.labelled, mixed.class_names) == (False, data.domains)
    for split in ("train", "validation", "test"):
        (pictures,) = mixed.split(split)
        assert mixed.classes[split].dtype == np.int64
        together = zip(pictures, mixed.classes[split].tolist(), strict=True)
        known = [(shade(picture), label) for label, part in enumerate(data.split(split)) for picture in part]
        assert [(shade(picture), label) for picture, label in together] == known
    assert data.domains == ("dark", "light", "none"), "the labelled data is as it was"


def test_a_few_labels_may_be_seen() -> None:
    parts = tuple(PictureArray(np.zeros((n, 8, 8), np.uint8)) for n in (100, 3, 47))
    labelled = DomainData("three", ("a", "b", "c"), parts, parts, parts)
    aside = without_labels(labelled)
    few = with_few_labels(aside, 0.1, seed=0)
    assert not aside.known_labels
    assert Counter(few.known_labels.values()) == {0: 10, 1: 1, 2: 5}
    assert all(few.classes["train"][place] == label for place, label in few.known_labels.items())
    assert few.known_labels == with_few_labels(aside, 0.1, seed=0).known_labels
    assert few.known_labels != with_few_labels(aside, 0.1, seed=1).known_labels
    with pytest.raises(UsageError, match="has no labels"):
        with_few_labels(DomainData("none", (), parts[:1], parts[:1], parts[:1]), 0.1, seed=0)


def test_unlabelled_data_is_exactly_one_group() -> None:
    group = (shades(1),)
    assert DomainData("x", (), group, group, group).split("test") == group
    with pytest.raises(ValueError, match="validation has 2 collections of pictures, not 1"):
        DomainData("x", (), group, group * 2, group)
