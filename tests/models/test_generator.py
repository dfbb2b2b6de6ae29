"""The generator: any size, any number of labels, and it hears its label and its code."""

from typing import Any

import pytest
import torch
from torch import Tensor

from domainxfer.models import blocks, generator
from domainxfer.models.config import GeneratorConfig
from domainxfer.models.detail import smoothed, smoothed_between_edges
from domainxfer.models.generator import Generator
from domainxfer.recipe import Recipe


def made(seed: int = 0, **settings: Any) -> Generator:
    torch.manual_seed(seed)
    settings = {"width": 16, "blocks": 1, "size": 32, **settings}
    if settings.get("content") == "noise":
        settings = {"output": "plain", "noise_size": 8, **settings}
    return Generator(GeneratorConfig(**settings))


def picture(*shape: int, seed: int = 1) -> Tensor:
    return 2 * torch.rand(*shape, generator=torch.Generator().manual_seed(seed)) - 1


def content_of(g: Generator, count: int = 2) -> Tensor:
    c = g.config
    if c.content == "noise":
        return torch.randn(count, c.noise_size, generator=torch.Generator().manual_seed(1))
    return picture(count, c.channels, c.size, c.size)


@pytest.mark.parametrize("labels", [2, 3, 13, 0])
@pytest.mark.parametrize("side", [(32, 32), (64, 64), (96, 96), (128, 128), (32, 80), (100, 36)])
def test_pictures_of_any_size_and_any_number_of_labels(labels: int, side: tuple[int, int]) -> None:
    g = made(labels=labels, width=8)
    label = torch.tensor([0, labels - 1]) if labels else None
    x = picture(2, 3, *side).requires_grad_()
    y = g(x, label)
    assert y.shape == x.shape
    assert y.dtype == torch.float32
    y.square().mean().backward()
    assert x.grad.abs().sum() > 0
    assert all(p.grad is not None and p.grad.isfinite().all() for p in g.parameters())


@pytest.mark.parametrize("content", ["picture", "noise"])
def test_fine_blocks_hear_the_label_at_half_the_resolution(content: str) -> None:
    g = made(labels=2, fine=2, content=content)
    sides = []
    for block in g.fine:
        block.register_forward_hook(lambda module, inputs, output: sides.append(output.shape[-1]))
    x, label = content_of(g), torch.tensor([0, 1])
    before = g(x, label)
    assert sides == [16, 16]
    with torch.no_grad():  # all that hears the label, but for the fine blocks, is made deaf
        for name, module in g.named_modules():
            if isinstance(module, blocks.ConditionedNorm) and not name.startswith("fine"):
                module.to_scale_shift.weight.zero_()
    assert not torch.allclose(g(x, label), before)
    assert (g(x, label) - g(x, 1 - label)).abs().max() > 1e-3
    del g.fine[:]
    torch.testing.assert_close(g(x, label), g(x, 1 - label))


@pytest.mark.parametrize("labels", [2, 13, 0])
@pytest.mark.parametrize("size", [28, 32, 64, 96, 128])
def test_noise_of_any_size_and_any_number_of_labels(labels: int, size: int) -> None:
    g = made(labels=labels, content="noise", size=size, width=8, code_size=1)
    label = torch.tensor([labels - 1, 0]) if labels else None
    y = g(content_of(g), label, torch.tensor([[-1.0], [1.0]]))
    assert y.shape == (2, 3, size, size)
    assert y.abs().max() <= 1
    y.square().mean().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in g.parameters())
    assert not torch.equal(y[0], y[1])


@pytest.mark.parametrize("patch", [2, 4, 8])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("content", ["picture", "noise"])
def test_pixel_blocks_and_colours(patch: int, channels: int, content: str) -> None:
    g = made(patch=patch, channels=channels, content=content)
    assert g.multiple == patch
    assert g(content_of(g)).shape == (2, channels, 32, 32)


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"blocks": 2, "fine": 2},
        {"blocks": 1, "patch": 2},
        {"blocks": 1, "patch": 8, "fine": 1},
        {"blocks": 1, "detail": 6},
        {"blocks": 1, "detail": 6, "edges": 0.2},
        {"bands": False, "output": "plain"},
    ],
    ids=str,
)
def test_nothing_beyond_its_reach_matters(settings: dict[str, Any]) -> None:
    g = made(**settings)
    side = 2 * (g.reach + 2 * g.multiple) // 8 * 8 + 16
    x = (
        content_of(g)[:1]
        .new_zeros(1, 3, side, side)
        .normal_(generator=torch.Generator().manual_seed(0))
        .requires_grad_()
    )
    farthest = 0
    for place in range(side // 2, side // 2 + g.multiple):  # wherever in its cell a pixel lies
        (gradient,) = torch.autograd.grad(g(x, torch.tensor([0]))[0, :, place, place].sum(), x)
        felt = gradient[0].abs().sum(0).nonzero()
        farthest = max(farthest, int((felt - place).abs().max()))
    assert g.reach - 2 * g.multiple <= farthest <= g.reach < side // 2 - g.multiple


@pytest.mark.parametrize("norm", ["layer", "instance"])
@pytest.mark.parametrize("content", ["picture", "noise"])
@pytest.mark.parametrize("labels", [2, 3, 13])
def test_a_label_flip_and_a_code_change_alter_the_output(norm: str, content: str, labels: int) -> None:
    g = made(norm=norm, content=content, labels=labels, code_size=2)
    x, first, second = content_of(g), torch.tensor([0, 1]), torch.tensor([1, labels - 1 if labels > 2 else 0])
    code = torch.zeros(2, 2)
    base = g(x, first, code)
    of_label = (g(x, second, code) - base).abs().mean((1, 2, 3))
    assert of_label.min() > 1e-3
    for i in range(2):
        other = code.clone()
        other[:, i] = 1
        assert (g(x, first, other) - base).abs().mean((1, 2, 3)).min() > 1e-3
    assert torch.equal(g(x, first, None), base), "no code is the code zero"


@pytest.mark.parametrize("norm", ["layer", "instance"])
@pytest.mark.parametrize("content", ["picture", "noise"])
def test_label_and_code_get_gradients(norm: str, content: str) -> None:
    g = made(norm=norm, content=content, labels=3, code_size=2)
    code = torch.zeros(2, 2, requires_grad=True)
    g(content_of(g), torch.tensor([0, 2]), code).square().sum().backward()
    assert code.grad.abs().min() > 0
    rows = g.condition.of_label.weight.grad.abs().sum(1)
    assert rows[0] > 0
    assert rows[1] == 0, "a label nobody asked for"
    assert rows[2] > 0


@pytest.mark.parametrize("norm", ["layer", "instance"])
@pytest.mark.parametrize("patch", [2, 4, 8])
def test_no_checkerboard(norm: str, patch: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """A picture of one colour, and far from its edges the output is of one colour too, whatever the weights are."""
    g = made(norm=norm, patch=patch, labels=2)
    numbers = torch.Generator().manual_seed(7)
    for module in g.modules():
        if isinstance(module, blocks.SubPixelUp):
            torch.nn.init.normal_(module.conv.weight, std=0.2, generator=numbers)
            torch.nn.init.normal_(module.conv.bias, std=0.2, generator=numbers)
    side = 16 * patch
    flat = torch.tensor([0.5, -0.2, 0.1]).view(1, 3, 1, 1).expand(1, 3, side, side)

    def ripple() -> float:
        """The largest deviation in the middle; any pattern of period 2, 4 or 8 px is in it."""
        middle = g(flat, torch.tensor([1]))[0, :, 6 * patch : -6 * patch, 6 * patch : -6 * patch]
        return (middle - middle.mean((1, 2), keepdim=True)).abs().max().item()

    assert ripple() < 1e-5
    monkeypatch.setattr(blocks.Blur, "forward", lambda self, x: x)
    assert ripple() > 0.05, "without the blur there is one"


@pytest.mark.parametrize("norm", ["layer", "instance"])
@pytest.mark.parametrize("content", ["picture", "noise"])
@pytest.mark.parametrize("bf16", [False, True])
def test_channels_last_is_kept_through_the_body(norm: str, content: str, bf16: bool) -> None:
    g = made(norm=norm, content=content, labels=2, fine=1).to(memory_format=torch.channels_last)
    kept = {}

    def look(name: str):  # type: ignore[no-untyped-def]
        def hook(module: torch.nn.Module, inputs: Any, output: Tensor) -> None:
            kept[name] = output.is_contiguous(memory_format=torch.channels_last)

        return hook

    for name, module in g.named_modules():
        if isinstance(module, (blocks.ConditionedBlock, blocks.ConditionedNorm, torch.nn.Conv2d)):
            module.register_forward_hook(look(name))
    x = content_of(g)
    x = x.contiguous(memory_format=torch.channels_last) if x.ndim == 4 else x
    with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
        y = g(x, torch.tensor([0, 1]))
    assert y.dtype == torch.float32
    assert len(kept) > 5
    assert all(kept.values()), [name for name, ok in kept.items() if not ok]


def test_change_is_added_to_the_input_and_small_at_the_start() -> None:
    change, plain = made(labels=2, output="change", detail=0), made(labels=2, output="plain", detail=0)
    x, label = content_of(change), torch.tensor([0, 1])
    assert plain(x, label).abs().max() <= 1
    torch.testing.assert_close(torch.tanh(change(x, label) - x), plain(x, label))
    assert 1e-3 < (change(x, label) - x).abs().mean() < 0.5
    assert 1e-3 < (made(labels=2, detail=3)(x, label) - x).abs().mean() < 0.5


def test_the_default_starts_quietly_and_not_in_silence() -> None:
    """A label flip must show from the first step, and an untrained network must not repaint the picture."""
    changes = []
    for seed in range(4):
        torch.manual_seed(seed)
        g = Generator(Recipe().resolved(2).generator)
        x = torch.rand(2, 3, 64, 64) * 2 - 1
        with torch.no_grad():
            changes.append(float((g(x, torch.tensor([0, 1])) - x).abs().mean()))
    assert 0.03 < sum(changes) / len(changes) < 0.15


def erasing(detail: int, edges: float = 0.0) -> Generator:
    """A generator that paints nothing and takes every level of detail away."""
    g = made(labels=0, detail=detail, edges=edges)
    with torch.no_grad():
        g.exit.conv.weight.zero_()
        bias = torch.zeros(3 + detail, 4)
        bias[3:] = -1
        g.exit.conv.bias.copy_(bias.flatten())
    return g


def test_the_generator_can_learn_to_erase() -> None:
    """The gains' own bias is enough; painted, the same would take a negative of every picture."""
    x = picture(1, 3, 32, 32)
    torch.testing.assert_close(erasing(2)(x), smoothed(smoothed(x, 1), 2), atol=1e-6, rtol=0)


def test_with_edges_it_erases_what_shades_and_keeps_what_bounds() -> None:
    x = picture(1, 3, 32, 32)
    torch.testing.assert_close(erasing(1, edges=0.2)(x), smoothed_between_edges(x, 1, 0.2), atol=1e-6, rtol=0)


def test_pictures_of_a_batch_do_not_mix() -> None:
    for norm in ("layer", "instance"):
        g = made(norm=norm, labels=3, code_size=1)
        x, label, code = picture(3, 3, 32, 32), torch.tensor([2, 0, 1]), picture(3, 1)
        together = g(x, label, code)
        for i in range(3):
            alone = g(x[i : i + 1], label[i : i + 1], code[i : i + 1])
            torch.testing.assert_close(together[i : i + 1], alone, atol=1e-5, rtol=1e-4)


def test_a_missing_label_is_an_error() -> None:
    with pytest.raises(ValueError, match="label"):
        made(labels=2)(picture(1, 3, 32, 32))


def test_the_noise_head_starts_from_a_small_grid() -> None:
    for size, patch, grid in ((64, 4, 4), (28, 4, 7), (96, 4, 3), (128, 8, 4)):
        head = made(content="noise", size=size, patch=patch, width=8).enter
        assert isinstance(head, generator.NoiseHead)
        assert head.grid == grid
        assert head.grid * 2 ** len(head.steps) == size // patch
