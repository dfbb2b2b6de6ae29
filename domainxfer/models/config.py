"""What a network is made of: the settings that rebuild it. Imports no torch, so recipes and help stay fast."""

from math import prod
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

FORMAT = 4
"""Version of the model folder; what older versions wrote before the first release is not read."""

MOST_WIDTH, MOST_BLOCKS, MOST_SIDE = 4096, 256, 8192
"""What a model may ask for: networks are built before their weights are read, and a folder may come from anyone."""


class Settings(BaseModel):
    """Frozen settings in which an unknown name is an error, not a surprise, and every number is finite."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Layer(Settings):
    """One layer of a network that is written down as a list: the map, then its normalisation, then its activation."""

    kind: Literal["linear", "down", "up", "residual", "places"] = Field(
        description="linear: fully connected; down: convolution; up: transposed convolution; residual: what came in "
        "plus two convolutions of it; places: a grid, each place of which hears noise of its own"
    )
    out: int = Field(ge=1, description="channels it makes; numbers, where linear")
    kernel: int = Field(4, ge=1, description="side of the kernel, px")
    stride: int = Field(2, ge=1)
    pad: int = Field(1, ge=0)
    extra: int = Field(0, ge=0, description="output padding of a transposed convolution")
    side: int = Field(0, ge=0, description="places: side of the grid")
    maps: int = Field(0, ge=0, description="places: numbers of noise that each place has for itself")
    norm: Literal["none", "batch", "instance"] = "none"
    act: Literal["none", "relu", "leaky", "tanh", "sigmoid"] = Field("none", description="leaky: slope .2 below 0")

    def side_after(self, side: int) -> int:
        """Side of the picture that it makes of one of ``side`` px; 1 where linear, that of the grid where places.

        (n - 1) s - 2p + m + op for a transposed convolution, floor((n + 2p - m) / s) + 1 for a convolution.
        """
        if self.kind == "linear":
            return 1
        if self.kind == "places":
            return self.side
        if self.kind == "up":
            return (side - 1) * self.stride - 2 * self.pad + self.kernel + self.extra
        return (side + 2 * self.pad - self.kernel) // self.stride + 1

    @model_validator(mode="after")
    def _possible(self) -> "Layer":
        if self.kind == "linear" and self.norm == "instance":
            raise ValueError("norm: instance normalisation needs places; a linear layer has none")
        if (self.kind == "places") != bool(self.side and self.maps):
            raise ValueError("side and maps: the grid of a layer of kind places, which needs both; no other has them")
        if self.kind == "residual" and (self.stride != 1 or self.kernel != 2 * self.pad + 1):
            raise ValueError("residual: what came in is added, so the size must stay: stride 1, kernel 2 pad + 1")
        return self


def shape_after(layers: tuple[Layer, ...], shape: tuple[int, int, int]) -> tuple[int, int, int]:
    """(C, H, W) that the layers, one after the other, make of square pictures (C, H, W); (N, 1, 1) where linear."""
    for layer in layers:
        side = layer.side_after(shape[1])
        shape = (layer.out, side, side)
    return shape


def _refuse_impossible(name: str, layers: tuple[Layer, ...], shape: tuple[int, int, int]) -> None:
    for number, layer in enumerate(layers, 1):
        if layer.kind == "places" and (number > 1 or shape[1] > 1):
            raise ValueError(f"{name}: layer {number} lays noise out in places; only the first of a generator can")
        if layer.kind == "places" and layer.maps * layer.side**2 > shape[0]:
            raise ValueError(
                f"{name}: {layer.maps} numbers for each of {layer.side} x {layer.side} places are "
                f"{layer.maps * layer.side**2}, and there are {shape[0]}; raise noise_size"
            )
        if layer.kind == "residual" and (layer.out != shape[0] or number == 1):
            raise ValueError(
                f"{name}: layer {number} adds to the {shape[0]} channels that come in, so it makes as many, not "
                f"{layer.out}, and cannot be the first"
            )
        shape = shape_after((layer,), shape)
        if layer.norm == "instance" and shape[1] == 1:
            raise ValueError(
                f"{name}: layer {number} normalises over the picture (norm: instance), of which one place is left "
                "there: nothing of it would remain"
            )


class GeneratorConfig(Settings):
    """G(content, label, code) -> image."""

    content: Literal["picture", "noise"] = Field("picture", description="what is turned into an image")
    labels: int = Field(0, ge=0, description="number of labels K; 0 is unconditional")
    code_size: int = Field(0, ge=0, description="continuous code values (InfoGAN's latent)")
    channels: Literal[1, 3] = Field(3, description="1 grey, 3 colour")
    size: int = Field(64, ge=8, le=MOST_SIDE, description="side of the training pictures, px")
    patch: Literal[2, 4, 8] = Field(4, description="side of the pixel block that becomes one place of the body")
    width: int = Field(64, ge=8, le=MOST_WIDTH, description="channels of the body")
    blocks: int = Field(5, ge=1, le=MOST_BLOCKS, description="conditioned residual blocks")
    fine: int = Field(
        0, ge=0, le=MOST_BLOCKS, description="conditioned residual blocks at half the resolution, before the exit"
    )
    norm: Literal["layer", "instance"] = Field(
        "layer", description="layer: over the channels of a place; instance: over the picture"
    )
    # A plain ReLU dies here: cycle and identity at first ask for silence only, and the shortest way to it is a shift
    # that puts every feature below 0, from where no gradient leads back (docs/design.md, "The generator").
    leak: float = Field(0.2, ge=0, lt=1, description="slope of the activation below 0; 0 is a plain ReLU")
    bands: bool = Field(True, description="pictures enter as bands of equal loudness, and leave as opponent colours")
    output: Literal["change", "plain"] = Field("change", description="change: input + change; plain: the image itself")
    detail: int = Field(
        4, ge=0, le=6, description="levels of the picture's own detail that output 'change' may weaken or strengthen"
    )
    edges: float = Field(
        0.0,
        ge=0,
        description="from such a difference of colours on, [-1, 1] a channel, detail ends at edges: it is what shades "
        "surfaces then, and taken away it leaves them flat; 0 knows no edges",
    )
    noise_size: int = Field(128, ge=1, description="length of the noise vector, where content is noise")
    noise: Literal["normal", "uniform"] = Field("normal", description="N(0, 1), or U(-1, 1)")
    heads: int = Field(
        0,
        ge=0,
        description="several generators: so many noisy-linear entrances to one body; the noise's first number chooses "
        "(for pictures, the code's); 0 is one plain entrance",
    )
    layers: tuple[Layer, ...] = Field(
        (), description="for content noise: the whole network, layer by layer, in place of the blocks"
    )
    encoder: tuple[Layer, ...] = Field(
        (), description="for content noise: from a picture to mean and log variance of its noise, layer by layer (VAE)"
    )

    @property
    def noise_kind(self) -> str:
        """What `draws.per_position` calls the noise."""
        return "normal" if self.noise == "normal" else "symmetric"

    @model_validator(mode="after")
    def _possible(self) -> "GeneratorConfig":
        if self.labels == 1:
            raise ValueError("labels: one label says nothing; use 0 (none) or at least 2")
        if self.content == "noise" and self.output == "change":
            raise ValueError("output: 'change' needs a picture to change; noise content has output 'plain'")
        if self.layers:
            self._check_layers()
        elif self.size % self.patch:
            raise ValueError(f"size: {self.size} is not a multiple of patch {self.patch}")
        if self.encoder:
            self._check_encoder()
        return self

    def _check_layers(self) -> None:
        if self.content != "noise":
            raise ValueError("layers: they make pictures of noise; a picture as content is translated by blocks")
        if self.heads and self.layers[0].kind != "linear":
            raise ValueError("heads: they are linear and take the place of the first layer, which is not")
        _refuse_impossible("layers", self.layers, (self.noise_size, 1, 1))
        last, picture = self.layers[-1], (self.channels, self.size, self.size)
        made = shape_after(self.layers, (1, 1, 1))
        if last.kind == "linear" and last.out != prod(picture):
            raise ValueError(f"layers: the last makes {last.out} numbers; a picture of this size has {prod(picture)}")
        if last.kind != "linear" and made != picture:
            raise ValueError(f"layers: they make pictures of (C, H, W) {made}; {picture} is wanted")
        if last.act not in ("tanh", "sigmoid"):
            raise ValueError("layers: the last needs act tanh or sigmoid, which bound its pictures")

    def _check_encoder(self) -> None:
        if self.content != "noise":
            raise ValueError("encoder: it finds the noise behind a picture; here the picture itself is the content")
        if self.noise != "normal":
            raise ValueError("encoder: a latent is drawn towards N(0, 1), so the noise must be normal")
        last, picture, wanted = self.encoder[-1], (self.channels, self.size, self.size), 2 * self.noise_size
        shapes = [shape_after(self.encoder[:end], picture) for end in range(1, len(self.encoder) + 1)]
        if min(side for _, side, _ in shapes) < 1:
            raise ValueError(f"encoder: of a picture of {self.size} px nothing is left on the way")
        _refuse_impossible("encoder", self.encoder, picture)
        if shapes[-1] != (wanted, 1, 1):
            raise ValueError(
                f"encoder: it makes (C, H, W) {shapes[-1]} of a picture; a mean and a log variance for each of the "
                f"{self.noise_size} numbers of noise are {(wanted, 1, 1)}"
            )
        if last.act != "none" or last.norm != "none":
            raise ValueError("encoder: the last layer has no act and no norm, which would bound the latent")


class CriticConfig(Settings):
    """D(image) -> patch scores at several fields of view, label logits, code estimate."""

    labels: int = Field(0, ge=0, description="label logits K")
    patch_labels: bool = Field(True, description="one patch map a label (labels known) or a single shared map")
    extra_heads: tuple[Annotated[int, Field(ge=2)], ...] = Field(
        (),
        description="labels of further label heads: more than there are classes, to teach the trunk",
    )
    code_size: int = Field(0, ge=0)
    channels: Literal[1, 3] = 3
    bands: bool = Field(True, description="pictures enter as bands of equal loudness, not as pixels")
    width: int = Field(
        48, ge=8, le=MOST_WIDTH, description="channels after the first convolution; doubled at each halving, up to 4x"
    )
    count: int = Field(
        1,
        ge=1,
        le=MOST_BLOCKS,
        description="critics, each with weights of its own; terms judge each and average, logits are averaged",
    )
    depth: int = Field(4, ge=2, le=8, description="halvings of the resolution")
    fields: tuple[int, ...] = Field((2, 3), description="halvings after which patches are scored: small to large view")
    style: bool = Field(
        True, description="one more score, of the whole picture, from means and deviations of its features"
    )
    whole: bool = Field(
        False,
        description="one more score, of the whole picture, from what lies where; for content noise, whose pictures "
        "have one size",
    )
    norm: Literal["instance", "spectral", "none"] = Field(
        "instance",
        description="instance: features normalised over the picture, first and last level apart; "
        "spectral: the gain of each layer on the way to a score bounded; none: neither, penalties alone",
    )
    label_norm: Literal["batch", "none"] = Field(
        "none",
        description="batch: label heads read features normalised over the batch, as labels that nobody gave need; in "
        "layers it is a matter of theirs",
    )
    size: int = Field(
        64, ge=8, le=MOST_SIDE, description="side of the training pictures, px; layers and `whole` depend on it"
    )
    layers: tuple[Layer, ...] = Field((), description="the whole network, layer by layer, in place of the trunk")
    patches: int = Field(
        0, ge=0, description="layers: after so many of them each place is scored too, by a 3 x 3 convolution; 0 is none"
    )
    unit: bool = Field(
        False, description="layers see pictures in [0, 1], where black is nothing to hear, as some write-ups have them"
    )
    energy: bool = Field(
        False, description="layers are an auto-encoder, and its squared error is the energy of a picture (EBGAN)"
    )

    @model_validator(mode="after")
    def _possible(self) -> "CriticConfig":
        if self.energy and not self.layers:
            raise ValueError("energy: an auto-encoder is given by its layers")
        if self.patches and (self.energy or self.patches >= len(self.layers)):
            raise ValueError("patches: it is for a critic of layers that scores, and counts layers before the last")
        if self.unit and (self.energy or not self.layers):
            raise ValueError("unit: it is for a critic of layers that scores; bands see any range, an energy its own")
        if self.layers:
            self._check_layers()
        if any(not 1 <= level <= self.depth for level in self.fields):
            raise ValueError(f"fields: each must be between 1 and depth ({self.depth})")
        if not (self.layers or self.fields or self.whole):
            raise ValueError("fields: name one at least, unless the whole picture is scored (whole)")
        return self

    def _check_layers(self) -> None:
        last, picture = self.layers[-1], (self.channels, self.size, self.size)
        _refuse_impossible("layers", self.layers, picture)
        if self.energy:
            if prod(shape_after(self.layers, picture)) != prod(picture):
                raise ValueError(f"layers: an auto-encoder ends in the {prod(picture)} numbers of a picture")
        elif last.act != "none":
            raise ValueError(
                f"layers: a critic ends in scores of any size, which {last.act} would bound; a loss that wants a "
                "probability takes the sigmoid itself, and a Wasserstein critic must have none"
            )
        elif last.out != 1 or last.norm != "none":
            raise ValueError("layers: the last makes 1 score a place, with no norm; the maps of labels are added to it")
        elif self.patches and any(layer.kind == "linear" for layer in self.layers[: self.patches]):
            raise ValueError("patches: a linear layer leaves one place; name a layer before it")
        elif shape_after(self.layers, picture)[1] < 1:
            raise ValueError(f"layers: of a picture of {self.size} px nothing is left at the end")


class ModelConfig(Settings):
    """``config.json`` of a model folder: everything needed to rebuild the networks and use them by name."""

    format: int = Field(FORMAT, description="version of the model folder; newer ones are refused by older programs")
    version: str = Field("", description="domainxfer version that wrote it")
    card: str = Field("", description="the data set it learned")
    domains: tuple[str, ...] = Field((), description="domain names; the label of a domain is its index")
    size: int = Field(64, ge=8, le=MOST_SIDE, description="side of the training pictures, px")
    steps: int = Field(0, description="training steps behind these weights")
    finished: bool = Field(True, description="whether training reached its end")
    generator: GeneratorConfig
    critic: CriticConfig | None = None

    @model_validator(mode="after")
    def _names_fit(self) -> "ModelConfig":
        names, labels = self.domains, self.generator.labels
        if len(set(names)) < len(names) or not all(name.strip() for name in names):
            raise ValueError("domains: each has a name, and no two have the same")
        if names and len(names) != labels and (labels or self.generator.content == "picture"):
            raise ValueError(f"domains: {len(names)} names for the {labels} labels of the generator")
        return self
