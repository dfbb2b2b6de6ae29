"""The recipe: what it refuses and how it says so, overrides, schedules, and the way to YAML and back."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import ValidationError

from domainxfer.errors import UsageError
from domainxfer.objective import TermSettings
from domainxfer.recipe import OptimizerSettings, Recipe, override, read_recipe, set_option, write_recipe

R1 = Recipe().objective.critic["r1"]  # a term with options of its own


def set_all(*assignments: str) -> dict[str, Any]:
    changes: dict[str, Any] = {}
    for assignment in assignments:
        set_option(changes, assignment)
    return changes


def changed(*assignments: str) -> Recipe:
    return override(Recipe(), set_all(*assignments))


def refusal(*assignments: str) -> str:
    with pytest.raises(UsageError) as caught:
        changed(*assignments)
    line = str(caught.value)
    assert "\n" not in line
    assert caught.value.exit_code == 2
    return line


# --- one change -------------------------------------------------------------------------------------------------------


def test_a_setting_of_the_command_line() -> None:
    recipe = changed("data.size=128", "training.precision=bf16", "optimizer.generator_lr=1e-4", "critic.fields=[1, 3]")
    assert recipe.data.size == 128
    assert recipe.training.precision == "bf16"
    assert recipe.optimizer.generator_lr == 1e-4
    assert recipe.critic.fields == (1, 3)
    assert recipe.generator == Recipe().generator, "the rest stays"


@pytest.mark.parametrize(
    ("assignment", "says"),
    [
        ("data.sise=3", ["data.sise", "Did you mean 'size'", "batch"]),
        ("traning.steps=3", ["traning", "Did you mean 'training'"]),
        ("generator.widht=32", ["generator.widht", "Did you mean 'width'"]),
        ("objective.generatr.cycle=3", ["objective.generatr", "Did you mean 'generator'"]),
        ("objective.labels_from_neighbours={at: 3, heds: 4}", ["heds", "Did you mean 'heads'"]),
        ("optimizer.zzz=3", ["optimizer.zzz", "generator_lr"]),
        ("training.steps=0", ["training.steps", "greater than or equal to 1"]),
        ("training.steps=10000000000", ["training.steps", "less than or equal to 1000000000"]),
        ("data.size=10000", ["data.size", "less than or equal to 8192"]),
        ("training.steps=many", ["training.steps", "integer"]),
        ("training.steps=1.5", ["training.steps", "integer"]),
        ("training.precision=fp8", ["training.precision", "bf16"]),
        ("data=3", ["data", "DataSettings"]),
        ("data.batch=1", ["data.batch", "greater than or equal to 2"]),
        ("data.size=65", ["data.size", "even"]),
        ("data.size=12", ["data.size", "at least"]),
        ("data.grow={100: 48, 200: 32}", ["data", "grow", "each side larger than the one before"]),
        ("data.grow={0: 32}", ["data", "grow", "each step above 0"]),
        ("data.grow={100: 8}", ["data.grow", "at least 16"]),
        ("data.grow={100: 33}", ["data.grow", "even"]),
        ("data.grow={100: 50}", ["data.grow", "multiple of generator.patch"]),
        ("critic.layers=[{kind: linear, out: 1, nrom: batch}]", ["critic.layers.0.nrom", "Did you mean 'norm'"]),
        ("data.grow=32", ["data.grow", "dictionary"]),
        ("critic.whole=true", ["critic.whole", "PatchGAN"]),
        ("critic.fields=[9]", ["critic", "between 1 and depth"]),
        ("optimizer.betas=[0.5]", ["optimizer.betas"]),
        ("optimizer.betas=[1.0, 2]", ["optimizer.betas.0", "less than 1"]),
        ("optimizer.generator_lr=.inf", ["optimizer.generator_lr", "finite"]),
        ("objective.critic.hinge=.nan", ["objective.critic.hinge.weight", "finite"]),
        ("critic.extra_heads=[-1]", ["critic.extra_heads.0", "greater than or equal to 2"]),
        ("critic.extra_heads=[0]", ["critic.extra_heads.0"]),
        ("objective.critic.r1=big", ["objective.critic.r1", "number"]),
        ("objective.critic.r1.every=0", ["objective.critic.r1.every"]),
        ("data.augment=[{p: 1}]", ["data.augment.0.name", "required"]),
    ],
)
def test_what_is_wrong_is_said_in_one_line(assignment: str, says: list[str]) -> None:
    line = refusal(assignment)
    assert all(part in line for part in says), line


@pytest.mark.parametrize("assignment", ["data.size", "=3", "  =3", ""])
def test_an_assignment_needs_a_name_and_an_equals_sign(assignment: str) -> None:
    with pytest.raises(UsageError, match=r"name\.of\.setting=value"):
        set_option({}, assignment)


def test_words_are_words() -> None:
    assert changed("training.channels_last=no").training.channels_last == "no"
    assert changed("training.channels_last=yes").training.channels_last == "yes"
    option = set_all("objective.generator.mine:loss.scale=1e-3")
    assert option["objective"]["generator"]["mine:loss"]["scale"] == 1e-3


def test_a_value_that_is_no_yaml() -> None:
    with pytest.raises(UsageError, match=r"critic\.fields"):
        set_option({}, "critic.fields=[1, 2")


def test_a_terms_weight_and_then_its_option() -> None:
    r1 = changed("objective.critic.r1=2", "objective.critic.r1.gamma=3").objective.critic["r1"]
    assert (r1.weight, r1.every, r1.options) == (2, R1.every, {"gamma": 3})


@pytest.mark.parametrize("order", ["[]", "[generator]", "[critic, critic]"])
def test_the_order_names_both_phases_once(order: str) -> None:
    assert "order" in refusal(f"objective.order={order}")


def test_the_recipe_is_frozen() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        Recipe().mode = "generate"  # type: ignore[misc]


# --- terms ------------------------------------------------------------------------------------------------------------


def test_a_number_is_a_weight_and_keeps_the_terms_options() -> None:
    r1 = changed("objective.critic.r1=2").objective.critic["r1"]
    assert (r1.weight, r1.every, r1.options) == (2, R1.every, R1.options)
    r1 = changed("objective.critic.r1.gamma=3").objective.critic["r1"]
    assert (r1.weight, r1.every, r1.options) == (R1.weight, R1.every, {"gamma": 3})


def test_a_new_term() -> None:
    terms = changed("objective.generator.simgan=0.7", "objective.generator.hinge.weight=2").objective.generator
    assert terms["simgan"] == TermSettings(weight=0.7)
    assert terms["hinge"].weight == 2
    assert terms["cycle"] == Recipe().objective.generator["cycle"], "the others stay"


def test_a_term_of_your_own_keeps_its_dots() -> None:
    terms = changed("objective.generator.pack.mod:fn=2", "objective.critic.mod:other.strength=3").objective
    assert terms.generator["pack.mod:fn"].weight == 2
    assert terms.critic["mod:other"].options == {"strength": 3}


@pytest.mark.parametrize("where", ["objective.generator.cycle", "objective.generator.cycle.weight"])
def test_a_schedule(where: str) -> None:
    assert changed(f"{where}={{0: 10, 1000: 5}}").objective.generator["cycle"].weight == {0: 10, 1000: 5}


def test_a_schedule_keeps_the_terms_options() -> None:
    r1 = changed("objective.critic.r1={0: 1, 100: 2}").objective.critic["r1"]
    assert (r1.every, r1.options) == (R1.every, R1.options)


def test_the_rate_is_held_and_then_falls_in_a_straight_line() -> None:
    settings = OptimizerSettings(hold=0.5, final=0.1)
    rates = [settings.rate_at(step, 100) for step in (0, 50, 75, 100, 130)]
    assert rates == pytest.approx([1, 1, 0.55, 0.1, 0.1])
    assert OptimizerSettings(hold=1.0).rate_at(100, 100) == 1
    assert OptimizerSettings(hold=0.0, final=0.0).rate_at(1, 4) == pytest.approx(0.75)


# --- what follows from the data ---------------------------------------------------------------------------------------


def test_resolved_for_translation() -> None:
    recipe = changed("data.size=96", "generator.code_size=3", "generator.channels=3").resolved(5)
    assert recipe.generator.content == "picture"
    assert recipe.generator.output == "change"
    assert recipe.generator.labels == recipe.critic.labels == 5
    assert recipe.generator.code_size == recipe.critic.code_size == 3
    assert recipe.generator.channels == recipe.critic.channels == 3
    assert recipe.generator.size == 96
    assert recipe.critic.patch_labels
    assert set(recipe.objective.info) == {"label_fake", "code"}


def test_resolved_leaves_out_what_cannot_apply() -> None:
    noise = changed("mode=generate", "generator.code_size=1")
    known, found, none = noise.resolved(10), noise.resolved(13, labels_known=False), noise.resolved(0)
    for recipe in (known, found, none):
        assert recipe.generator.content == "noise"
        assert recipe.generator.output == "plain"
        assert not {"cycle", "identity"} & set(recipe.objective.generator)
        assert "code" in recipe.objective.info
    assert "label_real" in known.objective.critic
    assert "label_real" not in found.objective.critic
    assert not found.critic.patch_labels
    assert found.critic.labels == 13
    assert set(none.objective.info) == {"code"}
    assert set(changed().resolved(2).objective.info) == {"label_fake"}, "no code, no loss of the code"


def test_the_critics_batch_is_a_part_of_the_batch() -> None:
    assert "is more than data.batch, 8" in refusal("objective.critic_batch=9")
    assert changed("objective.critic_batch=8").objective.critic_batch == 8
    assert "greater than or equal to 1" in refusal("objective.critic_batch=0")
    assert "greater than or equal to 1" in refusal("objective.reuse=0")


def test_pictures_that_grow() -> None:
    data = changed("data.size=128", "data.grow={200: 64, 300: 96}").data
    assert [data.size_at(step) for step in (0, 199, 200, 299, 300, 9999)] == [64, 64, 96, 96, 128, 128]
    assert data.work(range(1000)) == pytest.approx(200 / 4 + 100 * 9 / 16 + 700)
    assert data.work(range(250, 310)) == pytest.approx(50 * 9 / 16 + 10)
    assert data.work(range(100, 150)) == pytest.approx(50 / 4)
    assert data.work(range(500, 500)) == 0
    assert changed("data.size=128", "data.grow={200: 64}", "data.grow={50: 32}").data.grow == {50: 32}
    whole = changed("data.size=128", "data.grow={200: 64}")
    assert override(whole, {"data": {"grow": {}}}).data.grow == {}, "a card's can be switched off"
    small = override(whole, {"data": {"size": 64}}).data
    assert (small.size_at(0), small.work(range(300))) == (64, 300), "a card that grows to 128 px is of use at 64 px too"
    plain = changed("data.size=128").data
    assert (plain.size_at(0), plain.work(range(3, 10))) == (128, 7)


def test_pictures_from_noise_do_not_grow() -> None:
    assert "leave it out" in refusal("mode=generate", "data.grow={100: 32}")


def test_two_domains_need_an_even_batch() -> None:
    with pytest.raises(UsageError, match=r"data\.batch.*even"):
        changed("data.batch=5").resolved(2)
    assert changed("data.batch=5").resolved(3).data.batch == 5


def test_resolving_twice_changes_nothing() -> None:
    once = changed("generator.code_size=2").resolved(3)
    assert once.resolved(3) == once


# --- on disk ----------------------------------------------------------------------------------------------------------


def test_to_yaml_and_back(tmp_path: Path) -> None:
    recipe = changed(
        "objective.generator.cycle={0: 10, 1000: 5}",
        "objective.generator.pack.mod:fn.strength=3",
        "data.augment=[{name: HorizontalFlip, p: 0.25}, {name: Affine, scale: [0.9, 1.1]}]",
        "source.names={A: horse, B: zebra}",
        "optimizer.info_lr=1e-5",
    ).resolved(2)
    path = tmp_path / "recipe.yaml"
    path.write_text(write_recipe(recipe))
    again = read_recipe(path)
    assert again.objective == recipe.objective
    assert again.data.augment[1].arguments == {"scale": [0.9, 1.1]}
    assert again == recipe
    assert write_recipe(again) == write_recipe(recipe)


def test_every_setting_is_spelt_out() -> None:
    fields = yaml.safe_load(write_recipe(Recipe()))
    assert fields["data"]["batch"] == Recipe().data.batch
    assert set(fields["training"]) == set(type(Recipe().training).model_fields)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (None, "cannot read"),
        (b"a: [1", "cannot read"),
        (b"\xff\xfe\xfd", "is no text"),
        (b"just words", "no recipe"),
        (b"", "no recipe"),
        (b"data: {sise: 3}", "Did you mean 'size'"),
    ],
)
def test_a_recipe_that_cannot_be_read(tmp_path: Path, text: bytes | None, says: str) -> None:
    path = tmp_path / "recipe.yaml"
    if text is not None:
        path.write_bytes(text)
    with pytest.raises(UsageError) as caught:
        read_recipe(path)
    line = str(caught.value)
    assert says in line
    assert "\n" not in line
    assert str(path) in line or "setting" in line


def test_nothing_dangerous_is_read_from_yaml(tmp_path: Path) -> None:
    marker = tmp_path / "made"
    (tmp_path / "recipe.yaml").write_text(f"card: !!python/object/apply:os.mkdir [{marker}]")
    with pytest.raises(UsageError):
        read_recipe(tmp_path / "recipe.yaml")
    assert not marker.exists()
