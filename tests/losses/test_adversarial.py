"""Adversarial losses against their formulas, written as loops over NumPy numbers."""

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor

from domainxfer.losses import adversarial

Array = np.ndarray


def log1p_exp(x: float) -> float:
    return max(x, 0.0) + math.log1p(math.exp(-abs(x)))


def mean_of(function: Callable[..., float], *scores: Array) -> float:
    """The mean of a function over pictures and patches, one at a time."""
    pictures, patches = scores[0].shape
    total = sum(function(*(s[i, j] for s in scores)) for i in range(pictures) for j in range(patches))
    return total / (pictures * patches)


CRITIC: dict[str, Callable[[Array, Array], float]] = {
    "lsgan_critic": lambda r, f: mean_of(lambda a: 0.5 * (a - 1) ** 2, r) + mean_of(lambda b: 0.5 * b**2, f),
    "hinge_critic": lambda r, f: mean_of(lambda a: max(0.0, 1 - a), r) + mean_of(lambda b: max(0.0, 1 + b), f),
    "nonsaturating_critic": lambda r, f: (
        mean_of(lambda a: -math.log(1 / (1 + math.exp(-a))), r)
        + mean_of(lambda b: -math.log(1 - 1 / (1 + math.exp(-b))), f)
    ),
    "r3gan_critic": lambda r, f: mean_of(lambda a, b: log1p_exp(-(a - b)), r, f),
    "r3gan_generator": lambda r, f: mean_of(lambda a, b: log1p_exp(-(b - a)), r, f),
}
GENERATOR: dict[str, Callable[[Array], float]] = {
    "lsgan_generator": lambda f: mean_of(lambda b: 0.5 * (b - 1) ** 2, f),
    "hinge_generator": lambda f: -mean_of(lambda b: b, f),
    "nonsaturating_generator": lambda f: mean_of(lambda b: -math.log(1 / (1 + math.exp(-b))), f),
}


@pytest.fixture
def scores() -> tuple[Tensor, Tensor]:
    numbers = np.random.default_rng(3)
    return tuple(torch.from_numpy(numbers.normal(0, 1.5, (3, 5))) for _ in range(2))  # type: ignore[return-value]


@pytest.mark.parametrize("name", CRITIC)
def test_losses_of_reals_and_fakes(name: str, scores: tuple[Tensor, Tensor]) -> None:
    loss = getattr(adversarial, name)
    assert float(loss(*scores)) == pytest.approx(CRITIC[name](*(s.numpy() for s in scores)), rel=1e-12)
    assert torch.autograd.gradcheck(loss, [s.requires_grad_() for s in scores])


@pytest.mark.parametrize("name", GENERATOR)
def test_losses_of_fakes(name: str, scores: tuple[Tensor, Tensor]) -> None:
    loss, fake = getattr(adversarial, name), scores[1]
    assert float(loss(fake)) == pytest.approx(GENERATOR[name](fake.numpy()), rel=1e-12)
    assert torch.autograd.gradcheck(loss, [fake.requires_grad_()])


@pytest.mark.parametrize("name", [*CRITIC, *GENERATOR])
@pytest.mark.parametrize("times", [2, 9])
def test_patches_are_averaged_not_summed(name: str, times: int, scores: tuple[Tensor, Tensor]) -> None:
    loss = getattr(adversarial, name)
    arguments = scores if name in CRITIC else scores[1:]
    more = [s.repeat(1, times) for s in arguments]
    assert float(loss(*more)) == pytest.approx(float(loss(*arguments)), rel=1e-12)


def test_known_points() -> None:
    def at(value: float) -> Tensor:
        return torch.full((2, 4), value, dtype=torch.float64)

    assert float(adversarial.lsgan_critic(at(1), at(0))) == 0
    assert float(adversarial.lsgan_critic(at(0), at(1))) == 1
    assert float(adversarial.lsgan_generator(at(1))) == 0
    assert float(adversarial.hinge_critic(at(1), at(-1))) == 0
    assert float(adversarial.hinge_critic(at(5), at(-5))) == 0
    assert float(adversarial.hinge_critic(at(0), at(0))) == 2
    assert float(adversarial.hinge_critic(at(-1), at(1))) == 4
    assert float(adversarial.hinge_generator(at(-3))) == 3
    assert float(adversarial.nonsaturating_critic(at(0), at(0))) == pytest.approx(2 * math.log(2))
    assert float(adversarial.nonsaturating_generator(at(0))) == pytest.approx(math.log(2))
    assert float(adversarial.r3gan_critic(at(7), at(7))) == pytest.approx(math.log(2))


@pytest.mark.parametrize("name", [*GENERATOR, "r3gan_generator"])
def test_generators_want_higher_scores(name: str, scores: tuple[Tensor, Tensor]) -> None:
    real, fake = scores[0], (scores[1] - 3).requires_grad_()
    loss = getattr(adversarial, name)
    loss(*([real, fake] if name in CRITIC else [fake])).backward()
    assert (fake.grad < 0).all()


def test_nonsaturating_keeps_its_gradient_where_the_critic_wins() -> None:
    fake = torch.full((1, 4), -30.0, dtype=torch.float64, requires_grad=True)
    adversarial.nonsaturating_generator(fake).backward()
    assert fake.grad.sum() == pytest.approx(-1.0)


@pytest.mark.parametrize("name", [*CRITIC, *GENERATOR])
def test_huge_scores_stay_finite(name: str) -> None:
    for sign in (-1, 1):
        scores = [torch.full((2, 3), sign * s * 1e4, requires_grad=True) for s in (1, -1)]
        arguments = scores if name in CRITIC else scores[1:]
        loss = getattr(adversarial, name)(*arguments)
        loss.backward()
        assert loss.isfinite()
        assert all(a.grad.isfinite().all() for a in arguments)


def test_relativistic_losses_pair_each_fake_with_its_real(scores: tuple[Tensor, Tensor]) -> None:
    real, fake = scores
    assert float(adversarial.r3gan_critic(real, fake)) != pytest.approx(
        float(adversarial.r3gan_critic(real, fake.roll(1, 0))), rel=1e-6
    )
    # Only differences count: a critic that adds a constant to both gains nothing.
    assert float(adversarial.r3gan_critic(real + 5, fake + 5)) == pytest.approx(
        float(adversarial.r3gan_critic(real, fake)), rel=1e-12
    )
