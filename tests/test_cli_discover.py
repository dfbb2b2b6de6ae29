"""What `domainxfer discover` prints, and how it names a finished run again."""

import io
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from rich.console import Console

from domainxfer.cli_discover import show_discovered
from domainxfer.discovered import Discovered
from domainxfer.loaded import load
from domainxfer.metrics.clustering import clustering_figures, confusion

TINY = (
    "data.size=16",
    "data.batch=8",
    "generator.width=8",
    "generator.blocks=1",
    "critic.width=8",
    "critic.depth=2",
    "critic.fields=[1]",
    "training.steps=2",
    "training.extractor=digits",
)
SETTINGS = [word for setting in TINY for word in ("--set", setting)]
CLASSES = ("ant", "bee", "cat [wild]")


def test_a_row_for_each_label_and_the_figures(tmp_path: Path) -> None:
    found, truth = np.array([0, 0, 0, 2, 2]), np.array([1, 1, 0, 2, 2])
    figures = clustering_figures(found, truth)
    discovered = Discovered(
        tmp_path, {"test": [3, 0, 2]}, {"test": figures}, {"test": confusion(found, truth)}, CLASSES
    )
    text = io.StringIO()
    show_discovered(discovered, Console(file=text, width=120))
    lines = text.getvalue().splitlines()
    rows = [[cell.strip() for cell in line.split("│")[1:-1]] for line in lines if "│" in line]
    assert rows == [["0", "3", "bee, 66.7%"], ["1", "0", ""], ["2", "2", "cat [wild], 100.0%"]]
    assert "test: one-to-one accuracy 0.8000  purity 0.8000" in text.getvalue()
    assert lines[-1] == f"written to {tmp_path}"


@pytest.fixture
def discover(run: Callable[..., tuple[int, str, str]]) -> Callable[..., tuple[int, str]]:
    """Call the command in an empty folder with a tiny recipe; (exit code, all that was printed)."""

    def call(*arguments: str) -> tuple[int, str]:
        code, out, err = run("discover", *arguments)
        return code, out + err

    return call


def fill(folder: Path, *sizes: tuple[int, int], count: int = 20) -> Path:
    """Two domains, train and test, each of ``count`` noisy pictures of these sizes in turn."""
    numbers = np.random.default_rng(0)
    for domain in ("dark", "light"):
        for split in ("train", "test"):
            (folder / split / domain).mkdir(parents=True)
            for i in range(count):
                width, height = sizes[i % len(sizes)]
                picture = Image.fromarray(numbers.integers(0, 255, (height, width, 3), np.uint8))
                picture.save(folder / split / domain / f"{domain}{i}.png")
    return folder


def test_a_run_is_named_when_it_ends_and_again(tmp_path: Path, discover: Callable[..., tuple[int, str]]) -> None:
    mine = str(fill(tmp_path / "mine", (16, 16)))
    code, text = discover(mine, "--labels", "3", "--name", "found", *SETTINGS)
    assert code == 0, text
    assert "labels found, test pictures" in text
    assert "several sizes" not in text
    assert re.search(r"(dark|light), \d", text), "classes by their names"
    assert load(tmp_path / "runs" / "found-1").config.generator.labels == 3
    code, again = discover("found-1")
    assert code == 0
    assert again.splitlines()[-3:] == text.splitlines()[-3:]
    code, text = discover(mine)
    assert code == 2
    assert "how many labels?" in text
    code, text = discover("found-1", "--steps", "9")
    assert code == 2
    assert "--size or --seed: without --labels a run is named again" in text


def test_pictures_left_out_are_named_again(tmp_path: Path, discover: Callable[..., tuple[int, str]]) -> None:
    mine = fill(tmp_path / "mine", (16, 16))
    (mine / "train" / "dark" / "torn.png").write_bytes(b"\x89PNG")
    code, text = discover(str(mine), "--labels", "2", "--name", "torn", *SETTINGS)
    assert code == 1, text
    code, again = discover("torn-1")
    assert code == 1
    for said in (text, again):
        assert re.search(r"left out: .*torn\.png", said)


def test_pictures_of_several_sizes_are_cut_to_squares_and_that_is_said(
    tmp_path: Path, discover: Callable[..., tuple[int, str]]
) -> None:
    mine = fill(tmp_path / "mine", (16, 16), (30, 20), (9, 24))
    code, text = discover(str(mine), "--labels", "2", *SETTINGS)
    assert code == 0, text
    assert text.count("several sizes: of each the shorter side becomes 16 px") == 1
    assert "labels found" in text


@pytest.mark.parametrize(("labels", "hint"), [("1", "at least 2"), ("41", "only 36 training pictures")])
def test_impossible_numbers_of_labels(
    tmp_path: Path, discover: Callable[..., tuple[int, str]], labels: str, hint: str
) -> None:
    code, text = discover(str(fill(tmp_path / "mine", (16, 16))), "--labels", labels, *SETTINGS)
    assert code == 2
    (line,) = text.splitlines()
    assert line.startswith(f"domainxfer: --labels {labels}: ")
    assert hint in line
    assert not (tmp_path / "runs").exists()
