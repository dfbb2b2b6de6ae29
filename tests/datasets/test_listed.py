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
validation,6.png,1,0.7
test,4.png,1,0.7
test,7.png,0,0.7
test,5.png,10,0.7
"""


@pytest.fixture
def table(tmp_path: Path) -> Path:
    for i in range(8):
        Image.new("RGB", (8, 8), (30 * i, 0, 0)).save(tmp_path / f"{i}.png")
    (tmp_path / "labels.csv").write_text(ROWS.format(here=tmp_path))
    return tmp_path / "labels.csv"


def reds(pictures) -> list[int]:  # type: ignore[no-untyped-def]
    return [picture.getpixel((0, 0))[0] // 30 for picture in pictures]


@pytest.mark.parametrize("how", ["folder", "file"])
def test_the_table_says_who_is_who(how: str, table: Path) -> None:
    data = open_data(str(table.parent if how == "folder" else table))
    assert data.domains == ("label 0", "label 1")  # label 10 has nothing to train on
    assert [reds(pictures) for pictures in data.train] == [[1], [0, 2]]
    assert [reds(pictures) for pictures in data.validation] == [[3], [6]]
    assert [reds(pictures) for pictures in data.test] == [[7], [4]]
    lonely = table.parent / "5.png"
    assert data.skipped == ((lonely, f"{lonely}: label 10 has no pictures to train with"),)


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
    gone = table.parent / "2.png"
    assert data.skipped[0] == (gone, f"{gone} is gone; the table still names it")
    assert [path.name for path, _ in data.skipped] == ["2.png", "5.png"]


def test_files_that_cannot_be_read_are_left_out_of_every_split_and_named(table: Path) -> None:
    for name in ("2.png", "6.png"):
        (table.parent / name).write_bytes(b"no picture")
    table.write_text(table.read_text() + "validation,8.png,1,0.6\n")
    Image.new("RGB", (8, 8), (240, 0, 0)).save(table.parent / "8.png")
    data = load_listed(table)
    assert [reds(pictures) for pictures in (*data.train, *data.validation)] == [[1], [0], [3], [8]]
    assert [path.name for path, why in data.skipped if "cannot be read" in why] == ["2.png", "6.png"]


def test_labels_of_one_name_are_one_domain(table: Path) -> None:
    data = load_listed(table, names={"0": "apple", "1": "pear", "10": "apple"})
    assert data.domains == ("apple", "pear")
    assert [reds(pictures) for pictures in data.test] == [[7, 5], [4]]


def test_what_a_table_does_not_hold_out_is_held_out(table: Path) -> None:
    rows = [f"train,{i}.png,{'red' if i % 2 else 'dark'}" for i in range(8)]
    table.write_text("\n".join(["split,picture,label", *rows]))
    first, again, other = load_listed(table), load_listed(table), load_listed(table, seed=1)
    for data in (first, again, other):
        parts = (data.train, data.validation, data.test)
        assert sorted(red for part in parts for red in reds(part[0])) == [0, 2, 4, 6]
        assert sorted(red for part in parts for red in reds(part[1])) == [1, 3, 5, 7]
        assert [[len(pictures) for pictures in part] for part in parts] == [[2, 2], [1, 1], [1, 1]]
    assert [reds(pictures) for pictures in first.test] == [reds(pictures) for pictures in again.test]
    assert first.test != other.test


def test_a_label_with_too_few_pictures_to_hold_out_from_is_named(table: Path) -> None:
    table.write_text("split,picture,label\ntrain,0.png,a\ntrain,1.png,a\ntrain,2.png,a\ntrain,3.png,b\n")
    with pytest.raises(DomainxferError, match="domain 'b' has only 1 readable pictures"):
        load_listed(table)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("split,label\ntrain,1\n", "lacks the column picture"),
        ("split,picture,label\nlearn,0.png,1\n", r"line 2: a split \(train"),
        ("split,picture,label\ntrain,0.png,\n", "line 2"),
        ("split,picture,label\ntrain,0.png, \n", "line 2"),
        ("split,picture,label\ntrain,0.png\n", "line 2"),
        ("split,picture,label\ntrain,0.png,1\ntest,1.png,0\n", "training pictures of 1 label; two are needed"),
        ("split,picture,label\ntrain,train 17,1\n", "are the labels those of pictures in files"),
        ("split,picture,label\n", "no file that .* lists is there"),
        (b"split,picture,label\n\xff\xfe\n", "line 2: a split"),
        ("split,picture,label\ntrain," + 140_000 * "x" + ",1\n", "is no CSV table"),
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
