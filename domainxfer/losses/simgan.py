"""SimGAN: cosine losses between the critic's patch scores of reals and fakes, a label group at a time.

Fakes are ordered by the labels of the reals, so group l holds n_l reals and n_l fakes of label l. With flattened patch
scores r_i, f_i in R^P and their group means R, F:

    generator   over the groups, mean of  mean_i [1 - cos(F, r_i)]  and  mean_i [1 - cos(f_i, R)];
                then averaged with 1 - cos(F_batch, R_batch) of the whole batch
    critic      mean over the groups of  mean_i max(0, cos(f_i, R)) + mean_i max(0, cos(r_i, F))

A group of one picture is no group and is left out. Without labels the whole batch is one group. Scores that all have
one sign are all alike to a cosine, and the loss would saturate unseen: with ``centre`` (the default) the mean of all
scores of the batch is taken off first. Needs at least 2 x 2 patches.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from domainxfer.errors import UsageError


def simgan_generator(
    real_patches: Tensor, fake_patches: Tensor, y_real: Tensor | None, *, groups: bool = True, centre: bool = True
) -> Tensor:
    """Cosine generator loss, in [0, 2]; the real side is detached.

    Args:
        real_patches: (B, P) scores of reals.
        fake_patches: (B, P) scores of fakes, fake i of the same label as real i.
        y_real: (B,) those labels, or None where labels are unknown.
        groups: False keeps only the term of the whole batch.
        centre: take the batch's mean score off first.
    """
    real, fake = _prepared(real_patches.detach(), fake_patches, centre)
    whole = 1 - _cosine(fake.mean(0), real.mean(0))
    if not groups:
        return whole
    terms = []
    for r, f in _label_groups(real, fake, y_real):
        terms.append((1 - _cosine(f.mean(0, keepdim=True), r)).mean())
        terms.append((1 - _cosine(f, r.mean(0, keepdim=True))).mean())
    return 0.5 * (torch.stack(terms).mean() + whole) if terms else whole


def simgan_critic(real_patches: Tensor, fake_patches: Tensor, y_real: Tensor | None, *, centre: bool = True) -> Tensor:
    """Cosine critic loss, in [0, 2]: pushes reals and fakes of a label to right angles or beyond.

    Arguments as in `simgan_generator`. With no group of two pictures, the whole batch is one group.
    """
    real, fake = _prepared(real_patches, fake_patches, centre)
    pairs = _label_groups(real, fake, y_real) or [(real, fake)]
    terms = [
        F.relu(_cosine(f, r.mean(0, keepdim=True))).mean() + F.relu(_cosine(r, f.mean(0, keepdim=True))).mean()
        for r, f in pairs
    ]
    return torch.stack(terms).mean()


# Group means are taken over the batch: several processes must gather it first.
simgan_generator.couples_batch = True  # type: ignore[attr-defined]
simgan_critic.couples_batch = True  # type: ignore[attr-defined]
# A cosine compares the scores of a picture with each other: one score has nothing to be compared with.
simgan_generator.compares_patches = True  # type: ignore[attr-defined]
simgan_critic.compares_patches = True  # type: ignore[attr-defined]


def _prepared(real: Tensor, fake: Tensor, centre: bool) -> tuple[Tensor, Tensor]:
    if real.shape[1] < 4:
        raise UsageError(
            f"simgan: a cosine of {real.shape[1]} patch scores says nothing; at least 2 x 2 are needed: "
            "choose smaller critic.fields or a larger data.size"
        )
    if centre:
        middle = 0.5 * (real.mean() + fake.mean()).detach()
        real, fake = real - middle, fake - middle
    return real, fake


def _label_groups(real: Tensor, fake: Tensor, label: Tensor | None) -> list[tuple[Tensor, Tensor]]:
    if label is None:
        return [(real, fake)]
    masks = [label == one for one in torch.unique(label)]
    return [(real[mask], fake[mask]) for mask in masks if mask.sum() > 1]


def _cosine(a: Tensor, b: Tensor) -> Tensor:
    return F.cosine_similarity(a, b, dim=-1, eps=1e-8)
