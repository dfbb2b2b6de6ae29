"""`domainxfer generate`: what is written where, what is said of it, and errors of one line."""

import os
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import domainxfer
from domainxfer.generate import PictureMaker
from domainxfer.models.config import CriticConfig, GeneratorConfig, ModelConfig
from domainxfer.models.critic import Critic
from domainxfer.models.generator import Generator
from domainxfer.models.model import NetworkModel

Call = Callable[..., tuple[int, str, str]]
ROOT = Path(__file__).parents[1]


@pytest.fixture
def generate(run: Call) -> Call:
    """Call the command in an empty folder; returns (exit code, standard output, standard error)."""
    return partial(run, "generate")


def model(folder: Path, domains: tuple[str, ...] = (), *, finished: bool = True, **settings: Any) -> Path:
    """A model of random weights in a folder."""
    torch.manual_seed(0)
    settings = {"content": "noise", "output": "plain", "size": 16, "width": 8, "blocks": 1, "noise_size": 6, **settings}
    config = GeneratorConfig.model_validate(settings)
    about = ModelConfig(domains=domains, size=16, steps=40, finished=finished, generator=config)
    NetworkModel(about, Generator(config)).save(folder)
    return folder


def a_run(runs: Path, name: str, domains: tuple[str, ...] = (), **settings: Any) -> Path:
    """A run with such a model, the latest."""
    model(runs / name / "model", domains, **settings)
    (runs / name / "recipe.yaml").write_text("{}")
    (runs / "latest").unlink(missing_ok=True)
    (runs / "latest").symlink_to(name)
    return runs / name


def shows(file: Path, expected: Image.Image) -> bool:
    with Image.open(file) as written:
        return written.mode == expected.mode and np.array_equal(np.asarray(written), np.asarray(expected))


def error(call: tuple[int, str, str], code: int) -> str:
    """The one line of an error with this exit code."""
    assert call[0] == code, call
    assert call[1] == ""
    lines = call[2].splitlines()
    assert len(lines) == 1, call[2]
    assert lines[0].startswith("domainxfer: ")
    return lines[0]


def files(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir() if path.is_file()}


@pytest.mark.parametrize("named", ["latest", "mine-1", "runs/mine-1", "runs/mine-1/model"])
def test_a_grid_of_a_run_lies_in_the_working_folder_under_its_name(generate: Call, tmp_path: Path, named: str) -> None:
    a_run(tmp_path / "runs", "mine-1", ("horse", "zebra"), labels=2)
    assert generate(named) == (0, "mine-1_grid.png: a column for each label, a row for noise 0 to 7 of seed 0\n", "")
    assert shows(tmp_path / "mine-1_grid.png", PictureMaker(domainxfer.load("runs/mine-1")).grid())
    assert files(tmp_path) == {"mine-1_grid.png"}


def test_mended_pictures_are_called_so(generate: Call, tmp_path: Path) -> None:
    config = GeneratorConfig(content="noise", output="plain", size=16, width=8, blocks=1, noise_size=6)
    judge = CriticConfig(width=8, depth=2, fields=(1,), size=16)
    torch.manual_seed(0)
    about = ModelConfig(size=16, generator=config, critic=judge)
    NetworkModel(about, Generator(config), Critic(judge)).save(tmp_path / "judged")
    assert generate("judged", "--mend", "4")[0] == 0
    assert shows(tmp_path / "judged_grid_mend4.png", PictureMaker(domainxfer.load("judged"), mend=4).grid())
    assert generate("judged", "--mend", "4", "--count", "2", "-o", "many")[0] == 0
    assert shows(tmp_path / "many" / "judged_000001.png", domainxfer.load("judged").generate(2, mend=4)[1])
    for shown in (["--interpolate", "0,1"], ["--add", "0,1"], ["--sweep-code"]):
        assert f"{shown[0]} shows what becomes of noise as it is" in error(generate("judged", "--mend", "4", *shown), 2)
    assert "no critic" in error(generate(str(model(tmp_path / "alone")), "--mend", "4"), 2)


def test_label_code_seed_and_runs_are_heard(generate: Call, tmp_path: Path) -> None:
    folder = a_run(tmp_path / "elsewhere", "mine-1", ("horse", "wild zebra"), labels=2, code_size=2)
    options = ["--label", "wild zebra", "--code", "-1,0.5", "--seed", "3", "--runs", "elsewhere"]
    code, out, _ = generate("mine-1", *options)
    assert code == 0
    assert out == "mine-1_wild-zebra_grid_seed3.png: pictures 0 to 63 of seed 3, by rows\n"
    maker = PictureMaker(domainxfer.load(folder), label=1, code=[-1, 0.5], seed=3)
    assert shows(tmp_path / "mine-1_wild-zebra_grid_seed3.png", maker.grid())


@pytest.mark.parametrize(
    ("options", "name", "make", "said"),
    [
        (
            ["--interpolate", "3,7"],
            "interpolate_3_7",
            lambda m: m.interpolation(3, 7, 9),
            "to picture 7 of seed 0 in 9",
        ),
        (
            ["--interpolate", "3, 7", "--linear", "--steps", "4"],
            "interpolate_3_7_linear",
            lambda m: m.interpolation(3, 7, 4, linear=True),
            "from picture 3",
        ),
        (["--add", "0,12"], "add_0_12", lambda m: m.addition(0, 12), "pictures 0 and 12 of seed 0, the plain sum"),
        (["--sweep-code"], "codes", lambda m: m.code_sweep(9), "from -1 to 1 in 9 steps"),
        (["--sweep-code", "--steps", "2"], "codes", lambda m: m.code_sweep(2), "in 2 steps"),
    ],
)
def test_other_sheets(
    generate: Call,
    tmp_path: Path,
    options: list[str],
    name: str,
    make: Callable[[PictureMaker], Image.Image],
    said: str,
) -> None:
    folder = model(tmp_path / "mine", channels=1, code_size=2)
    code, out, err = generate("mine", *options)
    assert (code, err) == (0, "")
    assert out.startswith(f"mine_{name}.png: ")
    assert said in out
    assert shows(tmp_path / f"mine_{name}.png", make(PictureMaker(domainxfer.load(folder))))


def test_animations(generate: Call, tmp_path: Path) -> None:
    model(tmp_path / "mine", channels=1)
    code, out, _ = generate("mine", "--interpolate", "3,7", "--gif")
    assert code == 0
    assert out == "mine_interpolate_3_7.gif: from picture 3 to picture 7 of seed 0 in 33 steps, and back\n"
    assert generate("mine", "--interpolate", "3,7", "--steps", "3", "-o", "way.gif")[0] == 0, "the name says it too"
    for name, frames in (("mine_interpolate_3_7.gif", 64), ("way.gif", 4)):
        with Image.open(tmp_path / name) as gif:
            assert (gif.format, gif.n_frames) == ("GIF", frames)


def test_output_is_a_file_or_a_folder(generate: Call, tmp_path: Path) -> None:
    model(tmp_path / "mine")
    (tmp_path / "out").mkdir()
    assert generate("mine", "-o", "out")[1].startswith(f"{Path('out') / 'mine_grid.png'}: ")
    assert generate("mine", "-o", "new/sheet.jpg")[0] == 0
    with Image.open(tmp_path / "new" / "sheet.jpg") as sheet, Image.open(tmp_path / "out" / "mine_grid.png") as grid:
        assert (sheet.format, grid.format) == ("JPEG", "PNG")
        assert sheet.size == grid.size


def test_single_pictures(generate: Call, tmp_path: Path) -> None:
    folder = a_run(tmp_path / "runs", "mine-1", labels=3, channels=1)
    code, out, err = generate("latest", "--count", "20", "-o", "out", "--seed", "5")
    assert (code, err) == (0, "")
    first = Path("out") / "mine-1_000000.png"
    assert out == f"{first} to mine-1_000019.png: pictures of seed 5, labels in turn: 0, 1, 2\n"
    assert files(tmp_path / "out") == {f"mine-1_{number:06d}.png" for number in range(20)}
    for number, picture in enumerate(domainxfer.load(folder).generate(20, seed=5)):
        assert shows(tmp_path / "out" / f"mine-1_{number:06d}.png", picture)
    assert generate("latest", "--count", "1", "-o", "out", "--label", "2")[1] == (
        f"{Path('out') / 'mine-1_2_000000.png'}: pictures of seed 0\n"
    )


def test_nothing_is_written_over_unasked(generate: Call, tmp_path: Path) -> None:
    model(tmp_path / "mine")
    for options, name in (([], "mine_grid.png"), (["--count", "3", "-o", "."], "mine_000002.png")):
        (tmp_path / name).write_text("mine")
        line = error(generate("mine", *options), 1)
        assert f"{name} exists already" in line
        assert "--overwrite" in line
        assert (tmp_path / name).read_text() == "mine"
        assert not (tmp_path / "mine_000000.png").exists()
        assert generate("mine", *options, "--overwrite")[0] == 0
        with Image.open(tmp_path / name) as picture:
            assert picture.format == "PNG"


@pytest.mark.parametrize("best", [False, True])
def test_a_model_of_an_unfinished_run_is_used_and_named(generate: Call, tmp_path: Path, best: bool) -> None:
    folder = a_run(tmp_path / "runs", "mine-1", finished=False)
    if best:
        (folder / "model").rename(folder / "best")
    code, out, err = generate(str(folder / "best") if best else "mine-1")
    assert code == 0
    name = "mine-1-best" if best else "mine-1"
    assert err == f"note: the training of {name} had not ended when this model was saved (step 40)\n"
    assert out.startswith(f"{name}_grid.png: ")


def test_models_there_are_not(generate: Call, tmp_path: Path) -> None:
    folder = a_run(tmp_path / "runs", "mine-1")
    for file in (folder / "model").iterdir():
        file.unlink()
    assert "holds no model" in error(generate("mine-1"), 1)
    assert "no run 'mien-1' in runs. Did you mean 'mine-1'?" in error(generate("mien-1"), 1)
    (tmp_path / "file").write_text("no folder")
    assert "file" in error(generate("file"), 1)


def test_a_run_that_has_just_begun_says_when_there_will_be_a_model(generate: Call, tmp_path: Path) -> None:
    (tmp_path / "runs" / "mine-1").mkdir(parents=True)
    (tmp_path / "runs" / "mine-1" / "recipe.yaml").write_text("{}")
    assert "holds no model yet: a run saves one with its first checkpoint" in error(generate("mine-1"), 1)


@pytest.mark.parametrize("named", ["latest", "runs/latest", "runs/latest/model"])
def test_latest_is_followed_where_it_is_a_text_file(generate: Call, tmp_path: Path, named: str) -> None:
    folder = a_run(tmp_path / "runs", "mine-1")
    (tmp_path / "runs" / "latest").unlink()
    (tmp_path / "runs" / "latest").write_text("mine-1\n")
    code, out, err = generate(named)
    assert (code, err) == (0, "")
    assert out.startswith("mine-1_grid.png: ")
    assert shows(tmp_path / "mine-1_grid.png", PictureMaker(domainxfer.load(folder)).grid())
    assert domainxfer.load("runs/latest").config == domainxfer.load(folder).config


@pytest.mark.parametrize("count", ["0", "1000000000"])
def test_a_count_out_of_range_is_refused_before_anything_is_made(generate: Call, count: str) -> None:
    code, _, err = generate("latest", "--count", count, "-o", "out")
    assert (code, "Invalid value for '--count'" in err) == (2, True)


@pytest.mark.parametrize("option", [[], ["--interpolate", "3,7"], ["--count", "2", "-o", "out"]], ids=str)
def test_a_model_that_translates_is_sent_to_the_other_command(
    generate: Call, tmp_path: Path, option: list[str]
) -> None:
    model(tmp_path / "mine", ("horse", "zebra"), labels=2, content="picture")
    for name in ("mine", "horse2zebra"):  # the second one ships with the package
        assert "use domainxfer translate" in error(generate(name, *option), 2)
    assert files(tmp_path) == set()


@pytest.mark.parametrize(
    ("options", "hint"),
    [
        (["--label", "zbra"], "0 to 1 (horse, zebra). Did you mean 'zebra'?"),
        (["--label", "2"], "0 to 1"),
        (["--code", "1"], "without a code"),
        (["--code", "a,b"], "0.5,-1"),
        (["--sweep-code"], "no code to sweep"),
        (["--interpolate", "3"], "--interpolate 3: write the numbers of two pictures, e.g. 3,7"),
        (["--interpolate", "3,-7"], "e.g. 3,7"),
        (["--interpolate", "3,99999999999999999999"], "e.g. 3,7"),
        (["--add", "a,b"], "--add a,b"),
        (["--interpolate", "3,7", "--steps", "1"], "--steps 1: both ends are steps"),
        (["--sweep-code", "--steps", "1"], "--steps 1"),
        (["--interpolate", "3,7", "--steps", "100000"], "2 to 500 steps"),
        (["--count", "3", "-o", "three.png"], "fills a folder with pictures"),
        (["--steps", "5"], "--steps belongs to"),
        (["--add", "3,7", "--steps", "5"], "--steps belongs to"),
        (["--linear"], "--linear says how to interpolate"),
        (["--add", "3,7", "--gif"], "--gif says how to interpolate"),
        (["--interpolate", "3,7", "--gif", "-o", "way.png"], "ends in .gif"),
        (["--interpolate", "3,7", "--add", "3,7"], "--interpolate and --add make different things"),
        (["--count", "3", "--sweep-code"], "--count and --sweep-code"),
        (["--count", "3"], "-o"),
        (["-o", "nowhere"], "end it in .png"),
        (["-o", "sheet.txt"], "end it in .png"),
    ],
    ids=str,
)
def test_wrong_use_is_one_line_and_writes_nothing(
    generate: Call, tmp_path: Path, options: list[str], hint: str
) -> None:
    model(tmp_path / "mine", ("horse", "zebra"), labels=2)
    assert hint in error(generate("mine", *options), 2)
    assert files(tmp_path) == set()


def test_labels_and_codes_of_models_without_and_with_them(generate: Call, tmp_path: Path) -> None:
    model(tmp_path / "mine", code_size=2)
    assert "has no labels" in error(generate("mine", "--label", "zebra"), 2)
    for code in ("0.5", "0,0,0"):
        assert "has 2" in error(generate("mine", "--code", code), 2)
    code, out, err = generate("mine", "--sweep-code", "3")  # all of the code is swept over, it takes no number
    assert (code, out) == (2, "")
    assert "(3)" in err


def test_a_model_of_noise_does_not_translate(run: Call, tmp_path: Path) -> None:
    model(tmp_path / "mine", ("horse", "zebra"), labels=2)
    Image.new("RGB", (20, 20)).save(tmp_path / "a.png")
    assert "use domainxfer generate" in error(run("translate", "a.png", "--to", "zebra", "--model", "mine"), 2)
    assert files(tmp_path) == {"a.png"}


def test_help_and_wrong_use_import_no_torch(tmp_path: Path) -> None:
    program = """
import sys
from domainxfer.cli import main
for arguments in (["--help"], ["mine", "--steps", "5"], ["mine", "--add", "3"], ["mine", "-o", "nowhere"]):
    sys.argv = ["domainxfer", "generate", *arguments]
    try:
        main()
    except SystemExit as end:
        print(end.code)
print("torch" in sys.modules)
"""
    done = python(tmp_path, "-c", program)
    assert [line for line in done.stdout.splitlines() if line in ("0", "1", "2")] == ["0", "2", "2", "2"], done.stderr
    assert "--interpolate" in done.stdout
    assert done.stdout.endswith("False\n")


def test_as_a_user_calls_it(tmp_path: Path) -> None:
    folder = a_run(tmp_path / "runs", "mine-1", ("horse", "zebra"), labels=2)
    done = python(tmp_path, "-m", "domainxfer", "generate", "latest", "--label", "zebra", "--count", "2", "-o", "out")
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"{Path('out') / 'mine-1_zebra_000000.png'} to mine-1_zebra_000001.png: pictures of seed 0\n"
    assert done.stderr == ""
    expected = domainxfer.load(folder).generate(2, label="zebra")
    for number, picture in enumerate(expected):
        assert shows(tmp_path / "out" / f"mine-1_zebra_{number:06d}.png", picture)


def python(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    return subprocess.run(
        [sys.executable, *arguments], cwd=folder, env=environment, capture_output=True, text=True, timeout=300
    )
