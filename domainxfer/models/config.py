"""What a network is made of: the settings that rebuild it. Imports no torch, so recipes and help stay fast."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

FORMAT = 4
"""Version of the model folder; what older versions wrote before the first release is not read."""


class Settings(BaseModel):
    """Frozen settings in which an unknown name is an error, not a surprise."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class GeneratorConfig(Settings):
    """G(content, label, code) -> image."""

    content: Literal["picture", "noise"] = Field("picture", description="what is turned into an image")
    labels: int = Field(0, ge=0, description="number of labels K; 0 is unconditional")
    code_size: int = Field(0, ge=0, description="continuous code values (InfoGAN's latent)")
    channels: Literal[1, 3] = Field(3, description="1 grey, 3 colour")
    size: int = Field(64, ge=8, description="side of the training pictures, px")
    patch: Literal[2, 4, 8] = Field(4, description="side of the pixel block that becomes one place of the body")
    width: int = Field(64, ge=8, description="channels of the body")
    blocks: int = Field(5, ge=1, description="conditioned residual blocks")
    fine: int = Field(0, ge=0, description="conditioned residual blocks at half the resolution, before the exit")
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
    noise_size: int = Field(128, ge=1, description="length of the noise vector, where content is noise")

    @model_validator(mode="after")
    def _possible(self) -> "GeneratorConfig":
        if self.labels == 1:
            raise ValueError("labels: one label says nothing; use 0 (none) or at least 2")
        if self.content == "noise" and self.output == "change":
            raise ValueError("output: 'change' needs a picture to change; noise content has output 'plain'")
        if self.size % self.patch:
            raise ValueError(f"size: {self.size} is not a multiple of patch {self.patch}")
        return self


class CriticConfig(Settings):
    """D(image) -> patch scores at several fields of view, label logits, code estimate."""

    labels: int = Field(0, ge=0, description="label logits K")
    patch_labels: bool = Field(True, description="one patch map a label (labels known) or a single shared map")
    code_size: int = Field(0, ge=0)
    channels: Literal[1, 3] = 3
    bands: bool = Field(True, description="pictures enter as bands of equal loudness, not as pixels")
    width: int = Field(48, ge=8, description="channels after the first convolution; doubled at each halving, up to 4x")
    depth: int = Field(4, ge=2, le=8, description="halvings of the resolution")
    fields: tuple[int, ...] = Field((2, 3), description="halvings after which patches are scored: small to large view")
    style: bool = Field(
        True, description="one more score, of the whole picture, from means and deviations of its features"
    )
    norm: Literal["instance", "spectral", "none"] = Field(
        "instance",
        description="instance: features normalised over the picture, first and last level apart; "
        "spectral: each layer's gain bounded; none: neither, penalties alone",
    )

    @model_validator(mode="after")
    def _possible(self) -> "CriticConfig":
        if not self.fields or min(self.fields) < 1 or max(self.fields) > self.depth:
            raise ValueError(f"fields: each must be between 1 and depth ({self.depth})")
        return self


class ModelConfig(Settings):
    """``config.json`` of a model folder: everything needed to rebuild the networks and use them by name."""

    format: int = Field(FORMAT, description="version of the model folder; newer ones are refused by older programs")
    version: str = Field("", description="domainxfer version that wrote it")
    card: str = Field("", description="the data set it learned")
    domains: tuple[str, ...] = Field((), description="domain names; the label of a domain is its index")
    size: int = Field(64, description="side of the training pictures, px")
    steps: int = Field(0, description="training steps behind these weights")
    finished: bool = Field(True, description="whether training reached its end")
    generator: GeneratorConfig
    critic: CriticConfig | None = None
