"""Terms of the objective: pure functions by name. A function's parameters name what it needs of the pass.

Terms that score patches (`real_patches`, `fake_patches`) are evaluated at each field of view and averaged. Those that
compare the scores of one picture with each other skip a view of a single score.
A term of your own is named ``module:function`` in the recipe, and asks for what it needs in the same way. Recipes are
passed around like pictures, so none may name what is no loss: a function of Python itself, or one that asks for nothing
that a pass has.
"""

import importlib
import inspect
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, get_args, get_origin

from pydantic import ConfigDict, PydanticUserError, TypeAdapter, ValidationError
from torch import Tensor

from domainxfer.errors import UsageError, did_you_mean
from domainxfer.losses import adversarial, cycle, energy, info, penalties, simgan, vae
from domainxfer.objective import Objective, TermSettings
from domainxfer.recipe import Recipe

Phase = Literal["critic", "generator", "info"]

TERMS: dict[Phase, dict[str, Callable[..., Tensor]]] = {
    "critic": {
        "lsgan": adversarial.lsgan_critic,
        "hinge": adversarial.hinge_critic,
        "nonsaturating": adversarial.nonsaturating_critic,
        "wasserstein": adversarial.wasserstein_critic,
        "relativistic_average": adversarial.relativistic_average_critic,
        "r3gan": adversarial.r3gan_critic,
        "softmax": adversarial.softmax_critic,
        "ebgan": energy.ebgan_critic,
        "simgan": simgan.simgan_critic,
        "label_real": info.label_real,
        "label_known": info.label_known,
        "label_as_is": info.label_as_is,
        "paired_information": info.paired_information,
        "r1": penalties.r1,
        "r2": penalties.r2,
        "dragan": penalties.dragan,
        "gradient_penalty": penalties.gradient_penalty,
    },
    "generator": {
        "lsgan": adversarial.lsgan_generator,
        "hinge": adversarial.hinge_generator,
        "nonsaturating": adversarial.nonsaturating_generator,
        "minimax": adversarial.minimax_generator,
        "wasserstein": adversarial.wasserstein_generator,
        "relativistic_average": adversarial.relativistic_average_generator,
        "r3gan": adversarial.r3gan_generator,
        "softmax": adversarial.softmax_generator,
        "ebgan": energy.ebgan_generator,
        "pulling_away": energy.pulling_away,
        "mode_seeking": energy.mode_seeking,
        "code_diversity": info.code_diversity,
        "simgan": simgan.simgan_generator,
        "cycle": cycle.cycle,
        "identity": cycle.identity,
        "reconstruction": vae.reconstruction,
        "kl_to_normal": vae.kl_to_normal,
    },
    "info": {"label_fake": info.label_fake, "code": info.code_l1},
}

PATCHES = frozenset({"real_patches", "fake_patches"})
OF_REALS = frozenset({"real_patches", "real_label_logits", "real_code"})
OF_A_VIEW = PATCHES | OF_REALS | {"fake_label_logits", "fake_code"}
OF_LOOKS = frozenset({"first_look_logits", "second_look_logits"})
OF_THE_BATCH = frozenset({"x_real", "y_real", "y_known", "x_source", "y_source", "y_target", "code", "noise"})
OF_THE_GENERATOR = frozenset({"x_fake", "x_other", "x_same", "x_cycle", "fake_encodings"})
OF_THE_ENCODER = frozenset({"x_rebuilt", "latent_mean", "latent_log_variance"})
OF_A_PENALTY = frozenset({"critic", "enter", "uniform_like_x", "uniform_a_picture"})
NEEDS = OF_A_VIEW | OF_LOOKS | OF_THE_BATCH | OF_THE_GENERATOR | OF_THE_ENCODER | OF_A_PENALTY
OF_THE_CRITIC = OF_A_VIEW | OF_LOOKS | {"critic", "enter", "fake_encodings"}

LAZY = {"r1", "r2"}  # only penalties that a large, rare step may replace many small ones of


@dataclass(frozen=True)
class Term:
    """One term of a phase, ready to be evaluated."""

    name: str
    function: Callable[..., Tensor]
    settings: TermSettings
    needs: frozenset[str] = field(default_factory=frozenset)

    @property
    def couples_batch(self) -> bool:
        """Whether pictures of the batch meet in it, so that processes must gather what they have."""
        return bool(getattr(self.function, "couples_batch", False))

    def weight_at(self, step: int) -> float:
        """Weight at a step; a lazy term counts every so many steps, at so many times its weight."""
        if step % self.settings.every:
            return 0.0
        return self.settings.weight_at(step) * self.settings.every

    def __call__(self, have: Mapping[str, Any]) -> Tensor:
        """Evaluate the term on what the pass has; 0-dimensional fp32."""
        # In one order everywhere: a set's order differs between processes, and gathering must not.
        arguments = {name: have[name] for name in sorted(self.needs)}
        scored = self.needs & PATCHES
        if not scored:
            return self._one_number(self.function(**arguments, **self.settings.options))
        views = arguments[next(iter(scored))]
        compares = getattr(self.function, "compares_patches", False)
        fields = [i for i, view in enumerate(views) if view.shape[1] > 1 or not compares] or range(len(views))
        total = sum(
            self._one_number(
                self.function(
                    **{name: value[i] if name in PATCHES else value for name, value in arguments.items()},
                    **self.settings.options,
                )
            )
            for i in fields
        )
        return total / len(fields)  # type: ignore[return-value]

    def _one_number(self, value: Any) -> Tensor:
        """What the function returned, if it is a loss; those of a user may return anything."""
        if isinstance(value, Tensor) and value.ndim == 0:
            return value
        what = f"a tensor {tuple(value.shape)}" if isinstance(value, Tensor) else f"{type(value).__name__}"
        raise UsageError(
            f"{self.name} returned {what}; a loss is one number, a 0-dimensional tensor: end it in .mean()"
        )


def build_terms(objective: Objective) -> dict[Phase, list[Term]]:
    """The terms of a recipe, checked, those of weight 0 left out.

    Raises:
        UsageError: an unknown term, an option that a term does not have or of another kind or range, a need that no
            pass fills, or a lazy term that must not be.
    """
    chosen: dict[Phase, dict[str, TermSettings]] = {
        "critic": objective.critic,
        "generator": objective.generator,
        "info": objective.info,
    }
    built = {phase: [_build(phase, *item) for item in terms.items()] for phase, terms in chosen.items()}
    return {phase: [term for term in terms if term.settings.weight] for phase, terms in built.items()}


def asks_critic(recipe: Recipe) -> bool:
    """Whether any term asks what only a critic knows, or a code has to be estimated; the critic of a VAE is asked none.

    Raises:
        UsageError: as `build_terms`.
    """
    needs = [term.needs for terms in build_terms(recipe.objective).values() for term in terms]
    return recipe.generator.code_size > 0 or any(OF_THE_CRITIC & asked for asked in needs)


def scores_reals_higher(recipe: Recipe) -> bool:
    """Whether any term teaches the critic to score reals above fakes; those of cosines only tell them apart.

    Raises:
        UsageError: as `build_terms`.
    """
    terms = build_terms(recipe.objective)["critic"]
    return any(term.needs >= PATCHES and not getattr(term.function, "compares_patches", False) for term in terms)


def fakes_teach_labels(recipe: Recipe) -> bool:
    """Whether the critic's label head learns from fakes, too.

    A young generator's "zebra" is still a horse: taught from it, the label head unlearns what the reals taught it (its
    loss on reals stays at chance). Where labels are unknown, fakes may be all there is to learn them from.
    """
    looks = any(term.name == "paired_information" for term in build_terms(recipe.objective)["critic"])
    found_without_fakes = recipe.critic.patch_labels or looks
    return not found_without_fakes or recipe.objective.label_head_learns == "reals and fakes"


def _build(phase: Phase, name: str, settings: TermSettings) -> Term:
    where = f"objective.{phase}.{name}"
    function = _imported(name, where) if ":" in name else _known(phase, name, where)
    parameters = _parameters(function, where)
    options = [p for p, spec in parameters.items() if p not in NEEDS]
    given = {}
    for option, value in settings.options.items():
        if option not in options:
            raise UsageError(
                f"{where} has no option {option!r}.{did_you_mean(option, options)} "
                f"It has {', '.join(['weight', 'every', *options])}"
            )
        given[option] = _checked(value, parameters[option].annotation, f"{where}.{option}")
    for option in options:
        if parameters[option].default is inspect.Parameter.empty and option not in settings.options:
            raise UsageError(
                f"{where} asks for {option!r}, which no pass has; a term may ask for {', '.join(sorted(NEEDS))}"
            )
    if settings.every > 1 and ":" not in name and name not in LAZY:
        raise UsageError(f"{where}.every: only {' and '.join(sorted(LAZY))} may be lazy")
    return Term(name, function, settings.model_copy(update=given), frozenset(parameters) & NEEDS)


def _checked(value: Any, annotation: Any, where: str) -> Any:
    """An option as its function's annotation wants it; a function of the user's may do without one."""
    if annotation is inspect.Parameter.empty or isinstance(annotation, str):
        return value
    choices = list(get_args(annotation)) if get_origin(annotation) is Literal else []
    if choices and value not in choices:
        raise UsageError(f"{where}: {value!r} is none of {', '.join(choices)}.{did_you_mean(str(value), choices)}")
    try:
        kind = TypeAdapter[Any](annotation, config=ConfigDict(allow_inf_nan=False))
    except PydanticUserError:
        return value  # a kind of the user's own, who checks it
    try:
        return kind.validate_python(value)
    except ValidationError as error:
        raise UsageError(f"{where}: {value!r}: {error.errors()[0]['msg']}") from error


def _known(phase: Phase, name: str, where: str) -> Callable[..., Tensor]:
    known = TERMS[phase]
    if name not in known:
        raise UsageError(
            f"unknown term {where}.{did_you_mean(name, list(known))} Known: {', '.join(known)}, or module:function"
        )
    return known[name]


def _imported(name: str, where: str) -> Callable[..., Tensor]:
    module, _, function = name.partition(":")
    if module.partition(".")[0] in sys.stdlib_module_names:
        raise UsageError(f"{where}: {module} is a module of Python itself, which has no losses; call yours otherwise")
    try:
        found = getattr(importlib.import_module(module), function)
    except (ImportError, AttributeError, SyntaxError, ValueError) as error:
        raise UsageError(f"{where}: cannot import it ({error}); is its folder on PYTHONPATH?") from error
    if not callable(found):
        raise UsageError(f"{where}: {name} is not a function")
    if not NEEDS & _parameters(found, where).keys():
        raise UsageError(
            f"{where}: {name} asks for nothing that a pass has, so it is no loss; a term may ask for "
            f"{', '.join(sorted(NEEDS))}"
        )
    return found  # type: ignore[no-any-return]


def _parameters(function: Callable[..., Any], where: str) -> Mapping[str, inspect.Parameter]:
    try:
        return inspect.signature(function).parameters
    except (TypeError, ValueError) as error:  # of some that are written in C nothing is known
        raise UsageError(f"{where}: nothing says what it asks for ({error})") from error
