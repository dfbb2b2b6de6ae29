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


def relativistic_average(high: Array, low: Array, below: float = -1.0) -> float:
    """``high`` is to lie 1 above the mean of ``low``, ``low`` at ``below`` from the mean of ``high``."""
    of_high = mean_of(lambda a: (a - sum(low.ravel()) / low.size - 1) ** 2, high)
    of_low = mean_of(lambda b: (b - sum(high.ravel()) / high.size - below) ** 2, low)
    return of_high + of_low


def softmax_gan(real: Array, fake: Array, weight_of_real: float, weight_of_fake: float) -> float:
    """Cross-entropy of the softmax over a batch's scores, a patch place at a time, to a target weight for each."""
    pictures, patches = real.shape
    total = 0.0
    for j in range(patches):
        scores = [*real[:, j].tolist(), *fake[:, j].tolist()]
        targets = [weight_of_real] * pictures + [weight_of_fake] * pictures
        whole = sum(math.exp(s) for s in scores)
        total -= sum(t * math.log(math.exp(s) / whole) for t, s in zip(targets, scores, strict=True))
    return total / patches


CRITIC: dict[str, Callable[[Array, Array], float]] = {
    "lsgan_critic": lambda r, f: mean_of(lambda a: 0.5 * (a - 1) ** 2, r) + mean_of(lambda b: 0.5 * b**2, f),
    "hinge_critic": lambda r, f: mean_of(lambda a: max(0.0, 1 - a), r) + mean_of(lambda b: max(0.0, 1 + b), f),
    "nonsaturating_critic": lambda r, f: (
        mean_of(lambda a: -math.log(1 / (1 + math.exp(-a))), r)
        + mean_of(lambda b: -math.log(1 - 1 / (1 + math.exp(-b))), f)
    ),
    "wasserstein_critic": lambda r, f: mean_of(lambda b: b, f) - mean_of(lambda a: a, r),
    "relativistic_average_critic": relativistic_average,
    "relativistic_average_generator": lambda r, f: relativistic_average(f, r),
    "softmax_critic": lambda r, f: softmax_gan(r, f, 1 / len(r), 0),
    "softmax_generator": lambda r, f: softmax_gan(r, f, 1 / (2 * len(r)), 1 / (2 * len(r))),
    "r3gan_critic": lambda r, f: mean_of(lambda a, b: log1p_exp(-(a - b)), r, f),
    "r3gan_generator": lambda r, f: mean_of(lambda a, b: log1p_exp(-(b - a)), r, f),
}
GENERATOR: dict[str, Callable[[Array], float]] = {
    "lsgan_generator": lambda f: mean_of(lambda b: 0.5 * (b - 1) ** 2, f),
    "hinge_generator": lambda f: -mean_of(lambda b: b, f),
    "nonsaturating_generator": lambda f: mean_of(lambda b: -math.log(1 / (1 + math.exp(-b))), f),
    "minimax_generator": lambda f: mean_of(lambda b: math.log(1 - 1 / (1 + math.exp(-b))), f),
    "wasserstein_generator": lambda f: -mean_of(lambda b: b, f),
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
    assert float(adversarial.minimax_generator(at(0))) == pytest.approx(-math.log(2))
    assert float(adversarial.wasserstein_critic(at(5), at(2))) == -3
    assert float(adversarial.wasserstein_generator(at(2))) == -2
    assert float(adversarial.relativistic_average_critic(at(8), at(7))) == 0
    assert float(adversarial.relativistic_average_critic(at(7), at(8))) == 8
    assert float(adversarial.relativistic_average_generator(at(7), at(8))) == 0
    assert float(adversarial.softmax_critic(at(7), at(7))) == pytest.approx(math.log(4))
    assert float(adversarial.softmax_critic(at(50), at(0))) == pytest.approx(math.log(2))
    assert float(adversarial.softmax_generator(at(7), at(7))) == pytest.approx(math.log(4))
    assert float(adversarial.r3gan_critic(at(7), at(7))) == pytest.approx(math.log(2))


RELATIVE_GENERATOR = [name for name in CRITIC if name.endswith("generator")]


@pytest.mark.parametrize("name", [*GENERATOR, *RELATIVE_GENERATOR])
def test_generators_want_higher_scores(name: str, scores: tuple[Tensor, Tensor]) -> None:
    real, fake = scores[0], (scores[1] - 5).requires_grad_()
    loss = getattr(adversarial, name)
    loss(*([real, fake] if name in CRITIC else [fake])).backward()
    assert (fake.grad < 0).all()


def test_nonsaturating_keeps_its_gradient_where_the_critic_wins() -> None:
    fake = torch.full((1, 4), -30.0, dtype=torch.float64, requires_grad=True)
    adversarial.nonsaturating_generator(fake).backward()
    assert fake.grad.sum() == pytest.approx(-1.0)


def test_minimax_loses_its_gradient_where_the_critic_wins() -> None:
    fake = torch.full((1, 4), -30.0, dtype=torch.float64, requires_grad=True)
    adversarial.minimax_generator(fake).backward()
    assert -1e-12 < float(fake.grad.sum()) < 0


@pytest.mark.parametrize("name", [*CRITIC, *GENERATOR])
def test_huge_scores_stay_finite(name: str) -> None:
    for sign in (-1, 1):
        scores = [torch.full((2, 3), sign * s * 1e4, requires_grad=True) for s in (1, -1)]
        arguments = scores if name in CRITIC else scores[1:]
        loss = getattr(adversarial, name)(*arguments)
        loss.backward()
        assert loss.isfinite()
        assert all(a.grad.isfinite().all() for a in arguments)


def test_softmax_of_huge_scores() -> None:
    """e^10000 is no number, but its logarithm is: the critic that wins pays ln B, one that is fooled by 10000 that."""
    high, low = torch.full((2, 3), 1e4), torch.full((2, 3), -1e4)
    assert float(adversarial.softmax_critic(high, low)) == pytest.approx(math.log(2), abs=2e-3)
    assert float(adversarial.softmax_critic(low, high)) == pytest.approx(2e4 + math.log(2), abs=5e-3)
    assert float(adversarial.minimax_generator(high)) == -1e4
    assert float(adversarial.minimax_generator(low)) == 0


def test_softmax_by_hand_on_a_softmax(scores: tuple[Tensor, Tensor]) -> None:
    """The critic moves each score by its share of the batch less its target; the generator's target is equal shares."""
    real, fake = (s.requires_grad_() for s in scores)
    both = np.exp(torch.cat([real, fake]).detach().numpy())
    share = both / both.sum(0)
    count, patches = real.shape
    targets = np.repeat([1 / count, 0], count)[:, None], np.full((2 * count, 1), 1 / (2 * count))
    for loss, target in zip((adversarial.softmax_critic, adversarial.softmax_generator), targets, strict=True):
        gradient = torch.cat(torch.autograd.grad(loss(real, fake), (real, fake)))
        np.testing.assert_allclose(gradient.numpy(), (share - target) / patches, atol=1e-12)


def test_softmax_knows_no_order_in_the_batch_and_compares_like_places(scores: tuple[Tensor, Tensor]) -> None:
    real, fake = scores
    for loss in (adversarial.softmax_critic, adversarial.softmax_generator):
        value = float(loss(real, fake))
        assert float(loss(real, fake.roll(1, 0))) == pytest.approx(value, rel=1e-12)
        assert float(loss(real, fake.roll(1, 1))) != pytest.approx(value, rel=1e-6)
        offsets = torch.tensor([3.0, -2, 0, 1, 40], dtype=real.dtype)
        assert float(loss(real + offsets, fake + offsets)) == pytest.approx(value, rel=1e-12)


def test_relativistic_average_competitive(scores: tuple[Tensor, Tensor]) -> None:
    critic, generator = adversarial.relativistic_average_critic, adversarial.relativistic_average_generator
    real, fake = scores
    r, f = (s.numpy() for s in scores)
    assert float(critic(real, fake, cooperative=False)) == pytest.approx(relativistic_average(r, f, 0.0), rel=1e-12)
    assert float(generator(real, fake, cooperative=False)) == pytest.approx(relativistic_average(f, r, 0.0), rel=1e-12)
    assert float(critic(real, fake, cooperative=True)) == float(critic(real, fake))
    assert torch.autograd.gradcheck(
        lambda r, f: critic(r, f, cooperative=False), [real.requires_grad_(), fake.requires_grad_()]
    )


def test_relativistic_average_is_over_pictures_and_patches(scores: tuple[Tensor, Tensor]) -> None:
    real, fake = scores
    for loss in (adversarial.relativistic_average_critic, adversarial.relativistic_average_generator):
        value = float(loss(real, fake))
        shuffled = fake.reshape(-1).flip(0).reshape(fake.shape)
        assert float(loss(real, shuffled)) == pytest.approx(value, rel=1e-12)
        assert float(loss(real + 5, fake + 5)) == pytest.approx(value, rel=1e-12)


def test_what_takes_means_or_sums_over_the_batch_says_so(scores: tuple[Tensor, Tensor]) -> None:
    """Two processes that average their halves of the batch get another loss: for these it must be gathered."""
    real, fake = (torch.cat([s, 2 * s + 1]) for s in scores)
    for name in [*CRITIC, *GENERATOR]:
        loss = getattr(adversarial, name)
        pair = (real, fake) if name in CRITIC else (fake,)
        halves = [float(loss(*part)) for part in zip(*(s.chunk(2) for s in pair), strict=True)]
        alone = sum(halves) / 2 == pytest.approx(float(loss(*pair)), rel=1e-9)
        assert getattr(loss, "couples_batch", False) != alone, name


def test_relativistic_losses_pair_each_fake_with_its_real(scores: tuple[Tensor, Tensor]) -> None:
    real, fake = scores
    assert float(adversarial.r3gan_critic(real, fake)) != pytest.approx(
        float(adversarial.r3gan_critic(real, fake.roll(1, 0))), rel=1e-6
    )
    # Only differences count: a critic that adds a constant to both gains nothing.
    assert float(adversarial.r3gan_critic(real + 5, fake + 5)) == pytest.approx(
        float(adversarial.r3gan_critic(real, fake)), rel=1e-12
    )
