"""Label heads that compete: the one whose looks agree most, over all labels, becomes the label head.

Heads that begin differently end differently. Some put two classes into one label and leave another unused, and rarely
find the way out. Their information tells them from those that have not, without any truth: on MNIST the heads of one
trunk were ranked by it as they were by their accuracy (docs/results.md).
"""

from collections.abc import Iterable

import torch
from torch import nn

from domainxfer.datasets.batches import Batch
from domainxfer.losses.info import information
from domainxfer.models.critic import Critic
from domainxfer.models.layered import LayeredCritic
from domainxfer.training.passes import Pass
from domainxfer.training.step import Stepper

BATCHES = 16
"""Training batches by which heads are compared."""


def choose_label_head(stepper: Stepper, batches: Iterable[Batch]) -> list[float]:
    """Let the label head trade places with the head, of as many labels, that has found the most information.

    Weights and the optimizer's memory of them are exchanged, so that training goes on as if the better head had always
    been the label head.

    Args:
        stepper: with a critic that has such extra heads.
        batches: this process's shares of the batches to compare them by.

    Returns:
        Information of each competing head in nats, weighed as in training; that of the former label head first.
    """
    critic = stepper.critic
    if not isinstance(critic, Critic | LayeredCritic):
        raise TypeError("heads are those of one critic")
    sizes = (critic.config.labels, *critic.config.extra_heads)
    peers = [place for place, labels in enumerate(sizes) if labels == sizes[0]]
    found = _information_of(stepper, batches, peers)
    best = peers[max(range(len(peers)), key=found.__getitem__)]
    if best:
        assert critic.label_head is not None
        _exchange(critic.label_head, critic.extra_heads[best - 1], stepper.optimizers.values())
    return found


@torch.no_grad()
def _information_of(stepper: Stepper, batches: Iterable[Batch], heads: list[int]) -> list[float]:
    logits: list[tuple[list[torch.Tensor], list[torch.Tensor]]] = [([], []) for _ in heads]
    for batch in batches:
        p = Pass(
            stepper.generator,
            stepper.critic,
            batch,
            stepper.recipe,
            stepper.processes,
            bf16=stepper.bf16,
            same=False,
        )
        for which, view in enumerate(p.looks):
            for kept, head in zip(logits, heads, strict=True):
                kept[which].append(stepper.processes.gather(view.all_label_logits[head]))
    weighed = stepper.recipe.objective.critic["paired_information"].options
    return [float(information(torch.cat(first), torch.cat(second), **weighed)) for first, second in logits]


@torch.no_grad()
def _exchange(one: nn.Module, other: nn.Module, optimizers: Iterable[torch.optim.Optimizer]) -> None:
    optimizers = list(optimizers)
    for a, b in zip(one.parameters(), other.parameters(), strict=True):
        kept = a.clone()
        a.copy_(b)
        b.copy_(kept)
        for optimizer in optimizers:
            states = optimizer.state
            if a in states and b in states:
                states[a], states[b] = states[b], states[a]
