"""Does the critic know its training pictures by heart? Then it scores those that it never saw like generated ones.

Of a domain, with D the mean patch score:

    (E D(training) - E D(held out)) / (E D(training) - E D(generated))

is 0 where the critic makes no difference between real pictures, and 1 where held-out ones are to it as generated ones
are (Karras et al. 2020, "Training generative adversarial networks with limited data", section 3: r_v). What it teaches
then is to be like single pictures, and a generator that was good becomes worse.
"""

import torch
from torch import Tensor

from domainxfer.datasets.domain_data import DomainData, Pictures
from domainxfer.datasets.pixels import held_out_tensor
from domainxfer.draws import permutation
from domainxfer.models.model import NetworkModel
from domainxfer.training.held_out import LEAST, translated

JUDGED = 64
"""Pictures of each kind that the critic is asked about, in each domain."""


def known_by_heart(model: NetworkModel, data: DomainData, size: int, seed: int) -> dict[str, float]:
    """The share above for each domain; none of domains with too few held-out pictures, or of a model without critic.

    Args:
        model: that translates, with its critic.
        data: training and validation pictures.
        size: side of the pictures, px.
        seed: which pictures, where there are more than `JUDGED`.
    """
    if model.critic is None or min(map(len, data.validation)) < LEAST:
        return {}
    held_out = [_some(pictures, size, seed) for pictures in data.validation]
    shares = {}
    for label, domain in enumerate(data.domains):
        sources = [x for other, x in enumerate(held_out) if other != label]
        # As many of each other domain as make `JUDGED` in all, at least one.
        generated = torch.cat([translated(model, x[: -(-JUDGED // len(sources))], label) for x in sources])
        training = _mean_score(model, _some(data.train[label], size, seed), label)
        unseen, fake = (_mean_score(model, x, label) for x in (held_out[label], generated))
        shares[domain] = (training - unseen) / (training - fake) if training > fake else 0.0
    return shares


def _some(pictures: Pictures, size: int, seed: int) -> Tensor:
    return held_out_tensor(pictures, size, permutation(len(pictures), seed, "by heart")[:JUDGED].tolist())


def _mean_score(model: NetworkModel, x: Tensor, label: int) -> float:
    return float(torch.cat([model.score(part, torch.full((len(part),), label)) for part in x.split(32)]).mean())
