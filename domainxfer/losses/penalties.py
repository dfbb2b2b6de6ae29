"""Gradient penalties on the critic, in fp32. D(x) here is one number a picture: the mean of its patch scores.

The mean of P small patches has a slope sqrt(P) times smaller than each of them, where they do not look at the same
pixels, so it hardly holds a critic of many. ``patchwise`` takes their sum over sqrt(P) instead: a single patch's slope.

The gradient is that for what the critic sees of x: `enter` turns images (B, C, H, W) into it, and `critic` is a
function of what it returned that gives (B,) such numbers, each picture scored for its own label; it is asked with
``patchwise=True`` where their sum is wanted. Pixels that are only
rearranged give the gradient of the papers; a critic with `unit` sees [0, 1], where a slope is twice as large. Bands of
equal loudness (`models/bands.py`) give one in which a faint band may be noticed as easily as a loud one: per pixel, a
slope along the faintest band would cost 9000 times as much.
"""

from collections.abc import Callable
from functools import partial

import torch
from pydantic import NonNegativeFloat
from torch import Tensor

Score = Callable[..., Tensor]
Enter = Callable[[Tensor], Tensor]


def r1(
    critic: Score,
    enter: Enter,
    x_real: Tensor,
    y_real: Tensor | None,
    *,
    gamma: NonNegativeFloat = 1.0,
    patchwise: bool = False,
) -> Tensor:
    """gamma / 2 E ||grad_x D(x_real)||^2 (Mescheder et al. 2018, eq. 9)."""
    return gamma / 2 * _squared_gradient_norm(_as_asked(critic, patchwise), enter(x_real), y_real).mean()


def r2(
    critic: Score,
    enter: Enter,
    x_fake: Tensor,
    y_target: Tensor | None,
    *,
    gamma: NonNegativeFloat = 1.0,
    patchwise: bool = False,
) -> Tensor:
    """gamma / 2 E ||grad_x D(x_fake)||^2 (Mescheder et al. 2018, eq. 10)."""
    return gamma / 2 * _squared_gradient_norm(_as_asked(critic, patchwise), enter(x_fake), y_target).mean()


def dragan(
    critic: Score,
    enter: Enter,
    x_real: Tensor,
    y_real: Tensor | None,
    uniform_like_x: Tensor,
    uniform_a_picture: Tensor,
    *,
    lambda_: NonNegativeFloat = 1.0,
    spread: NonNegativeFloat = 0.5,
) -> Tensor:
    """lambda E (||grad D(x_hat)|| - 1)^2 around the real pictures (Kodali et al. 2017), 1-Lipschitz nearby only.

    x_hat = x + (1 - a) * spread * std(x) * u, with u ~ U(0, 1) of the shape of x and a ~ U(0, 1) a picture. With
    several processes std(x) is that of each one's share of the batch.

    Args:
        critic, enter: see the top of this file.
        x_real: (B, C, H, W).
        y_real: (B,) or None.
        uniform_like_x: u, (B, C, H, W).
        uniform_a_picture: a, (B, 1, 1, 1).
        lambda_: weight.
        spread: how far around the data, in standard deviations of the batch.
    """
    x_hat = x_real + (1 - uniform_a_picture) * spread * x_real.std() * uniform_like_x
    return lambda_ * _squared_distance_to_slope_1(critic, enter(x_hat), y_real).mean()


def gradient_penalty(
    critic: Score,
    enter: Enter,
    x_real: Tensor,
    x_fake: Tensor,
    y_real: Tensor | None,
    uniform_a_picture: Tensor,
    *,
    lambda_: NonNegativeFloat = 10.0,
) -> Tensor:
    """lambda E (||grad D(x_hat)|| - 1)^2 between reals and fakes (WGAN-GP, Gulrajani et al. 2017, eq. 3).

    x_hat = a x_real + (1 - a) x_fake, with a ~ U(0, 1) a picture, scored for the label of the real.

    Args:
        critic, enter: see the top of this file. A critic that normalises over the batch mixes pictures: not under this.
        x_real: (B, C, H, W).
        x_fake: (B, C, H, W), fake i of the same label as real i; detached.
        y_real: (B,) or None.
        uniform_a_picture: a, (B, 1, 1, 1).
        lambda_: weight.
    """
    x_hat = uniform_a_picture * x_real + (1 - uniform_a_picture) * x_fake.detach()
    return lambda_ * _squared_distance_to_slope_1(critic, enter(x_hat), y_real).mean()


def _as_asked(critic: Score, patchwise: bool) -> Score:
    return partial(critic, patchwise=True) if patchwise else critic


def _squared_distance_to_slope_1(critic: Score, seen: Tensor, label: Tensor | None) -> Tensor:
    norm = (_squared_gradient_norm(critic, seen, label) + 1e-12).sqrt()  # the root has no slope at 0
    return (norm - 1).square()


def _squared_gradient_norm(critic: Score, seen: Tensor, label: Tensor | None) -> Tensor:
    seen = seen.detach().requires_grad_()
    # The sum's gradient holds, row by row, the gradient of each picture's own score: pictures do not mix in D.
    (gradient,) = torch.autograd.grad(critic(seen, label).sum(), seen, create_graph=True)
    return gradient.square().flatten(1).sum(1)
