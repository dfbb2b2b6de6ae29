"""What the loop watches: not a number, a dead critic, a generator that does nothing, and the failures of a GAN."""

import math
from dataclasses import asdict, replace
from typing import Any

import pytest

from domainxfer.errors import DomainxferError
from domainxfer.metrics.cells import CellFigures
from domainxfer.training.health import NotANumber, Watch

WELL = {"critic/lsgan": 0.4, "score/spread": 0.3, "change": 0.1}
LEARNS = {"score/spread": 3.0, "told_apart": 0.9, "gradient/generator": 2.0}
VANISHED = {"score/spread": 9.0, "told_apart": 1.0, "gradient/generator": 1e-4}

GROUPS = (0.1, 0.2, 0.7)
ALL = CellFigures(0.05, 0, 0.95, 0.0, 1.0, 1.0, 0.02, 0.7, GROUPS, (True,) * 3, (False,) * 3)
LOST = replace(ALL, missing=0.1, covered=0.85, made=(False, True, True), gone=(True, False, False))
BLOBS = replace(
    ALL, missing=0.9, covered=0.05, spread=0.01, far=9.0, made=(True, False, False), gone=(False, True, True)
)
ONE = replace(ALL, missing=0.9, covered=0.1, spread=0.02, made=(False, False, True), gone=(True, True, False))


def warnings(watch: Watch, rows: list[dict[str, float]], first: int = 0) -> list[str]:
    return [line for step, row in enumerate(rows, start=first) for line in watch.look(step, row)]


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_not_a_number(value: float) -> None:
    with pytest.raises(NotANumber, match=r"generator/cycle is .* at step 7") as caught:
        Watch().look(7, {**WELL, "generator/cycle": value})
    assert isinstance(caught.value, DomainxferError)
    assert caught.value.exit_code == 1


def test_a_healthy_run_is_left_in_peace() -> None:
    assert warnings(Watch(), [WELL] * 50) == []
    assert warnings(Watch(), [{"generator/hinge": -3.0}] * 50) == [], "generation has no change to watch"
    assert warnings(Watch(), [{"generator/hinge": -3.0, "code_response": 0.0}] * 50) == []
    assert warnings(Watch(), [{**WELL, "code_response": 0.02}] * 50) == []


@pytest.mark.parametrize(
    ("ill", "says"),
    [
        ({"score/spread": 1e-6}, "the critic is dead"),
        ({"change": 1e-4}, "the generator changes nothing"),
        ({"generator/kl_to_normal": 1e-3}, "the latent says nothing"),
        ({"code_response": 0.009}, "the code hardly matters"),
    ],
)
def test_trouble_is_told_once_when_it_has_lasted(ill: dict[str, float], says: str) -> None:
    watch = Watch(patience=4)
    assert warnings(watch, [{**WELL, **ill}] * 3) == []
    (line,) = warnings(watch, [{**WELL, **ill}] * 20, first=3)
    assert line.startswith("step 3: ")
    assert says in line
    assert "objective." in line, "and how to mend it"


def test_a_bad_row_now_and_then_is_no_trouble() -> None:
    watch = Watch(patience=3)
    ill = {**WELL, "score/spread": 0.0}
    assert warnings(watch, [ill, ill, WELL, ill, ill, WELL] * 5) == []


def test_both_troubles_at_once() -> None:
    ill = {"score/spread": 0.0, "change": 0.0}
    assert len(warnings(Watch(patience=2), [ill] * 9)) == 2


# --- vanishing gradient ----------------------------------------------------------------------------------------------


def test_a_vanishing_gradient_is_told_once_when_it_has_lasted() -> None:
    watch = Watch(patience=4)
    assert warnings(watch, [LEARNS] * 4 + [VANISHED] * 3) == []
    (line,) = warnings(watch, [VANISHED] * 20, first=25)
    assert line.startswith("step 25: vanishing gradient: that of the generator is 1.0e-04, was 2.0e+00 at the start")
    assert "objective.generator.nonsaturating" in line, "and how to mend it"


def test_a_generator_that_begins_late_is_measured_by_its_own_first_rows() -> None:
    watch = Watch(patience=4)
    (line,) = warnings(watch, [{"score/spread": 3.0}] * 30 + [LEARNS] * 4 + [VANISHED] * 20)
    assert "vanishing gradient" in line


@pytest.mark.parametrize(
    "row",
    [
        LEARNS,
        {**VANISHED, "told_apart": 0.9},  # an equilibrium: nothing is left to be learned
        {**VANISHED, "gradient/generator": 0.2},  # a good critic, and it teaches
        {"score/spread": 3.0},
    ],
)
def test_a_gradient_that_has_not_vanished(row: dict[str, float]) -> None:
    assert warnings(Watch(patience=4), [LEARNS] * 8 + [row] * 50) == []


def test_a_gradient_that_explodes_later_is_not_what_others_are_measured_by() -> None:
    rows = [LEARNS] * 8 + [{**LEARNS, "gradient/generator": 1e6}] + [{**LEARNS, "told_apart": 1.0}] * 50
    assert warnings(Watch(), rows) == []


# --- mode collapse ---------------------------------------------------------------------------------------------------


def figures(
    watch: Watch, found: list[CellFigures], distances: list[float] | None = None, first: int = 1, every: int = 200
) -> list[str]:
    """What is said of figures of ``every`` so many steps."""
    return [
        line
        for number, cells in enumerate(found)
        for line in watch.look_at_figure(
            every * (first + number), "judge", distances[number] if distances else 0.1, cells
        )
    ]


def test_a_kind_that_was_made_and_is_lost_is_a_collapse() -> None:
    watch = Watch()
    assert figures(watch, [BLOBS, ALL, ALL, LOST]) == [], "once is not yet lost"
    (line,) = figures(watch, [LOST] * 5, first=5)
    assert line.startswith("step 1000: mode collapse: a kind of pictures that was made before, 10% of the real ones")
    assert "objective.critic_input.noise" in line
    assert figures(watch, [ALL, LOST, LOST], first=10) == [], "said once a run"


def test_a_kind_that_comes_back_is_not_lost() -> None:
    assert figures(Watch(), [ALL, LOST] * 20) == []


def test_what_was_never_made_is_not_lost() -> None:
    never = replace(LOST, covered=0.85)
    assert figures(Watch(), [never] * 30) == []


def test_a_young_generator_has_not_collapsed() -> None:
    """Its blobs fall into some cell; that it leaves this cell later is no loss, and blobs are no collapse."""
    watch = Watch()
    assert figures(watch, [BLOBS] * 4 + [LOST] * 30) == []
    assert figures(Watch(), [replace(ONE, covered=0.4)] * 4, first=1, every=100) == [], "too early to say"


def test_pictures_that_are_all_alike_are_a_collapse_even_if_nothing_was_there_before() -> None:
    (line,) = figures(Watch(), [ONE] * 20)
    assert line.startswith("step 1400: mode collapse: the spread of generated pictures is 2% of that of real ones")
    assert figures(Watch(), [replace(ONE, far=5.0)] * 20) == [], "blobs"


def test_pictures_that_look_real_and_are_of_few_kinds_are_a_collapse() -> None:
    """As where ones take the place of all digits, and the generator never covered half of them before."""
    few = replace(ALL, missing=0.45, covered=0.25, spread=0.7, far=1.9)
    (line,) = figures(Watch(), [few] * 20)
    assert line.startswith(
        "step 1400: mode collapse: generated pictures look real, and 45% of the real ones have hardly"
    )
    assert "objective.critic_input.noise" in line
    assert figures(Watch(), [few, few, ALL] * 10) == [], "it must last"
    assert figures(Watch(), [replace(few, missing=0.35)] * 20) == []
    assert figures(Watch(), [replace(few, far=2.1)] * 20) == [], "a generator that learns"
    assert figures(Watch(), [few] * 4, first=1, every=100) == [], "too early to say"
    assert len(figures(Watch(), [few] * 20, [5.0] * 20)) == 1, "it explains a distance that stays bad"


def test_a_kind_that_takes_the_place_of_others_is_a_collapse_before_these_are_gone() -> None:
    ones = replace(ALL, missing=0.2, covered=0.3, spread=0.8, far=1.9, crowded=0.35)
    (line,) = figures(Watch(), [ones] * 20)
    assert line.startswith(
        "step 1200: mode collapse: 35% more of the generated pictures than of the real ones are of one kind, "
        "and 20% of the real ones have hardly any like them"
    )
    assert "objective.critic_input.noise" in line
    assert figures(Watch(), [ones, ALL] * 10) == [], "it must last"
    assert figures(Watch(), [replace(ones, crowded=0.32)] * 20) == []
    assert figures(Watch(), [replace(ones, far=2.1)] * 20) == [], "specks beside them: a generator that learns"
    assert figures(Watch(), [ones] * 8, every=100) == [], "too early to say"
    assert len(figures(Watch(), [ones] * 20, [5.0] * 20)) == 1, "it explains a distance that stays bad"


# --- no convergence --------------------------------------------------------------------------------------------------


def test_a_figure_that_stays_bad_is_told_with_the_critic_at_chance() -> None:
    watch = Watch()
    warnings(watch, [{**LEARNS, "told_apart": 0.52}])
    (line,) = figures(watch, [BLOBS] * 20, [5.0, 2.0, *[1.9, 2.2] * 9])
    assert line.startswith("step 1800: no convergence: the distance to real pictures is 1.9, no nearer since step 400")
    assert "a single kind of real ones is 0.7" in line
    assert "the critic tells 52% of all pairs apart, chance is 50%. Raise optimizer.critic_lr" in line


def test_a_critic_that_swings_is_judged_by_its_mean() -> None:
    watch = Watch()
    warnings(watch, [{**LEARNS, "told_apart": apart} for apart in (0.5, *[0.0, 1.0] * 40)])
    assert watch.told_apart == pytest.approx(0.5, abs=0.06)


def test_a_figure_that_gets_worse_again_and_stays_so() -> None:
    watch = Watch()
    warnings(watch, [LEARNS])
    (line,) = figures(watch, [ALL] * 30, [0.1] * 10 + [3.0] * 20)
    assert line.startswith("step 2600: no convergence")
    assert "90% of all pairs apart. Lower optimizer.generator_lr" in line


@pytest.mark.parametrize(
    "distances",
    [
        [5.0 * 0.9**number for number in range(40)],  # slow, but it comes
        [0.3] * 40,  # as good as it gets, and good
        [0.3, 3.0, 0.3, 0.3] * 10,  # a bad one now and then
    ],
)
def test_a_figure_that_converges(distances: list[float]) -> None:
    assert figures(Watch(), [ALL] * 40, distances) == []


def test_a_failure_with_a_name_of_its_own_is_not_told_twice() -> None:
    watch = Watch(patience=2)
    warnings(watch, [LEARNS] * 2 + [VANISHED] * 2)
    assert figures(watch, [BLOBS] * 40, [5.0] * 40) == []


# --- resume ----------------------------------------------------------------------------------------------------------


def test_figures_of_another_judge_start_anew() -> None:
    watch = Watch()
    figures(watch, [ALL] * 3)
    other = replace(LOST, groups=(0.1, 0.9), made=(False, True), gone=(True, False))
    assert [line for step in range(9) for line in watch.look_at_figure(step, "another", 0.1, other)] == []


@pytest.mark.parametrize("interrupted_after", range(1, 12))
def test_a_resumed_run_says_what_an_uninterrupted_one_says(interrupted_after: int) -> None:
    rows = [LEARNS] * 3 + [VANISHED] * 6
    cells = [BLOBS, ALL, *[LOST] * 9]

    def told(*parts: range) -> tuple[list[str], dict[str, Any]]:
        state: dict[str, Any] = {"patience": 3}
        lines: list[str] = []
        for part in parts:
            watch = Watch(**state)
            for number in part:
                lines += warnings(watch, rows[number : number + 1], number)
                lines += figures(watch, cells[number : number + 1], None, number)
            state = asdict(watch)
        return lines, state

    assert told(range(interrupted_after), range(interrupted_after, 11)) == told(range(11))


def test_a_critic_that_knows_its_pictures_by_heart_is_named_with_the_domain() -> None:
    watch = Watch()
    assert watch.look_at_critic(100, {"horse": 0.61, "zebra": 0.2}) == [], "once may be chance"
    (line,) = watch.look_at_critic(200, {"horse": 0.3, "zebra": 0.7})
    assert line.startswith("step 200: the critic knows its training pictures by heart: pictures of zebra")
    assert "70%" in line
    assert watch.look_at_critic(300, {"horse": 0.9, "zebra": 0.9}) == [], "said once a run"


def test_a_critic_that_does_not_is_not() -> None:
    watch = Watch()
    for step in range(10):
        assert watch.look_at_critic(step, {"horse": 0.59, "zebra": -0.3}) == []
        assert watch.look_at_critic(step, {"horse": 0.6 if step % 2 else 0.0}) == []
        assert watch.look_at_critic(step, {}) == []
