"""Senseless pairs are refused with the reason, sensible ones are not."""

from typing import Any

import pytest

from domainxfer.errors import UsageError
from domainxfer.presets import list_presets, load_preset
from domainxfer.recipe import Recipe, override
from domainxfer.training.sensible import never_begins, refuse_senseless

WASSERSTEIN = {"critic": {"nonsaturating": 0, "r1": 0, "wasserstein": 1}, "generator": {"nonsaturating": 0}}
BATCH_NORM = [
    {"kind": "down", "out": 4, "norm": "batch", "act": "leaky"},
    {"kind": "down", "out": 1},
]


def recipe(changes: dict[str, Any]) -> Recipe:
    return override(Recipe(), changes)


@pytest.mark.parametrize(
    ("weight", "steps", "late"),
    [
        (1.0, 10, False),
        ({0: 0.0, 10: 1.0}, 10, False),
        ({0: 0.0, 10: 0.0, 20: 1.0}, 11, True),
        ({0: 0.0, 10: 0.0, 20: 1.0}, 12, False),
        ({0: 0.0, 10: 0.0}, 10, False),
        ({0: 1.0, 5: 0.0}, 10, False),
    ],
)
def test_what_begins_too_late_is_told_of(weight: Any, steps: int, late: bool) -> None:
    changes = {"objective": {"critic": {"hinge": weight}}, "training": {"steps": steps}}
    told = ["objective.critic.hinge begins after step 10, and there are 11 steps: it never counts"]
    assert never_begins(recipe(changes)) == (told if late else [])


def test_labels_that_are_read_anew_too_late_are_told_of() -> None:
    changes = {"objective": {"labels_from_neighbours": {"at": 500}}, "training": {"steps": 500}}
    (line,) = never_begins(recipe(changes))
    assert line.startswith("objective.labels_from_neighbours begins after step 500")
    assert not never_begins(recipe({**changes, "training": {"steps": 501}}))


@pytest.mark.parametrize("preset", [None, *list_presets()])
def test_the_default_and_all_presets_are_sensible(preset: str | None) -> None:
    made = recipe(load_preset(preset) if preset else {})
    discovers = "discover" in (preset or "")  # such a preset is for labels that are to be found
    refuse_senseless(made.resolved(3, labels_known=False) if discovers else made)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"critic": {"layers": BATCH_NORM}}, "depend on the other pictures"),
        ({"objective": {"critic": {"ebgan": {"margin": 1.0}}}}, "belong together"),
        ({"objective": {"generator": {"ebgan": 1}}}, "it needs objective.critic.ebgan"),
        ({"generator": {"heads": 2}}, "set generator.code_size"),
        ({"data": {"batch": 8}, "critic": {"labels": 3}, "objective": {"critic_batch": 4}}, "a multiple of 3"),
        ({"data": {"batch": 8}, "critic": {"labels": 3}, "objective": {"reuse": 2}}, "a multiple of 3"),
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


def test_a_spectral_norm_beside_layers_bounds_nothing() -> None:
    free = override(
        recipe(load_preset("wgan-mlp")), {"optimizer": {"clip_weights": None}, "critic": {"norm": "spectral"}}
    )
    with pytest.raises(UsageError, match="nothing bounds the critic's slope"):
        refuse_senseless(free)


def test_energies_want_a_generator_of_energies() -> None:
    preset = load_preset("ebgan-28")
    preset["objective"]["generator"] = {"hinge": 1.0, "nonsaturating": 0}
    with pytest.raises(UsageError, match="only objective"):
        refuse_senseless(recipe(preset))


def vae(**changes: Any) -> Recipe:
    return override(recipe(load_preset("vae-28")), changes)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"objective": {"generator": {"kl_to_normal": 0}}}, "nothing keeps its latent near the noise"),
        ({"objective": {"generator": {"reconstruction": 0}}}, "nothing is rebuilt"),
        ({"generator": {"encoder": []}}, "objective.generator.reconstruction: there is no latent"),
        ({"generator": {"code_size": 2}}, "critic's estimate of its code"),
    ],
)
def test_an_encoder_and_its_terms_belong_together(changes: dict[str, Any], reason: str) -> None:
    with pytest.raises(UsageError, match=reason):
        refuse_senseless(vae(**changes))


def test_an_encoder_may_be_taught_by_a_term_of_ones_own_and_by_a_schedule() -> None:
    terms = {"reconstruction": 0, "my_terms:perceptual": 1.0, "kl_to_normal": {0: 0.0, 1000: 1.0}}
    refuse_senseless(vae(objective={"generator": terms}))
    refuse_senseless(vae(generator={"code_size": 2}, objective={"info": {"code": 0.1}}))


def test_a_picture_whose_label_is_to_be_discovered_cannot_be_rebuilt() -> None:
    refuse_senseless(vae().resolved(10))
    refuse_senseless(vae().resolved(0, labels_known=False))
    with pytest.raises(UsageError, match="labels to be discovered"):
        refuse_senseless(vae().resolved(10, labels_known=False))


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


@pytest.mark.parametrize(
    "changes",
    [
        {"generator": {"heads": 1}},
        {"generator": {"heads": 4, "code_size": 1}},
        {"mode": "generate", "generator": {"heads": 4}},
        {"data": {"batch": 8}, "critic": {"labels": 3}, "objective": {"critic_batch": 3}},
        {"data": {"batch": 8}, "critic": {"labels": 3}, "objective": {"critic_batch": 8}},
        {"data": {"batch": 8}, "critic": {"labels": 3, "patch_labels": False}, "objective": {"critic_batch": 4}},
        {"data": {"batch": 8}, "critic": {"labels": 13}, "objective": {"critic_batch": 4}},
        {"mode": "generate", "critic": {"labels": 3}, "objective": {"reuse": 7}},
        {"data": {"batch": 9}, "critic": {"labels": 3}, "objective": {"reuse": 7}},
    ],
)
def test_what_only_looks_like_it_is_not_refused(changes: dict[str, Any]) -> None:
    refuse_senseless(recipe(changes))
