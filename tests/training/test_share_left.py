"""What is left of do-nothing's distance."""

import pytest

from domainxfer.training.share_left import share_left


def test_sums_are_compared_so_that_no_tiny_ceiling_outweighs_the_others() -> None:
    assert share_left([0.1], [0.4]) == pytest.approx(0.25)
    assert share_left([0.1, 0.3], [0.2, 0.6]) == pytest.approx(0.5)
    assert share_left([0.1, 0.1], [0.4, 1e-6]) == pytest.approx(0.5, rel=1e-4)
    assert share_left([-0.002], [0.4]) == pytest.approx(-0.005), "an unbiased distance may lie below 0"


def test_there_is_none_where_doing_nothing_is_no_farther_than_real_pictures() -> None:
    assert share_left([0.1], [0.0]) is None
    assert share_left([0.1, 0.1], [0.001, -0.002]) is None
