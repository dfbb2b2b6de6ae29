"""Gradient penalties on critics whose gradients are known in closed form."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor

from domainxfer.losses.penalties import dragan, gradient_penalty, r1, r2

SHAPE = (3, 2, 4, 5)


@pytest.fixture
def x() -> Tensor:
    return torch.from_numpy(np.random.default_rng(5).normal(0, 1, SHAPE))


@pytest.fixture
def fake() -> Tensor:
    return torch.from_numpy(np.random.default_rng(9).normal(0.5, 2, SHAPE))


@pytest.fixture
def w() -> Tensor:
    return torch.from_numpy(np.random.default_rng(6).normal(0, 0.3, SHAPE[1:])).requires_grad_()


def linear(w: Tensor) -> Callable[[Tensor, Tensor | None], Tensor]:
    return lambda x, label: (x * w).flatten(1).sum(1)


def same(x: Tensor) -> Tensor:
    """A critic that sees the picture as it is."""
    return x


def uniforms() -> tuple[Tensor, Tensor]:
    numbers = np.random.default_rng(7)
    return torch.from_numpy(numbers.random(SHAPE)), torch.from_numpy(numbers.random((SHAPE[0], 1, 1, 1)))


@pytest.mark.parametrize("penalty", [r1, r2])
@pytest.mark.parametrize("gamma", [1.0, 20.0])
def test_r1_and_r2_of_a_linear_critic(penalty, gamma: float, x: Tensor, w: Tensor) -> None:  # type: ignore[no-untyped-def]
    value = penalty(linear(w), same, x, None, gamma=gamma)
    assert float(value.detach()) == pytest.approx(gamma / 2 * sum(float(v) ** 2 for v in w.detach().ravel()), rel=1e-12)
    (gradient,) = torch.autograd.grad(value, w)
    torch.testing.assert_close(gradient, gamma * w.detach())


@pytest.mark.parametrize("penalty", [r1, r2])
def test_patchwise_asks_for_the_sum_of_the_patches(penalty, x: Tensor, w: Tensor) -> None:  # type: ignore[no-untyped-def]
    def critic(x: Tensor, label: Tensor | None, *, patchwise: bool = False) -> Tensor:
        """Each pixel is a patch."""
        return (x * w).flatten(1).sum(1) / x[0].numel() ** (0.5 if patchwise else 1.0)

    squares = float(w.detach().square().sum())
    assert float(penalty(critic, same, x, None).detach()) == pytest.approx(squares / 2 / 40**2)
    assert float(penalty(critic, same, x, None, patchwise=True).detach()) == pytest.approx(squares / 2 / 40)


@pytest.mark.parametrize("penalty", [r1, r2])
def test_r1_and_r2_of_a_quadratic_critic(penalty, x: Tensor) -> None:  # type: ignore[no-untyped-def]
    size = int(np.prod(SHAPE[1:]))
    a = np.random.default_rng(8).normal(0, 0.2, (size, size))
    a = a + a.T
    matrix = torch.from_numpy(a)

    def critic(x: Tensor, label: Tensor | None) -> Tensor:
        flat = x.flatten(1)
        return 0.5 * (flat @ matrix * flat).sum(1)

    expected = 0.0
    for picture in x.numpy().reshape(SHAPE[0], -1):
        slope = [sum(a[i, j] * picture[j] for j in range(size)) for i in range(size)]
        expected += sum(s * s for s in slope) / SHAPE[0]
    assert float(penalty(critic, same, x, None, gamma=3.0).detach()) == pytest.approx(1.5 * expected, rel=1e-9)


def test_dragan_of_a_linear_critic(x: Tensor, w: Tensor) -> None:
    norm = float(np.sqrt((w.detach().numpy() ** 2).sum()))
    for weight in (1.0, 10.0):
        value = dragan(linear(w), same, x, None, *uniforms(), lambda_=weight)
        assert float(value.detach()) == pytest.approx(weight * (norm - 1) ** 2, rel=1e-9)
    (gradient,) = torch.autograd.grad(value, w)
    torch.testing.assert_close(gradient, 10 * 2 * (norm - 1) * w.detach() / norm)


def test_dragan_looks_between_the_data_and_the_noise(x: Tensor) -> None:
    seen: list[Tensor] = []

    def critic(x_hat: Tensor, label: Tensor | None) -> Tensor:
        seen.append(x_hat.detach())
        return x_hat.flatten(1).sum(1)

    u, a = uniforms()
    dragan(critic, same, x, None, u, a, spread=0.5)
    values = x.numpy().ravel().tolist()
    mean = sum(values) / len(values)
    std = (sum((v - mean) ** 2 for v in values) / (len(values) - 1)) ** 0.5
    for i in range(SHAPE[0]):
        expected = x.numpy()[i] + (1 - float(a[i])) * 0.5 * std * u.numpy()[i]
        np.testing.assert_allclose(seen[0][i].numpy(), expected, rtol=1e-9)
    dragan(critic, same, x, None, u, torch.ones_like(a))
    torch.testing.assert_close(seen[1], x)


def test_dragan_survives_a_critic_without_slope(x: Tensor) -> None:
    w = torch.zeros(SHAPE[1:], dtype=torch.float64, requires_grad=True)
    value = dragan(linear(w), same, x, None, *uniforms())
    value.backward()
    assert float(value.detach()) == pytest.approx(1, abs=1e-5)
    assert w.grad.isfinite().all()


def test_gradient_penalty_of_a_linear_critic(x: Tensor, fake: Tensor, w: Tensor) -> None:
    norm = float(np.sqrt((w.detach().numpy() ** 2).sum()))
    a = uniforms()[1]
    for weight in (1.0, 10.0):
        value = gradient_penalty(linear(w), same, x, fake, None, a, lambda_=weight)
        assert float(value.detach()) == pytest.approx(weight * (norm - 1) ** 2, rel=1e-9)
    (gradient,) = torch.autograd.grad(value, w)
    torch.testing.assert_close(gradient, 10 * 2 * (norm - 1) * w.detach() / norm)
    assert float(gradient_penalty(linear(w), same, x, fake, None, a).detach()) == float(value.detach())


def test_gradient_penalty_of_a_quadratic_critic(x: Tensor, fake: Tensor) -> None:
    """D = ||x||^2 / 2 has the slope ||x_hat||: another at each place between real and fake."""
    a = uniforms()[1]
    total = 0.0
    for i in range(SHAPE[0]):
        share = float(a[i])
        pairs = zip(x[i].ravel().tolist(), fake[i].ravel().tolist(), strict=True)
        total += (sum((share * r + (1 - share) * f) ** 2 for r, f in pairs) ** 0.5 - 1) ** 2
    half_square = lambda x, label: 0.5 * x.square().flatten(1).sum(1)
    value = gradient_penalty(half_square, same, x, fake, None, a, lambda_=1.0)
    assert float(value.detach()) == pytest.approx(total / SHAPE[0], rel=1e-9)


def test_gradient_penalty_looks_between_reals_and_fakes_in_pixels(x: Tensor, fake: Tensor, w: Tensor) -> None:
    seen: list[Tensor] = []

    def enter(x_hat: Tensor) -> Tensor:
        seen.append(x_hat)
        return 10 * x_hat

    a = uniforms()[1]
    for places in (a, torch.ones_like(a), torch.zeros_like(a)):
        gradient_penalty(linear(w), enter, x, fake, None, places)
    for i in range(SHAPE[0]):
        expected = float(a[i]) * x[i].numpy() + (1 - float(a[i])) * fake[i].numpy()
        np.testing.assert_allclose(seen[0][i].numpy(), expected, rtol=1e-9)
    torch.testing.assert_close(seen[1], x)
    torch.testing.assert_close(seen[2], fake)
    louder = gradient_penalty(lambda x, label: 10 * linear(w)(x, label), same, x, fake, None, a)
    as_seen = gradient_penalty(linear(w), enter, x, fake, None, a)
    norm = float(w.detach().square().sum().sqrt())
    assert float(louder.detach()) == pytest.approx(10 * (10 * norm - 1) ** 2, rel=1e-9)
    assert float(as_seen.detach()) == pytest.approx(10 * (norm - 1) ** 2, rel=1e-9)


def test_gradient_penalty_keeps_the_generators_graph_out(x: Tensor, fake: Tensor, w: Tensor) -> None:
    made = fake.clone().requires_grad_()
    seen: list[Tensor] = []

    def enter(x_hat: Tensor) -> Tensor:
        seen.append(x_hat)
        return x_hat

    quadratic = lambda x, label: (x.square() * w).flatten(1).sum(1)
    gradient_penalty(quadratic, enter, x, 2 * made, None, uniforms()[1]).backward()
    assert made.grad is None
    assert not seen[0].requires_grad
    assert w.grad.abs().sum() > 0


def test_gradient_penalty_survives_a_critic_without_slope(x: Tensor, fake: Tensor) -> None:
    w = torch.zeros(SHAPE[1:], dtype=torch.float64, requires_grad=True)
    value = gradient_penalty(linear(w), same, x, fake, None, uniforms()[1])
    value.backward()
    assert float(value.detach()) == pytest.approx(10, abs=1e-4)
    assert w.grad.isfinite().all()


def test_gradients_for_the_critics_weights(x: Tensor, fake: Tensor, w: Tensor) -> None:
    """A critic that is not linear in x: the penalty's own gradient needs the second derivative."""

    def critic_of(w: Tensor) -> Callable[[Tensor, Tensor | None], Tensor]:
        return lambda x, label: torch.tanh(x * w).flatten(1).sum(1)

    u, a = uniforms()
    assert torch.autograd.gradcheck(lambda w: r1(critic_of(w), same, x, None), [w])
    assert torch.autograd.gradcheck(lambda w: r2(critic_of(w), same, x, None), [w])
    assert torch.autograd.gradcheck(lambda w: dragan(critic_of(w), same, x, None, u, a), [w])
    assert torch.autograd.gradcheck(lambda w: gradient_penalty(critic_of(w), same, x, fake, None, a), [w])


def test_each_picture_is_scored_for_its_own_label(x: Tensor, fake: Tensor) -> None:
    """A critic whose slope depends on the label: the mean over pictures of each one's own penalty."""
    slopes = torch.tensor([0.0, 1.0, 3.0], dtype=torch.float64)

    def critic(x: Tensor, label: Tensor | None) -> Tensor:
        assert label is not None
        return slopes[label] * x.flatten(1).sum(1)

    label, size = torch.tensor([2, 0, 1]), int(np.prod(SHAPE[1:]))
    assert float(r1(critic, same, x, label)) == pytest.approx(0.5 * size * (9 + 0 + 1) / 3)
    assert float(r2(critic, same, x, label)) == pytest.approx(0.5 * size * (9 + 0 + 1) / 3)
    expected = sum((s * size**0.5 - 1) ** 2 for s in (3, 0, 1)) / 3
    assert float(dragan(critic, same, x, label, *uniforms())) == pytest.approx(expected, rel=1e-5)
    of_the_reals = gradient_penalty(critic, same, x, fake, label, uniforms()[1], lambda_=1.0)
    assert float(of_the_reals) == pytest.approx(expected, rel=1e-5)


def test_nothing_flows_back_into_the_pictures(x: Tensor, w: Tensor) -> None:
    pictures = x.clone().requires_grad_()
    quadratic = lambda x, label: (x.square() * w).flatten(1).sum(1)
    total = r1(quadratic, same, pictures, None) + r2(quadratic, same, pictures, None)
    total = total + dragan(quadratic, same, pictures, None, *uniforms())
    total.backward()
    assert w.grad is not None
    assert pictures.grad is None


@pytest.mark.parametrize("penalty", [r1, r2])
def test_the_slope_is_that_for_what_the_critic_sees(penalty, x: Tensor, w: Tensor) -> None:  # type: ignore[no-untyped-def]
    """Seen ten times as loud, the same slope per pixel is a tenth as steep."""
    louder = lambda x: 10 * x
    value = penalty(linear(w), louder, x, None, gamma=2.0)
    assert float(value.detach()) == pytest.approx(float(w.detach().square().sum()), rel=1e-12)
    per_pixel = penalty(lambda x, label: linear(w)(louder(x), label), same, x, None, gamma=2.0)
    assert float(per_pixel.detach()) == pytest.approx(100 * float(value.detach()), rel=1e-12)


def test_dragan_spreads_in_pixels_whatever_the_critic_sees(x: Tensor, w: Tensor) -> None:
    seen: list[Tensor] = []

    def enter(x_hat: Tensor) -> Tensor:
        seen.append(x_hat)
        return -x_hat

    u, a = uniforms()
    dragan(linear(w), enter, x, None, u, a)
    torch.testing.assert_close(seen[0], x + (1 - a) * 0.5 * x.std() * u)
