"""What was asked of `evaluate`: what cannot be asked, and where the result goes."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from domainxfer.errors import DomainxferError, UsageError
from domainxfer.evaluation.wish import Wish
from domainxfer.training.run_folder import RunFolder


@dataclass
class Judge:
    name: str = "gabor"


@dataclass
class OfARun:
    path: Path
    run: RunFolder | None = field(init=False)

    def __post_init__(self) -> None:
        self.run = RunFolder(self.path)


def wish(**changes: Any) -> Wish:
    plain = dict.fromkeys(("data_root", "names", "weights", "size", "masks", "most", "json_file"))
    asked = {"split": "test", "extractor": "auto", "seed": 0, "mend": 0, "say": print, "apart": ()}
    off = dict.fromkeys(("unpaired", "offline", "keep_in_run", "overwrite"), False)
    return Wish(**{**plain, **asked, **off, **changes})


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"split": "tset"}, r"no held-out split 'tset'. Did you mean .*test"),
        ({"split": "train"}, "validation or test"),
        ({"most": 9}, "--most 9: at least 10"),
    ],
)
def test_what_cannot_be_asked(changes: dict[str, Any], reason: str) -> None:
    with pytest.raises(UsageError, match=reason):
        wish(**changes)


def test_the_result_goes_where_it_was_sent_else_into_the_run(tmp_path: Path) -> None:
    judge, run = Judge(), OfARun(tmp_path)
    assert wish().place(judge, run) is None
    in_run = tmp_path / "evaluation-test-gabor.json"
    assert wish(keep_in_run=True).place(judge, run) == in_run
    assert wish(keep_in_run=True).place(judge) is None
    apart = wish(keep_in_run=True, apart=("beside-mine-1", "most-50"))
    assert apart.place(judge, run) == tmp_path / "evaluation-test-gabor-beside-mine-1-most-50.json"
    sent = tmp_path / "mine.json"
    assert wish(keep_in_run=True, json_file=sent).place(judge, run) == sent


def test_nothing_that_exists_is_in_its_way(tmp_path: Path) -> None:
    there = tmp_path / "mine.json"
    there.write_text("{}")
    with pytest.raises(DomainxferError, match=r"mine\.json"):
        wish(json_file=there).place(Judge())
    assert wish(json_file=there, overwrite=True).place(Judge()) == there
