"""What the loop watches: not a number, a dead critic, a generator that does nothing."""

import math

import pytest

from domainxfer.errors import DomainxferError
from domainxfer.training.health import NotANumber, Watch

WELL = {"critic/lsgan": 0.4, "score/spread": 0.3, "change": 0.1}


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
