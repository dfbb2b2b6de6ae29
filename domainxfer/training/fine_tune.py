"""Fine-tuning: a new run's networks begin with a model's weights, and what belongs to a label follows the label's name.

Rows of five kinds belong to labels: the generator's embedding, the critic's patch maps, its scores of style and of the
whole, and its label logits. Networks of layers have rows of scores and logits, and columns by which the generator reads
the label. The row of a domain that the model knows is taken over wherever that domain now stands; a new domain begins
with the mean of the known ones and its own fresh row added, so that no two new domains look the same.
"""

import re
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from domainxfer.errors import DomainxferError
from domainxfer.models.layered import LayeredGenerator

FIRST_CRITIC = "critics.0."  # a single critic is what the first of several is
ROWS_OF_LABELS = re.compile(
    r"(critics\.\d+\.)?(condition\.of_label|patch_heads\.\d+\.score|style_head|whole_head|label_head|score)\."
)

Places = tuple[int, int]
"""The axis along which a tensor has something for each label, and where on it the labels begin."""


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
        before = known.get(key.removeprefix(FIRST_CRITIC))
        fitting = (
            None if before is None else _fitting(value, before, _places_of_labels(network, key), domains, old_domains)
        )
        if fitting is None:
            fresh.append(key)
        else:
            filled[key] = fitting
    if len(fresh) == len(filled):
        raise DomainxferError(f"--init-from: that model's {name} has another architecture altogether")
    network.load_state_dict(filled)
    return fresh


def _places_of_labels(network: nn.Module, key: str) -> Places | None:
    """Where one of a network's tensors has something for each label."""
    if isinstance(network, LayeredGenerator):
        return network.label_inputs.get(key)
    return (0, 0) if ROWS_OF_LABELS.match(key) and not key.endswith("._v") else None  # of inputs: spectral norm's


def _fitting(
    new: Tensor, old: Tensor, labels_at: Places | None, domains: Sequence[str], old_domains: Sequence[str]
) -> Tensor | None:
    if labels_at is None or not domains:
        return old if old.shape == new.shape else None
    axis, first = labels_at
    new, old = new.movedim(axis, 0), old.movedim(axis, 0)
    rest, old_rest = len(new) - len(domains), len(old) - len(old_domains)
    if rest != old_rest or new.shape[1:] != old.shape[1:]:
        return None
    fresh, trained = new[first : first + len(domains)], old[first : first + len(old_domains)]
    rows = dict(zip(old_domains, trained, strict=True))
    neutral = trained.mean(0) if len(trained) else torch.zeros_like(fresh[0])
    of_labels = [rows.get(domain, neutral + fresh[label]) for label, domain in enumerate(domains)]
    together = torch.cat([old[:first], torch.stack(of_labels), old[first + len(old_domains) :]])
    return together.movedim(0, axis)
