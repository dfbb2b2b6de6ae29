"""Fine-tuning: a new run's networks begin with a model's weights, and what belongs to a label follows the label's name.

Rows of five kinds belong to labels: the generator's embedding, the critic's patch maps, its scores of style and of the
whole, and its label logits. The row of a domain that the model knows is taken over wherever that domain now stands; a
new domain begins with the mean of the known ones and its own fresh row added, so that no two new domains look the same.
"""

import re
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from domainxfer.errors import DomainxferError

FIRST_CRITIC = "critics.0."  # a single critic is what the first of several is
ROWS_OF_LABELS = re.compile(
    r"(critics\.\d+\.)?(condition\.of_label|patch_heads\.\d+\.score|style_head|whole_head|label_head)\."
)


def take_over(
    network: nn.Module, old: nn.Module, domains: Sequence[str], old_domains: Sequence[str], name: str
) -> list[str]:
    """Fill a network with another's weights, wherever they fit.

    Args:
        network: of the new run; changed in place.
        old: the trained one.
        domains: of the new run, in the order of its labels; empty where labels are unknown.
        old_domains: of the model.
        name: "generator" or "critic", for the error.

    Returns:
        Names of the parameters that did not fit and keep their fresh values.

    Raises:
        DomainxferError: nothing fits.
    """
    known, fresh = {key.removeprefix(FIRST_CRITIC): value for key, value in old.state_dict().items()}, []
    filled = dict(network.state_dict())
    for key, value in network.state_dict().items():
        fitting = _fitting(key, value, known.get(key.removeprefix(FIRST_CRITIC)), domains, old_domains)
        if fitting is None:
            fresh.append(key)
        else:
            filled[key] = fitting
    if len(fresh) == len(filled):
        raise DomainxferError(f"--init-from: that model's {name} has another architecture altogether")
    network.load_state_dict(filled)
    return fresh


def _fitting(
    key: str, new: Tensor, old: Tensor | None, domains: Sequence[str], old_domains: Sequence[str]
) -> Tensor | None:
    if old is None:
        return None
    by_label = ROWS_OF_LABELS.match(key) and len(new) == len(domains) and len(old) == len(old_domains)
    if not by_label:
        return old if old.shape == new.shape else None
    if old.shape[1:] != new.shape[1:]:
        return None
    rows = {domain: old[label] for label, domain in enumerate(old_domains)}
    neutral = old.mean(0)
    return torch.stack([rows.get(domain, neutral + new[label]) for label, domain in enumerate(domains)])
