"""Does the critic know its training pictures by heart? Then it scores those that it never saw like generated ones.

Of a domain, with D the mean patch score:

    (E D(training) - E D(held out)) / (E D(training) - E D(generated))

is 0 where the critic makes no difference between real pictures, and 1 where held-out ones are to it as generated ones
are (Karras et al. 2020, "Training generative adversarial networks with limited data", section 3: r_v). What it teaches
then is to be like single pictures, and a generator that was good becomes worse.
"""

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

    Args:
        model: that translates, with its critic.
        held_out: pictures that the critic was not trained on, and the data they are of.
    """
    if model.critic is None or not held_out.enough:
        return {}
    data, shares = held_out.data, {}
    for label, domain in enumerate(data.domains):
        sources = [x for other, x in enumerate(held_out.pictures) if other != label]
        # As many of each other domain as make `JUDGED` in all, at least one.
        generated = torch.cat([translated(model, x[: -(-JUDGED // len(sources))], label) for x in sources])
        some = permutation(len(data.train[label]), held_out.seed, "by heart")[:JUDGED].tolist()
        seen = held_out_tensor(data.train[label], held_out.size, some)
        training, unseen, fake = (
            _mean_score(model, x, label) for x in (seen, held_out.pictures[label][:JUDGED], generated)
        )
        shares[domain] = (training - unseen) / (training - fake) if training > fake else 0.0
    return shares


def _mean_score(model: NetworkModel, x: Tensor, label: int) -> float:
    return float(torch.cat([model.score(part, torch.full((len(part),), label)) for part in x.split(32)]).mean())
