"""Labels read anew: looks have taught the critic to tell classes apart, and neighbours say what belongs together.

A label head that learns together with the trunk settles early. It may put two classes into one label, or leave a few
odd members of a class with another that they resemble under some look, and what is settled is hardly ever undone. So
heads begin anew on features that stand still, and learn that a picture, as it is, and one of its nearest neighbours
share a label. The features come from looks; the neighbours are those of the pixels, which err in other ways: digits
that the features could not place have neighbours of their own class ten times as often as of the other
(docs/results.md). Learning from neighbours is from SCAN (Van Gansbeke et al. 2020), which takes those of its features.

Heads that begin differently end differently, and their information tells the good from the bad. No truth takes part.
From then on a picture is taught its label, if the best head is sure of it: in looks by `label_known`, as it is by
`label_as_is`. Looks alone drift away from what was found.
"""

import math
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from domainxfer.datasets.batches import LoadedPictures
from domainxfer.datasets.pixels import centre_crop, resized, to_tensor
from domainxfer.draws import draw
from domainxfer.losses.info import nats_of_joint
from domainxfer.models.blocks import forgetting
from domainxfer.models.critic import Critic
from domainxfer.models.layered import LayeredCritic
from domainxfer.objective import NeighbourLabels
from domainxfer.training.step import Stepper

CHUNK = 1000
"""Pictures that are worked on at once."""
THUMBNAIL = 32
"""Longest side, px, at which pixels are compared: beyond it detail would drown what is alike."""


class Reading(NamedTuple):
    """What heads that learned from neighbours have found."""

    nats: list[float]
    """Information of each, less its cross-entropy on known labels."""
    labels: Tensor
    """(N,) int64: of each picture the label that the best head is sure of, or -1; known ones as they are."""


def read_labels_anew(stepper: Stepper, pictures: LoadedPictures, known: Mapping[int, int]) -> Reading:
    """Replace the critic's label head by the best of several that learn from neighbours.

    What the optimizers remember of the head is forgotten. The rest of the critic stays as it is.

    Args:
        stepper: whose critic has a label head that is one linear layer; recipe.objective.labels_from_neighbours is set.
        pictures: of the training, which have no labels.
        known: place among them -> label, of the few whose label is known; may be empty.
    """
    recipe, critic = stepper.recipe, stepper.critic
    settings = recipe.objective.labels_from_neighbours
    assert settings is not None
    if not isinstance(critic, Critic | LayeredCritic):
        raise TypeError("the label head is that of one critic")
    seed, device = recipe.training.seed, stepper.processes.device
    count = min(len(pictures), settings.most)
    places = np.arange(count) * len(pictures) // count
    features, thumbnails = _seen(critic, pictures, places, recipe.data.size, recipe.generator.channels, device)
    mean, deviation = features.mean(0), features.std(0) + 1e-3
    features.sub_(mean).div_(deviation)
    read = torch.full((len(pictures),), -1, device=device)
    if known:
        read[list(known)] = torch.tensor(list(known.values()), device=device)
    rows = torch.from_numpy(places).to(device)
    labels = read[rows]
    heads = _Heads(recipe.critic.labels, features, settings, seed)
    found = heads.learn(nearest_neighbours(thumbnails, min(settings.nearest, count - 1)), labels)
    best = max(range(len(found)), key=found.__getitem__)
    weight, bias = heads.of(best)
    linear = linear_of(critic)
    with torch.no_grad():
        linear.weight.copy_(weight / deviation)
        linear.bias.copy_(bias - (weight / deviation) @ mean)
    for optimizer in stepper.optimizers.values():
        for parameter in linear.parameters():
            optimizer.state.pop(parameter, None)
    stepper.processes.same_start(linear)
    read[rows] = torch.where(labels >= 0, labels, heads.sure_labels(best))
    return Reading(found, read)


def linear_of(critic: Critic | LayeredCritic) -> nn.Linear:
    """The linear layer by which a critic's labels are read from its features."""
    head = critic.label_head
    linear = head[-1] if isinstance(head, nn.Sequential) else head
    if not isinstance(linear, nn.Linear):
        raise TypeError("the label head is not one linear layer")
    return linear


def nearest_neighbours(pictures: Tensor, count: int) -> Tensor:
    """Of each picture those whose pixels point the same way the most (cosine of brightness in [0, 1]).

    Args:
        pictures: (N, C, H, W) in [-1, 1].
        count: k, less than N.

    Returns:
        (N, k) int64 places, nearest first; never the picture's own.
    """
    flat = F.normalize((pictures.flatten(1) + 1) / 2, dim=1)
    parts = []
    for start in range(0, len(flat), CHUNK):
        alike = flat[start : start + CHUNK] @ flat.T
        rows = torch.arange(len(alike), device=alike.device)
        alike[rows, start + rows] = -2.0
        parts.append(alike.topk(count, dim=1).indices)
    return torch.cat(parts)


class _Heads:
    """Linear maps to K labels, side by side in one matrix, which learn from the same pairs."""

    def __init__(self, labels: int, features: Tensor, settings: NeighbourLabels, seed: int) -> None:
        self.labels, self.features, self.settings, self.seed = labels, features, settings, seed
        inputs = features.shape[1]
        start = draw(seed, "label heads").uniform(-1, 1, (settings.heads * labels, inputs)) / math.sqrt(inputs)
        self.weight = torch.from_numpy(start.astype(np.float32)).to(features.device).requires_grad_()
        self.bias = torch.zeros(settings.heads * labels, device=features.device, requires_grad=True)

    def learn(self, neighbours: Tensor, known: Tensor) -> list[float]:
        """Train all; what each has found in the end (see `read_labels_anew`)."""
        settings, few = self.settings, (known >= 0).nonzero()[:, 0]
        optimizer = torch.optim.Adam([self.weight, self.bias], settings.learning_rate)
        for step in range(settings.steps):
            numbers = draw(self.seed, "neighbours", step)
            rows = torch.from_numpy(numbers.integers(len(known), size=settings.batch)).to(known.device)
            nth = torch.from_numpy(numbers.integers(neighbours.shape[1], size=settings.batch)).to(known.device)
            p, q = (self._labels_of(which).softmax(2) for which in (rows, neighbours[rows, nth]))
            loss = -nats_of_joint(torch.einsum("bhk,bhl->hkl", p, q) / len(rows), settings.balance).sum()
            if len(few):
                shown = few[torch.from_numpy(numbers.integers(len(few), size=settings.batch)).to(known.device)]
                loss = loss + self._error(shown, known).sum()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        with torch.no_grad():
            found = nats_of_joint(self._joint(neighbours), settings.balance)
            return (found - self._error(few, known) if len(few) else found).tolist()

    def of(self, head: int) -> tuple[Tensor, Tensor]:
        """Weight (K, F) and bias (K,) of one."""
        own = slice(head * self.labels, (head + 1) * self.labels)
        return self.weight.detach()[own], self.bias.detach()[own]

    def sure_labels(self, head: int) -> Tensor:
        """(N,) the label that one head gives each picture; -1 where it is not sure."""
        weight, bias = self.of(head)
        confidence, labels = F.linear(self.features, weight, bias).softmax(1).max(1)
        return torch.where(confidence >= self.settings.sure, labels, -1)

    def _labels_of(self, rows: Tensor | slice) -> Tensor:
        logits: Tensor = F.linear(self.features[rows], self.weight, self.bias)
        return logits.view(len(logits), -1, self.labels)

    def _error(self, rows: Tensor, known: Tensor) -> Tensor:
        """Cross-entropy of each head on pictures of known label, (heads,)."""
        logits = self._labels_of(rows)
        right = known[rows].view(-1, 1).expand(-1, logits.shape[1])
        error: Tensor = F.cross_entropy(logits.transpose(1, 2), right, reduction="none").mean(0)
        return error

    def _joint(self, neighbours: Tensor) -> Tensor:
        """Joint frequencies of the labels of a picture and of a neighbour over all pairs there are, (heads, K, K)."""
        count = len(neighbours)
        chunks = [slice(start, start + CHUNK) for start in range(0, count, CHUNK)]
        p = torch.cat([self._labels_of(rows).softmax(2) for rows in chunks])
        parts = [torch.einsum("bhk,bhl->hkl", p[rows], p[neighbours[rows]].mean(1)) for rows in chunks]
        return torch.stack(parts).sum(0) / count


@torch.no_grad()
def _seen(
    critic: Critic | LayeredCritic,
    pictures: LoadedPictures,
    places: np.ndarray,
    size: int,
    channels: int,
    device: torch.device,
) -> tuple[Tensor, Tensor]:
    """What the critic's label head reads of pictures, (N, F), and their thumbnails, (N, C, h, h) in [-1, 1]; fp32."""
    features, thumbnails = [], []
    # A BatchNorm that has seen looks alone does not know pictures as they are: it goes by those of a chunk, all large.
    with forgetting(critic):
        for part in np.array_split(places, -(-len(places) // CHUNK)):
            arrays = [centre_crop(resized(pictures[int(i)], size), size) for i in part]
            x = to_tensor(np.stack(arrays), channels).to(device)
            features.append(critic.encode(x))
            thumbnails.append(x if size <= THUMBNAIL else F.interpolate(x, size=(THUMBNAIL, THUMBNAIL), mode="area"))
    return torch.cat(features), torch.cat(thumbnails)
