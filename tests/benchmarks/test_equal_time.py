"""The contest: its clock and terms, its figures, its table; and one held whole, in processes of its own."""

import json
import re
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from domainxfer.datasets.domain_data import PictureArray
from domainxfer.datasets.rendered.demo import demo_data
from domainxfer.errors import DomainxferError, UsageError
from domainxfer.metrics.kernel_distance import bootstrap_interval, kernel_distance
from domainxfer.training.held_out import HeldOut, translated

ROOT = Path(__file__).parents[2]
SIDE = 32
TINY = (
    *("data.batch=4", "data.augment=[]", "generator.width=16", "generator.blocks=1"),
    *("critic.width=16", "critic.depth=3", "critic.fields=[1, 2]", "training.log_every=1"),
)


@pytest.fixture
def contestants(benchmark_module):
    return benchmark_module("contestants")


@pytest.fixture
def verdict(benchmark_module):
    return benchmark_module("verdict")


@pytest.fixture
def equal_time(benchmark_module):
    return benchmark_module("equal_time")


@pytest.fixture(scope="module")
def coats(tmp_path_factory):
    """A folder with two domains of rendered pictures, ten of each held out."""
    folder = tmp_path_factory.mktemp("data") / "coats"
    data = demo_data(size=SIDE, train=12, validation=10, test=10)
    for split in ("train", "validation", "test"):
        for domain, pictures in zip(data.domains[:2], data.split(split)[:2], strict=True):
            (folder / split / domain).mkdir(parents=True)
            for number, picture in enumerate(pictures):
                picture.save(folder / split / domain / f"{number}.png")
    return folder


def contest_on(contestants, data, **changes):
    terms = {"minutes": 0.01, "size": SIDE, "settings": TINY, "probe": 0.2, "blocks": 1, "width": 4}
    return contestants.Contest(str(data), **{**terms, **changes})


def silent(text):
    pass


# --- clock and terms -------------------------------------------------------------------------------------------------


def test_clock_ends_when_time_is_over(contestants, monkeypatch):
    moments = iter([100, 110, 112, 114, 116, 118])
    monkeypatch.setattr(contestants.time, "monotonic", lambda: float(next(moments)))
    clock = contestants.Clock(limit=18)
    assert [clock() for _ in range(6)] == [False] * 5 + [True]
    assert (clock.steps, clock.seconds) == (5, 18)
    assert clock.speed() == 0.5  # the first three steps, one of them slow, are warming up


def test_clock_ends_before_a_plan_does(contestants):
    clock = contestants.Clock(limit=1e6, most=3)
    assert [clock() for _ in range(4)] == [False, False, False, True]
    assert clock.steps == 3


def test_steps_are_planned_from_the_probe(contestants, coats, monkeypatch):
    contest = contest_on(contestants, coats, minutes=2)
    recipe, data = contest.opened(silent)
    monkeypatch.setattr(contestants.Clock, "speed", lambda clock: 3.0)
    assert contestants._planned_steps(contest, recipe, data, silent) == 360


@pytest.mark.parametrize(("minutes", "steps"), [(1, 240), (2, 300 + 45), (0.5, 120)])
def test_pictures_that_grow_are_planned_with_the_speed_of_each_size(contestants, coats, monkeypatch, minutes, steps):
    contest = contest_on(contestants, coats, minutes=minutes, settings=(*TINY, "data.grow={300: 16}"))
    recipe, data = contest.opened(silent)
    probed = []

    def speed_at(side, *rest):
        probed.append(side)
        return {16: 4.0, SIDE: 1.0}[side]

    monkeypatch.setattr(contestants, "_speed_at", speed_at)
    assert contestants._planned_steps(contest, recipe, data, silent) == steps
    assert probed == ([16, SIDE] if minutes == 2 else [16])


def test_a_probe_is_of_pictures_of_its_size(contestants, coats):
    contest = contest_on(contestants, coats, settings=(*TINY, "data.grow={300: 16}"))
    recipe, data = contest.opened(silent)
    said = []
    assert contestants._speed_at(16, contest, recipe, data, said.append) > 0
    assert "at 16 px" in said[0]


def test_our_run_neither_measures_nor_draws_while_it_trains(contestants, coats):
    contest = contest_on(contestants, coats, seed=7, settings=(*TINY, "training.ema=0.9", "training.figure_every=5"))
    recipe, _ = contest.opened(silent)
    assert (recipe.data.size, recipe.training.seed, recipe.training.ema) == (SIDE, 7, 0.9)
    every = [getattr(recipe.training, f"{what}_every") for what in ("figure", "sample", "checkpoint")]
    assert min(every) > 1e6


@pytest.mark.parametrize("size", [30, 20])
def test_sizes_that_a_cyclegan_cannot_take_are_refused(contestants, coats, size):
    with pytest.raises(UsageError, match=f"--size {size}: a CycleGAN takes multiples of 4, from 24 on"):
        contest_on(contestants, coats, size=size).opened(silent)


def test_three_domains_are_refused(contestants, tmp_path):
    for domain in "abc":
        (tmp_path / domain).mkdir()
        for number in range(3):
            Image.new("RGB", (SIDE, SIDE)).save(tmp_path / domain / f"{number}.png")
    with pytest.raises(UsageError, match=r"two domains; .* has 3"):
        contest_on(contestants, tmp_path).opened(silent)


def test_terms_know_what_a_training_depends_on(contestants, coats):
    first, wider, more, longer = (
        contest_on(contestants, coats, **changes)
        for changes in ({}, {"width": 5}, {"settings": (*TINY, "training.ema=0.9")}, {"minutes": 2})
    )
    recipe, _ = first.opened(silent)
    others = [(one, one.opened(silent)[0]) for one in (wider, more, longer)]
    same = {
        method: [one.terms(method, its) == first.terms(method, recipe) for one, its in others]
        for method in ("ours", "cyclegan")
    }
    assert same == {"ours": [True, False, False], "cyclegan": [False, True, False]}


# --- training --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["cyclegan", "cyclegan-bf16"])
def test_cyclegan_trains_and_is_found_again(contestants, coats, tmp_path, method):
    contest = contest_on(contestants, coats)
    recipe, data = contest.opened(silent)
    model, record = contestants.train(method, contest, recipe, data, tmp_path, silent)
    assert record["seconds"] >= contest.seconds
    assert record["pairs_per_second"] == pytest.approx(record["steps"] / record["seconds"])
    assert record["generator_parameters"] == sum(p.numel() for p in model.generators.parameters())
    lines = (tmp_path / "metrics.csv").read_text().splitlines()
    assert lines[0] == "step,adversarial,cycle,identity,critic,seconds"
    assert len(lines) == 1 + record["steps"]
    again = contestants.load(contest, tmp_path, json.loads(json.dumps(record)))
    x, label = torch.rand(2, 3, SIDE, SIDE), torch.tensor([0, 1])
    assert torch.equal(again.apply(x, label), model.apply(x, label))


def test_ours_stops_in_time_and_looks_at_no_test_picture(contestants, coats, tmp_path):
    contest = contest_on(contestants, coats, minutes=1, steps=3)
    recipe, data = contest.opened(silent)
    model, record = contestants.train("ours", contest, recipe, data, tmp_path, silent)
    assert (record["steps"], record["planned_steps"]) == (2, 3)
    assert record["pairs_per_second"] == pytest.approx(2 * record["steps"] / record["seconds"])  # batches of 4
    assert record["critic_parameters"] > 0
    assert (tmp_path / record["model"] / "figures.csv").read_text().count("\n") == 1  # its head
    again = contestants.load(contest, tmp_path, record)
    x, label = torch.rand(2, 3, SIDE, SIDE), torch.tensor([0, 1])
    assert torch.equal(again.apply(x, label), model.apply(x, label))


# --- figures and table -----------------------------------------------------------------------------------------------


class Colours:
    """An extractor that calls red pictures ``warm`` and the others ``cold``."""

    name, digest, size, resize = "colours", "0" * 16, SIDE, "none"
    classes = {"warm": 0, "cold": 1}  # noqa: RUF012

    def features(self, x):
        return torch.cat([x.mean((2, 3)), x.std((2, 3))], 1)

    def logits_of(self, features):
        return torch.stack([features[:, 0], features[:, 2]], 1)


class Dye:
    """A model that swaps red and blue, but is too shy for cold pictures."""

    def apply(self, content, label, code=None):
        return torch.where((label == 1)[:, None, None, None], content.flip(1), content)


@pytest.fixture
def warm_and_cold(tiny_data):
    data = tiny_data((12, 12), side=SIDE)
    numbers = np.random.default_rng(1)

    def part():
        noise = numbers.integers(0, 100, (2, 12, SIDE, SIDE, 3), dtype=np.uint8)
        noise[0, ..., 0] += 120
        noise[1, ..., 2] += 120
        return tuple(map(PictureArray, noise))

    return replace(data, domains=("warm", "cold"), train=part(), validation=part(), test=part())


def test_figures_are_those_of_held_out(verdict, warm_and_cold):
    held_out = HeldOut(warm_and_cold, SIDE, Colours())
    found = verdict.figures(Dye(), held_out)
    assert found["pictures"] == {"warm": 12, "cold": 12}
    for one, direction in zip(found["directions"], held_out.distances(Dye()), strict=True):
        assert (one["source"], one["target"]) == (direction.source, direction.target)
        distance = one["kernel_distance"]
        assert distance["value"] == direction.distance
        assert (distance["nothing"], distance["real"]) == (direction.ceiling, direction.floor)
    features = Colours().features(translated(Dye(), held_out.pictures[0], 1))
    there = found["directions"][0]
    assert there["kernel_distance"]["interval"] == bootstrap_interval(features, held_out.real[1], seed=0)
    assert there["kernel_distance"]["value"] == kernel_distance(features, held_out.real[1])
    assert there["called"] == {
        "cold": {"value": 1.0, "nothing": 0.0, "real": 1.0},
        "warm": {"value": 0.0, "nothing": 1.0, "real": 0.0},
    }
    assert found["directions"][1]["called"]["warm"] == {"value": 0.0, "nothing": 0.0, "real": 1.0}


def test_too_few_pictures_are_refused(verdict, tiny_data):
    with pytest.raises(DomainxferError, match="needs 10 pictures of each domain; validation has ant 3, bee 3"):
        verdict.held_out_pictures(tiny_data(), SIDE, "gabor", "validation", 0)


def test_table_has_a_row_a_method_between_nothing_and_real(verdict):
    directions = [
        {
            "source": "horse",
            "target": "zebra",
            "kernel_distance": {
                "value": 0.05,
                "interval": [0.04, 0.0604],
                "nothing": 0.2,
                "nothing_interval": [0.18, 0.22],
                "real": -0.001,
            },
            "called": {"zebra": {"value": 0.6, "nothing": 0.0, "real": 0.89}},
        }
    ]
    record = {
        "steps": 1200,
        "seconds": 90.0,
        "pairs_per_second": 12.3456,
        "generator_parameters": 22_756_358,
        "critic_parameters": 5_529_474,
    }
    rows = verdict.table({"ours": {"training": record, "figures": {"directions": directions}}})
    assert rows == [
        [
            *("method", "pairs/s", "steps", "minutes", "weights, M (G + D)"),
            *("KID horse > zebra", "of nothing", "horse > zebra called zebra"),
        ],
        ["do nothing", "", "", "", "", "0.200 [0.180, 0.220]", "100 %", "0 %"],
        ["ours", "12.3", "1200", "1.5", "22.76 + 5.53", "0.050 [0.040, 0.060]", "25 %", "60 %"],
        ["real", "", "", "", "", "-0.001", "-0 %", "89 %"],
    ]


def test_columns_as_text_and_as_markdown(verdict):
    rows = [["method", "steps"], ["a", "10"]]
    assert verdict.in_columns(rows, markdown=False) == "method  steps\na          10"
    assert verdict.in_columns(rows, markdown=True) == "| method | steps |\n|---|---:|\n| a      |    10 |"


# --- the script ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--methods", "ours,cyclegam"], "no method 'cyclegam'. Did you mean 'cyclegan'?"),
        (["--methods", ","], "name at least one"),
        (["--minutes", "0"], "--minutes"),
        (["--blocks", "0"], "--blocks 0: must be at least 1"),
        (["--steps", "1"], "--steps 1: must be at least 2"),
    ],
)
def test_impossible_wishes_are_one_line(equal_time, coats, tmp_path, capsys, options, message):
    with pytest.raises(SystemExit) as exit_:
        equal_time.main(["--data", str(coats), "--minutes", "1", "--size", "32", "--out", str(tmp_path), *options])
    assert exit_.value.code == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


def test_contest_is_held_in_processes_and_goes_on_where_it_stopped(equal_time, coats, tmp_path, capfd, monkeypatch):
    out, written = tmp_path / "contest", tmp_path / "results.json"
    settings = [word for setting in TINY for word in ("--set", setting)]
    options = ["--data", str(coats), "--size", "32", "--threads", "1", "--extractor", "gabor", "--out", str(out)]
    options += ["--methods", "cyclegan,ours", "--probe", "0.2", "--blocks", "1", "--width", "4", *settings]
    hold = lambda *more: equal_time.main([*options, "--minutes", "0.02", *more])
    hold("--child", "cyclegan")  # as if the contest had been interrupted after this method
    first = (out / "cyclegan" / "training.json").stat().st_mtime_ns

    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    hold("--markdown", "--json", str(written))  # ours, in a process of its own
    text, said = capfd.readouterr()
    head, rule, *rows = [line for line in text.splitlines() if line.startswith("|")]
    assert head.count("|") == rule.count("|") == 10
    assert [row.strip("|").split("|")[0].strip() for row in rows] == ["do nothing", "cyclegan", "ours", "real"]
    assert "validation pictures: 10 plain and 10 striped; judged by gabor" in text
    assert re.search(r"^ours: \d+ steps in ", said, re.MULTILINE)
    assert (out / "cyclegan" / "training.json").stat().st_mtime_ns == first
    results = json.loads(written.read_text())
    assert list(results["methods"]) == ["cyclegan", "ours"]
    for method, result in results["methods"].items():
        assert result["training"]["steps"] > 0
        with Image.open(out / method / "samples.png") as grid:
            assert grid.width > 4 * SIDE

    hold("--split", "test", "--child", "cyclegan")  # the same model, other pictures
    assert read_split(out / "cyclegan" / "figures-test-gabor.json") == "test"
    assert (out / "cyclegan" / "training.json").stat().st_mtime_ns == first
    with pytest.raises(SystemExit):
        equal_time.main([*options, "--minutes", "0.03"])
    assert "was trained with other settings (minutes)" in capfd.readouterr().err


def read_split(path):
    return json.loads(path.read_text())["split"]


def test_failed_method_ends_the_contest(equal_time, coats, tmp_path, capfd, monkeypatch):
    monkeypatch.setattr(equal_time.subprocess, "run", lambda *args, **kw: subprocess.CompletedProcess(args, 3))
    options = ["--data", str(coats), "--size", "32", "--minutes", "1", "--out", str(tmp_path), "--methods", "cyclegan"]
    with pytest.raises(SystemExit) as exit_:
        equal_time.main(options)
    assert exit_.value.code == 1
    assert "cyclegan did not finish (exit 3)" in capfd.readouterr().err
