"""Senseless pairs are refused with the reason, sensible ones are not."""

from typing import Any

import pytest

from domainxfer.errors import UsageError
from domainxfer.presets import list_presets, load_preset
from domainxfer.recipe import Recipe, override
from domainxfer.training.sensible import refuse_senseless

WASSERSTEIN = {"critic": {"nonsaturating": 0, "r1": 0, "wasserstein": 1}, "generator": {"nonsaturating": 0}}
BATCH_NORM = [
    {"kind": "down", "out": 4, "norm": "batch", "act": "leaky"},
    {"kind": "down", "out": 1},
]


def recipe(changes: dict[str, Any]) -> Recipe:
    return override(Recipe(), changes)


@pytest.mark.parametrize("preset", [None, *list_presets()])
def test_the_default_and_all_presets_are_sensible(preset: str | None) -> None:
    refuse_senseless(recipe(load_preset(preset) if preset else {}))


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"critic": {"layers": BATCH_NORM}}, "depend on the other pictures"),
        ({"objective": {"critic": {"ebgan": {"margin": 1.0}}}}, "belong together"),
        ({"objective": {"generator": {"ebgan": 1}}}, "it needs objective.critic.ebgan"),
        ({"objective": {"generator": {"code_diversity": 1}}}, "there is no code"),
        ({"objective": WASSERSTEIN}, "nothing bounds the critic's slope"),
        (
            {"objective": {"critic": {"wasserstein": 1, "gradient_penalty": 1}, "generator": {"nonsaturating": 1}}},
            "no zero",
        ),
    ],
)
def test_senseless_pairs(changes: dict[str, Any], reason: str) -> None:
    with pytest.raises(UsageError, match=reason):
        refuse_senseless(recipe(changes))


def test_energies_want_a_generator_of_energies() -> None:
    preset = load_preset("ebgan-28")
    preset["objective"]["generator"] = {"hinge": 1.0, "nonsaturating": 0}
    with pytest.raises(UsageError, match="only objective"):
        refuse_senseless(recipe(preset))


@pytest.mark.parametrize(
    "bound",
    [
        {"objective": {"critic": {"gradient_penalty": 1}}},
        {"objective": {"critic": {"r1": 1}}},
        {"optimizer": {"clip_weights": 0.01}},
        {"critic": {"norm": "spectral"}},
    ],
)
def test_whatever_bounds_the_slope_will_do(bound: dict[str, Any]) -> None:
    refuse_senseless(override(recipe({"objective": WASSERSTEIN}), bound))
