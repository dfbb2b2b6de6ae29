"""The command line as a user meets it: real processes that are interrupted, killed, resumed and shared."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from domainxfer.launch import stop_signals
from domainxfer.training.run_folder import checkpoint_files
from domainxfer.training.state import load_checkpoint

TINY = """
data: {size: 32, batch: 4, augment: [{name: HorizontalFlip, p: 0.5}]}
generator: {width: 16, blocks: 1, code_size: 1}
critic: {width: 16, depth: 3, fields: [1, 2]}
training: {checkpoint_every: 5, log_every: 1, sample_every: 1000, figure_every: 1000, extractor: gabor}
"""


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A working folder with a folder of two domains and a tiny recipe."""
    home = tmp_path_factory.mktemp("home")
    numbers = np.random.default_rng(0)
    for k, domain in enumerate(("dark", "light")):
        folder = home / "mine" / domain
        folder.mkdir(parents=True)
        for i in range(30):
            picture = numbers.integers(0, 128, (40, 48, 3)) + 127 * k
            Image.fromarray(picture.astype(np.uint8)).save(folder / f"{domain}{i}.png")
    (home / "tiny.yaml").write_text(TINY)
    return home


def start(home: Path, *arguments: str, **options) -> subprocess.Popen:
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "XDG_CACHE_HOME": str(home / "cache")}
    command = [sys.executable, "-m", "domainxfer", *arguments]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen(command, cwd=home, env=environment, **{**pipes, **options})


def finish(process: subprocess.Popen, within: float = 240) -> tuple[int, str, str]:
    out, err = process.communicate(timeout=within)
    return process.returncode, out, err


def train(home: Path, *arguments: str) -> list[str]:
    return ["train", "./mine", "--recipe", "tiny.yaml", "--cpu", *arguments]


def wait_for_checkpoint(process: subprocess.Popen, folder: Path, step: int) -> None:
    until = time.monotonic() + 200
    while not any(int(path.stem.split("_")[1]) >= step for path in checkpoint_files(folder)):
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < until, "no checkpoint appeared"
        time.sleep(0.05)


@pytest.fixture(scope="module")
def straight(home):
    """A run of 60 steps that was never interrupted."""
    code, out, err = finish(start(home, *train(home, "--steps", "60", "--name", "straight")))
    assert code == 0, out + err
    return home / "runs" / "straight-1"


def same_weights(a: Path, b: Path) -> None:
    for name in ("model.safetensors", "critic.safetensors"):
        one, other = load_file(a / "model" / name), load_file(b / "model" / name)
        assert one.keys() == other.keys()
        for key in one:
            assert torch.equal(one[key], other[key]), key


def test_a_run_leaves_everything_it_should(straight):
    there = {path.name for path in straight.iterdir()}
    assert there >= {
        "recipe.yaml",
        "environment.json",
        "metrics.csv",
        "figures.csv",
        "samples",
        "checkpoints",
        "model",
        "report.html",
    }
    assert (straight.parent / "latest").resolve() == straight.resolve()
    config = json.loads((straight / "model" / "config.json").read_text())
    assert config["domains"] == ["dark", "light"]
    assert config["finished"] is True
    assert config["steps"] == 60


def test_kill_9_loses_no_checkpoint_and_resume_is_bit_for_bit(home, straight):
    process = start(home, *train(home, "--steps", "60", "--name", "killed"))
    folder = home / "runs" / "killed-1"
    wait_for_checkpoint(process, folder / "checkpoints", 10)
    process.kill()  # SIGKILL: nothing can be cleaned up
    process.communicate()
    kept = checkpoint_files(folder / "checkpoints")
    assert kept
    assert load_checkpoint(kept[-1])["step"] < 60
    code, out, err = finish(start(home, "train", "--resume", "killed-1", "--cpu"))
    assert code == 0, out + err
    same_weights(straight, folder)
    rows = (folder / "metrics.csv").read_text().splitlines()[1:]
    assert [int(row.split(",")[0]) for row in rows] == list(range(1, 61))  # no row twice, none missing


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signals_save_and_say_how_to_go_on(home, straight, number):
    name = f"stopped-{number.name}"
    process = start(home, *train(home, "--steps", "60", "--name", name))
    folder = home / "runs" / f"{name}-1"
    wait_for_checkpoint(process, folder / "checkpoints", 5)
    process.send_signal(number)
    code, out, err = finish(process)
    assert code == 130, out + err
    assert f"domainxfer train --resume {Path('runs') / (name + '-1')}" in out
    assert json.loads((folder / "model" / "config.json").read_text())["finished"] is False
    if number == signal.SIGTERM:
        code, out, err = finish(start(home, "train", "./mine", "--resume", name + "-1", "--cpu"))
        assert code == 0, out + err
        same_weights(straight, folder)


@pytest.fixture
def hangup():
    """As in a terminal, though these tests may run under nohup, which every process below inherits."""
    if not hasattr(signal, "SIGHUP"):
        pytest.skip("there is no SIGHUP here")
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield signal.SIGHUP
    signal.signal(signal.SIGHUP, before)


def test_a_terminal_that_is_closed_loses_nothing(home, hangup):
    """As when a connection breaks: the system says so to the run, then the shell does, and nothing can be printed."""
    ours, theirs = os.openpty()
    process = start(home, *train(home, "--steps", "100000", "--name", "cut"), stdout=theirs, stderr=theirs)
    os.close(theirs)
    folder = home / "runs" / "cut-1"
    wait_for_checkpoint(process, folder / "checkpoints", 5)
    os.close(ours)
    process.send_signal(hangup)
    process.send_signal(hangup)
    assert process.wait(timeout=240) == 130
    step = load_checkpoint(checkpoint_files(folder / "checkpoints")[-1])["step"]
    config = json.loads((folder / "model" / "config.json").read_text())
    assert (config["steps"], config["finished"]) == (step, False)
    assert (folder / "report.html").exists()


def test_nohup_keeps_its_word(hangup):
    assert hangup in stop_signals()
    signal.signal(hangup, signal.SIG_IGN)
    assert hangup not in stop_signals()


def test_translate_by_name_with_the_latest_finished_run(home, straight):
    picture = home / "photo.jpg"
    Image.new("RGB", (75, 50), (40, 80, 120)).save(picture)
    code, out, err = finish(start(home, "translate", "photo.jpg", "--to", "light"))
    assert code == 0, out + err
    with Image.open(home / "photo_light.jpg") as made:
        assert made.size == (75, 50)
    code, out, err = finish(start(home, "translate", "photo.jpg", "--to", "lihgt", "-m", str(straight)))
    assert code == 2
    assert "light" in err
    assert "Traceback" not in err


def test_standard_input_to_standard_output(home, straight):
    stream = Path(home / "photo.png")
    Image.new("RGB", (40, 33), (200, 10, 10)).save(stream)
    with stream.open("rb") as source:
        process = start(
            home, "translate", "-", "--to", "dark", "-m", str(straight), "-o", "-", stdin=source, text=False
        )
        out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    assert out.startswith(b"\x89PNG")


def test_dry_run_writes_nothing(home):
    code, out, err = finish(start(home, *train(home, "--dry-run", "--runs", "dry")))
    assert code == 0, out + err
    assert "peak memory" in out
    assert not (home / "dry").exists()


SEVERAL = [
    *("--set", "generator.heads=2", "--set", "critic.count=2"),
    *("--set", "objective.reuse=2", "--set", "objective.critic_batch=4"),
]


@pytest.mark.parametrize("more", [[], pytest.param(SEVERAL, marks=pytest.mark.slow)], ids=["plain", "several"])
def test_two_processes_train_what_one_trains(home, more):
    """With the same total batch the losses agree within 1e-5, SimGAN's too, whose groups span the batch."""
    name_of = {"one": f"one{len(more)}", "two": f"two{len(more)}"}
    options = [
        *more,
        *("--steps", "3", "--set", "training.precision=fp32", "--set", "objective.generator.simgan=1"),
        *("--set", "training.log_every=2", "--set", "training.checkpoint_every=1"),  # a checkpoint within a row
        *("--set", "objective.critic.simgan=0.1", "--set", "data.batch=8", "--set", "objective.critic.r1.every=1"),
    ]
    for name, nproc in (("one", "1"), ("two", "2")):
        code, out, err = finish(start(home, *train(home, "--name", name_of[name], "--nproc", nproc, *options)))
        assert code == 0, out + err
    folders = [home / "runs" / f"{name}-1" for name in name_of.values()]
    one, two = ((folder / "metrics.csv").read_text().splitlines() for folder in folders)
    columns = one[0].split(",")
    assert two[0].split(",") == columns
    for row_one, row_two in zip(one[1:], two[1:], strict=True):
        pairs = dict(zip(columns, zip(row_one.split(","), row_two.split(","), strict=True), strict=True))
        for name, (a, b) in pairs.items():
            if "/" in name and name != "score/spread":  # a deviation over each process's own share
                slack = 1e-3 if name.startswith("gradient/") else 1e-6  # gradients jump where an activation bends
                assert float(a) == pytest.approx(float(b), rel=slack, abs=1e-5), name
    weights = [load_file(folder / "model" / "model.safetensors") for folder in folders]
    for key in weights[0]:
        torch.testing.assert_close(weights[0][key], weights[1][key], atol=1e-4, rtol=1e-3)


def test_a_name_that_no_file_can_have_is_one_line(home):
    code, out, err = finish(start(home, "data", "check", "./" + "n" * 300))
    assert (code, out) == (1, "")
    (line,) = err.splitlines()
    assert line.startswith(f"domainxfer: File name too long: {'n' * 300}")
    assert "Traceback" in finish(start(home, "--debug", "data", "check", "./" + "n" * 300))[2]


@pytest.mark.skipif(os.name == "nt", reason="a process there is ended without being asked")
def test_a_command_that_is_asked_to_end_leaves_nothing_half_written(home: Path) -> None:
    out = home / "asked-to-end"
    process = start(home, "translate", "-", "--to", "zebra", "-o", f"{out}/a.png", stdin=subprocess.PIPE)
    assert process.stderr is not None
    assert process.stderr.readline().startswith("model: ")
    process.terminate()
    code, _, err = finish(process)
    assert (code, err.strip()) == (130, "domainxfer: interrupted")
    assert not out.exists() or not list(out.iterdir())
