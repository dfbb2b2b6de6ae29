"""The log book: rows as they come, cut back on resume, whole after a crash."""

import csv
import os
from pathlib import Path

import pytest

from domainxfer.errors import DomainxferError
from domainxfer.training.logbook import LogBook, read_log


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "run" / "metrics.csv"


def test_rows_and_columns(path: Path) -> None:
    book = LogBook(path, ["loss", "name"], 0)
    book.add(25, loss=0.123456789, name="a, b")
    book.add(50, name='say "x"', surplus=3)
    assert path.read_text().splitlines()[0] == "step,loss,name"
    assert read_log(path) == [
        {"step": "25", "loss": "0.123457", "name": "a, b"},
        {"step": "50", "loss": "", "name": 'say "x"'},
    ]
    with path.open(newline="") as file:
        assert len(list(csv.reader(file))) == 3


def test_numbers_keep_six_digits(path: Path) -> None:
    book = LogBook(path, ["a", "b", "c"], 0)
    book.add(1, a=1e-9, b=123456.789, c=7)
    (row,) = read_log(path)
    assert [float(row[name]) for name in "abc"] == pytest.approx([1e-9, 123457, 7], rel=1e-5)


def test_resuming_drops_the_rows_that_will_be_done_again(path: Path) -> None:
    book = LogBook(path, ["loss"], 0)
    for step in (25, 50, 75, 100):
        book.add(step, loss=float(step))
    again = LogBook(path, ["loss"], 50)
    assert [row["step"] for row in read_log(path)] == ["25", "50"]
    again.add(75, loss=-1.0)
    assert [row["loss"] for row in read_log(path)] == ["25", "50", "-1"]


def test_a_line_cut_short_by_a_crash_is_left_out(path: Path) -> None:
    book = LogBook(path, ["loss", "more"], 0)
    book.add(25, loss=1.0, more=2.0)
    book.add(50, loss=3.0, more=4.0)
    whole = path.read_bytes()
    for cut in range(1, len(b"50,3,4\n") + 1):
        path.write_bytes(whole[:-cut])
        assert [row["step"] for row in read_log(path)] == ["25"]
        LogBook(path, ["loss", "more"], 100).add(75, loss=5.0, more=6.0)
        assert [row["step"] for row in read_log(path)] == ["25", "75"]


def test_other_columns_after_a_resume(path: Path) -> None:
    LogBook(path, ["old", "kept"], 0).add(1, old=1, kept=2)
    LogBook(path, ["kept", "new"], 1).add(2, kept=3, new=4)
    first, second = read_log(path)
    assert first == {"step": "1", "kept": "2", "new": "", "old": "1"}, "nothing is lost"
    assert second == {"step": "2", "kept": "3", "new": "4", "old": ""}


@pytest.mark.parametrize("text", ["", "nonsense", "nonsense\nmore\n", "a,b\n1,2\n", "step,loss\n1\nx,2\n,,\n"])
def test_a_file_that_is_no_log(path: Path, text: str) -> None:
    path.parent.mkdir()
    path.write_text(text)
    assert read_log(path) == []
    LogBook(path, ["loss"], 10).add(1, loss=1)
    assert read_log(path) == [{"step": "1", "loss": "1"}]


def test_no_file(path: Path) -> None:
    assert read_log(path) == []


def test_a_log_that_cannot_be_written(path: Path) -> None:
    book = LogBook(path, ["loss"], 0)
    path.unlink()
    path.mkdir()
    with pytest.raises(DomainxferError, match=r"cannot write .*metrics\.csv: that is a folder"):
        book.add(1, loss=1)


def test_a_name_that_is_no_text_comes_back_as_it_was(path: Path) -> None:
    """File names of old archives: bytes that are no UTF-8."""
    LogBook(path, ["source"], 0).add(1, source=os.fsdecode(b"caf\xe9"))
    assert [os.fsencode(row["source"]) for row in read_log(path)] == [b"caf\xe9"]
