"""Presets: known by name, laid over the card's recipe and under the user's own settings, and they train."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import domainxfer
from domainxfer.datasets.card import load_card
from domainxfer.datasets.rendered.mazes import mazes_data
from domainxfer.errors import UsageError
from domainxfer.prepare import prepare
from domainxfer.presets import list_presets, load_preset
from domainxfer.recipe import Recipe, override
from domainxfer.training.sensible import refuse_senseless
from domainxfer.training.terms import asks_critic

ADVERSARIAL = {"lsgan", "hinge", "nonsaturating", "minimax", "wasserstein", "relativistic_average", "r3gan", "softmax"}

TINY = {
    "data": {"size": 32, "batch": 4},
    "generator": {"width": 16, "blocks": 1},
    "critic": {"width": 16, "depth": 3, "fields": [1, 2]},
    "training": {"steps": 3, "log_every": 1, "extractor": "gabor"},
}


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    """Two domains, twenty pictures each."""
    numbers = np.random.default_rng(0)
    for k, domain in enumerate(("dark", "light")):
        (tmp_path / "mine" / domain).mkdir(parents=True)
        for i in range(20):
            picture = numbers.integers(0, 128, (36, 36, 3)) + 127 * k
            Image.fromarray(picture.astype(np.uint8)).save(tmp_path / "mine" / domain / f"{domain}{i}.png")
    return tmp_path / "mine"


@pytest.mark.parametrize("name", list_presets())
def test_every_preset_is_made_of_known_settings(name: str) -> None:
    assert override(Recipe(), load_preset(name)) != Recipe()


def test_original_has_the_weights_of_the_write_up() -> None:
    recipe = override(Recipe(), load_preset("original"))
    o, adam = recipe.objective, recipe.optimizer
    assert (o.generator["cycle"].weight, o.generator["identity"].weight) == (10, 5)
    assert (o.info["label_fake"].weight, o.critic["label_real"].weight, o.info["code"].weight) == (0.6, 0.4, 0.1)
    assert o.critic["nonsaturating"].weight == o.generator["nonsaturating"].weight == 0
    assert {"simgan", "dragan"} <= set(o.critic)
    assert (adam.generator_lr, adam.critic_lr, adam.info_lr) == (2e-4, 2e-4, 2e-4)
    assert (adam.betas, adam.clip) == ((0.5, 0.999), 2)
    light = override(Recipe(), load_preset("original-light")).objective.generator
    assert (light["cycle"].weight, light["identity"].weight) == (3, 0.5)


@pytest.mark.parametrize("preset", ["gpu-hour", "gpu-day"])
def test_larger_networks_learn_from_noise_as_the_default_does(preset: str, mine: Path) -> None:
    made = [
        prepare(str(mine), print, mode="generate", preset=name, changes={"data": {"size": 64}})[0]
        for name in (None, preset)
    ]
    assert made[0].objective == made[1].objective
    assert made[1].critic.whole
    assert made[1].generator.width == 128 > made[0].generator.width


@pytest.mark.parametrize("card", ["horse2zebra", "emoji"])
def test_original_is_the_same_network_whatever_the_card_has(card: str) -> None:
    recipe = override(override(Recipe(), load_card(card).recipe), load_preset("original"))
    assert (recipe.generator.fine, recipe.generator.detail) == (0, 0)
    assert (recipe.critic.style, recipe.critic.fields) == (False, (2, 3))


@pytest.mark.parametrize("card", ["mnist", "horse2zebra", "emoji", "demo"])
@pytest.mark.parametrize("preset", [name for name in list_presets() if "objective" in load_preset(name)])
def test_a_preset_with_losses_of_its_own_has_those_alone_whatever_the_card_has(
    preset: str, card: str, mine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("domainxfer.prepare.card_meant", lambda *_: None)
    plain = prepare(str(mine), print, preset=preset)[0]
    monkeypatch.setattr("domainxfer.prepare.card_meant", lambda *_: load_card(card).model_copy(update={"names": {}}))
    on_a_card = prepare(str(mine), print, preset=preset)[0]
    for player in ("critic", "generator"):
        weighing = [
            {name: term for name, term in getattr(recipe.objective, player).items() if name in ADVERSARIAL}
            for recipe in (plain, on_a_card)
        ]
        assert weighing[0] == weighing[1]


def test_a_set_whose_pictures_grow_in_translation_is_made_of_noise_too(
    mine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    horses = load_card("horse2zebra").model_copy(update={"names": {}})
    monkeypatch.setattr("domainxfer.prepare.card_meant", lambda *_: horses)
    assert "grow" in horses.recipe["data"]
    for options in ({"mode": "generate"}, {"preset": "dcgan-28"}, {"mode": "generate", "preset": "discover"}):
        assert prepare(str(mine), print, **options)[0].mode == "generate"


def test_a_card_tuned_for_translation_is_no_recipe_for_noise(mine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = prepare(str(mine), print, mode="generate")[0]
    monkeypatch.setattr("domainxfer.prepare.card_meant", lambda *_: load_card("emoji"))
    emoji = prepare(str(mine), print, mode="generate")[0]
    assert (emoji.objective, emoji.optimizer, emoji.training.steps) == (
        plain.objective,
        plain.optimizer,
        plain.training.steps,
    )
    assert (emoji.data.batch, emoji.data.margin) == (plain.data.batch, 1.0)
    assert emoji.data.augment != plain.data.augment
    assert emoji.critic.fields == plain.critic.fields


def test_the_vae_differs_from_dcgan_in_its_loss_and_its_noise() -> None:
    gan, vae = load_preset("dcgan-28"), load_preset("vae-28")
    assert vae["generator"]["layers"] == gan["generator"]["layers"]
    assert vae["generator"]["encoder"][:-1] == gan["critic"]["layers"][:-1]
    assert vae["data"] == gan["data"]


def test_r3gan_has_the_networks_of_dcgan_but_for_the_critics_norms() -> None:
    old, new = (override(Recipe(), load_preset(name)) for name in ("dcgan-28", "r3gan-28"))
    assert new.generator.layers == old.generator.layers
    assert new.critic.layers == tuple(layer.model_copy(update={"norm": "none"}) for layer in old.critic.layers)
    weighing = {name for name, term in new.objective.critic.items() if term.weight}
    assert weighing - {"label_real"} == {"r3gan", "r1", "r2"}
    refuse_senseless(new.resolved(0))


@pytest.mark.parametrize("name", ["vae-28", "vae-64"])
def test_a_vae_weighs_both_terms_as_the_bound_does(name: str) -> None:
    recipe = override(Recipe(), load_preset(name))
    weights = {name: term.weight for name, term in recipe.objective.generator.items() if term.weight}
    assert weights == {"reconstruction": 1, "kl_to_normal": 1, "cycle": 5, "identity": 5}
    assert set(recipe.resolved(0).objective.generator) == {"nonsaturating", "reconstruction", "kl_to_normal"}
    assert not asks_critic(recipe.resolved(0))


def test_a_preset_based_on_another_says_only_what_differs() -> None:
    whole, light = load_preset("original"), load_preset("original-light")
    assert light["critic"] == whole["critic"]
    assert light["objective"]["generator"] == whole["objective"]["generator"] | {
        "cycle": {"weight": 3, "shrink": 1},
        "identity": 0.5,
    }
    assert "based_on" not in light


def test_the_users_own_settings_win(mine: Path) -> None:
    changes = {"objective": {"generator": {"cycle": 7}}}
    recipe, _ = prepare(str(mine), print, changes=changes, preset="original")
    assert recipe.objective.generator["cycle"].weight == 7
    assert recipe.objective.generator["identity"].weight == 5


def test_content_from_noise_has_a_recipe_of_its_own(mine: Path) -> None:
    recipe, _ = prepare(str(mine), print, mode="generate")
    settings = load_preset("generate")
    assert recipe.data.batch == settings["data"]["batch"]
    assert (recipe.critic.whole, recipe.critic.fields, recipe.critic.norm) == (True, (), "none")
    assert set(recipe.objective.critic) - {"nonsaturating"} == {"r3gan", "r1", "r2"}
    assert recipe.objective.critic["nonsaturating"].weight == recipe.objective.generator["nonsaturating"].weight == 0
    translation, _ = prepare(str(mine), print)
    assert (translation.critic.whole, translation.data.batch) == (False, Recipe().data.batch)
    card, _ = prepare("mazes", print, preset="generate")
    assert card.critic.whole
    assert card.data.augment == (), "what the card says of its pictures holds"


@pytest.mark.parametrize("name", ["stacked-mnist", "mazes", "coloured-mazes"])
def test_a_card_may_have_a_preset_of_its_own(name: str, mine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pictures = mazes_data(train=4, validation=2, test=2)
    monkeypatch.setattr("domainxfer.prepare.open_pictures", lambda *asked: pictures)
    preset = override(Recipe(), load_preset(load_card(name).preset))
    usual, _ = prepare(name, print)
    assert usual.generator.layers == preset.generator.layers
    settings = load_card(name).recipe
    assert (usual.data.cache_mb == 0) is ("cache_mb" in settings["data"]), "what the card says of its pictures holds"
    assert usual.training.extractor == settings.get("training", {}).get("extractor", Recipe().training.extractor)
    other, _ = prepare(name, print, preset="generate")
    assert not other.generator.layers
    borrowed, _ = prepare(str(mine), print, preset=name)
    assert borrowed.generator.layers == preset.generator.layers


def test_a_preset_is_laid_over_no_other_recipe_for_noise(mine: Path) -> None:
    recipe, _ = prepare(str(mine), print, mode="generate", preset="dcgan-64")
    assert "r3gan" not in recipe.objective.critic
    assert not recipe.critic.whole
    assert recipe.optimizer.generator_lr == load_preset("dcgan-64")["optimizer"]["generator_lr"]


def test_a_misspelt_preset_suggests_the_nearest(mine: Path) -> None:
    with pytest.raises(UsageError, match=r"Did you mean 'original'.*original-light"):
        prepare(str(mine), print, preset="orignal")


def test_original_trains(mine: Path, tmp_path: Path) -> None:
    trained = domainxfer.train(str(mine), changes=TINY, preset="original", runs=tmp_path / "runs", cpu=True)
    head = (tmp_path / "runs" / "mine-1" / "metrics.csv").read_text().splitlines()[0]
    assert trained.outcome.step == 3
    assert {"critic/simgan", "critic/dragan", "generator/simgan", "info/label_fake"} <= set(head.split(","))
    assert "nonsaturating" not in head


@pytest.mark.parametrize("name", [name for name in list_presets() if name.startswith("failure-")])
def test_a_preset_that_shows_a_failure_is_the_plain_gan_but_for_its_cause(name: str) -> None:
    plain, failing = (override(Recipe(), load_preset(preset)) for preset in ("mlp-gan", name))
    refuse_senseless(failing.resolved(0, labels_known=False))
    assert failing.generator == plain.generator
    assert failing.training.figure_every <= plain.training.figure_every <= 400, "two figures in two epochs"
    of_generator = {term for term, settings in failing.objective.generator.items() if settings.weight}
    causes = {
        "failure-collapse": failing.training.steps > plain.training.steps,
        "failure-vanishing": "minimax" in of_generator and "nonsaturating" not in of_generator,
        "failure-no-convergence": len(failing.critic.layers) == 1,
    }
    assert causes[name]
