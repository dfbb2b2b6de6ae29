"""Adversarial losses on patch scores. In each: r = D(x_real), f = D(x_fake), both (B, P); patches are averaged."""

import torch
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


def minimax_generator(fake_patches: Tensor) -> Tensor:
    """E log(1 - sigmoid(f)): no gradient where the critic wins (Goodfellow et al. 2014, eq. 1)."""
    return -F.softplus(fake_patches).mean()


def wasserstein_critic(real_patches: Tensor, fake_patches: Tensor) -> Tensor:
    """E f - E r (Arjovsky et al. 2017, algorithm 1). Without a bound on the critic's slope it has no minimum."""
    return fake_patches.mean() - real_patches.mean()


def wasserstein_generator(fake_patches: Tensor) -> Tensor:
    """- E f (Arjovsky et al. 2017, algorithm 1)."""
    return -fake_patches.mean()


def relativistic_average_critic(real_patches: Tensor, fake_patches: Tensor, *, cooperative: bool = True) -> Tensor:
    """RaLSGAN: E (r - mean f - 1)^2 + E (f - mean r + 1)^2 (Jolicoeur-Martineau 2018).

    The means are over all scores of the batch, pictures and patches. Not ``cooperative``, f - mean r is drawn to 0
    instead of -1.
    """
    below = 1.0 if cooperative else 0.0
    of_reals = (real_patches - fake_patches.mean() - 1).square().mean()
    of_fakes = (fake_patches - real_patches.mean() + below).square().mean()
    return of_reals + of_fakes


def relativistic_average_generator(real_patches: Tensor, fake_patches: Tensor, *, cooperative: bool = True) -> Tensor:
    """RaLSGAN, the two exchanged: E (f - mean r - 1)^2 + E (r - mean f + 1)^2 (Jolicoeur-Martineau 2018).

    Means and option as in `relativistic_average_critic`.
    """
    return relativistic_average_critic(fake_patches, real_patches, cooperative=cooperative)


def r3gan_critic(real_patches: Tensor, fake_patches: Tensor) -> Tensor:
    """Relativistic pairing: E softplus(-(r_i - f_i)) (Huang et al. 2024, eq. 3). Wants R1 and R2 beside it.

    Real i and fake i are a pair: the trainer orders the fakes by the labels of the reals.
    """
    return F.softplus(fake_patches - real_patches).mean()


def r3gan_generator(real_patches: Tensor, fake_patches: Tensor) -> Tensor:
    """Relativistic pairing, the other way round: E softplus(-(f_i - r_i)) (Huang et al. 2024, eq. 3)."""
    return F.softplus(real_patches - fake_patches).mean()


def softmax_critic(real_patches: Tensor, fake_patches: Tensor) -> Tensor:
    """Softmax GAN: - E r + ln Z, Z = sum e^r + sum e^f over the batch, at each patch place (Lin 2017).

    Cross-entropy to a target of 1/B for each real and nothing for the fakes. In the paper D is low for the real: its
    e^(-D(x)) is e^r here.
    """
    return _log_partition(real_patches, fake_patches) - real_patches.mean()


def softmax_generator(real_patches: Tensor, fake_patches: Tensor) -> Tensor:
    """Softmax GAN: - (E r + E f) / 2 + ln Z, a target of 1/2B for each picture (Lin 2017); Z as in `softmax_critic`."""
    return _log_partition(real_patches, fake_patches) - 0.5 * (real_patches.mean() + fake_patches.mean())


# Means and sums are taken over the batch: several processes must gather it first.
relativistic_average_critic.couples_batch = True  # type: ignore[attr-defined]
relativistic_average_generator.couples_batch = True  # type: ignore[attr-defined]
softmax_critic.couples_batch = True  # type: ignore[attr-defined]
softmax_generator.couples_batch = True  # type: ignore[attr-defined]


def _log_partition(real: Tensor, fake: Tensor) -> Tensor:
    return torch.cat([real, fake]).logsumexp(0).mean()
