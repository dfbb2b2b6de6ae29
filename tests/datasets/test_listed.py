"""A table of pictures is a data set: as discovery wrote it, or as someone corrected it."""

from pathlib import Path

import pytest
from PIL import Image

from domainxfer.datasets.find import open_data
from domainxfer.datasets.listed import load_listed, table_of
from domainxfer.errors import DomainxferError, UsageError

ROWS = """split,picture,label,confidence
train,{here}/0.png,1,0.9
train,{here}/1.png,0,0.8
train,2.png,1,0.9
validation,3.png,0,0.7
test,4.png,1,0.7
test,5.png,10,0.7
"""


@pytest.fixture
def table(tmp_path: Path) -> Path:
    for i in range(6):
        Image.new("RGB", (8, 8), (40 * i, 0, 0)).save(tmp_path / f"{i}.png")
    (tmp_path / "labels.csv").write_text(ROWS.format(here=tmp_path))
    return tmp_path / "labels.csv"


def reds(pictures) -> list[int]:  # type: ignore[no-untyped-def]
    return [picture.getpixel((0, 0))[0] // 40 for picture in pictures]


@pytest.mark.parametrize("how", ["folder", "file"])
def test_the_table_says_who_is_who(how: str, table: Path) -> None:
    data = open_data(str(table.parent if how == "folder" else table))
    assert data.domains == ("label 0", "label 1")  # label 10 has nothing to train on
    assert [reds(pictures) for pictures in data.train] == [[1], [0, 2]]
    assert [reds(pictures) for pictures in data.validation] == [[3], []]
    assert [reds(pictures) for pictures in data.test] == [[], [4]]


def test_labels_may_be_given_names_and_written_by_hand(table: Path) -> None:
    assert load_listed(table, names={"1": "apple"}).domains == ("label 0", "apple")
    table.write_text(table.read_text().replace(",1,", ",windows,"))
    assert load_listed(table).domains == ("label 0", "windows")
    with pytest.raises(UsageError, match=r"has no label 'window'. Did you mean .*windows"):
        load_listed(table, names={"window": "microsoft"})


def test_files_that_are_gone_are_named(table: Path) -> None:
    (table.parent / "2.png").unlink()
    data = load_listed(table)
    assert [reds(pictures) for pictures in data.train] == [[1], [0]]
    assert data.skipped == ((table.parent / "2.png", "the file is gone"),)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("split,label\ntrain,1\n", "lacks the column picture"),
        ("split,picture,label\nlearn,0.png,1\n", r"line 2: a split \(train"),
        ("split,picture,label\ntrain,0.png,\n", "line 2"),
        ("split,picture,label\ntrain,0.png,1\ntest,1.png,0\n", "training pictures of 1 label; two are needed"),
        ("split,picture,label\ntrain,train 17,1\n", "are the labels those of pictures in files"),
        ("split,picture,label\n", "no file that .* lists is there"),
        (b"split,picture,label\n\xff\xfe\n", "is no CSV table"),
    ],
)
def test_what_is_no_such_table(content: str | bytes, reason: str, table: Path) -> None:
    table.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(DomainxferError, match=reason):
        load_listed(table)


def test_other_places_are_no_tables(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("split,picture,label")
    assert table_of(tmp_path) is None
    assert table_of(tmp_path / "notes.txt") is None
    assert table_of(tmp_path / "none.csv") is None
