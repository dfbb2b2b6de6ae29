"""What the critic gets to see: instance noise, and augmentation that gradients pass through."""

import zlib

import pytest
import torch

from domainxfer.objective import CriticInput
from domainxfer.training.critic_input import as_critic_sees, cut_out, recoloured, shifted


def picture(batch: int = 2, side: int = 16) -> torch.Tensor:
    return torch.rand(batch, 3, side, side, generator=torch.Generator().manual_seed(1)) * 2 - 1


def draw_of(seed: int):
    def drawn(purpose: str, kind: str, *shape: int) -> torch.Tensor:
        generator = torch.Generator().manual_seed(zlib.crc32(f"{seed} {purpose}".encode()))
        make = torch.randn if kind == "normal" else torch.rand
        return make(2, *shape, generator=generator)

    return drawn


def test_nothing_is_done_unasked() -> None:
    x = picture()
    assert as_critic_sees(x, CriticInput(), 0, draw_of(0), "real") is x


def test_noise_has_the_deviation_asked_for_and_fades() -> None:
    x = torch.zeros(2, 3, 64, 64)
    settings = CriticInput(noise={0: 0.4, 100: 0.0})
    for step, sigma in ((0, 0.4), (50, 0.2), (75, 0.1)):
        assert as_critic_sees(x, settings, step, draw_of(0), "real").std() == pytest.approx(sigma, rel=0.03)
    assert as_critic_sees(x, settings, 100, draw_of(0), "real") is x


def test_each_look_has_draws_of_its_own() -> None:
    x, settings = picture(), CriticInput(noise=0.1, augment=("colour",))
    looks = [as_critic_sees(x, settings, 0, draw_of(0), which) for which in ("real", "fake", "real")]
    assert torch.equal(looks[0], looks[2])
    assert not torch.allclose(looks[0], looks[1])


def test_colours_follow_the_formula() -> None:
    x = picture(1).double()
    seen = recoloured(x, torch.tensor([[0.9, 0.25, 0.1]], dtype=torch.float64))
    bright = x + 0.4
    grey = bright.mean(1, keepdim=True)
    dull = 0.5 * bright + 0.5 * grey
    mean = dull.mean()
    torch.testing.assert_close(seen, 0.6 * dull + 0.4 * mean)


def test_the_middle_of_the_ranges_changes_nothing() -> None:
    x = picture()
    torch.testing.assert_close(recoloured(x, torch.full((2, 3), 0.5)), x)
    torch.testing.assert_close(shifted(x, torch.full((2, 3), 0.5)), x)


def test_a_shift_moves_by_up_to_an_eighth_and_repeats_the_edge() -> None:
    x = torch.arange(16.0).expand(2, 3, 16, 16)
    moved = shifted(x, torch.tensor([[0.5, 0.0, 0.0], [0.5, 0.999, 0.0]]))
    assert moved[0, 0, 0].tolist() == [0, 0, *range(14)]
    assert moved[1, 0, 0].tolist() == [*range(2, 16), 15, 15]


def test_a_cutout_is_half_as_wide_and_clipped_at_the_edge() -> None:
    x = torch.ones(2, 3, 16, 16)
    holes = cut_out(x, torch.tensor([[0.5, 0.5, 0.0], [0.0, 0.0, 0.0]])) == 0
    assert holes.sum((1, 2, 3)).tolist() == [3 * 8 * 8, 3 * 4 * 4]
    assert bool(holes[0, 0, 8, 8])
    assert bool(holes[1, 0, 0, 0])


@pytest.mark.parametrize("name", ["colour", "shift", "cutout"])
def test_gradients_reach_the_generator(name: str) -> None:
    x = picture().requires_grad_()
    as_critic_sees(x, CriticInput(augment=(name,)), 0, draw_of(3), "fake").square().sum().backward()
    assert x.grad is not None
    assert bool(x.grad.abs().sum() > 0)
