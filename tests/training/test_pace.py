"""How fast a run goes: a pause for a figure does not slow its steps down."""

import pytest

from domainxfer.training import pace


def test_the_median_of_the_last_hundred_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr(pace.time, "monotonic", lambda: now[0])
    watched = pace.Pace()
    for seconds in [5.0] * 50 + [0.25] * 60 + [90.0] + [0.25] * 39:
        now[0] += seconds
        watched.tick()
    assert watched.steps_per_second == pytest.approx(4.0)
    assert watched.total == pytest.approx(50 * 5 + 99 * 0.25 + 90)
