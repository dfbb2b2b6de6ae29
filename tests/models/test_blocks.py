"""The parts of both networks against their definitions."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from domainxfer.models.blocks import (
    MANY_PICTURES,
    Blur,
    ConditionedBlock,
    ConditionedNorm,
    InstanceNorm,
    SubPixelUp,
    conv3x3,
    instance_normalised,
)


def normal(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize(("kind", "axes"), [("layer", (1,)), ("instance", (2, 3))])
def test_conditioned_norm_is_what_it_says(kind: str, axes: tuple[int, ...]) -> None:
    norm = ConditionedNorm(6, 5, kind)
    with torch.no_grad():
        norm.to_scale_shift.bias.copy_(normal(12, seed=1))
    x, condition = 3 * normal(2, 6, 4, 7, seed=2) + 1, normal(2, 5, seed=3)
    y = norm(x, condition).detach().numpy()
    a = x.double().numpy()
    plain = (a - a.mean(axes, keepdims=True)) / np.sqrt(a.var(axes, keepdims=True) + 1e-5)
    both = condition.numpy() @ norm.to_scale_shift.weight.detach().numpy().T + norm.to_scale_shift.bias.detach().numpy()
    scale, shift = both[:, :6, None, None], both[:, 6:, None, None]
    np.testing.assert_allclose(y, plain * (1 + scale) + shift, atol=2e-5)


def test_layer_norm_knows_nothing_of_the_rest_of_the_picture() -> None:
    """So a tile is translated as the whole picture would be."""
    norm, x, condition = ConditionedNorm(6, 5, "layer"), normal(1, 6, 8, 8), normal(1, 5)
    whole, tile = norm(x, condition), norm(x[:, :, 2:6, 3:8], condition)
    torch.testing.assert_close(whole[:, :, 2:6, 3:8], tile)


@pytest.mark.parametrize("pictures", [3, MANY_PICTURES])
def test_instance_norm_is_pytorchs_and_keeps_channels_last(pictures: int) -> None:
    norm, reference = InstanceNorm(5), torch.nn.InstanceNorm2d(5, affine=True)
    with torch.no_grad():
        for module in (norm, reference):
            module.weight.copy_(normal(5, seed=1))
            module.bias.copy_(normal(5, seed=2))
    x = (3 * normal(pictures, 5, 8, 6) + 1).contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(norm(x), reference(x), rtol=1e-5, atol=1e-5)
    assert norm(x).is_contiguous(memory_format=torch.channels_last)
    with torch.autocast("cpu", torch.bfloat16):
        half = norm(x.bfloat16())
    assert half.dtype == torch.bfloat16
    torch.testing.assert_close(half.float(), norm(x), rtol=0.02, atol=0.03)


@pytest.mark.parametrize("pictures", [2, MANY_PICTURES])
def test_instance_norm_has_the_gradients_that_penalties_need(pictures: int) -> None:
    x = normal(pictures, 2, 3, 2).double().requires_grad_()
    weight, bias = normal(2, seed=1).double().requires_grad_(), normal(2, seed=2).double().requires_grad_()
    assert torch.autograd.gradcheck(instance_normalised, (x, weight, bias), fast_mode=pictures > 2)
    assert torch.autograd.gradgradcheck(instance_normalised, (x, weight, bias), fast_mode=pictures > 2)


@pytest.mark.parametrize("layout", [torch.channels_last, torch.contiguous_format], ids=str)
def test_many_pictures_at_once_are_normalised_as_a_few_at_a_time(layout: torch.memory_format) -> None:
    """The values, the slopes, and the slopes of a gradient penalty."""
    x = (2 * normal(MANY_PICTURES, 4, 7, 5) + 1).contiguous(memory_format=layout)
    weight, bias, slope = normal(4, seed=1), normal(4, seed=2), normal(4, 7, 5, seed=3)

    def all_that_is_learned_from(at_once: int) -> list[torch.Tensor]:
        leaves = [tensor.clone().requires_grad_() for tensor in (x, weight, bias)]
        y = torch.cat([instance_normalised(part, *leaves[1:]) for part in leaves[0].split(at_once)])
        score = (F.leaky_relu(y, 0.2) * slope).sum()
        first = torch.autograd.grad(score, leaves, create_graph=True)
        return [y, *first, *torch.autograd.grad(first[0].square().sum(), leaves[:2])]

    for together, apart in zip(all_that_is_learned_from(MANY_PICTURES), all_that_is_learned_from(4), strict=True):
        torch.testing.assert_close(together, apart, rtol=2e-4, atol=2e-4)


@pytest.mark.parametrize("kind", ["layer", "instance"])
def test_pictures_of_a_batch_do_not_mix(kind: str) -> None:
    block, x, condition = ConditionedBlock(8, 5, kind), normal(3, 8, 6, 6), normal(3, 5, seed=1)
    together = block(x, condition)
    for i in range(3):
        torch.testing.assert_close(together[i : i + 1], block(x[i : i + 1], condition[i : i + 1]))


@pytest.mark.parametrize("kind", ["layer", "instance"])
@pytest.mark.parametrize("bf16", [False, True])
def test_channels_last_is_kept(kind: str, bf16: bool) -> None:
    block = ConditionedBlock(8, 5, kind).to(memory_format=torch.channels_last)
    x = normal(2, 8, 6, 6).contiguous(memory_format=torch.channels_last)
    with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
        assert block.norm1(x, normal(2, 5)).is_contiguous(memory_format=torch.channels_last)
        assert block(x, normal(2, 5)).is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("kind", ["layer", "instance"])
def test_the_block_starts_close_to_the_identity(kind: str) -> None:
    block, x = ConditionedBlock(32, 5, kind), normal(2, 32, 8, 8)
    change = (block(x, normal(2, 5)) - x).std() / x.std()
    assert 0.01 < change < 0.5


def blurred_by_hand(x: np.ndarray) -> np.ndarray:
    height, width = x.shape
    y = np.zeros_like(x)
    for i in range(height):
        for j in range(width):
            for di, a in ((-1, 1), (0, 2), (1, 1)):
                for dj, b in ((-1, 1), (0, 2), (1, 1)):
                    row, column = min(max(i + di, 0), height - 1), min(max(j + dj, 0), width - 1)
                    y[i, j] += a * b / 16 * x[row, column]
    return y


def test_blur_is_the_binomial_filter_with_edges_repeated() -> None:
    x = normal(2, 3, 5, 7).double()
    y = Blur()(x).numpy()
    for b in range(2):
        for c in range(3):
            np.testing.assert_allclose(y[b, c], blurred_by_hand(x[b, c].numpy()), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("pattern", [(2, 1), (1, 2), (2, 2)])
def test_blur_removes_the_checkerboard_exactly_and_keeps_what_is_flat(pattern: tuple[int, int]) -> None:
    i, j = torch.meshgrid(torch.arange(8), torch.arange(8), indexing="ij")
    down, across = pattern
    board = ((-1.0) ** (i * (down - 1) + j * (across - 1)))[None, None]
    assert Blur()(board)[0, 0, 1:-1, 1:-1].abs().max() == 0
    assert (Blur()(torch.full((1, 1, 8, 8), 0.5)) == 0.5).all()


def test_sub_pixels_start_equal() -> None:
    up = SubPixelUp(6, 4)
    shuffled = F.pixel_shuffle(up.conv(normal(2, 6, 5, 5)), 2)
    blocks = shuffled.unfold(2, 2, 2).unfold(3, 2, 2).flatten(-2)
    assert (blocks.amax(-1) - blocks.amin(-1)).max() < 1e-6
    assert up(normal(2, 6, 5, 5)).shape == (2, 4, 10, 10)


def test_no_checkerboard_after_sub_pixel_up_whatever_its_weights() -> None:
    up = SubPixelUp(4, 3)
    torch.nn.init.normal_(up.conv.weight, generator=torch.Generator().manual_seed(4))
    torch.nn.init.normal_(up.conv.bias, generator=torch.Generator().manual_seed(5))
    flat = torch.ones(1, 4, 8, 8) * normal(1, 4, 1, 1)
    shuffled, y = F.pixel_shuffle(up.conv(flat), 2), up(flat)
    assert shuffled[..., 3:-3, 3:-3].std() > 0.1, "there is a pattern to remove"
    inside = y[0, :, 3:-3, 3:-3]
    assert (inside - inside.mean((1, 2), keepdim=True)).abs().max() < 1e-5


def test_no_energy_at_the_highest_frequency_for_any_input() -> None:
    """A picture in the middle of an empty field: its alternating sums over all of the output vanish."""
    up = SubPixelUp(4, 3).double()
    torch.nn.init.normal_(up.conv.weight, generator=torch.Generator().manual_seed(4))
    x = torch.zeros(1, 4, 12, 12, dtype=torch.float64)
    x[..., 4:8, 4:8] = normal(1, 4, 4, 4).double()
    y = up(x)[0]
    sign = (-1.0) ** torch.arange(24, dtype=torch.float64)
    for board in (sign[:, None] * sign, sign[:, None].expand(24, 24), sign[None].expand(24, 24)):
        assert (y * board).sum((1, 2)).abs().max() < 1e-10 * y.abs().sum()
        assert (F.pixel_shuffle(up.conv(x), 2)[0] * board).sum((1, 2)).abs().max() > 0.1


def test_conv3x3_keeps_the_size() -> None:
    assert conv3x3(2, 5)(torch.zeros(1, 2, 7, 9)).shape == (1, 5, 7, 9)
    assert conv3x3(2, 5, bias=False).bias is None
