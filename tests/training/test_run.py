"""The loop: what it writes and tells, how it ends, and what it goes on from. tests/test_api.py has it all together."""

import shutil
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from domainxfer.datasets.domain_data import DomainData, PictureArray
from domainxfer.errors import DomainxferError, UsageError
from domainxfer.models.model import NetworkModel
from domainxfer.recipe import Recipe
from domainxfer.training import books as books_module
from domainxfer.training import run as run_module
from domainxfer.training.health import NotANumber, Watch
from domainxfer.training.listener import Listener, Outcome
from domainxfer.training.logbook import read_log
from domainxfer.training.processes import Processes
from domainxfer.training.run import Run
from domainxfer.training.run_folder import RunFolder, checkpoint_files
from domainxfer.training.state import load_checkpoint

OFTEN = {"steps": 5, "log_every": 2, "sample_every": 2, "figure_every": 2, "checkpoint_every": 2, "keep": 9}


class MeanColours:
    """An extractor that takes no time."""

    name, digest, size = "mean colours", "0" * 16, 32

    def features(self, x: Tensor) -> Tensor:
        return torch.cat([x.mean((2, 3)), x.std((2, 3))], 1)


@pytest.fixture(autouse=True)
def quick_extractor(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (run_module, books_module):
        monkeypatch.setattr(module, "load_extractor", lambda name: MeanColours())


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    return RunFolder(tmp_path / "run")


@pytest.fixture
def new_run(tiny_recipe: Callable[..., Recipe], folder: RunFolder) -> Callable[..., Run]:
    """`new_run(data, changes, listener=...)`: a run into ``folder``, its training settings changed."""

    def make(
        data: DomainData, training: dict[str, Any] | None = None, *, listener: Listener | None = None, **changes: Any
    ) -> Run:
        settings = {"precision": "fp32", **OFTEN, **(training or {})}
        recipe = tiny_recipe({"training": settings, **changes}, labels=len(data.domains))
        return Run(recipe, data, Processes(cpu=True), folder, listener or Listener())

    return make


def judged_data(*domains: str) -> DomainData:
    """Enough held-out pictures for a figure; each domain is brighter than the one before."""
    domains = domains or ("ant", "bee")
    numbers = np.random.default_rng(0)

    def part(count: int) -> tuple[PictureArray, ...]:
        shape = (count, 32, 32, 3)
        floors = [60 * k for k in range(len(domains))]
        return tuple(PictureArray(numbers.integers(k, k + 60, shape).astype(np.uint8)) for k in floors)

    return DomainData("judged", domains, train=part(12), validation=part(11), test=part(10))


def steps_of(path: Path, **wanted: str) -> list[int]:
    """The steps of a log's rows, of those with the wanted values."""
    return [int(r["step"]) for r in read_log(path) if all(r[name] == value for name, value in wanted.items())]


def saved_steps(folder: RunFolder) -> list[int]:
    return [load_checkpoint(path)["step"] for path in checkpoint_files(folder.checkpoints)]


def test_rows_samples_and_checkpoints_come_when_they_should(
    new_run: Callable[..., Run], tiny_data: Callable[..., DomainData], folder: RunFolder
) -> None:
    told: list[tuple[int, dict[str, float]]] = []
    run = new_run(tiny_data(), listener=Listener(row=lambda step, row: told.append((step, row))))
    assert run.train() == Outcome(5, True)
    assert [step for step, _ in told] == steps_of(folder.metrics) == [2, 4, 5]
    assert all(row["seconds_left"] >= 0 and row["pictures_per_second"] > 0 for _, row in told)
    assert told[-1][1]["seconds_left"] == 0
    samples = sorted(path.name for path in folder.samples.iterdir())
    assert samples == [f"step_{step:06d}.png" for step in (0, 2, 4, 5)]
    assert saved_steps(folder) == [2, 4, 5]
    assert NetworkModel.load(folder.model).config.finished
    assert folder.environment.exists()
    assert "5 steps" in (folder.model / "README.md").read_text()


@pytest.mark.parametrize("code_size", [0, 2])
def test_the_response_to_the_code_is_logged_where_there_is_one(
    new_run: Callable[..., Run], tiny_data: Callable[..., DomainData], folder: RunFolder, code_size: int
) -> None:
    new_run(tiny_data(), generator={"code_size": code_size}).train()
    rows = read_log(folder.metrics)
    assert [int(row["step"]) for row in rows] == [2, 4, 5]
    assert all(("code_response" in row) == (code_size > 0) for row in rows)
    assert all(0 < float(row["code_response"]) < 2 for row in rows if code_size)


def test_the_model_is_the_moving_average(
    new_run: Callable[..., Run], tiny_data: Callable[..., DomainData], folder: RunFolder
) -> None:
    run = new_run(tiny_data(), {"ema": 0.9})
    run.train()
    saved = NetworkModel.load(folder.model).generator.state_dict()
    for key, tensor in run.average.network.state_dict().items():
        assert torch.equal(saved[key], tensor)
    trained = run.stepper.generator.state_dict()
    assert any(not torch.equal(saved[key], trained[key]) for key in saved)


def test_a_run_that_is_stopped_can_go_on_from_there(
    new_run: Callable[..., Run], tiny_data: Callable[..., DomainData], folder: RunFolder
) -> None:
    asked: list[None] = []

    def stop() -> bool:
        asked.append(None)
        return len(asked) > 3

    run = new_run(tiny_data(), {"checkpoint_every": 100}, listener=Listener(stop=stop))
    assert run.train() == Outcome(3, False)
    assert saved_steps(folder) == [3]
    assert not NetworkModel.load(folder.model).config.finished
    more = new_run(tiny_data(), {"checkpoint_every": 100})
    more.resume()
    assert more.step == 3
    assert more.seconds > 0
    assert more.train() == Outcome(5, True)
    assert steps_of(folder.metrics) == [2, 4, 5]


def test_a_row_that_a_stop_cuts_in_two_is_that_of_a_run_without_one(
    new_run: Callable[..., Run], tiny_data: Callable[..., DomainData], folder: RunFolder
) -> None:
    often = {"log_every": 4, "steps": 8}
    new_run(tiny_data(), often).train()
    straight = read_log(folder.metrics)
    shutil.rmtree(folder.path)
    asked = iter(range(100))
    new_run(tiny_data(), often, listener=Listener(stop=lambda: next(asked) == 3)).train()
    more = new_run(tiny_data(), often)
    more.resume()
    assert more.step == 3
    more.train()
    timed = {"seconds", "pictures_per_second"}
    for one, other in zip(straight, read_log(folder.metrics), strict=True):
        assert {k: v for k, v in one.items() if k not in timed} == {k: v for k, v in other.items() if k not in timed}


def test_fewer_steps_than_were_done_are_refused(
    new_run: Callable[..., Run], tiny_data: Callable[..., DomainData], folder: RunFolder
) -> None:
    new_run(tiny_data()).train()
    before = folder.recipe.read_text()
    with pytest.raises(UsageError, match="has done 5 already; ask for more"):
        new_run(tiny_data(), {"steps": 3}).resume()
    assert folder.recipe.read_text() == before


def test_data_of_other_domains_is_refused_and_other_pictures_are_said(
    new_run: Callable[..., Run], tiny_data: Callable[..., DomainData]
) -> None:
    new_run(tiny_data((7, 5))).train()
    said: list[str] = []
    new_run(tiny_data((7, 5)), listener=Listener(say=said.append)).resume()
    assert not said
    new_run(tiny_data((8, 5)), listener=Listener(say=said.append)).resume()
    assert "more or fewer pictures than at this run's last checkpoint" in said[0]
    with pytest.raises(DomainxferError, match=r"learned ant, bee, .* has ant, bee, cat now.*: put the domains"):
        new_run(tiny_data((7, 5, 4))).resume()


def test_a_run_whose_pictures_grow_goes_on_bit_for_bit_and_says_how_long(
    tiny_recipe: Callable[..., Recipe], tiny_data: Callable[..., DomainData], tmp_path: Path
) -> None:
    training = {"steps": 6, "log_every": 1, "checkpoint_every": 3, "figure_every": 100, "extractor": "gabor"}
    recipe = tiny_recipe({"data": {"size": 32, "grow": {4: 16}}, "training": training})
    left: list[float] = []
    watching = Listener(row=lambda step, row: left.append(row["seconds_left"] * row["pictures_per_second"]))

    def run(name: str, listener: Listener) -> Run:
        return Run(recipe, tiny_data(), Processes(cpu=True), RunFolder(tmp_path / name), listener)

    whole = run("whole", watching)
    whole.train()
    batch = recipe.data.batch
    assert [n / batch for n in left] == pytest.approx([3 + 2 * 4, 2 + 2 * 4, 1 + 2 * 4, 2 * 4, 1, 0])
    asked = iter(range(100))
    run("parts", Listener(stop=lambda: next(asked) == 3)).train()
    more = Run(recipe, tiny_data(), Processes(cpu=True), RunFolder(tmp_path / "parts"), Listener())
    more.resume()
    more.train()
    one, other = (r.stepper.generator.state_dict() for r in (whole, more))
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_when_the_time_is_up_the_run_is_finished(
    new_run: Callable[..., Run], tiny_data: Callable[..., DomainData], folder: RunFolder
) -> None:
    outcome = new_run(tiny_data()).train(max_seconds=0)
    assert outcome.finished
    assert outcome.step == 1, "a model of no steps would be taken for one that has learned"
    assert (outcome.unused_steps, outcome.still_small) == (4, None)
    assert NetworkModel.load(folder.model).config.finished


def test_validation_serves_every_choice_and_test_is_looked_at_once(
    new_run: Callable[..., Run], folder: RunFolder
) -> None:
    told: list[int] = []
    run = new_run(judged_data(), listener=Listener(figures=lambda step, *found: told.append(step)))
    outcome = run.train()
    assert steps_of(folder.figures, split="validation", source="ant") == [2, 4, 5]
    assert steps_of(folder.figures, split="test", source="ant", target="bee") == [5]
    assert told == [2, 4, 5, 5]
    rows = read_log(folder.figures)
    assert {(row["extractor"], row["pictures"]) for row in rows if row["split"] == "validation"} == {
        ("mean colours", "11")
    }
    last = {(row["source"], row["target"]): float(row["kid"]) for row in rows if row["split"] == "test"}
    assert {(d.source, d.target): d.distance for d in outcome.directions} == pytest.approx(last, rel=1e-4)


def test_the_best_model_is_that_of_the_best_figure_also_over_a_resume(
    new_run: Callable[..., Run], folder: RunFolder
) -> None:
    new_run(judged_data()).train()
    shares: dict[int, list[float]] = {}
    for row in read_log(folder.figures):
        if row["split"] == "validation":
            shares.setdefault(int(row["step"]), []).append(float(row["kid"]) / float(row["ceiling"]))
    best = min(shares, key=lambda step: sum(shares[step]))
    assert NetworkModel.load(folder.best).config.steps == best
    assert NetworkModel.load(folder.best).config.finished, "its run has ended"

    unbeaten = new_run(judged_data(), {"steps": 7})
    unbeaten.resume()
    assert unbeaten.best is not None
    unbeaten.best = -1e9
    unbeaten.train()
    again = new_run(judged_data(), {"steps": 9})
    again.resume()
    assert again.best == -1e9
    assert NetworkModel.load(folder.best).config.steps == best, "no later one was better than that"


def test_the_best_by_another_judge_does_not_count(
    new_run: Callable[..., Run], folder: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """ "auto" takes what is installed, which may change between two calls."""
    unbeaten = new_run(judged_data())
    unbeaten.train()
    unbeaten.best = -1e9
    unbeaten._checkpoint(finished=True)
    monkeypatch.setattr(MeanColours, "digest", "1" * 16)
    again = new_run(judged_data(), {"steps": 7})
    again.resume()
    again.train()
    assert again.best is not None
    assert again.best > -1
    assert NetworkModel.load(folder.best).config.steps > 5


def test_what_the_critic_knows_by_heart_is_noted_and_warned_of(
    new_run: Callable[..., Run], folder: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    shares = {"ant": 0.25, "bee": 0.75}
    monkeypatch.setattr(books_module, "known_by_heart", lambda *_: shares)
    said: list[str] = []
    new_run(judged_data(), listener=Listener(say=said.append)).train()
    rows = read_log(folder.figures)
    assert {(row["target"], row["by_heart"]) for row in rows if row["split"] == "validation"} == {
        (domain, f"{share}") for domain, share in shares.items()
    }
    assert {row["by_heart"] for row in rows if row["split"] == "test"} == {""}, "what was trained on is not asked there"
    (line,) = [line for line in said if "by heart" in line]
    assert line.startswith("step 4: ")
    assert "pictures of bee" in line
    assert folder.warnings.read_text() == f"{line}\n"


@pytest.mark.parametrize(
    ("ranks", "better"),
    [
        ((0.3, 0.2, 0.3), 4),
        ((0.2, 0.3, 0.205), None),  # hardly worse
        ((0.2, 0.3, 0.211), 2),
        ((0.3, 0.2, 0.1), None),
        ((-0.01, 0.2, 0.1), 2),
        ((0.2, 0.1, -0.01), None),
    ],
)
def test_a_run_that_ends_worse_than_it_was_says_so(
    ranks: tuple[float, ...], better: int | None, new_run: Callable[..., Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    given = iter(ranks)
    monkeypatch.setattr(run_module, "rank", lambda directions: next(given))
    assert new_run(judged_data()).train().better_step == better  # figures at 2, 4 and 5


def test_which_step_was_the_best_is_known_after_a_resume(
    new_run: Callable[..., Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    given = iter((0.1, 0.2, 0.2, 0.3))
    monkeypatch.setattr(run_module, "rank", lambda directions: next(given))
    new_run(judged_data()).train()
    more = new_run(judged_data(), {"figure_every": 100, "steps": 7})
    more.resume()
    assert more.train().better_step == 2


def test_a_run_whose_best_model_was_taken_away_ends_all_the_same(
    new_run: Callable[..., Run], folder: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = iter((0.1, 0.2, 0.2, 0.3))
    monkeypatch.setattr(run_module, "rank", lambda directions: next(given))
    new_run(judged_data()).train()
    shutil.rmtree(folder.best)
    more = new_run(judged_data(), {"figure_every": 100, "steps": 7})
    more.resume()
    assert more.train().finished


def test_the_last_figure_is_in_the_checkpoint_too(new_run: Callable[..., Run], folder: RunFolder) -> None:
    """Else a later and worse model would take the place of the best one."""
    run = new_run(judged_data(), {"figure_every": 100})
    run.train()
    assert run.best is not None
    assert NetworkModel.load(folder.best).config.steps == 5
    more = new_run(judged_data(), {"figure_every": 100, "steps": 7})
    more.resume()
    assert more.best == run.best


def test_resuming_a_finished_run_writes_no_figure_twice(new_run: Callable[..., Run], folder: RunFolder) -> None:
    new_run(judged_data()).train()
    before = folder.figures.read_text()
    again = new_run(judged_data())
    again.resume()
    again.train()
    assert folder.figures.read_text() == before


def test_resuming_keeps_the_command_that_began_the_run(
    new_run: Callable[..., Run],
    tiny_data: Callable[..., DomainData],
    folder: RunFolder,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("sys.argv", ["domainxfer", "train", "demo"])
    new_run(tiny_data(), {"steps": 1}).train()
    monkeypatch.setattr("sys.argv", ["domainxfer", "train", "--resume"])
    more = new_run(tiny_data(), {"steps": 2})
    more.resume()
    more.train()
    assert '"demo"' in folder.environment.read_text()


def test_weights_that_are_no_numbers_are_never_saved(
    new_run: Callable[..., Run], tiny_data: Callable[..., DomainData], folder: RunFolder
) -> None:
    run = new_run(tiny_data())
    run.train()
    before = {path: path.read_bytes() for path in [*checkpoint_files(folder.checkpoints), *folder.model.iterdir()]}
    with torch.no_grad():
        next(run.stepper.generator.parameters()).view(-1)[0] = float("nan")
    with pytest.raises(NotANumber, match="step 5"):
        run.train()
    after = {path: path.read_bytes() for path in [*checkpoint_files(folder.checkpoints), *folder.model.iterdir()]}
    assert after == before


@pytest.mark.parametrize("problem", [DomainxferError("cannot write metrics.csv"), OSError("gone"), SystemExit(1)])
def test_a_log_that_cannot_be_written_loses_no_step(
    new_run: Callable[..., Run], tiny_data: Callable[..., DomainData], folder: RunFolder, problem: BaseException
) -> None:
    def row(step: int, values: dict[str, float]) -> None:
        if step == 4:
            raise problem

    settings = {"checkpoint_every": 100}
    with pytest.raises(type(problem)):
        new_run(tiny_data(), settings, listener=Listener(row=row)).train()
    assert saved_steps(folder) == [4]
    more = new_run(tiny_data(), settings)
    more.resume()
    assert more.train() == Outcome(5, True)
    whole = new_run(tiny_data(), settings)
    whole.train()
    for name, weight in whole.stepper.generator.state_dict().items():
        assert torch.equal(weight, more.stepper.generator.state_dict()[name]), name


def test_half_a_step_is_not_saved(
    new_run: Callable[..., Run],
    tiny_data: Callable[..., DomainData],
    folder: RunFolder,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    run = new_run(tiny_data(), {"checkpoint_every": 2})
    phase = run.stepper._generator_phase

    def fails(p: Any, step: int, parts: Any) -> None:
        if step == 3:
            raise DomainxferError("a term of one's own")  # the critic has moved already
        phase(p, step, parts)

    monkeypatch.setattr(run.stepper, "_generator_phase", fails)
    with pytest.raises(DomainxferError, match="one's own"):
        run.train()
    assert saved_steps(folder) == [2]


def test_nothing_to_go_on_from(
    new_run: Callable[..., Run], tiny_data: Callable[..., DomainData], folder: RunFolder
) -> None:
    with pytest.raises(DomainxferError, match="holds no checkpoint"):
        new_run(tiny_data()).resume()
    folder.checkpoints.mkdir(parents=True)
    for step in (2, 4):
        (folder.checkpoints / f"step_{step:07d}.pt").write_bytes(b"torn")
    said: list[str] = []
    with pytest.raises(DomainxferError, match=r"step_0000002.* damaged.*; there is none before it: start the run anew"):
        new_run(tiny_data(), listener=Listener(say=said.append)).resume()
    assert len(said) == 1
    assert "step_0000004" in said[0]
    assert said[0].endswith("; trying the one before")


def test_a_checkpoint_of_another_run_is_passed_over(
    new_run: Callable[..., Run], tiny_data: Callable[..., DomainData], folder: RunFolder
) -> None:
    new_run(tiny_data()).train()
    steps = saved_steps(folder)
    path = folder.checkpoints / "step_0000099.pt"
    good = torch.load(folder.checkpoints / f"step_{steps[-1]:07d}.pt", weights_only=True)
    narrower = {**good, "generator": {name: value[:1] for name, value in good["generator"].items() if value.ndim}}
    others = (
        ({**good, "optimizers": {}}, "is of another run"),
        (narrower, "is of another run"),
        ({**good, "extra": {"seconds": "long"}}, "is of another run"),
        ({**good, "step": 99, "extra": {**good["extra"], "domains": ["cow", "dog"]}}, "learned cow, dog"),
    )
    for other, reason in others:
        torch.save(other, path)
        said: list[str] = []
        run = new_run(tiny_data(), listener=Listener(say=said.append))
        run.resume()
        assert run.step == steps[-1]
        assert f"step_0000099.pt {reason}" in said[0]


def test_fine_tuning_goes_by_the_names_of_the_domains(new_run: Callable[..., Run]) -> None:
    """tests/training/test_fine_tune.py has the rest; here it reaches the run, its model and its listener."""
    old = new_run(judged_data("ant", "bee")).model()
    torch.nn.init.normal_(old.generator.condition.of_label.weight)  # type: ignore[union-attr]
    said: list[str] = []
    run = new_run(judged_data("bee", "cat", "ant"), listener=Listener(say=said.append))
    run.start_from(old)
    tuned = run.model()
    x = torch.rand(1, 3, 32, 32) * 2 - 1
    for domain in old.domains:
        before, after = (model.apply(x, torch.tensor([model.label_of(domain)])) for model in (old, tuned))
        torch.testing.assert_close(after, before, atol=1e-3, rtol=0)
    assert run.step == 0
    assert said == []
    other = new_run(judged_data("ant", "bee"), listener=Listener(say=said.append), generator={"blocks": 2})
    other.start_from(old)
    assert len(said) == 1
    assert "generator do not fit" in said[0]


def test_a_misspelt_extractor_is_refused_before_anything_is_written(
    new_run: Callable[..., Run],
    tiny_data: Callable[..., DomainData],
    folder: RunFolder,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.undo()
    with pytest.raises(UsageError, match="gabor"):
        new_run(tiny_data(), {"extractor": "gabour"})
    assert not folder.path.exists()


def unlabelled_data() -> DomainData:
    """Enough pictures for cells, of four brightnesses."""
    numbers = np.random.default_rng(0)

    def part(count: int) -> tuple[PictureArray]:
        levels = numbers.integers(0, 4, (count, 1, 1, 1)) * 60
        return (PictureArray((levels + numbers.integers(0, 20, (count, 32, 32, 3))).astype(np.uint8)),)

    return DomainData("lights", (), train=part(110), validation=part(105), test=part(100))


@pytest.fixture
def new_generation(tiny_recipe: Callable[..., Recipe], folder: RunFolder) -> Callable[..., Run]:
    """`new_generation(training, listener)`: a run that makes pictures of noise, without labels."""

    def make(training: dict[str, Any] | None = None, listener: Listener | None = None) -> Run:
        settings = {"mode": "generate", "training": {"precision": "fp32", **OFTEN, **(training or {})}}
        recipe = tiny_recipe(settings, labels=0, labels_known=False)
        return Run(recipe, unlabelled_data(), Processes(cpu=True), folder, listener or Listener())

    return make


def test_generated_pictures_are_held_against_the_validation_pictures(
    new_generation: Callable[..., Run], folder: RunFolder
) -> None:
    told: list[int] = []
    outcome = new_generation(listener=Listener(figures=lambda step, *found: told.append(step))).train()
    rows = read_log(folder.figures)
    assert [(row["step"], row["split"]) for row in rows] == [
        ("2", "validation"),
        ("4", "validation"),
        ("5", "validation"),
        ("5", "test"),
    ]
    assert told == [2, 4, 5, 5]
    assert {(row["source"], row["target"], row["ceiling"]) for row in rows} == {("noise", "lights", "")}
    assert [row["pictures"] for row in rows] == ["105"] * 3 + ["100"]
    assert all(abs(float(row["floor"])) < float(row["kid"]) for row in rows)
    assert all(0 <= float(row[name]) <= 1 for row in rows for name in ("rare", "covered", "missing"))
    assert outcome.directions[0].distance == pytest.approx(float(rows[-1]["kid"]), rel=1e-4)
    best = min(rows[:3], key=lambda row: float(row["kid"]))
    assert NetworkModel.load(folder.best).config.steps == int(best["step"])
    assert {"told_apart", "gradient/generator"} <= set(read_log(folder.metrics)[0])


def test_warnings_are_said_once_listed_and_kept_over_a_resume(
    new_generation: Callable[..., Run], folder: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    def always(self: Watch, step: int, *figure: Any) -> list[str]:
        return self._due(step, "trouble", "trouble", True, 2)

    monkeypatch.setattr(Watch, "look_at_figure", always)
    said: list[str] = []
    new_generation({"steps": 3}, Listener(say=said.append)).train()
    assert said == ["step 3: trouble"], "of the figure of the end, which a resumed run reaches anew"
    assert folder.warnings.read_text() == "step 3: trouble\n"
    more = new_generation({"steps": 8}, Listener(say=said.append))
    more.resume()
    more.train()
    assert said[1:] == ["step 4: trouble"], "once, and when an uninterrupted run says it"
    assert folder.warnings.read_text() == "step 4: trouble\n"
    again = new_generation({"steps": 10}, Listener(say=said.append))
    again.resume()
    assert again.watch.said == {"trouble": "step 4: trouble"}
    again.train()
    assert len(said) == 2
    assert folder.warnings.read_text() == "step 4: trouble\n"


def test_a_row_has_the_geometric_mean_of_gradients_and_the_mean_of_all_else() -> None:
    values = torch.tensor([1e-6, 1e-6, 1e-6, 1e2])
    assert float(run_module._mean("gradient/generator", values)) == pytest.approx(1e-4)
    assert float(run_module._mean("generator/minimax", values)) == pytest.approx(25)
    assert 0 <= float(run_module._mean("gradient/generator", torch.zeros(3))) < 1e-20


def test_without_troubles_there_is_no_list_of_them(new_generation: Callable[..., Run], folder: RunFolder) -> None:
    new_generation({"steps": 1}).train()
    assert not folder.warnings.exists()


@pytest.mark.parametrize(("precision", "bf16"), [("fp32", False), ("bf16", True)])
@pytest.mark.parametrize(
    ("layout", "expected"),
    [("no", torch.contiguous_format), ("yes", torch.channels_last), ("auto", torch.channels_last)],
)
def test_precision_and_layout_are_those_of_the_recipe(
    new_run: Callable[..., Run],
    tiny_data: Callable[..., DomainData],
    precision: str,
    bf16: bool,
    layout: str,
    expected: torch.memory_format,
) -> None:
    run = new_run(tiny_data(), {"precision": precision, "channels_last": layout})
    assert (run.bf16, run.stepper.forward.bf16, run.memory_format) == (bf16, bf16, expected)
    weights = [p for p in run.stepper.critic.parameters() if p.ndim == 4]
    assert all(p.is_contiguous(memory_format=expected) for p in weights)


@pytest.mark.parametrize(
    ("batch", "objective", "says"),
    [
        (7, {}, "data.batch=6"),
        (6, {"critic_batch": 2}, "a multiple of 2 times the number of labels"),
        (8, {"critic_batch": 2}, "a multiple of 2 times the number of labels"),
        (8, {"critic_batch": 3}, "a multiple of 2"),
    ],
)
def test_what_processes_cannot_share_evenly_is_refused(
    tiny_recipe: Callable[..., Recipe],
    tiny_data: Callable[..., DomainData],
    batch: int,
    objective: dict[str, Any],
    says: str,
) -> None:
    """A batch of 6 in two shares, two labels: the runs of labels that the critic would see all lie in the first."""
    labels = 3 if batch == 7 else 2
    recipe = tiny_recipe({"data": {"batch": batch}, "objective": objective}, labels=labels)
    two = types.SimpleNamespace(count=2, is_main=True)
    with pytest.raises(DomainxferError, match=says):
        Run(recipe, tiny_data((7, 5, 6)[:labels]), two, None, Listener())  # type: ignore[arg-type]


def test_one_picture_is_not_normalised_over_the_batch(
    tiny_recipe: Callable[..., Recipe], tiny_data: Callable[..., DomainData]
) -> None:
    critic = {"label_norm": "batch"}
    changes: dict[str, Any] = {"mode": "generate", "critic": critic, "objective": {"critic_batch": 1}}
    recipe = tiny_recipe(changes, labels=3, labels_known=False)
    with pytest.raises(DomainxferError, match=r"label_norm: batch .* larger objective.critic_batch or data.batch"):
        Run(recipe, tiny_data((9,), labelled=False), Processes(cpu=True), None, Listener())


def test_a_run_goes_on_in_the_middle_of_reused_content_bit_for_bit(
    new_run: Callable[..., Run], tiny_data: Callable[..., DomainData]
) -> None:
    """Two critic steps a step and content for four batches: stopped after three steps, its sources are of batch 4."""
    changes: dict[str, Any] = {
        "objective": {"critic_steps": 2, "reuse": 4, "critic_batch": 2},
        "generator": {"heads": 2},
        "critic": {"count": 2},
    }
    asked: list[None] = []

    def stop() -> bool:
        asked.append(None)
        return len(asked) > 3

    whole = new_run(tiny_data(), **changes)
    whole.folder = None
    whole.train()
    assert new_run(tiny_data(), listener=Listener(stop=stop), **changes).train() == Outcome(3, False)
    torch.rand(3)
    more = new_run(tiny_data(), **changes)
    more.resume()
    more.train()
    for one, other in (
        (whole.stepper.generator, more.stepper.generator),
        (whole.stepper.critic, more.stepper.critic),
        (whole.average.network, more.average.network),
    ):
        expected = other.state_dict()
        assert all(torch.equal(value, expected[name]) for name, value in one.state_dict().items())
