"""Line charts as inline SVG: no script, no network, light and dark. Colours that the colour-blind can tell apart."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from html import escape
from typing import Literal

Dash = Literal["solid", "dashed", "dotted"]
Point = tuple[float, float]

WIDTH, HEIGHT = 640, 250
LEFT, RIGHT, TOP, BOTTOM = 58, 22, 10, 38  # room for the tick labels
MOST_POINTS = 400  # of a line; more are averaged, the eye cannot tell and the page stays small
LOG_FROM = 30.0  # values that span less than this factor are better seen on a linear axis
GREY = -1
COLOURS = 6

# Six of the colours of Okabe and Ito, "Color Universal Design"; the dark ones are lighter for a dark page.
STYLE = """
:root { --c0: #0072b2; --c1: #d55e00; --c2: #009e73; --c3: #cc79a7; --c4: #b87f00; --c5: #2f94cc;
  --grey: #767676; --axis: #8a8a8a; --grid: #e4e4e4; }
@media (prefers-color-scheme: dark) { :root { --c0: #4aa8e0; --c1: #f0813c; --c2: #2cc295; --c3: #dd97bd;
  --c4: #e69f00; --c5: #8accf2; --grey: #9a9a9a; --axis: #7d7d7d; --grid: #34373c; } }
.chart { margin: 0; }
.chart figcaption { font-weight: 600; }
.chart svg { width: 100%; height: auto; display: block; }
.chart polyline, .chart .level { fill: none; stroke-width: 2; stroke-linejoin: round; }
.chart .axis { stroke: var(--axis); }
.chart .grid { stroke: var(--grid); }
.chart text { font-size: 12px; fill: currentColor; }
.chart .dashed { stroke-dasharray: 7 4; }
.chart .dotted { stroke-dasharray: 1.5 4; stroke-linecap: round; }
.legend { display: flex; flex-wrap: wrap; gap: 0 1.1em; font-size: .85em; margin: .2em 0 .3em; }
.legend svg { width: 26px; height: 8px; display: inline-block; vertical-align: middle; margin-right: .4em; }
"""


@dataclass(frozen=True)
class Line:
    """A named line through (x, y) points, x ascending. Points that are not finite are left out."""

    name: str
    points: Sequence[Point]
    colour: int = 0
    """Place in the palette (it repeats), or `GREY`."""
    dash: Dash = "solid"


@dataclass(frozen=True)
class Level:
    """A named horizontal line across the whole chart."""

    name: str
    y: float
    colour: int = GREY
    dash: Dash = "dashed"


@dataclass(frozen=True)
class _Axis:
    """Maps values to a coordinate of the drawing, linearly or through their logarithm."""

    low: float
    high: float
    start: float
    end: float
    log: bool = False
    ticks: list[float] = field(default_factory=list)

    def __call__(self, value: float) -> float:
        low, high, value = (math.log10(v) if self.log else v for v in (self.low, self.high, value))
        return self.start + (value - low) / (high - low) * (self.end - self.start)


def line_chart(
    title: str, lines: Sequence[Line], levels: Sequence[Level] = (), *, x_name: str = "step", log: bool = False
) -> str:
    """A chart with axes, ticks and legend, as an HTML ``<figure>``; needs `STYLE` on the page.

    Args:
        title: above the chart.
        lines: what is drawn; a line of one point is a dot.
        levels: horizontal lines to compare with.
        x_name: under the x axis.
        log: a logarithmic y axis where positive values span more than `LOG_FROM`; else it is linear.

    Returns:
        HTML, escaped; empty where no line has a point.
    """
    drawn = [Line(a.name, _thinned(_finite(a.points)), a.colour, a.dash) for a in lines]
    drawn = [a for a in drawn if a.points]
    levels = [a for a in levels if math.isfinite(a.y)]
    if not drawn:
        return ""
    x_axis = _linear([x for a in drawn for x, _ in a.points], LEFT, WIDTH - RIGHT, from_zero=True, exact=True)
    values = [y for a in drawn for _, y in a.points] + [a.y for a in levels]
    wide = min(values) > 0 and max(values) / min(values) > LOG_FROM
    y_axis = _logarithmic(values, HEIGHT - BOTTOM, TOP) if log and wide else _upright(values)
    parts = [_grid(x_axis, y_axis, x_name)]
    parts += [_level(a, y_axis) for a in levels]
    parts += [_polyline(a, x_axis, y_axis) for a in drawn]
    note = " (logarithmic)" if y_axis.log else ""
    return (
        f'<figure class="chart"><figcaption>{escape(title)}{note}</figcaption>{_legend([*drawn, *levels])}'
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(title)}">{"".join(parts)}</svg></figure>'
    )


# --- the drawing -----------------------------------------------------------------------------------------------------


def _grid(x_axis: _Axis, y_axis: _Axis, x_name: str) -> str:
    bottom, right, parts = HEIGHT - BOTTOM, WIDTH - RIGHT, []
    for value in y_axis.ticks:
        y = y_axis(value)
        parts.append(f'<line class="grid" x1="{LEFT}" x2="{right}" y1="{y:.1f}" y2="{y:.1f}"/>')
        parts.append(f'<text x="{LEFT - 7}" y="{y + 4:.1f}" text-anchor="end">{_label(value)}</text>')
    for value in x_axis.ticks:
        x = x_axis(value)
        parts.append(f'<line class="axis" x1="{x:.1f}" x2="{x:.1f}" y1="{bottom}" y2="{bottom + 4}"/>')
        parts.append(f'<text x="{x:.1f}" y="{bottom + 17}" text-anchor="middle">{_label(value)}</text>')
    parts.append(f'<path class="axis" fill="none" d="M{LEFT} {TOP}V{bottom}H{right}"/>')
    parts.append(f'<text x="{right}" y="{HEIGHT - 4}" text-anchor="end">{escape(x_name)}</text>')
    return "".join(parts)


def _polyline(line: Line, x_axis: _Axis, y_axis: _Axis) -> str:
    places = [(x_axis(x), y_axis(y)) for x, y in line.points]
    colour = _stroke(line.colour)
    dots = [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="2.6" fill="{colour}"/>' for x, y in places if len(places) <= 30]
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
    tip = f"<title>{escape(line.name)}: {line.points[-1][1]:.4g} at the end</title>"
    return f'<g>{tip}<polyline class="{line.dash}" stroke="{colour}" points="{path}"/>{"".join(dots)}</g>'


def _level(level: Level, y_axis: _Axis) -> str:
    y = f"{y_axis(level.y):.1f}"
    return (
        f'<g><title>{escape(level.name)}: {level.y:.4g}</title><line class="level {level.dash}" '
        f'stroke="{_stroke(level.colour)}" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y}" y2="{y}"/></g>'
    )


def _legend(entries: Sequence[Line | Level]) -> str:
    items = (
        f'<span><svg viewBox="0 0 26 8" aria-hidden="true"><line class="level {a.dash}" stroke="{_stroke(a.colour)}" '
        f'x1="1" x2="25" y1="4" y2="4"/></svg>{escape(a.name)}</span>'
        for a in entries
    )
    return f'<div class="legend">{"".join(items)}</div>'


def _stroke(colour: int) -> str:
    return "var(--grey)" if colour == GREY else f"var(--c{colour % COLOURS})"


def _label(value: float) -> str:
    return f"{value:,.10g}" if value == 0 or abs(value) >= 1e-4 else f"{value:.0e}"


# --- the scales ------------------------------------------------------------------------------------------------------


def _upright(values: Sequence[float]) -> _Axis:
    near_zero = 0 <= min(values) < 0.5 * max(values)
    return _linear(values, HEIGHT - BOTTOM, TOP, from_zero=near_zero)


def _linear(values: Sequence[float], start: float, end: float, *, from_zero: bool, exact: bool = False) -> _Axis:
    """Ticks at 1, 2 or 5 times a power of ten; the axis ends at a tick, or where the values do if ``exact``."""
    low, high = min(values), max(values)
    low = min(low, 0.0) if from_zero else low
    if high - low < 1e-9 * max(1.0, abs(high)):
        high = low + (abs(low) or 1.0)
    power = 10 ** math.floor(math.log10((high - low) / 4))
    step = next(s * power for s in (1, 2, 5, 10) if (high - low) / (s * power) <= 6)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    if exact:
        return _Axis(low, high, start, end, ticks=[n * step for n in range(first, last + 1) if n * step <= high])
    return _Axis(first * step, last * step, start, end, ticks=[n * step for n in range(first, last + 1)])


def _logarithmic(values: Sequence[float], start: float, end: float) -> _Axis:
    low, high = min(values) / 1.1, max(values) * 1.1
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    apart = math.ceil(len(decades) / 7)
    steps = (1, 3) if len(decades) <= 4 else (1,)
    ticks = [s * 10.0**n for n in decades[::apart] for s in steps]
    return _Axis(low, high, start, end, log=True, ticks=[t for t in ticks if low <= t <= high])


def _finite(points: Sequence[Point]) -> list[Point]:
    return [(x, y) for x, y in points if math.isfinite(x) and math.isfinite(y)]


def _thinned(points: list[Point]) -> list[Point]:
    together = math.ceil(len(points) / MOST_POINTS)
    if together <= 1:
        return points
    groups = [points[i : i + together] for i in range(0, len(points), together)]
    return [(sum(x for x, _ in g) / len(g), sum(y for _, y in g) / len(g)) for g in groups]
