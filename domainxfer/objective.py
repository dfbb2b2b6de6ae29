"""What a run is trained for: three lists of terms with their weights, and what is done around them.

A term's function is found by its name (`training/terms.py`); here are its weight, its schedule and its options. Imports
no torch.
"""

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, ConfigDict, Field, NonNegativeFloat, field_validator

from domainxfer.models.config import Settings


def _weight_alone(value: Any) -> Any:
    return value if isinstance(value, (dict, TermSettings)) and not is_schedule(value) else {"weight": value}


def is_schedule(value: Any) -> bool:
    """Whether a setting is given as {step: number}, to be replaced as a whole."""
    return isinstance(value, dict) and bool(value) and all(isinstance(key, int) for key in value)


Schedule = Annotated[dict[Annotated[int, Field(ge=0)], NonNegativeFloat], Field(min_length=1)]
"""{step: number}, joined by straight lines."""


class TermSettings(Settings):
    """One term of the objective: its weight and when it counts. Further names are options of its function."""

    model_config = ConfigDict(extra="allow", frozen=True)

    weight: NonNegativeFloat | Schedule = Field(
        1.0, description="a number, or {step: number} joined by straight lines; 0 switches the term off"
    )
    every: int = Field(1, ge=1, description="lazy penalties: applied every so many steps, at weight times so many")

    @property
    def options(self) -> dict[str, Any]:
        """Keyword options of the term's function."""
        return dict(self.model_extra or {})

    def weight_at(self, step: int) -> float:
        """The weight at a step: constant, or piecewise linear between the given steps."""
        return _scheduled(self.weight, step)


def _scheduled(value: float | Schedule, step: int) -> float:
    if not isinstance(value, dict):
        return value
    points = sorted(value.items())
    before = [point for point in points if point[0] <= step]
    after = [point for point in points if point[0] > step]
    if not before or not after:
        return (before[-1] if before else after[0])[1]
    (s0, w0), (s1, w1) = before[-1], after[0]
    return w0 + (w1 - w0) * (step - s0) / (s1 - s0)


Terms = dict[str, Annotated[TermSettings, BeforeValidator(_weight_alone)]]
Phase = Literal["critic", "generator"]
Augmentation = Literal["colour", "shift", "cutout"]


class CriticInput(Settings):
    """What is done to reals and fakes alike before the critic sees them."""

    noise: NonNegativeFloat | Schedule = Field(
        0.0, description="instance noise: deviation added to pictures in [-1, 1], or {step: number}"
    )
    augment: tuple[Augmentation, ...] = Field((), description="differentiable augmentation: colour, shift, cutout")

    def noise_at(self, step: int) -> float:
        """Deviation of the noise at a step."""
        return _scheduled(self.noise, step)


def _terms(**weights: Any) -> dict[str, TermSettings]:
    return {name: TermSettings.model_validate(_weight_alone(value)) for name, value in weights.items()}


class Looks(Settings):
    """How far two looks at the same picture differ; asked for by terms that compare looks."""

    turn: float = Field(25.0, ge=0, le=180, description="degrees, either way")
    shear: float = Field(0.3, ge=0, description="by how much rows are moved against each other, either way")
    stretch: float = Field(1.3, ge=1, description="largest factor of width and of height, each by itself")
    shift: float = Field(0.1, ge=0, le=0.5, description="share of the side")
    bend: float = Field(0.1, ge=0, description="elastic, in half sides of the picture")
    ink: float = Field(0.9, ge=0, le=1, description="bright strokes thicker or thinner, px")
    tone: float = Field(0.3, ge=0, le=1, description="by how much brightness is lowered at most")
    hue: float = Field(0.0, ge=0, le=180, description="degrees on the colour circle, either way; colour pictures only")
    zoom: float = Field(1.0, gt=0, le=1, description="a look shows a part, whose side is at least this share")
    flip: bool = Field(False, description="mirrored as often as not")


class NeighbourLabels(Settings):
    """A label head that begins anew on what the critic has learned (`training/neighbour_labels.py`)."""

    at: int = Field(..., ge=1, description="before this step")
    nearest: int = Field(5, ge=1, description="neighbours of a picture that should share its label")
    heads: int = Field(24, ge=1, description="that begin differently; the one of most information is taken")
    steps: int = Field(400, ge=1, description="of the heads alone, each on a batch of pairs")
    batch: int = Field(512, ge=2, description="pairs")
    learning_rate: float = Field(2e-3, gt=0, description="of the heads")
    balance: float = Field(
        1.0, ge=0, description="as that of paired_information; above 1 one class is split more often"
    )
    sure: float = Field(0.99, ge=0, le=1, description="confidence from which on label_known teaches what was read")
    most: int = Field(60_000, ge=2, description="pictures to learn from; of more every nth is taken")


class Objective(Settings):
    """Three lists of terms; ``package.module:function`` names a term of your own."""

    order: tuple[Phase, ...] = Field(("critic", "generator"), description="order of the phases in a step")

    @field_validator("order")
    @classmethod
    def _both_phases(cls, order: tuple[Phase, ...]) -> tuple[Phase, ...]:
        if sorted(order) != ["critic", "generator"]:
            raise ValueError("name both phases once: [critic, generator] or [generator, critic]")
        return order

    critic_steps: int = Field(1, ge=0, description="critic steps a generator step, each on its own batch")
    critic_batch: int | None = Field(
        None, ge=1, description="pictures that the critic learns from in a step of its own; null: the whole batch"
    )
    reuse: int = Field(
        1, ge=1, description="batches of reals that meet the same content (noise or sources, and code) before the next"
    )
    critic_input: CriticInput = CriticInput()
    looks: Looks = Looks()
    labels_from_neighbours: NeighbourLabels | None = Field(
        None, description="when the label head begins anew, and learns from pictures that look alike"
    )
    cycle_noise: float = Field(
        0.0, ge=0, le=1, description="noise added to x_fake on its way back, so that the cycle hides nothing in it"
    )
    label_head_learns: Literal["reals", "reals and fakes"] = Field(
        "reals",
        description="from what the label head learns, where labels are known or found by looks; else from both",
    )
    info_teaches: Literal["heads", "critic"] = Field(
        "heads", description="what the info losses teach of the critic: its heads, or all of it, as in InfoGAN"
    )
    critic: Terms = Field(
        default_factory=lambda: _terms(nonsaturating=1.0, label_real=1.0, r1={"weight": 1.0, "every": 8, "gamma": 1.0})
    )
    generator: Terms = Field(
        default_factory=lambda: _terms(nonsaturating=1.0, cycle={"weight": 5.0, "shrink": 8}, identity=5.0)
    )
    info: Terms = Field(default_factory=lambda: _terms(label_fake=0.1, code=0.1))

    @property
    def batches_a_step(self) -> int:
        """Batches that a training step consumes: each critic step sees its own."""
        return max(1, self.critic_steps)
