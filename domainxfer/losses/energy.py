"""Energy-based GAN (EBGAN, Zhao et al. 2016), and two penalties against fakes that are all alike.

The critic is an auto-encoder. A picture's energy is the mean squared error of what comes back, 0 or more and low for
real pictures. Scores are high for real ones, so its score is the negative energy, one a picture:
r = -energy(x_real), f = -energy(x_fake), both (B, 1).
"""

import torch
import torch.nn.functional as F
from pydantic import NonNegativeFloat, PositiveFloat
from torch import Tensor


def ebgan_critic(real_patches: Tensor, fake_patches: Tensor, *, margin: PositiveFloat = 1.0) -> Tensor:
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


def mode_seeking(x_fake: Tensor, noise: Tensor, y_target: Tensor | None, *, eps: NonNegativeFloat = 1e-5) -> Tensor:
    """E d(z, z') / (d(x, x') + eps), with d the mean absolute difference (mode seeking, Mao et al. 2019).

    Each fake x of noise z is paired with the next of its label in the batch, the last with the first: fakes of two
    labels differ by their labels already. A fake that is alone with its label has no pair and is left out.

    Args:
        x_fake: (B, C, H, W).
        noise: z, (B, Z), fake i made of noise i.
        y_target: (B,) the label of each fake, or None where there are none.
        eps: keeps the quotient finite where fakes are equal.
    """
    first, second = _pairs(y_target, x_fake)
    quotients = _apart(noise, first, second) / (_apart(x_fake, first, second) + eps)
    return quotients.sum() / max(len(first), 1)


# Pictures of the batch are paired: several processes must gather it first.
pulling_away.couples_batch = True  # type: ignore[attr-defined]
mode_seeking.couples_batch = True  # type: ignore[attr-defined]


def _pairs(label: Tensor | None, like: Tensor) -> tuple[Tensor, Tensor]:
    """Rows of the batch, and for each the next one of its label."""
    everyone = torch.arange(len(like), device=like.device)
    groups = [everyone] if label is None else [everyone[label == one] for one in torch.unique(label)]
    groups = [group for group in groups if len(group) > 1] or [everyone[:0]]
    return torch.cat(groups), torch.cat([group.roll(-1) for group in groups])


def _apart(rows: Tensor, first: Tensor, second: Tensor) -> Tensor:
    return (rows[first] - rows[second]).abs().flatten(1).mean(1)
