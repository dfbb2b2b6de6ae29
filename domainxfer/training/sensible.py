"""Losses and networks that cannot work together, each refused with the reason before a run begins."""

from collections.abc import Iterator

from domainxfer.errors import UsageError
from domainxfer.recipe import Recipe

PENALTIES = ("r1", "r2", "dragan", "gradient_penalty")
OF_A_PROBABILITY = ("minimax", "nonsaturating", "lsgan")


def refuse_senseless(recipe: Recipe) -> None:
    """Check what the losses of a recipe ask of each other and of the critic.

    Raises:
        UsageError: the first thing that cannot work, with the reason and what to do.
    """
    for problem in _problems(recipe):
        raise UsageError(problem)


def _problems(recipe: Recipe) -> Iterator[str]:
    of_critic = {name for name, term in recipe.objective.critic.items() if term.weight}
    of_generator = {name for name, term in recipe.objective.generator.items() if term.weight}
    penalties = [name for name in PENALTIES if name in of_critic]
    if penalties and any(layer.norm == "batch" for layer in recipe.critic.layers):
        yield (
            f"objective.critic.{penalties[0]}: a gradient penalty is a picture's own, but BatchNorm makes each "
            "score depend on the other pictures; use norm: instance or none in critic.layers"
        )
    if ("ebgan" in of_critic) != recipe.critic.energy:
        yield (
            "objective.critic.ebgan and critic.energy belong together: the loss is one of energies, and those of an "
            "auto-encoder have no other meaning"
        )
    if "ebgan" in of_critic and "ebgan" not in of_generator:
        yield "objective.generator: beside the energies of ebgan only objective.generator.ebgan has a meaning"
    if "ebgan" in of_generator and "ebgan" not in of_critic:
        yield "objective.generator.ebgan lowers an energy: it needs objective.critic.ebgan and critic.energy"
    if "code_diversity" in of_generator and not recipe.generator.code_size:
        yield "objective.generator.code_diversity: there is no code; set generator.code_size=1, or leave it out"
    if "wasserstein" in of_critic:
        bounded = recipe.optimizer.clip_weights is not None or recipe.critic.norm == "spectral" or penalties
        if not bounded:
            yield (
                "objective.critic.wasserstein: nothing bounds the critic's slope, so its scores would grow without "
                "end; add objective.critic.gradient_penalty=1, or optimizer.clip_weights=0.01"
            )
        for name in OF_A_PROBABILITY:
            if name in of_generator:
                yield (
                    f"objective.generator.{name} reads scores as a classifier's; those of a Wasserstein critic have no "
                    "zero: use objective.generator.wasserstein"
                )
