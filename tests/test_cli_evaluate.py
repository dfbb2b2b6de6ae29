"""What `domainxfer evaluate` prints, in a real process once, and how numbers look."""

import io
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from rich.console import Console

from domainxfer import cli_evaluate as module
from domainxfer.cli import main
from domainxfer.cli_evaluate import head, show
from domainxfer.errors import DomainxferError
from domainxfer.evaluation.names import FIGURES
from domainxfer.evaluation.result import (
    Classes,
    CodeFigures,
    DirectionFigures,
    Evaluation,
    Figure,
    Instrument,
    Judged,
    Probe,
)
from domainxfer.models.config import GeneratorConfig, ModelConfig
from domainxfer.models.generator import Generator
from domainxfer.models.model import NetworkModel
from domainxfer.recipe import Recipe, override, write_recipe


def evaluation(**more: object) -> Evaluation:
    figures = {
        "kernel": Figure(value=0.12039, low=0.0987, high=0.1443, nothing=0.1516, real=-0.0002),
        "frechet": Figure(value=181.2, nothing=196.0, real=89.0),
        "called_target": Figure(value=0.404, low=0.31, high=0.49, nothing=0.03, real=0.98),
    }
    directions = tuple(
        DirectionFigures(source=s, target=t, outputs=107, reals=133, figures=figures)
        for s, t in (("horse", "zebra"), ("zebra", "horse"))
    )
    fields = {
        "version": "0",
        "torch": "2",
        "data": "horse2zebra",
        "split": "test",
        "counts": {"horse": {"held_out": 107, "train": 960}, "zebra": {"held_out": 133, "train": 1000}},
        "instrument": Instrument(extractor="gabor", digest="0" * 16, size=64, features=70, resize="somehow"),
        "size": 64,
        "seed": 3,
        "neighbours": 5,
        "rounds": 1000,
        "probe": Probe(accuracy={"horse": 0.974, "zebra": 1.0}, pictures={"horse": 960, "zebra": 1000}),
        "judged": Judged(name="runs/h-1", steps=10, directions=directions, mean=figures),
        "notes": ("mind [this]",),
    }
    return Evaluation.model_validate({**fields, **more})


def printed(found: Evaluation) -> str:
    text = io.StringIO()
    show(found, Console(file=text, width=140))
    return text.getvalue()


def rows(text: str, label: str) -> list[str]:
    lines = (" ".join(line.split()) for line in text.splitlines())
    return [line for line in lines if line.startswith(label)]


def test_the_tables() -> None:
    text = printed(evaluation())
    assert rows(text, "horse > zebra outputs")[0] == "horse > zebra outputs 0.1204 181"
    assert rows(text, "do nothing")[0] == "do nothing 0.1516 196"
    assert rows(text, "95 %")[0] == "95 % 0.0987 to 0.1443"
    assert rows(text, "real ")[0] == "real -0.0002 89"
    assert rows(text, "horse > zebra outputs")[1] == "horse > zebra outputs 40 %"
    assert len(rows(text, "mean of 2")) == 2
    assert "note: mind [this]" in text, "brackets are no markup"


def test_each_column_is_explained_once() -> None:
    text = " ".join(printed(evaluation()).split())
    for name in ("kernel", "frechet", "called_target"):
        assert text.count(f"{FIGURES[name].heading}: {FIGURES[name].meaning}") == 1
    assert FIGURES["psnr"].meaning not in text


def test_what_it_depends_on_comes_first() -> None:
    lines = "\n".join(head(evaluation()))
    for words in (
        "runs/h-1 (step 10)",
        "test pictures of horse2zebra",
        "horse 107 (train 960)",
        "sha256 0000",
        "seed 3",
    ):
        assert words in lines
    assert "horse 97 %, zebra 100 %" in lines


def test_a_baseline_stands_below() -> None:
    one = evaluation()
    difference = {"kernel": Figure(value=-0.01, low=-0.02, high=0.001)}
    text = printed(evaluation(baseline=one.judged, difference=difference))
    assert rows(text, "baseline")[0] == "baseline 0.1204 181"
    assert rows(text, "difference")[0] == "difference of the means -0.0100"
    assert "-0.0200 to 0.0010" in text


def test_what_is_made_of_noise() -> None:
    """One direction, the tables of generation, and the digits as shares."""
    figures = {
        "kernel": Figure(value=0.5, real=0.001),
        "authentic": Figure(value=0.61, low=0.58, high=0.64, real=0.69),
        "modes": Figure(value=9, real=10),
        "maze_valid": Figure(value=0.25, real=1),
    }
    direction = DirectionFigures(source="noise", target="mnist", outputs=40, reals=40, figures=figures)
    classes = Classes(outputs={"0": 30, "1": 10}, real={"0": 19, "1": 21})
    judged = Judged(name="runs/m-1", directions=(direction,), mean=figures, classes=classes)
    text = printed(evaluation(judged=judged))
    assert rows(text, "noise > mnist outputs") == [
        "noise > mnist outputs 0.5000",
        "noise > mnist outputs 61 % 9",
        "noise > mnist outputs 25 %",
    ]
    assert rows(text, "outputs 75.0") == ["outputs 75.0 % 25.0 %"]
    assert rows(text, "real 47.5") == ["real 47.5 % 52.5 %"]
    both = printed(evaluation(judged=judged, baseline=judged))
    assert rows(both, "baseline 75.0") == ["baseline 75.0 % 25.0 %"]
    assert "Which digits" not in printed(evaluation())


def coded(*values: float) -> Judged:
    """A model with as many values in its code, each with its response."""
    codes = []
    for place, value in enumerate(values, start=1):
        figures = {"code_pixels": Figure(value=value, low=value / 2), "code_pixels_share": Figure(value=10 * value)}
        directions = [
            DirectionFigures(source=s, target=t, outputs=107, reals=133, figures=figures)
            for s, t in (("horse", "zebra"), ("zebra", "horse"))
        ]
        codes.append(CodeFigures(place=place, directions=tuple(directions), mean=figures))
    return evaluation().judged.model_copy(update={"codes": tuple(codes)})


def test_each_value_of_the_code_has_a_table() -> None:
    text = printed(evaluation(judged=coded(0.0312, 0.004)))
    assert rows(text, "Does value") == ["Does value 1 of the code matter?", "Does value 2 of the code matter?"]
    assert rows(text, "horse > zebra outputs")[-2:] == [
        "horse > zebra outputs 0.0312 31 %",
        "horse > zebra outputs 0.0040 4 %",
    ]
    assert rows(text, "mean of 2 outputs")[-1] == "mean of 2 outputs 0.0040 4 %"
    assert " ".join(text.split()).count(FIGURES["code_pixels"].meaning) == 1
    assert FIGURES["code_features"].meaning not in text
    one = printed(evaluation(judged=coded(0.0312), baseline=coded(0.001)))
    assert rows(one, "Does the code matter?")
    assert rows(one, "baseline")[-1] == "baseline 0.0010 1 %"
    assert "of the code matter" not in printed(evaluation(baseline=coded(0.001)))


def test_fid_is_what_inception_measures_only() -> None:
    inception = Instrument(extractor="inception", digest="0" * 16, size=299, features=2048, resize="so")
    assert "FID" in printed(evaluation(instrument=inception))
    assert "FID" not in printed(evaluation())


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("kernel", 0.12345, "0.1235"),
        ("kernel", 52.61, "52.6"),
        ("frechet", 1234.5, "1234"),
        ("frechet", 0.01234, "0.0123"),
        ("precision", -0.001, "0 %"),
        ("precision", 0.615, "62 %"),
        ("psnr", 12.345, "12.35"),
    ],
)
def test_numbers_are_rounded_sensibly(name: str, value: float, text: str) -> None:
    assert FIGURES[name].show(value) == text


@pytest.fixture
def folders(tmp_path: Path) -> Path:
    """A folder with two folders of ten pictures, dark and bright ones."""
    numbers = np.random.default_rng(0)
    for folder, bright in (("made", 128), ("real", 255)):
        (tmp_path / folder).mkdir()
        for i in range(10):
            picture = numbers.integers(0, bright, (24, 24, 3)).astype(np.uint8)
            Image.fromarray(picture).save(tmp_path / folder / f"{i}.png")
    return tmp_path


def test_a_real_process(folders: Path) -> None:
    """Two folders of pictures: tables on standard output, what is done on standard error, the result in a file."""
    options = ("--extractor", "gabor", "--json", "out/figures.json", "--seed", "2")
    done = subprocess.run(
        [sys.executable, "-m", "domainxfer", "evaluate", "made", "real", *options],
        cwd=folders,
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(Path(__file__).parents[1])},
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert done.returncode == 0, done.stderr
    assert "made > real" in done.stdout
    assert "kernel distance" in done.stdout
    assert "written to out/figures.json" in done.stderr
    assert Evaluation.read(folders / "out/figures.json").seed == 2


def generating_run(folder: Path, data: Path) -> None:
    """A run whose model makes pictures of noise, as far as evaluate looks."""
    settings = GeneratorConfig(content="noise", output="plain", size=16, width=8, blocks=1, noise_size=4)
    NetworkModel(ModelConfig(size=16, generator=settings), Generator(settings)).save(folder / "model")
    source = {"data": str(data), "labels": "none"}
    recipe = override(Recipe(), {"mode": "generate", "source": source, "data": {"size": 16}})
    (folder / "recipe.yaml").write_text(write_recipe(recipe))


def test_a_run_that_makes_pictures_of_noise(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Figures beside the floor, and the result in the run's folder; once."""
    for split, count in (("train", 20), ("validation", 10), ("test", 10)):
        (tmp_path / "greys" / split / "all").mkdir(parents=True)
        for i in range(count):
            Image.new("RGB", (16, 16), (9 * i, 80, 160)).save(tmp_path / "greys" / split / "all" / f"{i}.png")
    generating_run(tmp_path / "runs" / "greys-1", tmp_path / "greys")
    monkeypatch.chdir(tmp_path)

    def command(*options: str) -> tuple[int, str, str]:
        arguments = ["domainxfer", "evaluate", "greys-1", "--extractor", "gabor", "--split", "validation", *options]
        monkeypatch.setattr(sys, "argv", arguments)
        with pytest.raises(SystemExit) as end:
            main()
        return (int(end.value.code or 0), *capfd.readouterr())

    code, out, err = command()
    assert code == 0, err
    assert len(rows(out, "noise > greys outputs")) == 2
    assert len(rows(out, "real ")) == 2
    assert "do nothing" not in out
    assert "generating 10 pictures with" in err
    file = tmp_path / "runs" / "greys-1" / "evaluation-validation-gabor.json"
    assert Evaluation.read(file).judged.figure("noise", "greys", "authentic").real is not None
    for options, wanted, said in (
        ((), 1, "--overwrite"),
        (("--unpaired",), 2, "--unpaired is for models that translate"),
    ):
        code, out, err = command(*options)
        assert (code, out, err.count("\n")) == (wanted, "", 1)
        assert said in err


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("made", "real", "--json", "made/0.png"), 1, "made/0.png exists already; --overwrite replaces it"),
        (("made",), 2, "name a folder of real ones too: domainxfer evaluate made REALS"),
        (("made", "reel"), 1, "there is no folder reel"),
        (("nothing",), 1, "nothing is no folder and no run"),
        (("made", "real", "--split", "valdation"), 2, "Did you mean 'validation'?"),
        (("made", "real", "--extractor", "dinov2"), 1, "--weights FILE"),
    ],
)
def test_what_cannot_be_is_one_line(
    folders: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    arguments: tuple[str, ...],
    code: int,
    said: str,
) -> None:
    monkeypatch.chdir(folders)
    monkeypatch.delenv("DOMAINXFER_DINOV2", raising=False)
    monkeypatch.setattr(sys, "argv", ["domainxfer", "evaluate", "--extractor", "gabor", *arguments])
    with pytest.raises(SystemExit) as end:
        main()
    out, err = capfd.readouterr()
    assert end.value.code == code
    assert out == ""
    assert err.startswith("domainxfer: ")
    assert err.count("\n") == 1
    assert said in err


def test_a_result_that_cannot_be_kept_is_shown(
    folders: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def full(*arguments: object, **options: object) -> None:
        raise DomainxferError("cannot write it: the disk is full")

    monkeypatch.chdir(folders)
    monkeypatch.setattr(Evaluation, "save", full)
    monkeypatch.setattr(
        sys, "argv", ["domainxfer", "evaluate", "made", "real", "--extractor", "gabor", "--json", "out.json"]
    )
    with pytest.raises(SystemExit) as end:
        main()
    out, err = capfd.readouterr()
    assert end.value.code == 1
    assert "kernel distance" in out
    assert err.endswith("domainxfer: cannot write it: the disk is full\n")


@pytest.mark.parametrize("unreadable", [0, 1])
def test_pictures_left_out_are_in_the_exit_code(monkeypatch: pytest.MonkeyPatch, unreadable: int) -> None:
    monkeypatch.setattr(module, "evaluate", lambda *what, **options: evaluation(unreadable=unreadable))
    assert module.evaluate_command("run", None) == unreadable
