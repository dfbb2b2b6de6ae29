"""The Python API: train, resume, load, translate, and what goes wrong with them."""

import json
import os
import re
import shutil
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

import domainxfer
from domainxfer.api import dry_run
from domainxfer.datasets.card import load_card
from domainxfer.datasets.rendered import demo
from domainxfer.errors import DomainxferError, UsageError
from domainxfer.loaded import find_model
from domainxfer.prepare import prepare
from domainxfer.presets import load_preset
from domainxfer.recipe import Recipe, merged, read_recipe
from domainxfer.training.health import NotANumber, Watch
from domainxfer.training.listener import Listener
from domainxfer.training.run_folder import RunFolder

TINY = {
    "data": {"size": 32, "batch": 4},
    "generator": {"width": 16, "blocks": 1, "code_size": 2},
    "critic": {"width": 16, "depth": 3, "fields": [1, 2]},
    "training": {"steps": 4, "log_every": 1, "checkpoint_every": 2, "extractor": "gabor"},
}
OF_NOISE = {**TINY, "training": {**TINY["training"], "extractor": "digits"}}  # the quickest judge, of whatever


@pytest.fixture(scope="module")
def mine(tmp_path_factory) -> Path:
    """A folder of two domains, twelve pictures each."""
    numbers = np.random.default_rng(1)
    folder = tmp_path_factory.mktemp("api") / "mine"
    for k, domain in enumerate(("dark", "light")):
        (folder / domain).mkdir(parents=True)
        for i in range(30):
            picture = numbers.integers(0, 128, (36, 44, 3)) + 127 * k
            Image.fromarray(picture.astype(np.uint8)).save(folder / domain / f"{domain}{i}.png")
    return folder


@pytest.fixture(scope="module")
def trained(mine):
    """A run of four steps."""
    return domainxfer.train(str(mine), changes=TINY, runs=mine.parent / "runs", cpu=True)


def test_train_returns_a_model_that_translates(trained):
    assert trained.outcome.finished
    assert trained.outcome.step == 4
    assert {(d.source, d.target) for d in trained.outcome.directions} == set()  # three held-out pictures: too few
    picture = Image.new("RGB", (51, 37), (90, 120, 60))
    made = trained.model.translate(picture, to="light")
    assert made.size == (51, 37)
    both = trained.model.translate([picture, picture.resize((20, 64))], to="light")
    assert [p.size for p in both] == [(51, 37), (20, 64)]
    assert both[0].tobytes() == made.tobytes()


def test_unknown_domain_lists_the_known(trained):
    with pytest.raises(UsageError, match=r"dark, light.*Did you mean 'light'"):
        trained.model.translate(Image.new("RGB", (32, 32)), to="lite")


def test_unknown_option_of_a_translation_lists_the_known(trained):
    with pytest.raises(UsageError, match=r"no option 'strenght'. Did you mean 'strength'\? Known: mask, strength, "):
        trained.model.translate(Image.new("RGB", (32, 32)), to="light", strenght=1.0)


def test_runs_are_never_overwritten(trained, mine):
    again = domainxfer.train(
        str(mine), changes={**TINY, "training": {**TINY["training"], "steps": 1}}, runs=mine.parent / "runs", cpu=True
    )
    assert again.run != trained.run
    assert again.run.name == "mine-2"


def test_the_same_seed_gives_the_same_weights(trained, mine):
    again = domainxfer.train(str(mine), changes=TINY, runs=mine.parent / "same", cpu=True)
    one, two = (t.model.generator.state_dict() for t in (trained, again))
    assert all(torch.equal(one[key], two[key]) for key in one)


def test_resume_with_more_steps_goes_on(mine):
    runs = mine.parent / "more"
    domainxfer.train(str(mine), changes=TINY, runs=runs, cpu=True)
    more = domainxfer.resume(runs=runs, changes={"training": {"steps": 6}}, cpu=True)
    assert more.outcome.step == 6
    assert json.loads((more.run / "model" / "config.json").read_text())["steps"] == 6


def test_a_run_goes_on_with_pictures_that_were_moved(mine, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shutil.copytree(mine, "here")
    done = domainxfer.train("./here", changes=TINY, cpu=True)
    Path("here").rename("there")
    wish = {"training": {"steps": 6}}
    with pytest.raises(DomainxferError, match=r"were in .*here, which is gone; .* add --set source\.data=FOLDER"):
        domainxfer.resume(changes=wish, cpu=True)
    with pytest.raises(DomainxferError, match=r"which is gone; .* --data FOLDER"):
        domainxfer.evaluate("latest", extractor="gabor")
    more = domainxfer.resume(changes={**wish, "source": {"data": "there"}}, cpu=True)
    assert more.outcome.step == 6
    assert read_recipe(done.run / "recipe.yaml").source.data == str((tmp_path / "there").resolve())


def test_a_known_set_stays_one_beside_a_folder_of_its_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(demo, "demo_data", partial(demo.demo_data, train=6, validation=3, test=3))
    domainxfer.train("demo", changes={**TINY, "generator": {"width": 16, "blocks": 1}}, cpu=True)
    (tmp_path / "demo" / "a").mkdir(parents=True)
    wish = {"training": {"steps": 5}}
    for changes in (wish, {"training": {"steps": 6}, "source": {"data": "demo"}}):
        done = domainxfer.resume(changes=changes, cpu=True)
        assert read_recipe(done.run / "recipe.yaml").source.data == "demo"


def test_a_run_that_is_in_training_is_left_alone(mine):
    runs = mine.parent / "busy"
    done = domainxfer.train(str(mine), changes=TINY, runs=runs, cpu=True)
    with RunFolder(done.run).alone(), pytest.raises(DomainxferError, match="trained by another process"):
        domainxfer.resume(runs=runs, changes={"training": {"steps": 6}}, cpu=True)


def test_resume_cannot_change_the_networks(trained, mine):
    with pytest.raises(UsageError, match="--init-from"):
        domainxfer.resume(trained.run.name, runs=mine.parent / "runs", changes={"generator": {"width": 32}}, cpu=True)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"optimizer": {"kind": "rmsprop"}}, "optimizer.kind"),
        ({"optimizer": {"info_lr": 1e-4}}, "optimizer.info_lr"),
        ({"training": {"seed": 5}}, "training.seed"),
        ({"training": {"steps": 2}}, "has done 4 already"),
        ({"critic": {"patch_labels": False}}, "cannot change critic"),
        ({"generator": {"labels": 5}}, "cannot change generator"),
        ({"data": {"size": 64}}, "cannot change data.size"),
    ],
)
def test_a_refused_change_leaves_the_run_as_it_was(trained, changes, says):
    """It can be resumed afterwards: the recipe in its folder is still its own."""
    before = (trained.run / "recipe.yaml").read_text()
    with pytest.raises(UsageError, match=says):
        domainxfer.resume(str(trained.run), changes=changes, cpu=True)
    assert (trained.run / "recipe.yaml").read_text() == before
    assert domainxfer.resume(str(trained.run), cpu=True).outcome.step == 4


def test_a_damaged_checkpoint_is_named_and_the_one_before_is_used(mine):
    runs = mine.parent / "damaged"
    done = domainxfer.train(str(mine), changes=TINY, runs=runs, cpu=True)
    newest = sorted((done.run / "checkpoints").glob("*.pt"))[-1]
    newest.write_bytes(newest.read_bytes()[:1000])
    said: list[str] = []
    more = domainxfer.resume(runs=runs, cpu=True, listener=Listener(say=said.append))
    assert any(newest.name in line for line in said)
    assert more.outcome.step == 4
    assert any("from step 2" in line for line in said)


def test_a_run_that_diverges_keeps_its_last_good_checkpoint(mine):
    changes = {**TINY, "training": {**TINY["training"], "steps": 40}, "optimizer": {"generator_lr": 1e30}}
    run = mine.parent / "diverged" / "mine-1"
    with pytest.raises(DomainxferError, match=r"step \d") as raised:
        domainxfer.train(str(mine), changes=changes, runs=run.parent, cpu=True)
    kept, way_on = run / "checkpoints", f"domainxfer train --resume {run}"
    assert (way_on in str(raised.value)) == bool(list(kept.glob("*.pt"))), "without a checkpoint it cannot go on"
    assert "--set optimizer.generator_lr=3e+29 --set optimizer.critic_lr=" in str(raised.value)
    assert (run / "report.html").exists()
    for path in kept.glob("*.pt"):
        state = torch.load(path, weights_only=True)
        assert all(bool(tensor.isfinite().all()) for tensor in state["generator"].values())


def test_a_run_that_diverges_late_is_told_by_name_how_to_go_on(mine, monkeypatch):
    def diverge(self, step, row):
        if step == 3:
            raise NotANumber("generator/cycle is nan at step 3")
        return []

    monkeypatch.setattr(Watch, "look", diverge)
    run = mine.parent / "late" / "mine-1"
    with pytest.raises(NotANumber, match="step 3") as raised:
        domainxfer.train(str(mine), changes=TINY, runs=run.parent, cpu=True)
    assert f"checkpoint of step 2 is kept; with lower rates: domainxfer train --resume {run} --set" in str(raised.value)


def test_a_report_can_be_read_while_the_run_lasts(mine):
    seen: list[tuple[bool, int]] = []
    runs = mine.parent / "watched"

    def look(step, split, *found):
        seen.append(((runs / "mine-1" / "report.html").exists(), step))

    changes = {**TINY, "training": {**TINY["training"], "figure_every": 2}}
    said: list[str] = []
    domainxfer.train(str(mine), changes=changes, runs=runs, cpu=True, listener=Listener(figures=look, say=said.append))
    assert seen[0] == (False, 2)
    assert all(there for there, _ in seen[1:])
    assert said[-1].endswith("24 dark, 24 light to learn from (6 for validation, 6 for test), 32 px, 4 steps")


def test_a_run_that_is_done_keeps_the_recipe_it_was_trained_by(trained):
    with pytest.raises(UsageError, match=r"has done its 4 steps; ask for more with --steps"):
        domainxfer.resume(str(trained.run), changes={"optimizer": {"generator_lr": 1e-6}}, cpu=True)
    assert read_recipe(trained.run / "recipe.yaml").optimizer.generator_lr != 1e-6


def test_fine_tuning_starts_from_a_models_weights(trained, mine):
    changes = {**TINY, "training": {**TINY["training"], "steps": 1}, "optimizer": {"generator_lr": 1e-12}}
    tuned = domainxfer.train(
        str(mine), changes=changes, init_from=trained.run, runs=mine.parent / "tuned", cpu=True
    ).model.generator
    old = trained.model.generator.state_dict()
    for key, tensor in tuned.state_dict().items():
        torch.testing.assert_close(tensor, old[key], atol=1e-6, rtol=0)


def test_fine_tuning_with_another_seed_may_be_judged_by_what_was_learned(trained, mine, tmp_path):
    said: list[str] = []
    for seed in (0, 1):
        changes = {**TINY, "training": {**TINY["training"], "steps": 1, "seed": seed}}
        listener = Listener(say=said.append)
        domainxfer.train(str(mine), changes=changes, init_from=trained.run, runs=tmp_path, cpu=True, listener=listener)
    (line,) = [line for line in said if "may have learned" in line]
    assert line.endswith("--seed 0 keeps them apart")


@pytest.mark.parametrize("part", ["model", "best"])
def test_so_it_may_where_a_part_of_a_run_is_named_or_fewer_are_held_out(trained, mine, tmp_path, part):
    run = shutil.copytree(trained.run, tmp_path / "run-1")
    shutil.copytree(run / "model", run / "best", dirs_exist_ok=True)
    said: list[str] = []
    changes = merged(TINY, {"data": {"validation_share": 0.3}, "training": {"steps": 1}})
    listener = Listener(say=said.append)
    domainxfer.train(str(mine), changes=changes, init_from=run / part, runs=tmp_path, cpu=True, listener=listener)
    (line,) = [line for line in said if "may have learned" in line]
    assert line.endswith("--set data.validation_share=0.1 keeps them apart")


def test_a_run_by_the_recipe_of_another_begins_with_the_same_model(trained, mine, tmp_path):
    changes = merged(TINY, {"training": {"steps": 1}, "optimizer": {"generator_lr": 1e-12}})
    tuned = domainxfer.train(str(mine), changes=changes, init_from=trained.run, runs=tmp_path, cpu=True)
    said: list[str] = []
    again = domainxfer.train(
        str(mine), recipe_file=tuned.run / "recipe.yaml", runs=tmp_path, cpu=True, listener=Listener(say=said.append)
    )
    assert any(f"began with {trained.run}" in line for line in said)
    assert read_recipe(again.run / "recipe.yaml").source.init_from == str(trained.run)
    one, two = (done.model.generator.state_dict() for done in (tuned, again))
    assert all(torch.equal(one[key], two[key]) for key in one)


def test_a_folder_of_ones_own_is_no_known_set_of_that_name(mine, tmp_path):
    shutil.copytree(mine, tmp_path / "faces")
    recipe, _ = prepare(str(tmp_path / "faces"), print)
    assert recipe.card == "faces-folder", "the title, the licence and the judge of faces are not its own"


def test_places_in_the_home_folder(mine, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "mine.yaml").write_text("data: {size: 32}\n")
    recipe, _ = prepare(str(mine), print, data_root="~/sets", recipe_file="~/mine.yaml")
    assert recipe.data.size == 32
    assert recipe.source.data_root == str(tmp_path / "sets")


def test_a_run_may_be_named_by_a_path_that_is_none(tmp_path):
    with pytest.raises(DomainxferError, match="no run"):
        domainxfer.resume(tmp_path / "nope", runs=tmp_path)


def test_known_labels_need_some(mine, tmp_path):
    for i, picture in enumerate(sorted(mine.rglob("*.png"))):
        shutil.copy(picture, tmp_path / f"{i}.png")
    with pytest.raises(UsageError, match=r"--labels known: the pictures of .* have none"):
        prepare(str(tmp_path), print, mode="generate", labels="known")


@pytest.mark.parametrize("labels", ["0", "1"])
def test_one_label_says_nothing(mine, labels):
    with pytest.raises(UsageError, match=f"--labels {labels}: ask for at least 2, or for none"):
        prepare(str(mine), print, mode="generate", labels=labels)


def test_fine_tuning_goes_on_with_the_same_kind_of_content(trained, mine, tmp_path):
    with pytest.raises(UsageError, match=r"that model translates; add --mode translate"):
        domainxfer.train(str(mine), changes=TINY, mode="generate", init_from=trained.run, runs=tmp_path, cpu=True)


def test_dry_run_estimates_and_writes_nothing(mine):
    found = dry_run(str(mine), changes=TINY, cpu=True)
    assert found.seconds > 0
    assert found.generator_parameters > 1000
    assert found.parts["generator/cycle"] > 0


def test_generate_mode_learns_from_noise(mine):
    done = domainxfer.train(str(mine), changes=OF_NOISE, mode="generate", runs=mine.parent / "noise", cpu=True)
    assert done.model.config.generator.content == "noise"
    assert done.model.config.generator.labels == 0
    assert (done.run / "samples" / "step_000004.png").exists()


def test_generate_mode_with_known_and_with_discovered_labels(mine):
    for labels, domains in (("known", ("dark", "light")), ("5", ())):
        done = domainxfer.train(
            str(mine), changes=OF_NOISE, mode="generate", labels=labels, runs=mine.parent / f"noise{labels}", cpu=True
        )
        assert done.model.config.generator.labels == (2 if labels == "known" else 5)
        assert done.model.domains == domains


@pytest.mark.parametrize(
    ("path", "value", "says"),
    [
        ("mode", "generate", "--mode"),
        ("card", "x", "name of the data"),
        ("source.labels", "none", "--labels"),
        ("generator.labels", 5, "--labels"),
        ("critic.patch_labels", False, "--labels"),
        ("critic.size", 16, "--size"),
        ("critic.code_size", 1, "set generator.code_size"),
        ("objective.info.code", 0.1, "cannot apply in this run"),
        ("objective.critic.label_known", 1.0, "cannot apply in this run"),
    ],
)
def test_a_setting_that_would_do_nothing_is_refused(mine, path, value, says):
    changes = {**TINY, "generator": {**TINY["generator"], "code_size": 0}}
    *folders, last = path.split(".")
    inner = changes
    for folder in folders:
        inner[folder] = dict(inner.get(folder, {}))
        inner = inner[folder]
    inner[last] = value
    with pytest.raises(UsageError, match=rf"{path.split('.')[0]}.*{says}"):
        prepare(str(mine), print, changes=changes)


@pytest.mark.parametrize("begin", [domainxfer.train, dry_run])
def test_a_setting_that_is_no_option_is_refused_with_the_way_to_say_it(mine, tmp_path, begin):
    with pytest.raises(UsageError, match=r"size is a setting.*changes=\{'data': \{'size': 128\}\}"):
        begin(str(mine), runs=tmp_path, cpu=True, size=128)
    with pytest.raises(UsageError, match=r"steps is a setting.*changes=\{'training': \{'steps': 9\}\}"):
        begin(str(mine), runs=tmp_path, cpu=True, steps=9)
    assert not list(tmp_path.iterdir())


def test_an_unknown_option_is_refused_with_the_nearest(mine, tmp_path):
    with pytest.raises(UsageError, match=r"no option 'presets'. Did you mean 'preset'\? Known: changes, "):
        domainxfer.train(str(mine), runs=tmp_path, presets="original")
    with pytest.raises(UsageError, match=r"no option 'seedling'"):
        domainxfer.discover(str(mine), 3, runs=tmp_path, seedling=1)
    assert not list(tmp_path.iterdir())


def test_whoever_watches_hears_of_a_download(mine, trained, monkeypatch):
    heard: list[tuple[int, int | None]] = []
    listener = Listener(downloaded=lambda done, total: heard.append((done, total)))

    class Enough(Exception):
        pass

    def open_data(*asked, on_progress, **options):
        on_progress(1, 2)
        raise Enough

    monkeypatch.setattr("domainxfer.prepare.open_data", open_data)
    for begin in (
        lambda: domainxfer.train(str(mine), listener=listener, cpu=True),
        lambda: dry_run(str(mine), listener=listener, cpu=True),
        lambda: domainxfer.resume(str(trained.run), changes={"training": {"steps": 99}}, listener=listener, cpu=True),
    ):
        with pytest.raises(Enough):
            begin()
    assert heard == [(1, 2)] * 3


@pytest.mark.parametrize("seconds", ["1h", 0, -1, float("nan")])
def test_a_time_that_is_none_is_refused_before_anything_is_made(mine, trained, tmp_path, seconds):
    with pytest.raises(UsageError, match=r"max_seconds \(--max-time\) is"):
        domainxfer.train(str(mine), runs=tmp_path, max_seconds=seconds, cpu=True)
    with pytest.raises(UsageError, match=r"max_seconds \(--max-time\) is"):
        domainxfer.resume(str(trained.run), max_seconds=seconds, cpu=True)
    assert not list(tmp_path.iterdir())


def test_changes_are_nested_settings(mine):
    with pytest.raises(UsageError, match=r"changes is \[1\]; nested settings are wanted"):
        prepare(str(mine), print, changes=[1])


@pytest.mark.parametrize(("mode", "share"), [("translate", None), ("generate", None), ("translate", 0.3)])
def test_too_few_held_out_pictures_for_figures_are_named_at_the_beginning(tmp_path, mode, share):
    for name, count in (("cats", 40), ("dogs", 150)):
        (tmp_path / "few" / name).mkdir(parents=True)
        for number in range(count):
            Image.new("RGB", (16, 16), (number, 0, 0)).save(tmp_path / "few" / name / f"{number}.png")
    heard: list[str] = []
    changes = {**TINY, "data": {**TINY["data"], **({"validation_share": share} if share else {})}}
    dry_run(str(tmp_path / "few"), mode=mode, changes=changes, cpu=True, listener=Listener(say=heard.append))
    lines = [line for line in heard if "no figures" in line]
    assert len(lines) == (mode == "translate" and share is None)
    for line in lines:
        assert re.search(r"of cats \d pictures are held out .* 10 are needed; .*validation_share=0\.3$", line)


def test_what_is_no_name_of_a_model_is_refused(trained):
    for wrong in (None, 3):
        with pytest.raises(UsageError, match="a model is named by its folder"):
            domainxfer.load(wrong)
    with pytest.raises(UsageError, match="name what is to be judged"):
        domainxfer.evaluate(trained.model)


def test_the_names_of_the_package_can_be_listed():
    assert {"train", "load", "evaluate", "Model"} <= set(dir(domainxfer))


def test_pictures_are_classified(trained, tmp_path):
    model, picture = trained.model, Image.new("RGBA", (40, 30), (200, 30, 60, 128))
    found = model.classify(picture)
    assert set(found) == set(model.domains)
    assert sum(found.values()) == pytest.approx(1, abs=1e-3)
    assert list(found.values()) == sorted(found.values(), reverse=True)
    assert model.classify([picture, picture]) == [found, found]
    for wrong in ("cat.png", [np.zeros((8, 8, 3), np.uint8)], 3):
        with pytest.raises(UsageError, match="a picture is a PIL image"):
            model.classify(wrong)
    for empty in ((0, 5), (5, 0)):
        with pytest.raises(UsageError, match="px has nothing to look at"):
            model.classify(Image.new("RGB", empty))
        with pytest.raises(UsageError, match="px has nothing to look at"):
            model.translate(Image.new("RGB", empty), to=model.domains[0])


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        ({"name": 5}, "--name 5"),
        ({"preset": 5}, "preset is 5"),
        ({"changes": [1]}, r"changes is \[1\]"),
        ({"runs": 5}, "5 is none"),
        ({"recipe_file": 5}, "5 is none"),
    ],
)
def test_arguments_of_another_type_are_named(mine, tmp_path, wrong, reason):
    with pytest.raises(UsageError, match=reason):
        domainxfer.train(str(mine), **{"runs": tmp_path, "cpu": True, **wrong})


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [({"changes": 5}, "changes is 5"), ({"changes": {"source": 5}}, "source"), ({"runs": 5}, "5 is none")],
)
def test_arguments_of_another_type_are_named_in_resume_too(trained, wrong, reason):
    with pytest.raises(UsageError, match=reason):
        domainxfer.resume(str(trained.run), **{"cpu": True, **wrong})


def test_a_model_without_labels_classifies_nothing(mine, tmp_path):
    changes = {**TINY, "training": {**TINY["training"], "steps": 1}}
    done = domainxfer.train(str(mine), mode="generate", runs=tmp_path, changes=changes, cpu=True)
    with pytest.raises(UsageError, match="trained without labels"):
        done.model.classify(Image.new("RGB", (16, 16)))


def test_a_term_of_weight_0_may_be_named_anywhere(mine):
    terms = {"critic": {"label_known": 0}, "generator": {"cycle": 1.0}, "info": {"code": 0.1}}
    recipe, _ = prepare(str(mine), print, changes={**TINY, "objective": terms})
    assert recipe.objective.info["code"].weight == 0.1


def test_a_resumed_run_gets_no_term_that_it_cannot_have(trained):
    before = (trained.run / "recipe.yaml").read_text()
    with pytest.raises(UsageError, match=r"objective\.critic\.label_known cannot apply"):
        domainxfer.resume(str(trained.run), changes={"objective": {"critic": {"label_known": 1.0}}}, cpu=True)
    assert (trained.run / "recipe.yaml").read_text() == before


def test_the_recipe_of_a_known_set_can_be_taken_for_pictures_of_ones_own(mine):
    recipe, _ = prepare(str(mine), print, preset="horse2zebra", changes={"data": {"batch": 4}})
    known = load_card("horse2zebra")
    assert (recipe.card, recipe.data.size, recipe.data.batch, recipe.data.grow) == ("mine", 128, 4, {2000: 64})
    assert recipe.objective.generator["hinge"].weight == 1.0
    assert recipe.critic.fields == tuple(known.recipe["critic"]["fields"])
    assert prepare(str(mine), print, preset="horse2zebra", changes={"data": {"size": 32}})[0].data.size == 32
    both, _ = prepare(str(mine), print, preset="horse2zebra,gpu-hour")
    wide = load_preset("gpu-hour")["generator"]["width"]
    assert (both.data.size, both.generator.width, both.generator.fine) == (128, wide, 2)
    recipe, data = prepare(str(mine), print, preset="faces")
    assert (recipe.mode, data.domains) == ("generate", ()), "faces are made of noise"
    with pytest.raises(UsageError, match=r"unknown preset 'horse3zebra'.*; or the name of a known data set"):
        prepare(str(mine), print, preset="horse3zebra")


def test_a_recipe_of_a_run_says_what_the_domains_are_called_and_what_it_began_with(trained, tmp_path):
    for folder in ("trainA", "trainB"):
        (tmp_path / "mine" / folder).mkdir(parents=True)
        for i in range(10):
            Image.new("RGB", (32, 32), (i, 0, 0)).save(tmp_path / "mine" / folder / f"{i}.png")
    names, runs = {"A": "dark", "B": "light"}, tmp_path / "runs"
    mine = str(tmp_path / "mine")
    changes = {**TINY, "training": {**TINY["training"], "steps": 1}}
    done = domainxfer.train(mine, names=names, init_from=trained.run, changes=changes, runs=runs, cpu=True)
    assert read_recipe(done.run / "recipe.yaml").source.init_from == str(trained.run)
    assert f"begun with: {trained.run}" in (done.run / "model" / "README.md").read_text()
    assert str(trained.run) in (done.run / "report.html").read_text()
    again, data = prepare(mine, print, recipe_file=done.run / "recipe.yaml")
    assert data.domains == ("dark", "light")
    assert again.source.init_from is None, "this one begins with fresh weights"
    shutil.copytree(mine, tmp_path / "other")
    assert prepare(str(tmp_path / "other"), print, recipe_file=done.run / "recipe.yaml")[1].domains == ("A", "B")


def test_layers_of_ones_own_are_checked_by_what_they_will_make(mine):
    layers = [
        {"kind": "up", "out": 8, "kernel": 4, "stride": 1, "pad": 0, "norm": "batch", "act": "leaky"},
        {"kind": "up", "out": 8, "kernel": 4, "stride": 4, "pad": 0, "norm": "batch", "act": "leaky"},
        {"kind": "up", "out": 3, "kernel": 4, "stride": 2, "pad": 1, "act": "tanh"},
    ]
    data = {"size": 32, "batch": 4}
    recipe, _ = prepare(str(mine), print, mode="generate", changes={"data": data, "generator": {"layers": layers}})
    assert len(recipe.generator.layers) == 3
    changes = {"data": {"size": 36, "batch": 4}, "generator": {"layers": layers}}
    with pytest.raises(UsageError, match=r"generator.*\(3, 36, 36\) is wanted"):
        prepare(str(mine), print, mode="generate", changes=changes)
    with pytest.raises(UsageError, match="setting generator: "):
        prepare(str(mine), print, changes={"generator": 3})


def test_a_loss_that_never_begins_is_told_of(mine):
    late = {"generator": {"nonsaturating": {0: 0.0, 9: 0.0, 10: 1.0}}}
    said: list[str] = []
    changes = {**TINY, "objective": late}
    domainxfer.train(
        str(mine), changes=changes, runs=mine.parent / "late-loss", cpu=True, listener=Listener(say=said.append)
    )
    assert said[0] == "objective.generator.nonsaturating begins after step 9, and there are 4 steps: it never counts"
    assert dry_run(str(mine), changes=changes, runs=mine.parent / "none", cpu=True).steps == 4


def test_the_share_that_is_held_out_is_a_setting(mine):
    counts = []
    for share in (0.1, 0.5):
        _, data = prepare(str(mine), print, changes={**TINY, "data": {**TINY["data"], "validation_share": share}})
        counts.append(data.counts()["validation"]["dark"])
    assert counts == [3, 15]


PATCHES = {"critic": {"whole": False, "fields": [1, 2]}}


def test_a_recipe_of_a_run_says_what_its_labels_are(mine, tmp_path):
    changes = {**OF_NOISE, "training": {**OF_NOISE["training"], "steps": 1}}
    for labels, count, known in (("known", 2, True), ("3", 3, False)):
        run = domainxfer.train(
            str(mine), changes=changes, mode="generate", labels=labels, runs=tmp_path / labels, cpu=True
        ).run
        again, _ = prepare(str(mine), print, recipe_file=run / "recipe.yaml")
        assert (again.generator.labels, again.critic.patch_labels, again.source.labels) == (count, known, labels)
    other, _ = prepare(str(mine), print, recipe_file=run / "recipe.yaml", labels="none")
    assert other.generator.labels == 0, "what is said counts more"
    translated, _ = prepare(str(mine), print, recipe_file=run / "recipe.yaml", mode="translate", changes=PATCHES)
    assert translated.source.labels == "known", "of another kind of run it says nothing"


def test_three_domains_may_begin_with_a_model_of_two_in_batches_of_any_size(mine, trained, tmp_path):
    for domain in ("dark", "light"):
        shutil.copytree(mine / domain, tmp_path / "three" / domain)
    shutil.copytree(mine / "dark", tmp_path / "three" / "third")
    recipe, _ = prepare(str(tmp_path / "three"), print, trained.model, changes={"data": {"batch": 9}})
    assert (recipe.generator.labels, recipe.data.batch) == (3, 9)
    recipe, _ = prepare(
        str(tmp_path / "three"), print, recipe_file=trained.run / "recipe.yaml", changes={"data": {"batch": 9}}
    )
    assert recipe.critic.labels == 3


def test_a_folders_latest_run_is_found_by_the_folder(trained, mine, monkeypatch):
    monkeypatch.chdir(mine.parent)
    assert domainxfer.resume("./mine", runs="runs", cpu=True).run.name.startswith("mine-")


def test_the_package_has_what_the_commands_have(mine):
    done, found = domainxfer.discover(
        str(mine), 2, changes={**OF_NOISE, "data": {"size": 32, "batch": 8}}, runs=str(mine.parent / "found"), cpu=True
    )
    assert sum(found.counts["train"]) > 20
    more = domainxfer.resume(runs=str(mine.parent / "found"), changes={"training": {"steps": 5}}, cpu=True)
    assert more.run == done.run
    with pytest.raises(UsageError, match="at least 2"):
        domainxfer.discover(str(mine), "many")


def test_paths_and_numbers_may_be_paths_and_numbers(mine, tmp_path):
    (tmp_path / "r.yaml").write_text("data: {size: 32, batch: 4}\n")
    common = {"changes": {**OF_NOISE, "training": {"steps": 1}}, "cpu": True}
    assert dry_run(mine, recipe_file=str(tmp_path / "r.yaml"), **common).steps == 1
    assert dry_run(mine, mode="generate", labels=2, **common).steps == 1
    with pytest.raises(UsageError, match=r"supervise: .*less than or equal to 1"):
        dry_run(mine, mode="generate", labels=2, supervise=2, **common)


def test_translation_needs_labels(mine):
    with pytest.raises(UsageError, match="--mode generate"):
        prepare(str(mine), print, changes=TINY, labels="4")
    with pytest.raises(UsageError, match="--labels ²: write none, known, or a number"):
        prepare(str(mine), print, changes=OF_NOISE, mode="generate", labels="²")


def test_cards_have_recipes_that_hold_together():
    from domainxfer.datasets.card import list_cards, load_card
    from domainxfer.prepare import _recipe_of

    for name in list_cards():
        card = load_card(name)
        recipe = _recipe_of(card, None, plain=False).resolved(len(card.domains) if card.mode == "translate" else 0)
        assert recipe.mode == card.mode


def test_the_latest_finished_run_that_knows_the_domain_is_found(trained, mine):
    where, model = find_model(None, "light", mine.parent / "runs")
    assert where.parent == mine.parent / "runs"
    assert "light" in model.domains
    with pytest.raises(DomainxferError, match="dark, horse, light, zebra"):
        find_model(None, "unicorn", mine.parent / "runs")


def test_only_the_model_that_is_meant_is_read(trained, mine, tmp_path, monkeypatch):
    runs = tmp_path / "runs"
    for number in (1, 2):
        run = shutil.copytree(trained.run, runs / f"many-{number}")
        os.utime(run / "recipe.yaml", (number, number))
    config = runs / "many-2" / "model" / "config.json"
    config.write_text(config.read_text().replace('"light"', '"other"'))  # the newer run knows another domain
    loaded: list[Path] = []
    monkeypatch.setattr("domainxfer.loaded._loaded", lambda path: loaded.append(path))
    assert find_model(None, "light", runs)[0] == runs / "many-1"
    assert loaded == [runs / "many-1"]


def test_a_run_that_was_stopped_is_named_where_no_other_will_do(trained, tmp_path):
    run = shutil.copytree(trained.run, tmp_path / "runs" / "stopped-1")
    config = run / "model" / "config.json"
    config.write_text(config.read_text().replace('"finished": true', '"finished": false'))
    with pytest.raises(DomainxferError, match=r"stopped-1 does, .* has not ended: --model stopped-1$"):
        find_model(None, "light", tmp_path / "runs")


def test_a_model_that_was_trained_further_is_read_anew(trained, tmp_path):
    run = shutil.copytree(trained.run, tmp_path / "runs" / "further")
    _, before = find_model(str(run), "light")
    assert find_model(str(run), "light")[1] is before
    weights = run / "model" / "model.safetensors"
    values = load_file(weights)
    name = next(iter(values))
    save_file({**values, name: values[name] + 1}, weights)
    os.utime(weights, ns=(1, 1))
    _, after = find_model(str(run), "light")
    new, old = (model.generator.state_dict()[name] for model in (after, before))
    assert (new - old).abs().max() == pytest.approx(1, abs=1e-2)


def test_more_processes_than_the_batch_can_feed(mine, monkeypatch):
    from domainxfer.training import run as run_module
    from domainxfer.training.processes import Processes

    recipe, data = prepare(str(mine), print, changes=TINY)
    processes = Processes(cpu=True)
    monkeypatch.setattr(processes, "count", 3)
    with pytest.raises(DomainxferError, match=r"data\.batch=3"):
        run_module.Run(recipe, data, processes, None, Listener())


def _write_picture(path: Path, grey: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (40, 40), (grey, grey, grey)).save(path)


def test_a_known_data_set_is_known_wherever_it_lies(tmp_path):
    for number, folder in enumerate(("trainA", "trainB", "testA", "testB")):
        for i in range(3):
            _write_picture(tmp_path / "far" / "horse2zebra" / folder / f"{i}.png", 40 * number)
    said = []
    recipe, data = prepare(str(tmp_path / "far" / "horse2zebra"), said.append)
    assert recipe.card == "horse2zebra"
    assert recipe.training.figure_every == load_card("horse2zebra").recipe["training"]["figure_every"]
    assert data.domains == ("horse", "zebra")
    assert Path(recipe.source.data) == tmp_path / "far" / "horse2zebra"
    assert "known data set horse2zebra" in said[0]


def test_fine_tuning_does_not_begin_with_small_pictures_again(tmp_path, trained):
    for number, folder in enumerate(("trainA", "trainB", "testA", "testB")):
        for i in range(3):
            _write_picture(tmp_path / "horse2zebra" / folder / f"{i}.png", 40 * number)
    anew, _ = prepare(str(tmp_path / "horse2zebra"), print)
    tuned, _ = prepare(str(tmp_path / "horse2zebra"), print, trained.model)
    assert anew.data.grow == load_card("horse2zebra").recipe["data"]["grow"]
    assert tuned.data.grow == {}
    assert (anew.data.size, tuned.data.size) == (128, 32), "the model's own size, unless another is asked for"
    wish = {"data": {"size": 96, "grow": {50: 64}}}
    own, _ = prepare(str(tmp_path / "horse2zebra"), print, trained.model, changes=wish)
    assert (own.data.size, own.data.grow) == (96, {50: 64})


def test_a_folder_with_a_known_name_and_other_domains_is_the_users_own(tmp_path):
    for domain in ("smile", "frown"):
        for i in range(12):
            _write_picture(tmp_path / "emoji" / domain / f"{i}.png", i)
    recipe, data = prepare(str(tmp_path / "emoji"), print)
    assert data.domains == ("frown", "smile")
    assert recipe.data.batch == Recipe().data.batch
