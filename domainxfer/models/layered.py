"""Networks that are written down as a list of layers: the classic GANs, exactly as their write-ups have them.

They fit where the conditioned generator and the PatchGAN critic fit; an encoder fits beside either generator. Label and
code are appended to the noise, as in the first conditional GANs (Mirza & Osindero 2014; InfoGAN, Chen et al. 2016).
BatchNorm takes its statistics from the pictures of one process.
"""

from collections.abc import Callable
from math import prod

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from domainxfer.models.blocks import InstanceNorm, start_at_full_strength
from domainxfer.models.config import CriticConfig, GeneratorConfig, Layer, shape_after
from domainxfer.models.critic import View, map_of_label
from domainxfer.models.heads import NoisyHeads


class Tanh(nn.Tanh):
    """In fp32: in bf16 it is exactly 1 from about 3.5 on, and a pixel that is surely wrong would learn nothing."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.float())


class Sigmoid(nn.Sigmoid):
    """In fp32, for the same reason."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.float())


ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    "relu": nn.ReLU,
    "leaky": lambda: nn.LeakyReLU(0.2),
    "tanh": Tanh,
    "sigmoid": Sigmoid,
}
READS_THE_LABEL = {
    "linear": {"layers.1.weight": 1},  # after the flattening
    "down": {"layers.0.weight": 1},
    "up": {"layers.0.weight": 0},
    "places": {"layers.0.everywhere.weight": 1},
    "heads": {"heads.weight": 2, "heads.weight_sigma": 2},
}
"""By the kind of what the noise enters by: the weights that read the label behind it, and their axis of inputs."""
LOG_VARIANCE = 10.0  # largest |log variance| of a latent: deviations from .007 to 148


class Encoder(nn.Module):
    """E(picture) -> mean and log variance of the noise behind it, as in a VAE (Kingma & Welling 2014).

    It sees the picture alone. The generator is told the label, so the noise need not say it.

    Args:
        config: with `encoder`.
    """

    def __init__(self, config: GeneratorConfig) -> None:
        super().__init__()
        self.layers = built(config.encoder, (config.channels, config.size, config.size))

    def forward(self, picture: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log variance, both (B, noise_size), fp32, of pictures (B, C, size, size) in [-1, 1].

        The log variance is bent into (-`LOG_VARIANCE`, `LOG_VARIANCE`): exp stays finite, and there is a way back from
        everywhere, which a cut would not leave.
        """
        mean, log_variance = self.layers(picture).float().flatten(1).chunk(2, dim=1)
        return mean, LOG_VARIANCE * torch.tanh(log_variance / LOG_VARIANCE)


class LayeredGenerator(nn.Module):
    """G(noise, label, code) -> image, a list of layers.

    Args:
        config: with `layers`; content is noise.
    """

    multiple = 1
    reach = 0  # there is no picture to look at

    def __init__(self, config: GeneratorConfig) -> None:
        super().__init__()
        self.config = c = config
        inputs = c.noise_size + c.labels + c.code_size
        layers = built(c.layers, (inputs, 1, 1))
        self.heads = NoisyHeads(c.heads, inputs, c.layers[0].out, c.noise_kind) if c.heads else None
        self.layers = layers[2:] if c.heads else layers  # heads take the place of the flattening and the linear map
        kind = "heads" if c.heads else c.layers[0].kind
        before = c.noise_size - c.layers[0].maps * c.layers[0].side ** 2  # of the noise, what such a weight reads
        self.label_inputs = {weight: (axis, before) for weight, axis in READS_THE_LABEL[kind].items()}
        self.bounded_by = c.layers[-1].act
        self.encoder = Encoder(c) if c.encoder else None

    def forward(self, content: Tensor, label: Tensor | None = None, code: Tensor | None = None) -> Tensor:
        """Make images of noise.

        Args:
            content: noise (B, noise_size).
            label: (B,) int64; None where the generator has no labels.
            code: (B, code_size) in [-1, 1]; None means all zeros.

        Returns:
            Images (B, C, H, W) in [-1, 1], fp32.
        """
        c = self.config
        parts = [content]
        if c.labels:
            if label is None:
                raise ValueError("this generator needs a label for each picture")
            parts.append(F.one_hot(label, c.labels).to(content.dtype))
        if c.code_size:
            parts.append(content.new_zeros(content.shape[0], c.code_size) if code is None else code)
        entering = torch.cat(parts, dim=1)
        entered = entering[:, :, None, None] if self.heads is None else self.heads(entering, content[:, 0])
        x: Tensor = self.layers(entered).float()
        x = x.view(-1, c.channels, c.size, c.size)
        return 2 * x - 1 if self.bounded_by == "sigmoid" else x  # pictures in [0, 1] in the write-up

    def with_gains(self, content: Tensor, label: Tensor | None, code: Tensor | None) -> tuple[Tensor, Tensor]:
        """The image, and no gains: there is no picture whose detail they could change."""
        image = self.forward(content, label, code)
        return image, image[:, :0]


class Places(nn.Module):
    """From noise (B, N, 1, 1) to a grid (B, C, side, side), each place of which hears ``maps`` numbers of its own.

    The other numbers, label and code among them, are heard everywhere, and what is learned of each place is added. A
    place can so decide for itself; where all noise enters at once, each decision is one of the whole picture.
    """

    def __init__(self, inputs: int, layer: Layer) -> None:
        super().__init__()
        self.maps, self.side = layer.maps, layer.side
        rest = inputs - layer.maps * layer.side**2
        self.own = nn.Conv2d(layer.maps, layer.out, 3, padding=1, bias=False)
        self.everywhere = nn.Linear(rest, layer.out, bias=False) if rest else None
        self.place = nn.Parameter(0.3 * torch.randn(1, layer.out, layer.side, layer.side))

    def forward(self, noise: Tensor) -> Tensor:
        own, rest = noise.flatten(1).split([self.maps * self.side**2, noise.shape[1] - self.maps * self.side**2], 1)
        x: Tensor = self.own(own.view(-1, self.maps, self.side, self.side)) + self.place
        return x if self.everywhere is None else x + self.everywhere(rest)[:, :, None, None]


class Residual(nn.Module):
    """x + norm(conv(act(norm(conv(x))))), a residual block (He et al. 2016); with a norm it starts near x."""

    def __init__(self, layer: Layer) -> None:
        super().__init__()
        first = layer.model_copy(update={"kind": "down"})
        last = first.model_copy(update={"act": "none"})
        self.change = built((first, last), (layer.out, layer.kernel, layer.kernel))  # of any size
        if layer.norm != "none":
            nn.init.constant_(self.change[-1].weight, 0.3)  # type: ignore[arg-type]

    def forward(self, x: Tensor) -> Tensor:
        change: Tensor = self.change(x)
        return x + change


class ToUnit(nn.Module):
    """Pictures in [-1, 1] -> pictures in [0, 1]."""

    def forward(self, image: Tensor) -> Tensor:
        return (image + 1) / 2


class LayeredCritic(nn.Module):
    """D(image) -> View, a list of layers whose last one scores.

    The label and the code head stand where the score stands: each is a copy of the last layer with outputs of its own,
    averaged over the places. With `energy` the layers are an auto-encoder; a picture's score is minus its mean squared
    error, so that real pictures score high here too, and the heads read what the encoder makes.

    Args:
        config: with `layers`.
    """

    def __init__(self, config: CriticConfig) -> None:
        super().__init__()
        self.config = c = config
        self.enter = ToUnit() if c.unit else nn.Identity()
        picture = (c.channels, c.size, c.size)
        body = _encoder_of(c.layers, picture) if c.energy else c.layers[:-1]
        head = Layer(kind="linear", out=1) if c.energy else c.layers[-1]
        features = shape_after(body, picture)

        def of(outputs: int) -> nn.Module:
            return built((head.model_copy(update={"out": outputs}),), features)

        self.trunk = built(body[: c.patches or len(body)], picture)
        between = shape_after(body[: c.patches], picture)
        self.patch_score = nn.Conv2d(between[0], 1, 3, padding=1) if c.patches else None
        self.beyond = built(body[c.patches :], between) if c.patches else nn.Identity()
        self.decoder = built(c.layers[len(body) :], features) if c.energy else None
        self.score = None if c.energy else of(c.labels if c.labels and c.patch_labels else 1)
        self.label_head = of(c.labels) if c.labels else None
        self.code_head = of(c.code_size) if c.code_size else None
        self.extra_heads = nn.ModuleList(of(labels) for labels in c.extra_heads)
        if c.patches:  # beside a score of the whole that is told apart at once, faint patches would never be heard
            start_at_full_strength(self)

    def forward(self, image: Tensor, label: Tensor | None = None) -> View:
        """Judge images (B, C, size, size) in [-1, 1] for labels (B,); see `Critic.forward`."""
        return self.judge(self.enter(image), label)

    def judge(self, seen: Tensor, label: Tensor | None = None) -> View:
        """Judge images as they are seen: as they are, or in [0, 1]."""
        x = self.trunk(seen)
        patches = () if self.patch_score is None else (self.patch_score(x).float().flatten(1),)
        x = self.beyond(x)
        if self.decoder is not None:
            again = self.decoder(x).float().view(seen.shape)
            scores = -(again - seen).square().flatten(1).mean(1, keepdim=True)
        else:
            assert self.score is not None
            scores = map_of_label(_as_maps(self.score(x)), label).flatten(1)
        logits, code = (
            seen.new_zeros(len(seen), 0) if head is None else _as_maps(head(x)).mean((2, 3))
            for head in (self.label_head, self.code_head)
        )
        extra = tuple(_as_maps(head(x)).mean((2, 3)) for head in self.extra_heads)
        return View((*patches, scores), logits, code, extra)

    def encode(self, image: Tensor) -> Tensor:
        """What the layers before the score, or those of the encoder, make of images: (B, S), fp32."""
        encoded: Tensor = self.beyond(self.trunk(self.enter(image))).float().flatten(1)
        return encoded

    def info_parameters(self, *, label: bool = True) -> list[nn.Parameter]:
        """The parameters of the code head and, unless ``label`` is False, the label head."""
        heads = (self.label_head if label else None, self.code_head)
        return [parameter for head in heads if head is not None for parameter in head.parameters()]


def built(layers: tuple[Layer, ...], shape: tuple[int, int, int]) -> nn.Sequential:
    """The layers as a module for pictures of ``shape`` (C, H, W); (C, 1, 1) stands for C numbers."""
    modules: list[nn.Module] = []
    flat = False
    for layer in layers:
        if layer.kind == "linear" and not flat:
            modules.append(nn.Flatten())
        elif layer.kind != "linear" and flat:
            modules.append(nn.Unflatten(1, shape))
        modules.append(_map_of(layer, shape))
        flat = layer.kind == "linear"
        if layer.kind != "residual":  # whose norm and activation are within
            if layer.norm == "batch":
                modules.append(nn.BatchNorm1d(layer.out) if flat else nn.BatchNorm2d(layer.out))
            elif layer.norm == "instance":
                modules.append(InstanceNorm(layer.out))
            if layer.act != "none":
                modules.append(ACTIVATIONS[layer.act]())
        shape = shape_after((layer,), shape)
    return nn.Sequential(*modules)


def _map_of(layer: Layer, shape: tuple[int, int, int]) -> nn.Module:
    bias = layer.norm == "none"
    sizes = (shape[0], layer.out, layer.kernel, layer.stride, layer.pad)
    match layer.kind:
        case "linear":
            return nn.Linear(prod(shape), layer.out, bias)
        case "places":
            return Places(shape[0], layer)
        case "residual":
            return Residual(layer)
        case "up":
            return nn.ConvTranspose2d(*sizes, output_padding=layer.extra, bias=bias)
        case "down":
            return nn.Conv2d(*sizes, bias=bias)


def _encoder_of(layers: tuple[Layer, ...], picture: tuple[int, int, int]) -> tuple[Layer, ...]:
    """The layers of an auto-encoder up to the one that makes the fewest numbers."""
    ends = [layers[: end + 1] for end in range(len(layers))]
    return min(ends, key=lambda upto: prod(shape_after(upto, picture)))


def _as_maps(x: Tensor) -> Tensor:
    """(B, N) or (B, N, h, w) -> (B, N, h, w), fp32."""
    return (x if x.ndim == 4 else x[:, :, None, None]).float()
