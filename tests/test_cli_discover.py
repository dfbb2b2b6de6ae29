"""What `domainxfer discover` prints, and how it names a finished run again."""

import io
import sys
from pathlib import Path

import numpy as np
from PIL import Image
from rich.console import Console

from domainxfer.api import load
from domainxfer.cli import main
from domainxfer.cli_discover import show_discovered
from domainxfer.discover import Discovered
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


def test_a_row_for_each_label_and_the_figures(tmp_path: Path) -> None:
    found, truth = np.array([0, 0, 0, 2, 2]), np.array([1, 1, 0, 2, 2])
    figures = clustering_figures(found, truth)
    discovered = Discovered(tmp_path, {"test": [3, 0, 2]}, {"test": figures}, {"test": confusion(found, truth)})
    text = io.StringIO()
    show_discovered(discovered, Console(file=text, width=120))
    lines = text.getvalue().splitlines()
    rows = [[cell.strip() for cell in line.split("│")[1:-1]] for line in lines if "│" in line]
    assert rows == [["0", "3", "class 1, 66.7%"], ["1", "0", ""], ["2", "2", "class 2, 100.0%"]]
    assert "test: one-to-one accuracy 0.8000  purity 0.8000" in text.getvalue()
    assert lines[-1] == f"written to {tmp_path}"


def test_a_run_is_named_when_it_ends_and_again(tmp_path: Path, monkeypatch, capfd) -> None:
    def run(*arguments: str) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", ["domainxfer", *arguments, "--runs", str(tmp_path / "runs")])
        code = 0
        try:
            main()
        except SystemExit as end:
            code = int(end.code or 0)
        out, err = capfd.readouterr()
        return code, out + err

    numbers = np.random.default_rng(0)
    for domain in ("dark", "light"):
        for split in ("train", "test"):
            folder = tmp_path / "mine" / split / domain
            folder.mkdir(parents=True)
            for i in range(20):
                Image.fromarray(numbers.integers(0, 255, (16, 16, 3), np.uint8)).save(folder / f"{domain}{i}.png")
    settings = [word for setting in TINY for word in ("--set", setting)]
    code, text = run("discover", str(tmp_path / "mine"), "--labels", "3", "--name", "found", *settings)
    assert code == 0, text
    assert "labels found, test pictures" in text
    assert load(tmp_path / "runs" / "found-1").config.generator.labels == 3
    code, again = run("discover", "found-1")
    assert code == 0
    assert again.splitlines()[-3:] == text.splitlines()[-3:]
    code, text = run("discover", str(tmp_path / "mine"))
    assert code == 2
    assert "how many labels?" in text
