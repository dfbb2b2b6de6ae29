"""The model card: what a saved model is, on what it was trained, and how to use it."""

import re
import shlex

from domainxfer import __version__
from domainxfer.datasets.domain_data import DomainData
from domainxfer.recipe import Recipe
from domainxfer.training.terms import asks_critic


def model_card(recipe: Recipe, data: DomainData, step: int) -> str:
    """README.md of a model folder, Markdown."""
    names = [_plain(name) for name in data.domains]
    counts = ", ".join(
        f"{name} {len(pictures)}" for name, pictures in zip(names or ("pictures",), data.train, strict=False)
    )
    domains = f"{len(names)} domains ({', '.join(names)})" if names else "unlabelled pictures"
    use = (
        f"domainxfer translate PICTURE --to {shlex.quote(data.domains[-1])} --model FOLDER"
        if recipe.mode == "translate"
        else "domainxfer generate FOLDER    # in Python: domainxfer.load(FOLDER).generate(16)"
    )
    labels = "labels pictures and " if recipe.generator.labels else ""
    critic = f"; `critic.safetensors` {labels}lets others\n  go on training" if asks_critic(recipe) else ""
    begun = f"\n- begun with: {_plain(recipe.source.init_from)}" if recipe.source.init_from else ""
    return f"""# {_plain(recipe.card or data.name)}

A domainxfer {__version__} model: one generator for {domains}.

- training pictures: {counts}; {recipe.data.size} px, batches of {recipe.data.batch}, {step} steps,
  seed {recipe.training.seed}{begun}
- weights: moving average of the generator (`model.safetensors`){critic}
- figures: `figures.csv` of the run
- the licence of the training data holds for what the model makes of it

    {use}
"""


def _plain(name: str) -> str:
    """A name in Markdown that is shown as it is, on one line."""
    return re.sub(r"([\\`*_{}\[\]<>#|!&~])", r"\\\1", " ".join(name.split()))
