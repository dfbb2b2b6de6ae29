"""Before a run: a generator that does not hear its label or its code is refused."""

from collections.abc import Callable

import pytest
import torch

from domainxfer.errors import DomainxferError
from domainxfer.models.networks import new_generator
from domainxfer.presets import list_presets, load_preset
from domainxfer.recipe import Recipe, override
from domainxfer.training.self_test import DEAF, check_conditioning, conditioning_response
from domainxfer.training.step import Stepper


@pytest.mark.parametrize("mode", ["translate", "generate"])
@pytest.mark.parametrize("norm", ["layer", "instance"])
@pytest.mark.parametrize("labels", [2, 13])
def test_new_generators_hear(
    tiny_recipe: Callable[..., Recipe], new_stepper: Callable[..., Stepper], mode: str, norm: str, labels: int
) -> None:
    generator = new_stepper(tiny_recipe({"mode": mode, "generator": {"norm": norm}}, labels=labels)).generator
    of_label, of_code = conditioning_response(generator)
    assert of_label is not None
    assert of_code is not None
    assert min(of_label, of_code) > 10 * DEAF
    assert conditioning_response(generator) == (of_label, of_code)
    check_conditioning(generator)


def test_what_is_not_there_need_not_be_heard(
    tiny_recipe: Callable[..., Recipe], new_stepper: Callable[..., Stepper]
) -> None:
    recipe = tiny_recipe({"mode": "generate", "generator": {"code_size": 0}}, labels=0)
    generator = new_stepper(recipe).generator
    assert conditioning_response(generator) == (None, None)
    check_conditioning(generator)


@pytest.mark.parametrize("what", ["label", "code"])
def test_a_deaf_generator_is_refused(
    tiny_recipe: Callable[..., Recipe], new_stepper: Callable[..., Stepper], what: str
) -> None:
    generator = new_stepper(tiny_recipe()).generator
    part = {"label": generator.condition.of_label, "code": generator.condition.of_rest}[what]
    assert part is not None
    with torch.no_grad():
        part.weight.zero_()
    with pytest.raises(DomainxferError, match=f"does not hear its {what}"):
        check_conditioning(generator)


@pytest.mark.parametrize("preset", [name for name in list_presets() if load_preset(name).get("mode") == "generate"])
def test_every_preset_of_noise_hears_and_is_left_as_it_was(preset: str) -> None:
    """BatchNorm of two pictures would take away a code that is changed in both."""
    recipe = override(Recipe(), load_preset(preset)).resolved(10, labels_known=False)
    torch.manual_seed(0)
    generator = new_generator(recipe.generator)
    before = {name: value.clone() for name, value in generator.state_dict().items()}
    check_conditioning(generator)
    assert generator.training
    assert all(torch.equal(before[name], value) for name, value in generator.state_dict().items())
