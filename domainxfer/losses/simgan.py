"""SimGAN: cosine losses between the critic's patch scores of reals and fakes, a label group at a time.

Fakes are ordered by the labels of the reals, so group l holds n_l reals and n_l fakes of label l. With flattened patch
scores r_i, f_i in R^P and their group means R, F:

    generator   over the groups, mean of  mean_i [1 - cos(F, r_i)]  and  mean_i [1 - cos(f_i, R)];
                then averaged with 1 - cos(F_batch, R_batch) of the whole batch
    critic      mean over the groups of  mean_i max(0, cos(f_i, R)) + mean_i max(0, cos(r_i, F))

A group of one picture is no group and is left out. Without labels the whole batch is one group. Scores that all have
one sign are all alike to a cosine, and the loss would saturate unseen: with ``centre`` (the default) the mean of all
scores that are compared is taken off first, a group's of a group and the batch's of the batch, since each label has
scores of its own, which may lie anywhere. Needs at least 2 x 2 patches.
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
        centre: take the mean score of those that are compared off first.
    """
    _refuse_few(real_patches)
    real = real_patches.detach()
    whole_real, whole_fake = _centred(real, fake_patches, centre)
    whole = 1 - _cosine(whole_fake.mean(0), whole_real.mean(0))
    if not groups:
        return whole
    terms = []
    for of_label in _label_groups(real, fake_patches, y_real):
        r, f = _centred(*of_label, centre)
        terms.append((1 - _cosine(f.mean(0, keepdim=True), r)).mean())
        terms.append((1 - _cosine(f, r.mean(0, keepdim=True))).mean())
    return 0.5 * (torch.stack(terms).mean() + whole) if terms else whole


def simgan_critic(real_patches: Tensor, fake_patches: Tensor, y_real: Tensor | None, *, centre: bool = True) -> Tensor:
    """Cosine critic loss, in [0, 2]: pushes reals and fakes of a label to right angles or beyond.

    Arguments as in `simgan_generator`. With no group of two pictures, the whole batch is one group.
    """
    _refuse_few(real_patches)
    groups = _label_groups(real_patches, fake_patches, y_real) or [(real_patches, fake_patches)]
    terms = [
        F.relu(_cosine(f, r.mean(0, keepdim=True))).mean() + F.relu(_cosine(r, f.mean(0, keepdim=True))).mean()
        for r, f in (_centred(*group, centre) for group in groups)
    ]
    return torch.stack(terms).mean()


# Group means are taken over the batch: several processes must gather it first.
simgan_generator.couples_batch = True  # type: ignore[attr-defined]
simgan_critic.couples_batch = True  # type: ignore[attr-defined]
# A cosine compares the scores of a picture with each other: one score has nothing to be compared with.
simgan_generator.compares_patches = True  # type: ignore[attr-defined]
simgan_critic.compares_patches = True  # type: ignore[attr-defined]


def _refuse_few(real: Tensor) -> None:
    if real.shape[1] < 4:
        raise UsageError(
            f"simgan: a cosine of {real.shape[1]} patch scores says nothing; at least 2 x 2 are needed: "
            "choose smaller critic.fields or a larger data.size"
        )


def _centred(real: Tensor, fake: Tensor, centre: bool) -> tuple[Tensor, Tensor]:
    middle = 0.5 * (real.mean() + fake.mean()).detach() if centre else 0.0
    return real - middle, fake - middle


def _label_groups(real: Tensor, fake: Tensor, label: Tensor | None) -> list[tuple[Tensor, Tensor]]:
    if label is None:
        return [(real, fake)]
    masks = [label == one for one in torch.unique(label)]
    return [(real[mask], fake[mask]) for mask in masks if mask.sum() > 1]


def _cosine(a: Tensor, b: Tensor) -> Tensor:
    return F.cosine_similarity(a, b, dim=-1, eps=1e-8)
