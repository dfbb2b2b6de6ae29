"""Energy-based GAN (EBGAN, Zhao et al. 2016), and two penalties against fakes that are all alike.

The critic is an auto-encoder. A picture's energy is the mean squared error of what comes back, 0 or more and low for
real pictures. Scores are high for real ones, so its score is the negative energy, one a picture:
r = -energy(x_real), f = -energy(x_fake), both (B, 1).
"""

import torch.nn.functional as F
from torch import Tensor


def ebgan_critic(real_patches: Tensor, fake_patches: Tensor, *, margin: float = 1.0) -> Tensor:
    """E (-r) + E max(0, margin + f) (Zhao et al. 2016, eq. 1): fakes of an energy beyond the margin are let be.

    Choose the margin by the energy of real pictures early in training.
    """
    return F.relu(margin + fake_patches).mean() - real_patches.mean()


def ebgan_generator(fake_patches: Tensor) -> Tensor:
    """E (-f), the energy of the fakes (Zhao et al. 2016, eq. 2)."""
    return -fake_patches.mean()


def pulling_away(fake_encodings: Tensor) -> Tensor:
    """1 / (B (B - 1)) sum over i != j of cos(s_i, s_j)^2 (Zhao et al. 2016, eq. 4); 0 for a single picture.

    Args:
        fake_encodings: s, (B, S), what the auto-encoder's encoder makes of the fakes.
    """
    count = len(fake_encodings)
    unit = F.normalize(fake_encodings, dim=1)
    pairs_once = (unit @ unit.T).triu(diagonal=1)
    return 2 * pairs_once.square().sum() / max(count * (count - 1), 1)


def mode_seeking(x_fake: Tensor, noise: Tensor, *, eps: float = 1e-5) -> Tensor:
    """E d(z, z') / (d(x, x') + eps), with d the mean absolute difference (mode seeking, Mao et al. 2019).

    Each fake x of noise z is paired with the next of the batch, the last with the first.

    Args:
        x_fake: (B, C, H, W).
        noise: z, (B, Z), fake i made of noise i.
        eps: keeps the quotient finite where fakes are equal.
    """
    return (_to_the_next(noise) / (_to_the_next(x_fake) + eps)).mean()


# Pictures of the batch are paired: several processes must gather it first.
pulling_away.couples_batch = True  # type: ignore[attr-defined]
mode_seeking.couples_batch = True  # type: ignore[attr-defined]


def _to_the_next(rows: Tensor) -> Tensor:
    return (rows - rows.roll(-1, 0)).abs().flatten(1).mean(1)
