"""The card of a model: true to the run, and its command can be typed."""

import shlex
from collections.abc import Callable
from dataclasses import replace

import pytest

from domainxfer import __version__
from domainxfer.datasets.domain_data import DomainData
from domainxfer.recipe import Recipe
from domainxfer.training.model_card import model_card


def command(card: str) -> str:
    """The indented line: how to use the model."""
    (line,) = [line for line in card.splitlines() if line.startswith("    ") and line.strip()]
    return line.strip()


def test_it_says_on_what_the_model_was_trained(
    tiny_recipe: Callable[..., Recipe], tiny_data: Callable[..., DomainData]
) -> None:
    recipe = tiny_recipe({"card": "farm", "training": {"seed": 41}})
    card = model_card(recipe, tiny_data((7, 5)), 1234)
    assert card.startswith("# farm\n")
    text = " ".join(card.split())
    for fact in (f"domainxfer {__version__} model", "2 domains (ant, bee)", "ant 7, bee 5", "32 px", "batches of 4"):
        assert fact in text, fact
    assert "critic.safetensors" in text
    assert "1234 steps, seed 41" in text, "the steps done, not those planned"


def test_without_a_card_the_data_gives_the_name(
    tiny_recipe: Callable[..., Recipe], tiny_data: Callable[..., DomainData]
) -> None:
    assert model_card(tiny_recipe(), tiny_data(), 1).startswith("# tiny\n")


def test_names_of_folders_are_no_markdown(
    tiny_recipe: Callable[..., Recipe], tiny_data: Callable[..., DomainData]
) -> None:
    data = replace(tiny_data((7, 5)), domains=("<img src=x>", "a_b\n# c"))
    card = model_card(tiny_recipe({"card": "my*set"}), data, 1)
    assert card.startswith("# my\\*set\n")
    assert "2 domains (\\<img src=x\\>, a\\_b \\# c)" in " ".join(card.split())


@pytest.mark.parametrize("domain", ["bee", "queen bee"])
def test_the_command_translates_to_a_domain_of_the_model(
    tiny_recipe: Callable[..., Recipe], tiny_data: Callable[..., DomainData], domain: str
) -> None:
    data = replace(tiny_data((7, 5)), domains=("ant", domain))
    words = shlex.split(command(model_card(tiny_recipe(), data, 1)))
    assert words == ["domainxfer", "translate", "PICTURE", "--to", domain, "--model", "FOLDER"]


@pytest.mark.parametrize("labelled", [True, False])
def test_a_model_of_noise_is_not_said_to_translate(
    tiny_recipe: Callable[..., Recipe], tiny_data: Callable[..., DomainData], labelled: bool
) -> None:
    recipe = tiny_recipe({"mode": "generate"}, labels=2 if labelled else 0, labels_known=labelled)
    card = model_card(recipe, tiny_data((7, 5)) if labelled else tiny_data((9,), labelled=False), 1)
    assert "translate" not in card
    assert command(card).startswith("domainxfer generate FOLDER")
    assert "domainxfer.load(FOLDER).generate(16)" in command(card)
    assert ("labels pictures" in card) is labelled
    assert ("2 domains (ant, bee)" in card) is labelled
    assert ("unlabelled pictures" in card) is not labelled
    assert labelled or "pictures 9;" in card
