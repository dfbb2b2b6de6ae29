"""Losses that make label and code mean something (InfoGAN, Chen et al. 2016; auxiliary labels, Odena et al. 2017)."""

from collections import defaultdict
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from pydantic import NonNegativeFloat, PositiveFloat
from torch import Tensor


def label_real(real_label_logits: Tensor, y_real: Tensor) -> Tensor:
    """Cross-entropy of the critic's label head on real pictures of known label."""
    return F.cross_entropy(real_label_logits, y_real)


def label_known(first_look_logits: Sequence[Tensor], second_look_logits: Sequence[Tensor], y_known: Tensor) -> Tensor:
    """Cross-entropy on two looks at the few pictures of known label, for every head of as many labels as the first.

    Args:
        first_look_logits: for each label head, (B, K).
        second_look_logits: the same for another look at the same pictures.
        y_known: (B,) the label, or -1; 0 where none is known.
    """
    labels = first_look_logits[0].shape[1]
    looks = [logits for logits in (*first_look_logits, *second_look_logits) if logits.shape[1] == labels]
    few = y_known >= 0
    if not few.any():
        return torch.stack([logits.sum() for logits in looks]).sum() * 0.0
    return torch.stack([F.cross_entropy(logits[few], y_known[few]) for logits in looks]).mean()


def label_as_is(real_label_logits: Tensor, y_known: Tensor) -> Tensor:
    """Cross-entropy of the label head on pictures of known label as they are, which looks alone leave untaught.

    Args:
        real_label_logits: (B, K).
        y_known: (B,) the label, or -1; 0 where none is known.
    """
    few = y_known >= 0
    if not few.any():
        return real_label_logits.sum() * 0.0
    return F.cross_entropy(real_label_logits[few], y_known[few])


# A mean over the few whose label is known: several processes must gather the batch first.
label_known.couples_batch = True  # type: ignore[attr-defined]
label_as_is.couples_batch = True  # type: ignore[attr-defined]


def label_fake(fake_label_logits: Tensor, y_target: Tensor) -> Tensor:
    """Cross-entropy of the label head on fakes, with the label the generator was given (logits, no softmax before)."""
    return F.cross_entropy(fake_label_logits, y_target)


def code_l1(fake_code: Tensor, code: Tensor) -> Tensor:
    """E |c' - c|: how well the code head finds the code c, uniform in [-1, 1], back in the fake."""
    return F.l1_loss(fake_code, code)


def code_diversity(x_fake: Tensor, x_other: Tensor, *, ceiling: PositiveFloat = 0.05) -> Tensor:
    """E max(0, ceiling - d(x, x')), d the mean absolute difference: the code must change the picture.

    The diversity term of DSGAN (Yang et al. 2019), E min(d / |c - c'|, ceiling) to be maximised, with codes that are 1
    apart, and turned over so that 0 is the least. A cycle and an identity in L1 teach a generator to ignore its code;
    this pulls the other way, always as hard, until a picture has reached the ceiling.

    Args:
        x_fake: (B, C, H, W) in [-1, 1].
        x_other: the same contents and labels, one value of each code moved by 1, half its range.
        ceiling: where there is change enough; 2 is that from black to white.
    """
    change = (x_fake - x_other).abs().flatten(1).mean(1)
    return F.relu(ceiling - change).mean()


def paired_information(
    first_look_logits: Sequence[Tensor], second_look_logits: Sequence[Tensor], *, balance: NonNegativeFloat = 1.0
) -> Tensor:
    """- I(y; y'), the mutual information of the labels of two looks at a picture (IIC, Ji et al. 2019, eq. 3); nats.

    P = E p(x) p(x')^T over the batch, made symmetric; I = sum P_ij log(P_ij / (P_i P_j)). It is largest, log K, when
    looks agree, each label is certain, and all are equally frequent. Averaged over the heads of a size, then over
    sizes: however many heads of a size there are, those of another teach as much.

    Args:
        first_look_logits: for each label head, (B, K).
        second_look_logits: the same for another look at the same pictures.
        balance: weight of the labels' own entropies, I = (H + H') balance - H(y, y'). Above 1 it is dearer to leave a
            label unused, which plain information, once there, does not find its way out of.
    """
    of_size: dict[int, list[Tensor]] = defaultdict(list)
    for a, b in zip(first_look_logits, second_look_logits, strict=True):
        of_size[a.shape[1]].append(information(a, b, balance))
    return -torch.stack([torch.stack(heads).mean() for heads in of_size.values()]).mean()


def information(first_logits: Tensor, second_logits: Tensor, balance: float = 1.0) -> Tensor:
    """What one label head, (B, K) a look, says alike of two looks, in nats: see `paired_information`."""
    p, q = first_logits.softmax(1), second_logits.softmax(1)
    return nats_of_joint(p.T @ q / len(p), balance)


def nats_of_joint(joint: Tensor, balance: float = 1.0) -> Tensor:
    """Information in joint frequencies of two labels, (..., K, K), in nats (...): see `paired_information`."""
    joint = ((joint + joint.mT) / 2).clamp_min(1e-9)
    alone = joint.sum(-1)
    return (joint * joint.log()).sum((-2, -1)) - 2 * balance * (alone * alone.log()).sum(-1)


# The joint of labels is one of the whole batch: several processes must gather it first.
paired_information.couples_batch = True  # type: ignore[attr-defined]
