"""Ways between two noise vectors, and their sum, such that what comes out is noise again; and sweeps over a code.

N(0, 1) noise of many dimensions lies near a sphere of radius sqrt(Z): a straight line between two vectors leaves that
shell (half-way its points are sqrt(2) too short), and their plain sum is sqrt(2) too long. A generator has seen
neither. Noise from U(-1, 1) lies in a cube, out of which a great circle leads. Number by number it can be made N(0, 1)
and uniform again, so great circles and lengths are taken there: `as_normal` first, `as_uniform` last.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from domainxfer.errors import UsageError

SWEEP_STEPS = 9
"""Rows of a sweep, unless told otherwise."""
MOST_STEPS = 500
"""Of a sweep or an interpolation: all its pictures are in memory at once, and on one sheet."""

_NEARLY = 1e-6  # sine of the angle below which two directions span no plane that could be trusted


def between_linear(a: Tensor, b: Tensor, steps: int) -> Tensor:
    """The straight line (1 - t) a + t b at ``steps`` even values of t from 0 to 1: (Z,), (Z,) -> (steps, Z).

    Raises:
        UsageError: fewer than 2 steps, or more than `MOST_STEPS`.
    """
    t = _even(steps).to(a.device)
    return ((1 - t) * a.double() + t * b.double()).to(a.dtype)


def between_slerp(a: Tensor, b: Tensor, steps: int) -> Tensor:
    """Along the great circle from a to b: (Z,), (Z,) -> (steps, Z).

    The direction is (sin((1 - t) w) a/|a| + sin(t w) b/|b|) / sin(w) with w the angle between them (Shoemake,
    "Animating rotation with quaternion curves", SIGGRAPH 1985), the radius (1 - t)|a| + t|b|. Where there is no one
    great circle (the same direction, the opposite one, or no direction at all), it is the straight line.

    Raises:
        UsageError: fewer than 2 steps, or more than `MOST_STEPS`.
    """
    t = _even(steps).to(a.device)
    length_a, length_b = a.double().norm(), b.double().norm()
    if length_a == 0 or length_b == 0:
        return between_linear(a, b, steps)
    from_a, from_b = a.double() / length_a, b.double() / length_b
    angle = 2 * torch.atan2((from_a - from_b).norm(), (from_a + from_b).norm())  # exact for small angles, acos is not
    if angle.sin() < _NEARLY:
        return between_linear(a, b, steps)
    direction: Tensor = (((1 - t) * angle).sin() * from_a + (t * angle).sin() * from_b) / angle.sin()
    radius: Tensor = (1 - t) * length_a + t * length_b
    return (radius * direction).to(a.dtype)


def added(a: Tensor, b: Tensor, renormalised: bool) -> Tensor:
    """a + b, (Z,); where ``renormalised``, scaled to the mean of the lengths of a and b.

    Two opposite vectors sum to 0, which has no direction to be lengthened in and stays 0.
    """
    total = a.double() + b.double()
    if renormalised and total.norm() > 0:
        total = total * (a.double().norm() + b.double().norm()) / (2 * total.norm())
    return total.to(a.dtype)


class SweptCode(NamedTuple):
    """One row of a sweep over a code."""

    title: str
    """Which value is swept, counted from 1, and what it is there: "code 1: -0.5"."""
    code: Tensor
    """(code_size,)"""


def code_sweep(code: Tensor, steps: int) -> list[SweptCode]:
    """Each value of a code (code_size,) from -1 to 1 while the others stay: code_size blocks of ``steps`` rows.

    Raises:
        UsageError: there is no code, fewer than 2 steps, or more than `MOST_STEPS`.
    """
    if len(code) == 0:
        raise UsageError("this model has no code to sweep over: it was trained with generator.code_size 0")
    if not 2 <= steps <= MOST_STEPS:
        raise UsageError(f"a sweep from -1 to 1 has 2 to {MOST_STEPS} steps, not {steps} (--steps)")
    rows = []
    for place in range(len(code)):
        for value in torch.linspace(-1, 1, steps).tolist():
            swept = code.clone()
            swept[place] = value
            rows.append(SweptCode(f"code {place + 1}: {value:z.2g}", swept))
    return rows


def as_normal(uniform: Tensor) -> Tensor:
    """U(-1, 1) noise as the N(0, 1) noise of the same ranks: sqrt(2) erfinv(u), in float64, any shape.

    The very ends, which would be infinite, count as the last number before them.
    """
    edge = 1 - 2**-24  # the finest step of a float32 below 1
    return 2**0.5 * torch.erfinv(uniform.double().clamp(-edge, edge))


def as_uniform(normal: Tensor) -> Tensor:
    """N(0, 1) noise as the U(-1, 1) noise of the same ranks: erf(z / sqrt(2)), in float32, any shape."""
    return torch.erf(normal.double() / 2**0.5).float()


def _even(steps: int) -> Tensor:
    """t, (steps, 1)."""
    if not 2 <= steps <= MOST_STEPS:
        raise UsageError(f"an interpolation has 2 to {MOST_STEPS} steps, both ends included, not {steps} (--steps)")
    return torch.linspace(0, 1, steps, dtype=torch.float64)[:, None]
