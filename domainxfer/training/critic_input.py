"""What is done to a picture before the critic scores it, to reals and fakes alike and in every phase.

Gradient penalties, pairs of looks and the encodings of a critic of energies take pictures as they are.

- instance noise (Sonderby et al. 2017): x + N(0, sigma^2), so that the two distributions overlap
- differentiable augmentation (DiffAugment, Zhao et al. 2020): the critic of a small data set cannot learn its pictures
  by heart when it never sees them twice alike. Gradients pass through to the generator, which is why it does not learn
  to make augmented pictures.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from domainxfer.objective import Augmentation, CriticInput

Draw = Callable[..., Tensor]
"""(purpose, kind, *shape) -> numbers for each picture of the batch, (B, *shape); see `draws.per_position`."""


def as_critic_sees(image: Tensor, settings: CriticInput, step: int, drawn: Draw, which: str) -> Tensor:
    """Images (B, C, H, W) in [-1, 1] as the critic gets them.

    Args:
        image: reals or fakes.
        settings: which of the above, and how much.
        step: of training; the noise may fade.
        drawn: the source of randomness.
        which: "real" or "fake" and the phase, so that each look has draws of its own.
    """
    for name in settings.augment:
        image = AUGMENTATIONS[name](image, drawn(f"critic input {name} {which}", "uniform", 3))
    sigma = settings.noise_at(step)
    if sigma:
        image = image + sigma * drawn(f"critic input noise {which}", "normal", *image.shape[1:])
    return image


def recoloured(x: Tensor, uniform: Tensor) -> Tensor:
    """Brightness + U(-.5, .5), saturation x U(0, 2), contrast x U(.5, 1.5), the ranges of the paper; uniform (B, 3)."""
    brightness, saturation, contrast = (u.view(-1, 1, 1, 1) for u in uniform.unbind(1))
    x = x + (brightness - 0.5)
    grey = x.mean(1, keepdim=True)
    x = grey + (x - grey) * (2 * saturation)
    mean = x.mean((1, 2, 3), keepdim=True)
    return mean + (x - mean) * (contrast + 0.5)


def shifted(x: Tensor, uniform: Tensor) -> Tensor:
    """Moved by up to an eighth of each side, edges repeated; uniform (B, 3), of which two are used.

    The paper fills with grey. Repeated edges betray less to a critic of patches: a drawing on white stays one.
    """
    for axis, share in ((2, uniform[:, 0]), (3, uniform[:, 1])):
        side = x.shape[axis]
        reach = side // 8
        by = (share * (2 * reach + 1)).long() - reach
        place = (torch.arange(side, device=x.device) + by[:, None]).clamp(0, side - 1)
        x = x.gather(axis, (place[:, None, :, None] if axis == 2 else place[:, None, None, :]).expand_as(x))
    return x


def cut_out(x: Tensor, uniform: Tensor) -> Tensor:
    """A square of half the side, centred anywhere, becomes grey; uniform (B, 3), of which two are used."""
    inside = torch.ones((), dtype=torch.bool, device=x.device)
    for axis, centre in ((2, uniform[:, 0]), (3, uniform[:, 1])):
        side = x.shape[axis]
        place = torch.arange(side, device=x.device).view([-1 if a == axis else 1 for a in range(4)])
        away = place - (centre * side).floor().view(-1, 1, 1, 1)
        inside = inside & (away >= -side // 4) & (away < side // 4)
    return x.masked_fill(inside, 0.0)


AUGMENTATIONS: dict[Augmentation, Callable[[Tensor, Tensor], Tensor]] = {
    "colour": recoloured,
    "shift": shifted,
    "cutout": cut_out,
}
