"""When a digit counts as lost, when a run has shown enough, and a short run through a real process."""

import csv
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from domainxfer.datasets.domain_data import DomainData, PictureArray
from domainxfer.recipe import Recipe, override

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "benchmarks" / "collapse.py"
EVEN = [0.1] * 10
NO_SEVEN = [0.11] * 7 + [0.009] + [0.11, 0.111]


@pytest.fixture
def collapse(benchmark_module) -> ModuleType:
    return benchmark_module("collapse")


def course_of(collapse: ModuleType, *figures: list[float]):
    course = collapse.Course("mlp-gan", 0, 100.0, 200)
    for number, shares in enumerate(figures, start=1):
        course.epochs = float(number)
        course.look(shares)
    return course


def test_a_digit_is_lost_once_it_was_made(collapse: ModuleType) -> None:
    course = course_of(collapse, EVEN, NO_SEVEN, EVEN)
    assert course.lost_at == 2.0
    assert course.digits == 10
    assert course_of(collapse, EVEN, NO_SEVEN).digits == 9


def test_a_digit_that_was_never_made_is_not_lost(collapse: ModuleType) -> None:
    assert course_of(collapse, NO_SEVEN, NO_SEVEN).lost_at is None


def test_specks_that_are_read_as_a_digit_or_two_are_not_made(collapse: ModuleType) -> None:
    fours, eights = [0.0] * 4 + [0.9] + [0.0] * 3 + [0.1, 0.0], [0.0] * 8 + [1.0, 0.0]
    course = course_of(collapse, fours, eights, EVEN)
    assert course.lost_at is None
    course.look(NO_SEVEN)
    assert course.lost_at == 3.0


def test_a_digit_that_is_made_seldom_is_not_lost(collapse: ModuleType) -> None:
    seldom = [0.11] * 7 + [0.02] + [0.1, 0.11]
    assert course_of(collapse, EVEN, seldom).lost_at is None


def test_only_a_collapse_counts_as_the_warning_and_the_first_one(collapse: ModuleType) -> None:
    course = course_of(collapse, EVEN)
    course.hear("step 3: the critic is dead")
    assert course.warned_at is None
    course.hear("step 4: mode collapse: a kind is hardly made any more")
    course.epochs = 9.0
    course.hear("step 5: mode collapse: the spread is 1%")
    assert (course.warned_at, course.warning[:6]) == (1.0, "step 4")


def test_a_run_goes_on_for_two_epochs_after_both(collapse: ModuleType) -> None:
    course = course_of(collapse, EVEN, NO_SEVEN)
    course.epochs = 9.0
    assert not course.is_told
    course.hear("step 9: mode collapse: ...")
    course.epochs = 10.9
    assert not course.is_told
    course.epochs = 11.0
    assert course.is_told
    assert course.row() == ["mlp-gan", "0", "11.0", "2.0", "9.0", "7.0", "9"]


def test_an_epoch_counts_the_batches_of_all_critic_steps(collapse: ModuleType) -> None:
    train = (PictureArray(np.zeros((640, 28, 28, 3), np.uint8)),)
    data = DomainData("mnist", (), train=train, validation=train, test=train)
    recipe = override(Recipe(), {"data": {"batch": 16}, "objective": {"critic_steps": 5}})
    assert collapse.epoch_of(recipe, data) == 8.0


def test_a_short_run_is_looked_at_and_not_made_twice(tmp_path: Path, few_digits: Path) -> None:
    out = tmp_path / "out"
    command = [sys.executable, str(SCRIPT), "--preset", "mlp-gan", "--seeds", "3", "--epochs", "2", "--every", "3"]
    command += ["--data-root", str(few_digits), "--threads", "1", "--out", str(out)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    for _ in range(2):
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, done.stderr
        assert done.stdout.splitlines()[-1].split()[:2] == ["mlp-gan", "3"]
    longer = [*command, "--epochs", "3"]
    other = subprocess.run(longer, env=environment, capture_output=True, text=True, timeout=300)
    assert other.returncode == 1
    assert "is of 2 epochs, every 3; take another folder" in other.stderr
    with (out / "mlp-gan-seed3.csv").open(encoding="utf-8") as lines:
        rows = list(csv.DictReader(lines))
    assert [int(row.pop("step")) for row in rows] == [3, 6]
    for row in rows:
        assert sum(float(row[str(digit)]) for digit in range(10)) == pytest.approx(1, abs=1e-3)
        assert {"covered", "missing", "spread", "far"} <= row.keys()
    assert [path.name for path in out.glob("mlp-gan-seed3-*")] == ["mlp-gan-seed3-1"], "trained once"
