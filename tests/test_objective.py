"""The objective: weights of terms over the steps, and what stands for a weight."""

import math
from typing import Any

import pytest
from pydantic import ValidationError

from domainxfer.objective import CriticInput, Objective, TermSettings, is_schedule


@pytest.mark.parametrize(
    ("weight", "at"),
    [
        (3.0, {0: 3, 1000: 3}),
        ({0: 10.0, 100: 0.0}, {0: 10, 25: 7.5, 50: 5, 100: 0, 5000: 0}),
        ({50: 2.0, 150: 4.0, 160: 0.0}, {0: 2, 50: 2, 100: 3, 150: 4, 155: 2, 160: 0, 161: 0}),
        ({7: 1.5}, {0: 1.5, 7: 1.5, 8: 1.5}),
    ],
)
def test_weights_between_the_given_steps(weight: Any, at: dict[int, float]) -> None:
    term = TermSettings(weight=weight)
    assert {step: term.weight_at(step) for step in at} == pytest.approx(at)


def test_the_noise_before_the_critic_follows_a_schedule_too() -> None:
    fading = CriticInput(noise={0: 0.2, 100: 0.0})
    assert [fading.noise_at(step) for step in (0, 50, 100, 900)] == pytest.approx([0.2, 0.1, 0, 0])
    assert CriticInput(noise=0.1).noise_at(10**6) == 0.1


def test_a_number_or_a_schedule_stands_for_a_weight() -> None:
    terms = Objective.model_validate({"generator": {"cycle": 2, "identity": {0: 5, 9: 1}, "simgan": {"every": 3}}})
    assert terms.generator["cycle"] == TermSettings(weight=2)
    assert terms.generator["identity"].weight == {0: 5, 9: 1}
    assert (terms.generator["simgan"].weight, terms.generator["simgan"].every) == (1, 3)


@pytest.mark.parametrize(
    ("value", "whether"), [({0: 1.0}, True), ({0: 1, 5: 2}, True), ({}, False), ({"weight": 1}, False), (3, False)]
)
def test_what_a_schedule_is(value: Any, whether: bool) -> None:
    assert is_schedule(value) == whether


@pytest.mark.parametrize(
    "weight", [math.nan, math.inf, {0: 1.0, 9: math.inf}, "much", {-5: 1.0, 5: 2.0}, -1, {0: 1.0, 5: -1}]
)
def test_a_weight_is_a_finite_number_from_0_or_a_schedule_from_step_0_on(weight: Any) -> None:
    with pytest.raises(ValidationError):
        Objective.model_validate({"generator": {"cycle": weight}})


@pytest.mark.parametrize("noise", [{}, -0.1, math.nan, {0: math.nan}, {0: 0.1, 9: -0.1}])
def test_noise_without_a_deviation_is_refused(noise: Any) -> None:
    with pytest.raises(ValidationError):
        CriticInput(noise=noise)


def test_both_phases_are_named_once() -> None:
    with pytest.raises(ValidationError, match="name both phases once"):
        Objective(order=("critic", "critic"))
