"""What runs, doctor and the data commands print, beyond what tests/test_cli.py asks of the whole command."""

import importlib.util
import os
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from domainxfer import cli_show
from domainxfer.errors import DomainxferError
from domainxfer.recipe import Recipe, write_recipe
from domainxfer.training.run_folder import RunFolder

METRICS = "step,change,seconds"
FIGURES = "step,split,source,target,kid,ceiling"
STEPS = str(Recipe().training.steps)


@pytest.fixture(autouse=True)
def nothing_of_this_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DOMAINXFER_DATA", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def make_run(name: str, *, card: str = "demo", metrics: tuple[str, ...] = (), figures: tuple[str, ...] = ()) -> None:
    folder = RunFolder(Path("runs") / name)
    folder.path.mkdir(parents=True)
    folder.recipe.write_text(write_recipe(Recipe(card=card)))
    if metrics:
        folder.metrics.write_text("\n".join([METRICS, *metrics]) + "\n")
    if figures:
        folder.figures.write_text("\n".join([FIGURES, *figures]) + "\n")


def fill(folder: Path, count: int = 6, seed: int = 0) -> None:
    folder.mkdir(parents=True)
    numbers = np.random.default_rng(seed)
    for i in range(count):
        Image.fromarray(numbers.integers(0, 256, (40, 40, 3), np.uint8)).save(folder / f"{i}.png")


def cells(text: str, row: str) -> list[str]:
    """What stands in the only row of a printed table that begins with ``row``."""
    (line,) = [line for line in text.splitlines() if re.match(rf"\W*{re.escape(row)} ", line)]
    return [cell.strip() for cell in re.split("[│┃|]", line)[1:-1]]


def test_a_run_is_as_far_as_its_last_row(capsys: pytest.CaptureFixture[str]) -> None:
    make_run(
        "demo-1",
        metrics=("25,0.1,1800", "50,0.1,5400"),
        figures=(
            "25,validation,a,b,0.9,1.0",
            "50,validation,a,b,0.2,0.5",
            "50,validation,b,a,0.3,0.6",
            "50,test,a,b,4.0,0.4",
        ),
    )
    cli_show.show_runs(Path("runs"))
    # The share is that of all directions of the last figures together, on the pictures that serve every choice.
    assert cells(capsys.readouterr().out, "demo-1") == ["demo-1", "demo", "64", "50", STEPS, "1.5", "45 %"]


def test_a_run_that_was_stopped_between_two_rows_is_as_far_as_its_checkpoint(
    capsys: pytest.CaptureFixture[str],
) -> None:
    for name, rows in (("young-1", ()), ("older-1", ("25,0.1,1800",))):
        make_run(name, metrics=rows)
        folder = RunFolder(Path("runs") / name).checkpoints
        folder.mkdir()
        for step in (3, 27):
            (folder / f"step_{step:07d}.pt").touch()
    cli_show.show_runs(Path("runs"))
    out = capsys.readouterr().out
    assert cells(out, "young-1")[3] == cells(out, "older-1")[3] == "27"


def test_a_run_that_cannot_be_read_hides_no_other(capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("demo-1", "newer-1", "torn-1"):
        make_run(name)
    (Path("runs") / "newer-1" / "recipe.yaml").write_text("future_key: 3\n")
    (Path("runs") / "torn-1" / "recipe.yaml").write_text("mode: [\n")
    assert cli_show.show_runs(Path("runs")) == 1
    out = capsys.readouterr().out
    assert cells(out, "demo-1")[1] == "demo"
    assert cells(out, "newer-1")[1] == cells(out, "torn-1")[1] == "cannot be read"
    assert re.search(r"newer-1: .*recipe.yaml: unknown setting future_key", out)
    assert re.search(r"torn-1: cannot read the recipe", out)


def test_where_doing_nothing_is_as_near_as_real_pictures_the_distance_is_shown(
    capsys: pytest.CaptureFixture[str],
) -> None:
    for number, ceiling in enumerate(("0", "-0.002")):
        make_run(f"same-{number}", figures=(f"25,validation,a,b,0.25,{ceiling}",))
    assert cli_show.show_runs(Path("runs")) == 0
    out = capsys.readouterr().out
    assert cells(out, "same-0")[-1] == cells(out, "same-1")[-1] == "KID 0.25"


def test_runs_without_a_row_or_a_figure_have_empty_cells(capsys: pytest.CaptureFixture[str]) -> None:
    make_run("begun-1")
    make_run("paired-1", metrics=("25,0.1,360",), figures=("25,validation,a,b,,",))  # a known truth, too few for KID
    cli_show.show_runs(Path("runs"))
    out = capsys.readouterr().out
    assert cells(out, "begun-1")[3:] == ["0", STEPS, "", ""]
    assert cells(out, "paired-1")[3:] == ["25", STEPS, "0.1", ""]


def test_of_noise_the_distance_itself_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    make_run("mnist-1", metrics=("25,0.1,360",), figures=("25,validation,noise,mnist,0.01634,",))
    cli_show.show_runs(Path("runs"))
    assert cells(capsys.readouterr().out, "mnist-1")[3:] == ["25", STEPS, "0.1", "KID 0.0163"]


def test_square_brackets_in_names_are_not_markup(capsys: pytest.CaptureFixture[str]) -> None:
    make_run("photos [old]-1", card="photos [old]")
    cli_show.show_runs(Path("runs"))
    out = capsys.readouterr().out
    assert "photos [old]-1" in out
    assert out.count("photos [old]") == 2, "its data too"
    cli_show.show_runs(Path("no [runs]"))
    assert "no [runs]" in capsys.readouterr().out


def test_square_brackets_in_folders_are_not_markup(capsys: pytest.CaptureFixture[str]) -> None:
    fill(Path("[new]") / "horse2zebra" / "trainA")
    cli_show.show_cards(Path("[new]"))
    assert cells(capsys.readouterr().out, "horse2zebra")[-1] == os.path.join("[new]", "horse2zebra")
    for seed, domain in enumerate(("cat [new]", "dog [old]")):
        fill(Path("mine") / domain, seed=seed)
    cli_show.check_shown("./mine", None, {}, 32, offline=True)
    assert cells(capsys.readouterr().out, "split") == ["split", "cat [new]", "dog [old]"]


@pytest.mark.parametrize("there", [True, False])
def test_doctor_names_the_install_of_what_is_missing(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, there: bool
) -> None:
    found = importlib.util.find_spec("domainxfer") if there else None
    monkeypatch.setattr(importlib.util, "find_spec", lambda module: found)
    cli_show.show_doctor(None)
    out = capsys.readouterr().out
    for extra in ("metrics", "hub"):
        assert (f"pip install 'domainxfer[{extra}]'" in out) is not there
    assert ("missing" in out) is not there


def test_doctor_and_the_list_say_where_data_is(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    fill(tmp_path / "pictures" / "horse2zebra" / "trainA")
    cli_show.show_doctor(Path("pictures"))
    out = capsys.readouterr().out
    assert re.search(r"data is looked for in\W+pictures\s", out)
    unfolded = re.sub(r"[\s│]", "", out)  # a long path goes on in the next line
    assert f"{tmp_path / 'cache' / 'domainxfer'}(notthere)" in unfolded
    assert re.search(r"data sets here\W+horse2zebra\s", out)
    cli_show.show_cards(Path("pictures"))
    out = capsys.readouterr().out
    assert cells(out, "horse2zebra")[-1] == os.path.join("pictures", "horse2zebra")
    assert cells(out, "apple2orange")[-1] == ""
    assert cells(out, "demo")[-1] == "rendered"


def test_fetching_what_is_here_or_rendered_downloads_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    fill(Path("pictures [mine]") / "horse2zebra" / "trainA")
    cli_show.fetch_shown("horse2zebra", Path("pictures [mine]"), offline=True)
    assert f"horse2zebra: {Path('pictures [mine]') / 'horse2zebra'}" in capsys.readouterr().out
    cli_show.fetch_shown("demo", None, offline=True)
    assert "nothing to download" in capsys.readouterr().out
    with pytest.raises(DomainxferError, match="apple2orange"):
        cli_show.fetch_shown("apple2orange", Path("pictures [mine]"), offline=True)


def test_check_marks_serious_findings_and_returns_one(capsys: pytest.CaptureFixture[str]) -> None:
    for seed, domain in enumerate(("cat", "dog")):
        fill(Path("mine") / domain, seed=seed)
    assert cli_show.check_shown("./mine", None, {"cat": "kitten"}, 32, offline=True) == 0
    out = capsys.readouterr().out
    assert "kitten" in out
    assert cells(out, "train") == ["train", "4", "4"]
    assert "! " not in out
    (Path("mine") / "dog" / "torn [2].png").write_bytes(b"no picture")
    assert cli_show.check_shown("./mine", None, {}, 32, offline=True) == 1
    (serious,) = [line for line in capsys.readouterr().out.splitlines() if line.startswith("! ")]
    assert "torn [2].png" in serious
