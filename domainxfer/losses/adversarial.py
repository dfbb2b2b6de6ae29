"""Adversarial losses on patch scores. In each: r = D(x_real), f = D(x_fake), both (B, P); patches are averaged."""

import torch.nn.functional as F
from torch import Tensor


def lsgan_critic(real_patches: Tensor, fake_patches: Tensor) -> Tensor:
    """Least squares: 1/2 E (r - 1)^2 + 1/2 E f^2 (Mao et al. 2017, eq. 9)."""
    return 0.5 * (real_patches - 1).square().mean() + 0.5 * fake_patches.square().mean()


def lsgan_generator(fake_patches: Tensor) -> Tensor:
    """Least squares: 1/2 E (f - 1)^2 (Mao et al. 2017, eq. 9)."""
    return 0.5 * (fake_patches - 1).square().mean()


def hinge_critic(real_patches: Tensor, fake_patches: Tensor) -> Tensor:
    """Hinge: E max(0, 1 - r) + E max(0, 1 + f) (Lim & Ye 2017)."""
    return F.relu(1 - real_patches).mean() + F.relu(1 + fake_patches).mean()


def hinge_generator(fake_patches: Tensor) -> Tensor:
    """Hinge: - E f (Lim & Ye 2017)."""
    return -fake_patches.mean()


def nonsaturating_critic(real_patches: Tensor, fake_patches: Tensor) -> Tensor:
    """- E log sigmoid(r) - E log(1 - sigmoid(f)), written with softplus (Goodfellow et al. 2014)."""
    return F.softplus(-real_patches).mean() + F.softplus(fake_patches).mean()


def nonsaturating_generator(fake_patches: Tensor) -> Tensor:
    """- E log sigmoid(f): a strong gradient while the critic still wins (Goodfellow et al. 2014, section 3)."""
    return F.softplus(-fake_patches).mean()


def r3gan_critic(real_patches: Tensor, fake_patches: Tensor) -> Tensor:
    """Relativistic pairing: E softplus(-(r_i - f_i)) (Huang et al. 2024, eq. 3). Wants R1 and R2 beside it.

    Real i and fake i are a pair: the trainer orders the fakes by the labels of the reals.
    """
    return F.softplus(fake_patches - real_patches).mean()


def r3gan_generator(real_patches: Tensor, fake_patches: Tensor) -> Tensor:
    """Relativistic pairing, the other way round: E softplus(-(f_i - r_i)) (Huang et al. 2024, eq. 3)."""
    return F.softplus(real_patches - fake_patches).mean()
