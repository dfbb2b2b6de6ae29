"""Does the critic know its training pictures by heart? Then it scores those that it never saw like generated ones.

Of a domain, with D the mean patch score:

    (E D(training) - E D(held out)) / (E D(training) - E D(generated))

is 0 where the critic makes no difference between real pictures, and 1 where held-out ones are to it as generated ones
are (Karras et al. 2020, "Training generative adversarial networks with limited data", section 3: r_v). What it teaches
then is to be like single pictures, and a generator that was good becomes worse.
"""

from collections.abc import Sized

import numpy as np
import torch
from torch import Tensor

from domainxfer.datasets.pixels import held_out_tensor
from domainxfer.draws import permutation
from domainxfer.models.model import NetworkModel
from domainxfer.training.held_out import HeldOut, translated

JUDGED = 64
"""Pictures of each kind that the critic is asked about, in each domain."""


def known_by_heart(model: NetworkModel, held_out: HeldOut) -> dict[str, float]:
    """The share above for each domain; none where too few pictures are held out, or of a model without critic.

    It says something of critics that score real pictures higher than generated ones (`terms.scores_reals_higher`).

    Args:
        model: that translates, with its critic.
        held_out: pictures that the critic was not trained on, and the data they are of.
    """
    if model.critic is None or not held_out.enough:
        return {}
    data, shares = held_out.data, {}
    for label, domain in enumerate(data.domains):
        sources = [x for other, x in enumerate(held_out.pictures) if other != label]
        each = -(-JUDGED // len(sources))  # of each other domain, so that they are `JUDGED` in all
        generated = torch.cat([translated(model, x[_some(x, held_out.seed, each)], label) for x in sources])
        some = _some(data.train[label], held_out.seed).tolist()
        seen = held_out_tensor(data.train[label], held_out.size, some, fill=True)
        unseen = held_out.pictures[label]
        unseen = unseen[_some(unseen, held_out.seed)]
        training, strange, fake = (_mean_score(model, x, label) for x in (seen, unseen, generated))
        shares[domain] = (training - strange) / (training - fake) if training > fake else 0.0
    return shares


def _some(pictures: Sized, seed: int, most: int = JUDGED) -> np.ndarray:
    """Places of pictures drawn by lot on every side alike: those of neighbouring names are often of one scene."""
    return permutation(len(pictures), seed, "by heart")[:most]


def _mean_score(model: NetworkModel, x: Tensor, label: int) -> float:
    return float(torch.cat([model.score(part, torch.full((len(part),), label)) for part in x.split(32)]).mean())
