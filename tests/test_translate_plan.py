"""Names: what is translated, and where it goes."""

import os
from pathlib import Path

import pytest

from domainxfer.errors import UsageError
from domainxfer.translate_plan import Plan, make_plan

DOMAINS = ("horse", "zebra")


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def touch(*names: str) -> None:
    for name in names:
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).touch()


def plan(*inputs: str, to: str = "zebra", output: str | None = None, recursive: bool = True) -> Plan:
    return make_plan(inputs, to, DOMAINS, None if output is None else Path(output), recursive=recursive)


def names(made: Plan) -> dict[str, str]:
    return {str(job.source): str(job.target) for job in made.jobs}


def test_result_lies_beside_the_picture_with_the_domain_in_its_name() -> None:
    touch("a.jpg", "in/b.PNG", "c.psd", "d")
    assert names(plan("a.jpg", "in/b.PNG", "c.psd", "d")) == {
        "a.jpg": "a_zebra.jpg",
        "in/b.PNG": "in/b_zebra.PNG",
        "c.psd": "c_zebra.png",
        "d": "d_zebra.png",
    }
    assert names(plan("a.jpg", to="a b/c")) == {"a.jpg": "a_a-b-c.jpg"}


def test_folders_are_searched_and_their_subfolders_kept() -> None:
    touch("in/a.jpg", "in/deep/er/b.png", "in/notes.txt", "in/.hidden.jpg")
    assert names(plan("in")) == {"in/a.jpg": "in/a_zebra.jpg", "in/deep/er/b.png": "in/deep/er/b_zebra.png"}
    assert names(plan("in", output="out")) == {
        "in/a.jpg": "out/a_zebra.jpg",
        "in/deep/er/b.png": "out/deep/er/b_zebra.png",
    }
    assert names(plan("in", recursive=False)) == {"in/a.jpg": "in/a_zebra.jpg"}


def test_patterns_match_pictures_only() -> None:
    touch("in/a.jpg", "in/b.jpg", "in/b.txt", "in/deep/c.jpg", "odd[1].jpg")
    assert names(plan("in/*", output="out", recursive=False)) == {
        "in/a.jpg": "out/a_zebra.jpg",
        "in/b.jpg": "out/b_zebra.jpg",
    }
    assert names(plan("in/**/*.jpg", output="out"))["in/deep/c.jpg"] == "out/deep/c_zebra.jpg"
    assert names(plan("i?")) == names(plan("in"))
    assert names(plan("odd[1].jpg")) == {"odd[1].jpg": "odd[1]_zebra.jpg"}


def test_each_picture_is_taken_once() -> None:
    touch("in/a.jpg")
    assert names(plan("in", "in/a.jpg", "in/*.jpg", "./in", os.path.abspath("in"))) == {"in/a.jpg": "in/a_zebra.jpg"}


def test_what_is_not_there_is_named_and_the_rest_goes_on() -> None:
    touch("a.jpg")
    Path("empty").mkdir()
    made = plan("missing.jpg", "a.jpg", "empty", "*.png")
    assert names(made) == {"a.jpg": "a_zebra.jpg"}
    assert [(str(p.path), p.reason) for p in made.problems] == [
        ("missing.jpg", "missing.jpg: there is no such file or folder"),
        ("empty", "empty: no picture found there"),
        ("*.png", "*.png: no picture found there"),
    ]


@pytest.mark.parametrize("output", [None, "in", "in/out", "out"])
def test_own_results_are_not_translated_again(output: str | None) -> None:
    touch("in/a.jpg", "in/deep/b.jpg", "in/lone_horse.jpg")
    for to in ("zebra", "horse", "all"):
        first = plan("in", to=to, output=output)
        touch(*names(first).values())
        again = plan("in", to=to, output=output)
        assert names(again) == names(first)
    assert set(names(again)) == {"in/a.jpg", "in/deep/b.jpg", "in/lone_horse.jpg"}
    assert len(again.own) == (0 if output == "out" else 9)


def test_named_results_are_translated_unless_they_are_made_again() -> None:
    touch("a.jpg", "a_zebra.jpg")
    assert names(plan("a_zebra.jpg", to="horse")) == {"a_zebra.jpg": "a_zebra_horse.jpg"}
    assert len(plan("a.jpg", "a_zebra.jpg", to="horse").jobs) == 2
    both = plan("a.jpg", "a_zebra.jpg", to="zebra")
    assert names(both) == {"a.jpg": "a_zebra.jpg"}
    assert both.own == [Path("a_zebra.jpg")]


def test_output_may_be_a_file_for_one_picture() -> None:
    touch("a.jpg", "b.jpg", "in/c.jpg", "plain")
    Path("v1.2").mkdir()
    assert names(plan("a.jpg", output="x/result.png")) == {"a.jpg": "x/result.png"}
    assert names(plan("in", output="result.png")) == {"in/c.jpg": "result.png"}
    assert names(plan("a.jpg", output="plain")) == {"a.jpg": "plain"}
    assert names(plan("a.jpg", output="v1.2")) == {"a.jpg": "v1.2/a_zebra.jpg"}
    assert names(plan("a.jpg", "b.jpg", output="v1.3")) == {"a.jpg": "v1.3/a_zebra.jpg", "b.jpg": "v1.3/b_zebra.jpg"}
    with pytest.raises(UsageError, match=r"-o result\.png names one file, but there are 2 pictures"):
        plan("a.jpg", "b.jpg", output="result.png")
    with pytest.raises(UsageError, match=r"cannot be written as \.xyz"):
        plan("a.jpg", output="result.xyz")


def test_two_pictures_for_one_file_are_refused() -> None:
    touch("x/a.jpg", "y/a.jpg", "p/a.pgm", "p/a.png")
    with pytest.raises(UsageError, match=r"x/a.jpg and y/a.jpg would both become out/a_zebra.jpg"):
        plan("x", "y", output="out")
    with pytest.raises(UsageError, match="would both become"):
        plan("p")
    assert len(plan("x", "y").jobs) == len(plan("*/a.jpg", output="out").jobs) == 2


def test_streams() -> None:
    touch("a.jpg", "b.jpg")
    Path("out").mkdir()
    assert names(plan("-")) == names(plan("-", output="-")) == {"None": "None"}
    assert names(plan("-", output="x.png")) == {"None": "x.png"}
    assert names(plan("a.jpg", output="-")) == {"a.jpg": "None"}
    for inputs, output, message in [
        (["-", "a.jpg"], None, "must be the only input"),
        (["-"], "out", "has no name"),
        (["a.jpg", "b.jpg"], "-", "names one file"),
        ([], None, "no picture given"),
    ]:
        with pytest.raises(UsageError, match=message):
            plan(*inputs, output=output)


def test_sheets_of_codes_have_names_of_their_own_and_are_passed_over() -> None:
    touch("in/a.jpg", "in/a_zebra-codes.jpg", "in/a_all-codes.jpg", "in/b_codes.jpg")
    made = plan("in", to="zebra codes")
    assert names(made) == {"in/a.jpg": "in/a_zebra-codes.jpg", "in/b_codes.jpg": "in/b_codes_zebra-codes.jpg"}
    assert made.own == [Path("in/a_all-codes.jpg"), Path("in/a_zebra-codes.jpg")]


def test_a_name_that_no_file_can_have_is_a_problem_of_its_own() -> None:
    touch("a.jpg")
    made = plan("n" * 300 + ".jpg", "a.jpg")
    assert names(made) == {"a.jpg": "a_zebra.jpg"}
    assert [problem.reason for problem in made.problems] == [f"cannot read {'n' * 300}.jpg: File name too long"]


@pytest.mark.parametrize("inputs", [("",), ("a.jpg", " ")])
def test_an_empty_name_is_not_the_folder_one_is_in(inputs: tuple[str, ...]) -> None:
    touch("a.jpg")
    with pytest.raises(UsageError, match=r"empty name .* write \."):
        plan(*inputs)
    assert names(plan(".")) == {"a.jpg": "a_zebra.jpg"}


def test_translations_in_another_output_folder_are_passed_over() -> None:
    touch("in/a/one.jpg", "in/zebras/a/one_zebra.jpg", "in/zebras/b/two_zebra.jpg")
    made = plan("in", to="horse", output="in/horses")
    assert names(made) == {
        "in/a/one.jpg": "in/horses/a/one_horse.jpg",
        "in/zebras/b/two_zebra.jpg": "in/horses/zebras/b/two_zebra_horse.jpg",  # of no picture that is there
    }
    assert made.own == [Path("in/zebras/a/one_zebra.jpg")]


def test_a_phones_pictures_are_no_secret() -> None:
    touch("in/IMG_1.HEIC", "in/a.jpg")
    assert names(plan("in")) == {"in/IMG_1.HEIC": "in/IMG_1_zebra.png", "in/a.jpg": "in/a_zebra.jpg"}
