"""Heads: the formula, which one serves whom, noise of their own that follows from the step, none after training."""

from typing import Any

import pytest
import torch
from torch import Tensor

from domainxfer.models.config import GeneratorConfig
from domainxfer.models.generator import Generator
from domainxfer.models.heads import SIGMA, NoisyHeads, redraw_heads
from domainxfer.models.networks import AnyGenerator, new_generator


def heads(count: int = 3, kind: str = "normal") -> NoisyHeads:
    torch.manual_seed(0)
    made = NoisyHeads(count, 5, 4, kind)
    made.redraw(seed=7, step=11)
    return made


def generator(**settings: Any) -> AnyGenerator:
    torch.manual_seed(0)
    return new_generator(GeneratorConfig(**{"size": 16, "width": 8, "blocks": 1, "heads": 2, **settings}))


NOISE: dict[str, Any] = {"content": "noise", "output": "plain", "noise_size": 6}
LAYERS: dict[str, Any] = {
    **NOISE,
    "layers": [
        {"kind": "linear", "out": 12, "norm": "batch", "act": "relu"},
        {"kind": "linear", "out": 3 * 16 * 16, "act": "tanh"},
    ],
}


@pytest.mark.parametrize("training", [True, False])
def test_each_row_goes_through_its_head(training: bool) -> None:
    """y = (W_h + S_h * e_h) x + b_h + s_h * f_h while training, W_h x + b_h else; with its gradients, in float64."""
    layer = heads().double().train(training)
    with torch.no_grad():
        layer.weight_sigma.mul_(torch.linspace(1, 9, 60, dtype=torch.float64).view(3, 4, 5))
    x = torch.randn(7, 5, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    chooser = torch.tensor([-2.0, 2.0, 0.0, -1.0, 0.3, 3.0, -0.1], dtype=torch.float64)
    which = [0, 2, 1, 0, 1, 2, 1]
    assert layer.chosen(chooser).tolist() == which
    y = layer(x, chooser)
    noisy = float(training)
    by_hand = []
    for row, head in zip(x, which, strict=True):
        weight = layer.weight[head] + noisy * layer.weight_sigma[head] * layer.weight_noise[head]
        by_hand.append(weight @ row + layer.bias[head] + noisy * layer.bias_sigma[head] * layer.bias_noise[head])
    torch.testing.assert_close(y, torch.stack(by_hand))
    pull = torch.randn(7, 4, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    parameters = list(layer.parameters()) if training else [layer.weight, layer.bias]
    found = torch.autograd.grad((y * pull).sum(), parameters)
    for gradient, wanted in zip(
        found, torch.autograd.grad((torch.stack(by_hand) * pull).sum(), parameters), strict=True
    ):
        torch.testing.assert_close(gradient, wanted)


@pytest.mark.parametrize("kind", ["normal", "symmetric"])
@pytest.mark.parametrize("count", [1, 2, 3, 7])
def test_every_head_serves_as_many(kind: str, count: int) -> None:
    numbers = torch.Generator().manual_seed(3)
    shape = (20_000,)
    drawn = torch.randn(shape, generator=numbers) if kind == "normal" else 2 * torch.rand(shape, generator=numbers) - 1
    served = torch.bincount(heads(count, kind).chosen(drawn), minlength=count).double() / len(drawn)
    assert len(served) == count
    assert (served - 1 / count).abs().max() < 0.015
    ends = heads(count, kind).chosen(torch.tensor([-1e9, -1.0, 1.0, 1e9]))
    assert ends.min() >= 0
    assert ends.max() <= count - 1


def test_each_head_has_noise_of_its_own() -> None:
    layer = heads()
    rows = torch.cat([layer.weight_noise.flatten(1), layer.bias_noise], dim=1)
    assert all((rows[a] != rows[b]).all() for a, b in ((0, 1), (0, 2), (1, 2)))
    large = NoisyHeads(2, 200, 100, "normal")
    large.redraw(0, 0)
    assert float(large.weight_noise.std()) == pytest.approx(1, abs=0.02)
    assert float(torch.corrcoef(large.weight_noise.flatten(1))[0, 1].abs()) < 0.03
    assert all(torch.equal(p, torch.full_like(p, SIGMA)) for p in (large.weight_sigma, large.bias_sigma))


def test_noise_follows_from_seed_and_step_alone() -> None:
    a, b = heads(), heads()
    torch.rand(3)
    a.redraw(7, 12)
    a.redraw(7, 11)
    assert torch.equal(a.weight_noise, b.weight_noise)
    assert torch.equal(a.bias_noise, b.bias_noise)
    for seed, step in ((7, 12), (8, 11)):
        b.redraw(seed, step)
        assert not torch.isclose(a.weight_noise, b.weight_noise).any()
    assert not any("noise" in name for name in a.state_dict()), "it is not worth a place in checkpoints"


@pytest.mark.parametrize("settings", [{"code_size": 2}, {"code_size": 2, "labels": 3}, NOISE, LAYERS])
def test_a_picture_hears_its_own_head_and_no_other(settings: dict[str, Any]) -> None:
    g = generator(**settings).eval()
    (layer,) = (module for module in g.modules() if isinstance(module, NoisyHeads))
    content, label, code = inputs(g, [-0.7, 0.7, -0.2, 0.9])
    before = g(content, label, code).detach()
    with torch.no_grad():
        layer.weight[1].mul_(-2)
    changed = (g(content, label, code) - before).abs().amax((1, 2, 3)) > 1e-4
    assert changed.tolist() == [False, True, False, True]


@pytest.mark.parametrize("settings", [{"code_size": 1}, NOISE, LAYERS])
def test_noise_on_weights_is_for_training_only(settings: dict[str, Any]) -> None:
    g = generator(**settings)
    given = inputs(g, [-0.5, 0.5])
    for training in (True, False):
        g.train(training)
        redraw_heads(g, 0, 0)
        first = g(*given)
        redraw_heads(g, 0, 1)
        assert torch.equal(first, g(*given)) != training


def test_without_a_code_a_picture_is_served_by_the_middle_head() -> None:
    g = generator(heads=3, code_size=1)
    assert isinstance(g, Generator)
    content, label, code = inputs(g, [0.0])
    assert torch.equal(g(content, label, None), g(content, label, code))


def test_heads_of_a_network_of_layers_take_the_place_of_its_first() -> None:
    plain, several = generator(**{**LAYERS, "heads": 0}), generator(**LAYERS)
    outer = 6 * 12 * 2 * 2 + 12 * 2 * 2  # weights and biases, each with a deviation, of two heads
    sizes = [sum(p.numel() for p in network.parameters()) for network in (plain, several)]
    assert sizes[1] - sizes[0] == outer - 6 * 12
    first = {"kind": "up", "out": 8, "kernel": 4, "stride": 1, "pad": 0}
    with pytest.raises(ValueError, match="the first layer, which is not"):
        generator(**{**LAYERS, "layers": [first, *LAYERS["layers"]]})


def inputs(g: AnyGenerator, choosers: list[float]) -> tuple[Tensor, Tensor | None, Tensor | None]:
    """Content, labels and codes that differ in nothing but the number that chooses the head."""
    c, count = g.config, len(choosers)
    label = torch.zeros(count, dtype=torch.int64) if c.labels else None
    code = torch.zeros(count, c.code_size) if c.code_size else None
    shape = (c.channels, c.size, c.size) if c.content == "picture" else (c.noise_size,)
    content = torch.rand(shape, generator=torch.Generator().manual_seed(5)).repeat(count, *[1] * len(shape))
    (content if code is None else code)[:, 0] = torch.tensor(choosers)
    return content, label, code
