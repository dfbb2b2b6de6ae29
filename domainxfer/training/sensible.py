"""Losses and networks that cannot work together, each refused with the reason before a run begins."""

from collections.abc import Iterator

from domainxfer.errors import UsageError
from domainxfer.recipe import Recipe

PENALTIES = ("r1", "r2", "dragan", "gradient_penalty")
OF_AN_ENCODER = ("reconstruction", "kl_to_normal")
OF_A_PROBABILITY = ("minimax", "nonsaturating", "lsgan")


def refuse_senseless(recipe: Recipe) -> None:
    """Check what the losses of a recipe ask of each other and of the critic.

    Raises:
        UsageError: the first thing that cannot work, with the reason and what to do.
    """
    for problem in (*_problems(recipe), *_problems_of_an_encoder(recipe)):
        raise UsageError(problem)


def never_begins(recipe: Recipe) -> list[str]:
    """A line for each part of the training that is scheduled for steps which the recipe does not have."""
    steps, late = recipe.training.steps, []
    for phase in ("critic", "generator", "info"):
        for name, term in getattr(recipe.objective, phase).items():
            if not isinstance(term.weight, dict):
                continue
            silent = [step for step in term.weight if not term.weight_at(step)]
            heard = (term.weight_at(step) for step in (*term.weight, steps - 1) if step < steps)
            if any(term.weight.values()) and not any(heard):
                late.append((f"objective.{phase}.{name}", max(silent, default=0)))
    anew = recipe.objective.labels_from_neighbours
    if anew is not None and anew.at >= steps:
        late.append(("objective.labels_from_neighbours", anew.at))
    return [f"{what} begins after step {step}, and there are {steps} steps: it never counts" for what, step in late]


def _problems(recipe: Recipe) -> Iterator[str]:
    of_critic = {name for name, term in recipe.objective.critic.items() if term.weight}
    of_generator = {name for name, term in recipe.objective.generator.items() if term.weight}
    penalties = [name for name in PENALTIES if name in of_critic]
    if penalties and any(layer.norm == "batch" for layer in recipe.critic.layers):
        yield (
            f"objective.critic.{penalties[0]}: a gradient penalty is a picture's own, but BatchNorm makes each "
            "score depend on the other pictures; use norm: instance or none in critic.layers"
        )
    if recipe.objective.labels_from_neighbours is not None:
        if "paired_information" not in of_critic:
            yield (
                "objective.labels_from_neighbours reads labels from features that looks have taught; "
                "objective.critic.paired_information is off"
            )
        if "label_known" not in of_critic:
            yield "objective.labels_from_neighbours: objective.critic.label_known teaches what was found, which is off"
        if recipe.critic.count > 1:
            yield "objective.labels_from_neighbours: several critics have a label head each; take critic.count 1"
        if recipe.critic.layers and not recipe.critic.energy and recipe.critic.layers[-1].kind != "linear":
            yield "objective.labels_from_neighbours: the last of critic.layers must be linear, as labels are read by it"
        if not recipe.critic.labels or recipe.critic.patch_labels:
            yield "objective.labels_from_neighbours: there are no labels to find; it is for domainxfer discover"
    if ("ebgan" in of_critic) != recipe.critic.energy:
        yield (
            "objective.critic.ebgan and critic.energy belong together: the loss is one of energies, and those of an "
            "auto-encoder have no other meaning"
        )
    if "ebgan" in of_critic and "ebgan" not in of_generator:
        yield "objective.generator: beside the energies of ebgan only objective.generator.ebgan has a meaning"
    if "ebgan" in of_generator and "ebgan" not in of_critic:
        yield "objective.generator.ebgan lowers an energy: it needs objective.critic.ebgan and critic.energy"
    labels, part = recipe.critic.labels if recipe.critic.patch_labels else 0, recipe.objective.critic_batch
    if part is not None and part != recipe.data.batch and 0 < labels <= recipe.data.batch and part % labels:
        yield (
            f"objective.critic_batch: {part} pictures cannot be shared evenly by {labels} labels; take a multiple of "
            f"{labels}"
        )
    if recipe.mode == "translate" and recipe.objective.reuse > 1 and labels and recipe.data.batch % labels:
        yield (
            f"objective.reuse: sources that meet several batches need the same labels in each, so data.batch must be a "
            f"multiple of {labels}, the number of domains"
        )
    if recipe.mode == "translate" and recipe.generator.heads > 1 and not recipe.generator.code_size:
        yield (
            "generator.heads: a picture of several heads has as many translations, and only the code can say which is "
            "meant: set generator.code_size to 1 or more"
        )
    if "code_diversity" in of_generator and not recipe.generator.code_size:
        yield "objective.generator.code_diversity: there is no code; set generator.code_size=1, or leave it out"
    if "wasserstein" in of_critic:
        spectral = recipe.critic.norm == "spectral" and not recipe.critic.layers  # layers have norms of their own
        bounded = recipe.optimizer.clip_weights is not None or spectral or penalties
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


def _problems_of_an_encoder(recipe: Recipe) -> Iterator[str]:
    of_generator = {name for name, term in recipe.objective.generator.items() if term.weight}
    code = recipe.objective.info.get("code")
    if not recipe.generator.encoder:
        for name in OF_AN_ENCODER:
            if name in of_generator:
                yield (
                    f"objective.generator.{name}: there is no latent to rebuild a picture from; write down a "
                    "generator.encoder, or take --preset vae-28 or vae-64"
                )
        return
    if "kl_to_normal" not in of_generator:
        yield (
            "generator.encoder: nothing keeps its latent near the noise that new pictures are made of; add "
            "objective.generator.kl_to_normal=1"
        )
    if not any(name == "reconstruction" or ":" in name for name in of_generator):
        yield (
            "generator.encoder: nothing is rebuilt from its latent, which would say nothing of the picture; add "
            "objective.generator.reconstruction=1"
        )
    if recipe.generator.labels and not recipe.critic.patch_labels:
        yield (
            "generator.encoder: to rebuild a picture the generator is told its label, and labels to be discovered are "
            "not known; use --labels known or none"
        )
    if recipe.generator.code_size and not (code and code.weight):
        yield (
            "generator.code_size: to rebuild a picture the generator is told the critic's estimate of its code, which "
            "nothing teaches; add objective.info.code=0.1, or set generator.code_size=0"
        )
