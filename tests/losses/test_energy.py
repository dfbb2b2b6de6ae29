"""Energy-based losses and the penalties against equal fakes, against their formulas as loops."""

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from domainxfer.losses.energy import ebgan_critic, ebgan_generator, mode_seeking, pulling_away


@pytest.fixture
def energies() -> tuple[Tensor, Tensor]:
    """Of reals and of fakes, one a picture; some fakes lie beyond a margin of 1, some within."""
    return (
        torch.tensor([[0.1], [0.7], [0.4], [1.9]], dtype=torch.float64),
        torch.tensor([[0.3], [2.5], [0.8], [1.2]], dtype=torch.float64),
    )


@pytest.fixture
def encodings() -> Tensor:
    return torch.from_numpy(np.random.default_rng(1).normal(0.3, 1, (5, 7)))


@pytest.fixture
def fakes() -> tuple[Tensor, Tensor]:
    numbers = np.random.default_rng(2)
    return torch.from_numpy(numbers.uniform(-1, 1, (4, 3, 2, 5))), torch.from_numpy(numbers.normal(0, 1, (4, 6)))


# --- EBGAN ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("margin", [0.5, 1.0, 2.0])
def test_ebgan_critic(margin: float, energies: tuple[Tensor, Tensor]) -> None:
    real, fake = ([float(e) for e in side] for side in energies)
    by_hand = sum(real) / 4 + sum(max(0.0, margin - e) for e in fake) / 4
    scores = [(-e).requires_grad_() for e in energies]
    assert float(ebgan_critic(*scores, margin=margin).detach()) == pytest.approx(by_hand, rel=1e-12)
    assert torch.autograd.gradcheck(lambda r, f: ebgan_critic(r, f, margin=margin), scores)


def test_ebgan_generator(energies: tuple[Tensor, Tensor]) -> None:
    fake = (-energies[1]).requires_grad_()
    assert float(ebgan_generator(fake).detach()) == pytest.approx((0.3 + 2.5 + 0.8 + 1.2) / 4, rel=1e-12)
    assert torch.autograd.gradcheck(ebgan_generator, [fake])


def test_the_critic_moves_reals_down_and_only_fakes_within_the_margin_up(energies: tuple[Tensor, Tensor]) -> None:
    real, fake = (e.requires_grad_() for e in energies)
    ebgan_critic(-real, -fake, margin=1.0).backward()
    assert (real.grad / 0.25).ravel().tolist() == pytest.approx([1, 1, 1, 1])
    assert (fake.grad / 0.25).ravel().tolist() == pytest.approx([-1, 0, -1, 0])


def test_patches_are_averaged_not_summed(energies: tuple[Tensor, Tensor]) -> None:
    real, fake = (-e for e in energies)
    assert float(ebgan_critic(real.repeat(1, 9), fake.repeat(1, 9))) == pytest.approx(float(ebgan_critic(real, fake)))
    assert float(ebgan_generator(fake.repeat(1, 9))) == pytest.approx(float(ebgan_generator(fake)))


# --- pulling away -----------------------------------------------------------------------------------------------------


def test_pulling_away(encodings: Tensor) -> None:
    rows, total = encodings.tolist(), 0.0
    for i, a in enumerate(rows):
        for j, b in enumerate(rows):
            if i != j:
                dot = sum(x * y for x, y in zip(a, b, strict=True))
                total += dot**2 / (sum(x * x for x in a) * sum(y * y for y in b))
    assert float(pulling_away(encodings)) == pytest.approx(total / (5 * 4), rel=1e-12)
    assert torch.autograd.gradcheck(pulling_away, [encodings.requires_grad_()])


def test_pulling_away_at_known_points(encodings: Tensor) -> None:
    assert float(pulling_away(torch.eye(4))) == 0
    assert float(pulling_away(torch.ones(3, 4))) == pytest.approx(1)
    assert float(pulling_away(torch.tensor([[1.0, 0], [-2.0, 0]]))) == pytest.approx(1), "opposite is no different"
    scale = torch.tensor([[1.0], [20], [0.1], [3], [7]], dtype=encodings.dtype)
    assert float(pulling_away(scale * encodings)) == pytest.approx(float(pulling_away(encodings)), rel=1e-9)


def test_pulling_away_of_one_picture_or_of_nothing() -> None:
    for rows in (torch.ones(1, 4), torch.zeros(3, 4)):
        rows.requires_grad_()
        value = pulling_away(rows)
        value.backward()
        assert float(value.detach()) == 0
        assert rows.grad.abs().max() == 0


# --- mode seeking -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("eps", [1e-5, 0.5])
def test_mode_seeking(eps: float, fakes: tuple[Tensor, Tensor]) -> None:
    x, z = (side.flatten(1).tolist() for side in fakes)
    distance = lambda a, b: sum(abs(p - q) for p, q in zip(a, b, strict=True)) / len(a)
    quotients = [distance(z[i], z[(i + 1) % 4]) / (distance(x[i], x[(i + 1) % 4]) + eps) for i in range(4)]
    assert float(mode_seeking(*fakes, None, eps=eps)) == pytest.approx(sum(quotients) / 4, rel=1e-12)
    x_fake, noise = fakes
    assert torch.autograd.gradcheck(lambda x: mode_seeking(x, noise, None, eps=eps), [x_fake.requires_grad_()])


def test_mode_seeking_falls_as_fakes_move_apart(fakes: tuple[Tensor, Tensor]) -> None:
    x, z = fakes
    assert float(mode_seeking(2 * x, z, None, eps=0)) == pytest.approx(
        float(mode_seeking(x, z, None, eps=0)) / 2, rel=1e-12
    )
    assert float(mode_seeking(x, 3 * z, None)) == pytest.approx(3 * float(mode_seeking(x, z, None)), rel=1e-12)
    assert float(mode_seeking(x.repeat(1, 1, 4, 4), z, None)) == pytest.approx(
        float(mode_seeking(x, z, None)), rel=1e-12
    )


def test_mode_seeking_stays_finite(fakes: tuple[Tensor, Tensor]) -> None:
    noise = fakes[1].float()
    equal = torch.zeros(4, 3, 2, 5, requires_grad=True)
    value = mode_seeking(equal, noise, None)
    value.backward()
    assert math.isfinite(float(value.detach()))
    assert float(value.detach()) > 1e4, "equal fakes of different noise cost much"
    assert equal.grad.isfinite().all()
    assert float(mode_seeking(torch.ones(1, 3, 2, 5), noise[:1], None)) == 0


def test_mode_seeking_pairs_fakes_of_a_label(fakes: tuple[Tensor, Tensor]) -> None:
    x, z = fakes
    alone = [float(mode_seeking(x[rows], z[rows], None)) for rows in ([0, 2], [1, 3])]
    assert float(mode_seeking(x, z, torch.tensor([5, 2, 5, 2]))) == pytest.approx(sum(alone) / 2, rel=1e-12)
    single = mode_seeking(x, z, torch.tensor([5, 2, 5, 7]))
    assert float(single) == pytest.approx(alone[0], rel=1e-12), "what is alone with its label is left out"
    x.requires_grad_()
    mode_seeking(x, z, torch.tensor([0, 1, 2, 3])).backward()
    assert x.grad.abs().max() == 0, "nobody has a pair"


def test_mode_seeking_sees_a_collapse_within_a_label() -> None:
    noise, label = torch.rand(4, 8, dtype=torch.float64), torch.tensor([0, 1, 0, 1])
    collapsed = label.double().view(4, 1, 1, 1).expand(4, 3, 2, 2)
    assert float(mode_seeking(collapsed, noise, label)) > 1e3
    assert float(mode_seeking(collapsed, noise, None)) < 1, "neighbours of two labels are far apart"


def test_pairs_say_that_they_couple_the_batch() -> None:
    assert pulling_away.couples_batch  # type: ignore[attr-defined]
    assert mode_seeking.couples_batch  # type: ignore[attr-defined]
