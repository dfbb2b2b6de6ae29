"""Rows of the table of losses: each changes what it says and nothing else; and a short run through a real process."""

import inspect
import json
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from domainxfer.losses.penalties import gradient_penalty
from domainxfer.presets import load_preset
from domainxfer.recipe import Recipe, merged, override
from domainxfer.training.sensible import refuse_senseless

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "benchmarks" / "losses.py"


@pytest.fixture
def losses(benchmark_module) -> ModuleType:
    return benchmark_module("losses")


def recipe_of(losses: ModuleType, name: str) -> Recipe:
    changes = merged(merged(load_preset("r3gan-28"), losses.BASE), losses.ROWS[name])
    return override(Recipe(), changes)


def terms(recipe: Recipe, phase: str) -> set[str]:
    return {name for name, term in getattr(recipe.objective, phase).items() if term.weight}


def test_every_row_is_sensible_and_no_two_are_alike(losses: ModuleType) -> None:
    recipes = [recipe_of(losses, name) for name in losses.ROWS]
    for recipe in recipes:
        refuse_senseless(recipe)
    assert len({recipe.model_dump_json() for recipe in recipes}) == len(losses.ROWS)


def test_a_loss_stands_beside_the_common_penalties_alone(losses: ModuleType) -> None:
    unused = {"label_real", "cycle", "identity"}  # of translation: nothing needs them where content is noise
    for name in ("lsgan", "hinge", "r3gan", "softmax", "simgan"):
        recipe = recipe_of(losses, name)
        assert terms(recipe, "critic") - unused == {name, "r1", "r2"}
        assert terms(recipe, "generator") - unused == {name}
    minimax = recipe_of(losses, "minimax")
    assert terms(minimax, "critic") - unused == {"nonsaturating", "r1", "r2"}
    assert terms(minimax, "generator") - unused == {"minimax"}


@pytest.mark.parametrize(
    ("name", "own"),
    [
        ("no penalty", set()),
        ("R1 alone", {"r1"}),
        ("dragan", {"dragan"}),
        ("wasserstein, gradient penalty", {"gradient_penalty"}),
    ],
)
def test_a_penalty_takes_the_place_of_the_common_ones(losses: ModuleType, name: str, own: set[str]) -> None:
    assert terms(recipe_of(losses, name), "critic") & {"r1", "r2", "dragan", "gradient_penalty"} == own


def test_the_gradient_penalty_has_the_lambda_of_its_paper(losses: ModuleType) -> None:
    of_term = inspect.signature(gradient_penalty).parameters["lambda_"].default
    row = recipe_of(losses, "wasserstein, gradient penalty")
    for recipe in (row, override(Recipe(), load_preset("wgan-gp-28"))):
        term = recipe.objective.critic["gradient_penalty"]
        assert term.weight_at(0) * term.options.get("lambda_", of_term) == 10


def test_a_short_run_is_judged_and_not_made_twice(
    losses: ModuleType, tmp_path: Path, few_digits: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    out, name = tmp_path / "out", "the same noise against 8 batches"
    options = ["--rows", name, "--data-root", str(few_digits), "--out", str(out), "--markdown", "--steps"]
    command = [sys.executable, str(SCRIPT), *options, "2", "--threads", "1"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    table = [line for line in done.stdout.splitlines() if line.startswith("|")]
    assert [line.split(" | ")[0].strip("| ") for line in table] == ["changed", table[1].strip("| "), name]
    assert len({line.count("|") for line in table}) == 1
    assert [path.name for path in out.glob("*-1")] == ["the-same-noise-against-8-batches-1"]
    found = json.loads((out / "the-same-noise-against-8-batches-seed0.json").read_text(encoding="utf-8"))
    assert found["kernel"] > 0
    assert 0 <= found["precision"] <= 1

    monkeypatch.setattr(losses, "trained_and_judged", lambda *_: pytest.fail("it is there already"))
    monkeypatch.setattr(sys, "argv", ["losses.py", *options, "2"])
    losses.main()
    assert capsys.readouterr().out.strip().splitlines() == table
    monkeypatch.setattr(sys, "argv", ["losses.py", *options, "3"])
    with pytest.raises(SystemExit, match="is of 2 steps; take another folder"):
        losses.main()
