"""Losses that make label and code mean something (InfoGAN, Chen et al. 2016; auxiliary labels, Odena et al. 2017)."""

import torch.nn.functional as F
from torch import Tensor


def label_real(real_label_logits: Tensor, y_real: Tensor) -> Tensor:
    """Cross-entropy of the critic's label head on real pictures of known label."""
    return F.cross_entropy(real_label_logits, y_real)


def label_fake(fake_label_logits: Tensor, y_target: Tensor) -> Tensor:
    """Cross-entropy of the label head on fakes, with the label the generator was given (logits, no softmax before)."""
    return F.cross_entropy(fake_label_logits, y_target)


def code_l1(fake_code: Tensor, code: Tensor) -> Tensor:
    """E |c' - c|: how well the code head finds the code c, uniform in [-1, 1], back in the fake."""
    return F.l1_loss(fake_code, code)
