"""The recipe: one typed, frozen description of a run. Everything a run does follows from it, the data and the seed.

`domainxfer train DATA --set a.b=c` changes one setting; `recipe.yaml` in the run folder holds them all, resolved.
Imports no torch.
"""

from itertools import pairwise
from pathlib import Path
from types import NoneType
from typing import Annotated, Any, Literal, get_args

import yaml
from pydantic import ConfigDict, Field, ValidationError, model_validator

from domainxfer.errors import UsageError, did_you_mean
from domainxfer.files import explain_os_error
from domainxfer.models.config import MOST_SIDE, CriticConfig, GeneratorConfig, Settings
from domainxfer.objective import Objective, is_schedule
from domainxfer.plain_yaml import read_yaml


class Transform(Settings):
    """One step of the augmentation: an Albumentations transform by name, with its arguments."""

    model_config = ConfigDict(extra="allow", frozen=True)

    name: str = Field(description="class name in albumentations, e.g. HorizontalFlip")

    @property
    def arguments(self) -> dict[str, Any]:
        """Keyword arguments of the transform."""
        return dict(self.model_extra or {})


class DataSettings(Settings):
    """What is fed."""

    size: int = Field(64, ge=8, le=MOST_SIDE, description="side of the training pictures, px")
    grow: dict[int, int] = Field(
        default_factory=dict,
        description="translation may begin with smaller pictures: {2000: 64, 3000: 96} is 64 px until step 2,000, then "
        "96 px until step 3,000, then `size`, and never more than that; half the side takes about a fourth of the time",
    )
    batch: int = Field(8, ge=2, description="pictures in a batch, all processes and domains together")
    margin: float = Field(
        1.125, ge=1, le=4, description="pictures are loaded this much larger than size, room for the random crop"
    )
    augment: tuple[Transform, ...] = Field(
        (Transform(name="HorizontalFlip", p=0.5),),
        description="Albumentations transforms after the random crop",
    )
    known_every: int = Field(
        8, ge=1, description="discover --supervise: each so many-th picture of a batch is one of known label"
    )
    validation_share: float = Field(
        0.1,
        gt=0,
        lt=1,
        description="part of train held out for every choice, at most 200 of a domain, where the data has none",
    )
    cache_mb: int = Field(2000, ge=0, description="decoded pictures are kept in memory up to this size")
    workers: int = Field(0, ge=0, description="loader processes; 0 prepares batches in a thread beside the step")

    @model_validator(mode="after")
    def _growing(self) -> "DataSettings":
        sides = [side for _, side in sorted(self.grow.items())]
        if any(step < 1 for step in self.grow) or any(a >= b for a, b in pairwise(sides)):
            raise ValueError(
                f"grow: {self.grow}: write {{step: px}}, each step above 0 and each side larger than the one before"
            )
        return self

    def size_at(self, step: int) -> int:
        """Side of the training pictures at a step, px."""
        return min(self.size, next((side for until, side in sorted(self.grow.items()) if step < until), self.size))

    def work(self, steps: range) -> float:
        """How many steps of full size take as long as these steps: time goes with the pixels."""
        edges = [0, *sorted(self.grow), max(steps.stop, *self.grow, 0)]
        stages = (range(max(a, steps.start), min(b, steps.stop)) for a, b in pairwise(edges))
        return sum(len(stage) * (self.size_at(stage.start) / self.size) ** 2 for stage in stages)


Decay = Annotated[float, Field(ge=0, lt=1)]
Phase = Literal["critic", "generator", "info"]


class OptimizerSettings(Settings):
    """One kind for all networks; the rate is held, then lowered in a straight line."""

    kind: Literal["adam", "rmsprop"] = Field("adam", description="adam or rmsprop")
    generator_lr: float = Field(3e-4, gt=0, description="learning rate of the generator")
    critic_lr: float = Field(6e-4, gt=0, description="learning rate of the critic")
    info_lr: float | None = Field(None, gt=0, description="own optimizer for the info losses, at this rate")
    betas: tuple[Decay, Decay] = Field((0.5, 0.99), description="Adam's; RMSprop has none")
    clip: float | None = Field(None, gt=0, description="largest gradient norm of a network")
    clip_weights: float | None = Field(
        None, gt=0, description="after each of its steps the critic's weights are cut to +- this (WGAN)"
    )
    hold: float = Field(0.5, ge=0, le=1, description="share of the steps at the full rate")
    final: float = Field(0.05, ge=0, le=1, description="rate that the last step leads to, as a share of the full one")

    def rate_at(self, step: int, steps: int) -> float:
        """Share of the full learning rate at a step of ``steps``."""
        held = self.hold * steps
        if step <= held or steps <= held:
            return 1.0
        return 1.0 + (self.final - 1.0) * min(1.0, (step - held) / (steps - held))


class TrainingSettings(Settings):
    """How long, how exact, and how often something is written."""

    steps: int = Field(20000, ge=1, le=10**9, description="generator steps")
    seed: int = Field(
        0, ge=0, lt=2**63, description="of all that is drawn: weights, order, crops, noise, what is held out"
    )
    ema: float = Field(0.998, ge=0, lt=1, description="decay of the generator's moving average, reached after warm-up")
    precision: Literal["auto", "bf16", "fp32"] = Field("auto", description="auto: bf16 where that is the faster")
    channels_last: Literal["auto", "yes", "no"] = Field("auto", description="memory layout of pictures and features")
    cuda_graphs: bool = Field(True, description="on a GPU, what each network does is recorded once, and replayed")
    checkpoint_every: int = Field(250, ge=1, description="steps between checkpoints")
    keep: int = Field(2, ge=1, description="checkpoints kept")
    log_every: int = Field(25, ge=1, description="steps between rows of metrics.csv")
    sample_every: int = Field(500, ge=1, description="steps between sample grids")
    figure_every: int = Field(1000, ge=1, description="steps between held-out figures")
    extractor: str = Field("auto", description="what judges: efficientnet-lite0, gabor, digits, maze-counts, or auto")


class SourceSettings(Settings):
    """Where the pictures come from; what `--resume` opens again."""

    data: str = Field("", description="a card's name, or the path of a folder")
    data_root: str | None = Field(None, description="where to look for the card's pictures first")
    names: dict[str, str] = Field(default_factory=dict, description="folder or letter -> domain")
    labels: str = Field("known", description="known, none, or how many labels to discover")
    supervise: float = Field(
        0.0, ge=0, le=1, description="share of the training pictures whose label may be seen when some are discovered"
    )
    init_from: str | None = Field(None, description="the model that the run began with, as it was named")


class Recipe(Settings):
    """A whole run."""

    card: str = Field("", description="name of the data set this was made for")
    source: SourceSettings = SourceSettings()
    mode: Literal["translate", "generate"] = Field("translate", description="content is a picture, or noise")
    data: DataSettings = DataSettings()
    generator: GeneratorConfig = GeneratorConfig()
    critic: CriticConfig = CriticConfig()
    objective: Objective = Field(default_factory=Objective)
    optimizer: OptimizerSettings = OptimizerSettings()
    training: TrainingSettings = TrainingSettings()

    @model_validator(mode="after")
    def _consistent(self) -> "Recipe":
        if self.mode == "translate" and self.data.batch % 2 and self.generator.labels == 2:
            raise ValueError("data.batch: two domains need an even batch, so that each real has a fake of its label")
        if self.mode == "translate" and self.generator.channels != 3:
            raise ValueError("generator.channels: translation works on colour pictures, 3 channels")
        if self.mode == "translate" and self.critic.whole:
            raise ValueError(
                "critic.whole: it knows one size and what lies where in it; translation is judged by patches (PatchGAN)"
            )
        if (self.objective.critic_batch or 0) > self.data.batch:
            raise ValueError(
                f"objective.critic_batch: {self.objective.critic_batch} is more than data.batch, {self.data.batch}; "
                "the critic learns from a part of the batch, or from all of it"
            )
        if self.data.grow and self.mode == "generate":
            raise ValueError("data.grow: content from noise becomes pictures of one size; leave it out")
        for name, side in (("size", self.data.size), *(("grow", side) for side in self.data.grow.values())):
            if side % 2 or side < 2**self.critic.depth:
                raise ValueError(
                    f"data.{name}: {side} must be even and at least {2**self.critic.depth}, 2 to the critic's depth"
                )
            if name == "grow" and side % self.generator.patch:
                raise ValueError(f"data.grow: {side} is not a multiple of generator.patch, {self.generator.patch}")
        return self

    def cannot_have(self, labels: int, labels_known: bool) -> dict[tuple[Phase, str], str]:
        """Terms that cannot apply with so many labels, known or to be found: (phase, name) -> why."""
        picture, code = self.mode == "translate", self.generator.code_size
        some_known = self.source.supervise or self.objective.labels_from_neighbours is not None
        no_source = "only pictures that are translated have a way back"
        none_known = "of no picture the label is known; see --supervise and objective.labels_from_neighbours"
        applies: dict[tuple[Phase, str], tuple[object, str]] = {
            ("critic", "label_real"): (labels and labels_known, "no label is known; see --labels"),
            ("critic", "label_known"): (some_known, none_known),
            ("critic", "label_as_is"): (some_known, none_known),
            ("info", "label_fake"): (labels, "there are no labels; see --labels"),
            ("info", "code"): (code, "there is no code; set generator.code_size"),
            ("generator", "cycle"): (picture, no_source),
            ("generator", "identity"): (picture, no_source),
        }
        return {term: why for term, (can, why) in applies.items() if not can}

    def refuse_in_vain(self, changes: dict[str, Any], labels: int, labels_known: bool) -> None:
        """Check that ``changes``, which this recipe has, name no term that is left out when it is resolved.

        Raises:
            UsageError: they do, at a weight other than 0.
        """
        for (phase, name), why in self.cannot_have(labels, labels_known).items():
            asked = changes.get("objective", {}).get(phase) or {}
            if name in asked and getattr(self.objective, phase)[name].weight:
                raise UsageError(f"objective.{phase}.{name} cannot apply in this run: {why}")

    def resolved(self, labels: int, labels_known: bool = True) -> "Recipe":
        """The recipe with what follows from the data filled in: label counts, sizes, kind of content.

        Terms that cannot apply (`cannot_have`) are left out.
        """
        picture = self.mode == "translate"
        settings = self.model_dump(mode="python")
        for phase, name in self.cannot_have(labels, labels_known):
            settings["objective"][phase].pop(name, None)
        return _validated(
            merged(
                settings,
                {
                    "generator": {
                        "content": "picture" if picture else "noise",
                        "output": self.generator.output if picture else "plain",
                        "labels": labels,
                        "size": self.data.size,
                    },
                    "critic": {
                        "labels": labels,
                        "patch_labels": labels_known,
                        "code_size": self.generator.code_size,
                        "channels": self.generator.channels,
                        "size": self.data.size,
                    },
                },
            )
        )


def override(recipe: Recipe, changes: dict[str, Any]) -> Recipe:
    """A new recipe with nested ``changes`` applied and everything checked again.

    Raises:
        UsageError: an unknown setting (with the nearest known one) or an impossible value.
    """
    return _validated(merged(recipe.model_dump(mode="python"), changes))


def set_option(changes: dict[str, Any], assignment: str) -> None:
    """Add one ``a.b=c`` of the command line to ``changes``; the value is read as YAML.

    Raises:
        UsageError: no equals sign.
    """
    path, equals, value = assignment.partition("=")
    if not equals or not path.strip():
        raise UsageError(f"--set {assignment}: write it as name.of.setting=value, e.g. --set data.size=128")
    *folders, last = path.strip().split(".") if ":" not in path else _split_before_function(path.strip())
    for folder in folders:
        inner = changes.setdefault(folder, {})
        if not isinstance(inner, dict) or is_schedule(inner):
            inner = changes[folder] = {"weight": inner}  # a term's weight came first, now comes one of its options
        changes = inner
    if isinstance(changes.get(last), dict) and not is_schedule(changes[last]):
        changes, last = changes[last], "weight"  # the other way round
    try:
        changes[last] = read_yaml(value)
    except yaml.YAMLError as error:
        raise UsageError(f"--set {assignment}: the value is no YAML; quote it, and close its brackets") from error


def read_recipe(path: Path) -> Recipe:
    """Read ``recipe.yaml``.

    Raises:
        UsageError: no such file, no YAML, unknown settings.
    """
    try:
        fields = read_yaml(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(str(explain_os_error(error, "read the recipe", path))) from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{path} is no text; a recipe.yaml is wanted, as a run has it") from error
    except yaml.YAMLError as error:
        raise UsageError(f"cannot read the recipe {path}: {str(error).splitlines()[0]}") from error
    if not isinstance(fields, dict):
        raise UsageError(f"{path} is no recipe: settings as 'name: value' are expected")
    try:
        return _validated(fields)
    except UsageError as error:
        raise UsageError(f"{path}: {error}") from error


def write_recipe(recipe: Recipe) -> str:
    """The recipe as YAML, every setting spelt out."""
    return yaml.safe_dump(recipe.model_dump(mode="json"), sort_keys=False)


def _split_before_function(path: str) -> list[str]:
    # objective.generator.my.module:function keeps its own dots
    head, _, function = path.partition(":")
    parts = head.split(".")
    after = ".".join(parts[2:])
    name, dot, option = function.partition(".")
    return [*parts[:2], f"{after}:{name}", *([option] if dot else [])]


def merged(old: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """Nested settings with ``changes`` laid over them."""
    both = dict(old)
    for name, value in changes.items():
        known = both.get(name)
        if isinstance(known, dict) and isinstance(value, dict) and not is_schedule(known) and not is_schedule(value):
            both[name] = merged(known, value)
        elif isinstance(known, dict) and "weight" in known and (not isinstance(value, dict) or is_schedule(value)):
            both[name] = {**known, "weight": value}  # objective.generator.cycle=5 keeps the term's options
        else:
            both[name] = value
    return both


def _validated(fields: dict[str, Any]) -> Recipe:
    try:
        return Recipe.model_validate(fields)
    except ValidationError as error:
        raise UsageError(_first_problem(error)) from error


def _first_problem(error: ValidationError) -> str:
    first = error.errors()[0]
    where = [str(part) for part in first["loc"]]
    if first["type"] != "extra_forbidden":
        message = first["msg"].removeprefix("Value error, ")
        return f"setting {'.'.join(where)}: {message}" if where else f"recipe: {message}"
    known = _settings_at(where[:-1])
    return (
        f"unknown setting {'.'.join(where)}.{did_you_mean(where[-1], known)} "
        f"Known {'in ' + '.'.join(where[:-1]) if where[:-1] else 'at the top'}: {', '.join(known)}"
    )


def _settings_at(path: list[str]) -> list[str]:
    model: Any = Recipe
    for part in path:
        if part.isdecimal():  # a place in a list, whose kind of member was found already
            continue
        model = model.model_fields[part].annotation
        model = next((kind for kind in get_args(model) if kind is not NoneType), model)  # a part that may be left out
    return list(model.model_fields)
