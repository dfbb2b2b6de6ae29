"""Networks written down as layers: sizes as the formulas say, heads, energies, and the label and code they hear."""

import pytest
import torch
from pydantic import ValidationError
from torch import Tensor, nn

from domainxfer.models.blocks import forgetting
from domainxfer.models.config import CriticConfig, GeneratorConfig, Layer, shape_after
from domainxfer.models.layered import LayeredCritic, LayeredGenerator, built
from domainxfer.models.networks import new_critic, new_generator
from domainxfer.models.precision import autocast
from domainxfer.presets import list_presets, load_preset

UP = ({"kind": "up", "out": 8, "kernel": 4, "stride": 1, "pad": 0, "norm": "batch", "act": "relu"},)
SMALL = {
    "content": "noise",
    "output": "plain",
    "size": 8,
    "noise_size": 5,
    "layers": (*UP, {"kind": "up", "out": 3, "act": "tanh"}),
}
ENCODER = ({"kind": "down", "out": 6, "act": "leaky"}, {"kind": "linear", "out": 10})
CODED = {**SMALL, "encoder": ENCODER}
INSTANCE = {"norm": "instance"}
CRITIC = ({"kind": "down", "out": 6, "act": "leaky"}, {"kind": "down", "out": 1, "kernel": 3, "stride": 1, "pad": 0})
AUTO_ENCODER = [
    {"kind": "linear", "out": n, "act": act} for n, act in ((32, "relu"), (4, "relu"), (32, "relu"), (192, "tanh"))
]


def generator(**settings) -> LayeredGenerator:
    torch.manual_seed(0)
    return LayeredGenerator(GeneratorConfig(**{**SMALL, **settings}))


def critic(**settings) -> LayeredCritic:
    torch.manual_seed(0)
    return LayeredCritic(CriticConfig(**{"size": 8, "layers": CRITIC, **settings}))


def pictures(count: int = 4, channels: int = 3, side: int = 8) -> Tensor:
    return 2 * torch.rand(count, channels, side, side, generator=torch.Generator().manual_seed(1)) - 1


LAYERED = [name for name in list_presets() if "layers" in load_preset(name).get("generator", {})]


@pytest.mark.parametrize("name", LAYERED)
def test_every_layer_of_every_preset_has_the_size_of_the_formula(name: str) -> None:
    settings = load_preset(name)
    g, size = settings["generator"], settings["data"]["size"]
    lists = {
        "generator": (g["layers"], (g["noise_size"], 1, 1)),
        "encoder": (g.get("encoder", ()), (g["channels"], size, size)),
    }
    if "critic" in settings:
        lists["critic"] = (settings["critic"]["layers"], (settings["critic"]["channels"], size, size))
    for part, (written, shape) in lists.items():
        layers = tuple(Layer(**layer) for layer in written)
        x = torch.zeros(2, *shape)
        for layer in layers:
            n, k, s, p = shape[1], layer.kernel, layer.stride, layer.pad
            side = {
                "linear": 1,
                "up": (n - 1) * s - 2 * p + k + layer.extra,
                "down": (n + 2 * p - k) // s + 1,
                "residual": n,
                "places": layer.side,
            }[layer.kind]
            x = built((layer,), shape)(x.view(2, *shape))  # what is linear makes numbers, a picture of 1 px
            shape = shape_after((layer,), shape)
            assert shape == (layer.out, side, side)
            assert x.shape[1:] == (shape if layer.kind != "linear" else shape[:1])
        if part == "generator":
            assert shape[0] * shape[1] ** 2 == g["channels"] * size**2


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        # Worked out by hand: weights and biases, and a scale and a shift a channel of BatchNorm.
        ("mlp-gan", (10 * 512 + 2 * 512 * 512 + 3 * 2 * 512 + 512 * 784 + 784, 784 * 512 + 512 * 512 + 2 * 512 + 513)),
        ("dcgan-28", (16 * 100 * 128 + 9 * 128 * 64 + 16 * 64 * 32 + 2 * 224 + 16 * 32 + 1, None)),
        ("faces-patch", (None, 16 * (3 * 128 + 128 * 256 + 256 * 512 + 512) + 2 * 896 + 1)),
    ],
)
def test_presets_have_as_many_weights_as_the_write_ups(name: str, parameters: tuple[int | None, int | None]) -> None:
    settings = load_preset(name)
    g = new_generator(GeneratorConfig(**settings["generator"]))
    d = new_critic(CriticConfig(**settings["critic"]))
    for network, wanted in zip((g, d), parameters, strict=True):
        if wanted is not None:
            assert sum(p.numel() for p in network.parameters()) == wanted


def test_pictures_are_bounded_and_a_sigmoid_is_stretched() -> None:
    z = torch.randn(64, 5, generator=torch.Generator().manual_seed(0)) * 20
    layers = (*UP, {"kind": "up", "out": 3, "act": "sigmoid"})
    for g in (generator(), generator(layers=layers)):
        x = g(z)
        assert x.shape == (64, 3, 8, 8)
        assert x.abs().max() <= 1
        assert x.min() < -0.05
    g = generator(layers=layers)
    torch.testing.assert_close(g(z), 2 * g.layers(z[:, :, None, None]) - 1)


@pytest.mark.parametrize("act", ["tanh", "sigmoid"])
def test_a_pixel_that_is_surely_wrong_can_come_back_in_bf16(act: str) -> None:
    end = built((Layer(kind="linear", out=1, act=act),), (1, 1, 1))
    nn.init.constant_(end[1].weight, 1.0)
    nn.init.zeros_(end[1].bias)
    x = torch.full((1, 1, 1, 1), 6.0, requires_grad=True)
    with autocast(torch.device("cpu"), True):
        y = end(x)
    y.sum().backward()
    assert y.dtype == torch.float32
    assert 0 < float(x.grad) < 0.01


def test_label_and_code_are_heard() -> None:
    g = generator(labels=3, code_size=2).eval()
    z, label = torch.randn(4, 5, generator=torch.Generator().manual_seed(0)), torch.tensor([0, 1, 2, 0])
    base = g(z, label)
    assert torch.equal(base, g(z, label, torch.zeros(4, 2)))
    assert ((g(z, (label + 1) % 3) - base).abs().mean((1, 2, 3)) > 1e-4).all()
    assert ((g(z, label, torch.ones(4, 2)) - base).abs().mean((1, 2, 3)) > 1e-4).all()
    with pytest.raises(ValueError, match="needs a label"):
        g(z)


def test_scores_are_a_map_and_the_heads_their_means() -> None:
    d = critic(labels=3, patch_labels=False, code_size=2)
    view = d(pictures())
    assert [p.shape for p in view.patches] == [(4, 2 * 2)]
    assert view.label_logits.shape == (4, 3)
    assert view.code.shape == (4, 2)
    features = d.trunk(pictures())
    torch.testing.assert_close(view.patches[0], d.score(features).flatten(1))
    torch.testing.assert_close(view.label_logits, d.label_head(features).mean((2, 3)))
    assert {id(p) for p in d.info_parameters()} == {
        id(p) for head in (d.label_head, d.code_head) for p in head.parameters()
    }
    assert d.info_parameters(label=False) == list(d.code_head.parameters())


def test_pictures_may_enter_in_0_to_1() -> None:
    plain, unit = critic(), critic(unit=True)
    unit.load_state_dict(plain.state_dict())
    x = pictures()
    torch.testing.assert_close(unit(x).patches[0], plain((x + 1) / 2).patches[0])
    torch.testing.assert_close(unit.encode(x), plain.encode((x + 1) / 2))
    seen = unit.enter(x).requires_grad_()
    assert 0 <= seen.min() < 0.5 < seen.max() <= 1
    assert torch.autograd.grad(unit.judge(seen).patches[0].sum(), seen)[0].abs().max() > 0


def test_known_labels_have_a_map_each() -> None:
    d = critic(labels=2)
    x = pictures(2)
    both = d.score(d.trunk(x))
    view = d(x, torch.tensor([1, 0]))
    torch.testing.assert_close(view.patches[0], torch.stack([both[0, 1], both[1, 0]]).flatten(1))


def test_an_energy_is_the_squared_error_of_the_auto_encoder() -> None:
    d = critic(layers=AUTO_ENCODER, energy=True, labels=2, patch_labels=False)
    x = pictures()
    code = d.trunk(x)
    assert code.shape == (4, 4), "the narrowest layer ends the encoder"
    wanted = -(d.decoder(code).view(x.shape) - x).square().mean((1, 2, 3))
    torch.testing.assert_close(d(x).patches[0].flatten(), wanted)
    assert d(x).label_logits.shape == (4, 2)


def test_a_linear_layer_may_stand_before_a_convolution() -> None:
    layers = (Layer(kind="linear", out=12), Layer(kind="up", out=2, stride=1, pad=0))
    network = built(layers, (3, 1, 1))
    assert network(torch.zeros(2, 3, 1, 1)).shape == (2, 2, 4, 4)
    assert isinstance(network[2], nn.Unflatten)


@pytest.mark.parametrize(
    ("make", "settings", "message"),
    [
        (GeneratorConfig, {**SMALL, "size": 16}, "they make pictures of"),
        (GeneratorConfig, {**SMALL, "content": "picture"}, "they make pictures of noise"),
        (GeneratorConfig, {**SMALL, "layers": (*UP, {"kind": "up", "out": 3})}, "needs act tanh or sigmoid"),
        (GeneratorConfig, {**SMALL, "layers": ({"kind": "linear", "out": 7, "act": "tanh"},)}, "7 numbers"),
        (CriticConfig, {"size": 8, "layers": ({**CRITIC[1], "act": "sigmoid"},)}, "sigmoid would bound"),
        (CriticConfig, {"size": 8, "layers": CRITIC[:1]}, "leaky would bound"),
        (CriticConfig, {"size": 8, "layers": ({**CRITIC[1], "out": 2},)}, "1 score a place"),
        (CriticConfig, {"size": 8, "layers": (*CRITIC, *CRITIC[1:], *CRITIC[1:])}, "nothing is left"),
        (CriticConfig, {"size": 8, "energy": True, "layers": ({"kind": "linear", "out": 9},)}, "192 numbers"),
        (CriticConfig, {"energy": True}, "given by its layers"),
        (CriticConfig, {"unit": True}, "critic of layers that scores"),
        (CriticConfig, {"size": 8, "layers": AUTO_ENCODER, "energy": True, "unit": True}, "an energy its own"),
        (Layer, {"kind": "linear", "out": 2, "norm": "instance"}, "needs places"),
        (CriticConfig, {"size": 8, "layers": ({**CRITIC[0], "kernel": 10, **INSTANCE}, CRITIC[1])}, "layer 1 normal"),
        (GeneratorConfig, {**SMALL, "layers": ({**UP[0], "kernel": 1, **INSTANCE}, *SMALL["layers"])}, "one place"),
        (GeneratorConfig, {**CODED, "encoder": ({**ENCODER[0], "kernel": 10, **INSTANCE}, ENCODER[1])}, "one place"),
        (GeneratorConfig, {**CODED, "encoder": ENCODER[:1]}, r"\(10, 1, 1\)"),
        (GeneratorConfig, {**CODED, "encoder": ({"kind": "linear", "out": 9},)}, r"it makes .* \(9, 1, 1\)"),
        (GeneratorConfig, {**CODED, "encoder": ({**ENCODER[1], "act": "tanh"},)}, "no act and no norm"),
        (GeneratorConfig, {**CODED, "encoder": ({**ENCODER[1], "norm": "batch"},)}, "no act and no norm"),
        (GeneratorConfig, {**CODED, "encoder": (*ENCODER[:1] * 4, ENCODER[1])}, "nothing is left on the way"),
        (GeneratorConfig, {**CODED, "noise": "uniform"}, "noise must be normal"),
        (GeneratorConfig, {"size": 8, "encoder": ENCODER}, "the picture itself is the content"),
    ],
)
def test_impossible_layers_are_refused(make, settings, message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        make(**settings)


def test_extra_heads_are_copies_of_the_last_layer_too() -> None:
    d = critic(labels=3, patch_labels=False, extra_heads=(5,))
    x = pictures()
    (extra,) = d(x).extra_logits
    torch.testing.assert_close(extra, d.extra_heads[0](d.trunk(x)).mean((2, 3)))
    assert d.extra_heads[0][0].weight.shape == (5, 6, 3, 3)


@pytest.mark.parametrize("last", [ENCODER[1], {"kind": "down", "out": 10, "kernel": 4, "stride": 1, "pad": 0}])
@pytest.mark.parametrize("layers", [SMALL["layers"], ()])
def test_an_encoder_finds_mean_and_log_variance_and_leaves_pictures_of_noise_alone(layers, last) -> None:
    settings = {**CODED, "layers": layers, "encoder": (ENCODER[0], last), "labels": 3, "width": 8, "blocks": 1}
    torch.manual_seed(0)
    with_encoder = new_generator(GeneratorConfig(**settings))
    torch.manual_seed(0)
    without = new_generator(GeneratorConfig(**{**settings, "encoder": ()}))
    assert without.encoder is None
    z, label = torch.randn(4, 5, generator=torch.Generator().manual_seed(0)), torch.tensor([0, 1, 2, 0])
    assert torch.equal(with_encoder(z, label), without(z, label))
    mean, log_variance = with_encoder.encoder(pictures())
    raw = with_encoder.encoder.layers(pictures()).flatten(1)
    assert mean.shape == log_variance.shape == (4, 5)
    torch.testing.assert_close(mean, raw[:, :5])
    torch.testing.assert_close(log_variance, 10 * torch.tanh(raw[:, 5:] / 10))


def test_fakes_need_not_leave_a_mark_in_batchnorm() -> None:
    layers = ({"kind": "down", "out": 6, "norm": "batch", "act": "leaky"}, *CRITIC[1:])
    d = critic(layers=layers)
    norm = d.trunk[1]
    before = norm.running_mean.clone()
    with forgetting(d):
        d(pictures() + 3)
    assert torch.equal(norm.running_mean, before)
    d(pictures() + 3)
    assert not torch.equal(norm.running_mean, before)


GRID = {"kind": "places", "out": 6, "side": 4, "maps": 2, "norm": "batch", "act": "leaky"}
SAME = {"kind": "residual", "out": 6, "kernel": 3, "stride": 1, "pad": 1, "norm": "batch", "act": "leaky"}
PLACED = {**SMALL, "noise_size": 35, "layers": (GRID, SAME, {"kind": "up", "out": 3, "act": "tanh"})}


def test_noise_of_a_place_is_heard_around_it_alone_and_the_rest_everywhere():
    g = generator(**PLACED).eval()
    noise = torch.randn(1, 35, generator=torch.Generator().manual_seed(3))
    before = g.layers[0](noise)
    own, rest = noise.clone(), noise.clone()
    own[0, 16 + 4 * 1 + 2] += 1.0  # of the second map: the place in row 1, column 2
    rest[0, 34] += 1.0
    assert before.shape == (1, 6, 4, 4)
    heard = (g.layers[0](own) - before).abs().amax((0, 1)) > 0
    assert heard.tolist() == [[False, True, True, True]] * 3 + [[False] * 4]
    everywhere = g.layers[0](rest) - before
    assert torch.allclose(everywhere, everywhere[:, :, :1, :1].expand_as(everywhere), atol=1e-6)
    assert everywhere.abs().min() > 0


def test_places_learn_what_they_are_and_label_and_code_reach_them():
    g = generator(**PLACED, labels=2, code_size=1).eval()
    assert g.layers[0].everywhere.in_features == 3 + 2 + 1
    content, code = torch.zeros(1, 35), torch.zeros(1, 1)
    assert torch.equal(g.layers[0](torch.zeros(1, 38)), g.layers[0].place)
    first, second = (g(content, torch.tensor([label]), code) for label in range(2))
    assert not torch.equal(first, second)
    ((weight, (axis, start)),) = g.label_inputs.items()
    read = g.get_parameter(weight).narrow(axis, start, 2)
    with torch.no_grad():
        read.zero_()
    assert torch.equal(g(content, torch.tensor([0]), code), g(content, torch.tensor([1]), code))


def test_a_residual_layer_adds_two_convolutions_of_what_came_in():
    torch.manual_seed(0)
    (layer,) = built((Layer(**SAME),), (6, 4, 4))
    x = torch.randn(5, 6, 4, 4)
    conv1, norm1, act, conv2, norm2 = layer.change
    assert torch.equal(layer(x), x + norm2(conv2(act(norm1(conv1(x))))))
    assert norm2.weight.unique().tolist() == pytest.approx([0.3])


def test_residual_layers_stand_after_linear_ones():
    layers = ({"kind": "linear", "out": 6 * 16, "act": "relu"}, SAME)
    with pytest.raises(ValidationError, match="adds to the 96 channels"):
        generator(layers=(*layers, {"kind": "up", "out": 3, "act": "tanh"}))
    flat = {**SAME, "out": 5}
    made = built((Layer(kind="linear", out=5), Layer(**flat)), (7, 1, 1))(torch.randn(3, 7, 1, 1))
    assert made.shape == (3, 5, 1, 1)


def test_a_critic_of_layers_scores_patches_on_the_way():
    c = critic(patches=1)
    x = pictures()
    patches, whole = c(x).patches
    plain = critic(patches=1)
    assert patches.shape == (4, 16)
    assert whole.shape == (4, 4)
    assert torch.equal(patches, plain.patch_score(plain.trunk(x)).flatten(1))
    assert torch.equal(c.encode(x), plain.trunk(x).flatten(1))
    for conv in (c.trunk[0], c.patch_score):  # sqrt(2 / 1.04 / inputs), as He et al. (2015) for this slope
        inputs = conv.weight[0].numel()
        assert float(conv.weight.detach().std()) == pytest.approx((2 / 1.04 / inputs) ** 0.5, rel=0.15)


@pytest.mark.parametrize(
    ("make", "settings", "says"),
    [
        (generator, {"layers": PLACED["layers"]}, r"2 numbers for each of 4 x 4 places are 32, and there are 5"),
        (generator, {**PLACED, "noise_size": 30, "labels": 2}, r"places are 32, and there are 30"),  # labels are none
        (generator, {"layers": (*UP, {**GRID, "maps": 1}, *SMALL["layers"][1:])}, "only the first of a generator can"),
        (critic, {"layers": ({**GRID, "maps": 1}, *CRITIC)}, "only the first of a generator can"),
        (generator, {**PLACED, "layers": ({**GRID, "side": 0}, *PLACED["layers"][1:])}, "which needs both"),
        (generator, {"layers": ({**UP[0], "side": 3, "maps": 1}, *SMALL["layers"][1:])}, "no other has them"),
        (generator, {**PLACED, "layers": (GRID, {**SAME, "stride": 2}, PLACED["layers"][2])}, "the size must stay"),
        (generator, {**PLACED, "layers": (GRID, {**SAME, "out": 7}, PLACED["layers"][2])}, "adds to the 6 channels"),
        (critic, {"patches": 2}, "counts layers before the last"),
        (critic, {"layers": AUTO_ENCODER, "energy": True, "patches": 1}, "critic of layers that scores"),
        (critic, {"layers": ({"kind": "linear", "out": 4}, {"kind": "linear", "out": 1}), "patches": 1}, "leaves one"),
    ],
)
def test_layers_that_cannot_be_are_refused(make, settings, says):
    with pytest.raises(ValidationError, match=says):
        make(**settings)
