"""Charts: scales, ticks, and points that land where they should."""

import math
import re

import pytest

from domainxfer.chart import BOTTOM, GREY, HEIGHT, LEFT, MOST_POINTS, RIGHT, TOP, WIDTH, Level, Line, line_chart


def places(chart: str) -> list[list[tuple[float, float]]]:
    lines = re.findall(r'<polyline[^>]*points="([^"]*)"', chart)
    return [[tuple(map(float, point.split(","))) for point in line.split()] for line in lines]


def ticks(chart: str, anchor: str) -> list[str]:
    return re.findall(rf'text-anchor="{anchor}">([^<]*)</text>', chart)


def test_points_land_where_the_axes_say():
    [line] = places(line_chart("t", [Line("a", [(0, 0), (50, 5), (100, 10)])]))
    assert line == [
        (LEFT, HEIGHT - BOTTOM),
        ((LEFT + WIDTH - RIGHT) / 2, (HEIGHT - BOTTOM + TOP) / 2),
        (WIDTH - RIGHT, TOP),
    ]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([0, 10], ["0", "2", "4", "6", "8", "10"]),
        ([0.02, 0.21], ["0", "0.05", "0.1", "0.15", "0.2", "0.25"]),
        ([97, 99], ["97", "97.5", "98", "98.5", "99"]),
        ([-0.3, 0.2], ["-0.3", "-0.2", "-0.1", "0", "0.1", "0.2"]),
        ([5, 5], ["5", "6", "7", "8", "9", "10"]),
        ([0, 0], ["0", "0.2", "0.4", "0.6", "0.8", "1"]),
    ],
)
def test_ticks_are_round_numbers_around_the_values(values, expected):
    chart = line_chart("t", [Line("a", list(enumerate(values)))])
    assert ticks(chart, "end")[:-1] == expected  # the last is the name of the x axis


def test_wide_positive_values_get_a_logarithmic_axis_where_it_is_wanted():
    line = Line("a", [(0, 0.001), (1, 0.1), (2, 10)])
    chart = line_chart("loss", [line], log=True)
    assert "loss (logarithmic)" in chart
    [[_, (_, middle), _]] = places(chart)
    assert middle == pytest.approx((TOP + HEIGHT - BOTTOM) / 2, abs=0.1)
    assert ticks(chart, "end")[:-1] == ["0.001", "0.01", "0.1", "1", "10"]
    assert "logarithmic" not in line_chart("loss", [line])
    assert "logarithmic" not in line_chart("loss", [Line("a", [(0, -1), (1, 100)])], log=True)


def test_what_is_not_finite_is_left_out():
    chart = line_chart(
        "t", [Line("a", [(0, 1), (1, math.nan), (2, 3)]), Line("b", [(0, math.inf)])], [Level("c", math.nan)]
    )
    assert [len(line) for line in places(chart)] == [2]
    assert line_chart("t", [Line("b", [(0, math.nan)])], [Level("c", 1.0)]) == ""
    assert line_chart("t", []) == ""


def test_long_lines_are_averaged_and_keep_their_mean():
    points = [(step, float(step % 2)) for step in range(10 * MOST_POINTS)]
    [line] = places(line_chart("t", [Line("a", points)]))
    assert len(line) == MOST_POINTS
    heights = {y for _, y in line}
    assert len(heights) == 1


def test_legend_names_are_escaped_and_colours_come_from_the_page():
    chart = line_chart("<t>", [Line("<a>", [(0, 1)], 7)], [Level("&", 2, GREY, "dotted")])
    assert "<a>" not in chart
    assert "<t>" not in chart
    assert "&lt;a&gt;" in chart
    assert set(re.findall(r"var\(--(\w+)\)", chart)) == {"c1", "grey"}
