"""The variational auto-encoder (Kingma & Welling 2014): what it costs to rebuild a picture from its latent, in nats.

The encoder answers to a picture x with a normal distribution q(z|x) = N(mean, exp(log variance)) over the noise z, and
the generator rebuilds x from a z drawn from it. The sum of both terms, at weight 1 each, is minus the lower bound of
log p(x), the ELBO (eq. 7 there, with one draw a picture):

    reconstruction   E -log p(x | z)          how far x' is from x, summed over the pixels
    kl_to_normal     KL(q(z|x) || N(0, 1))    how far the latent is from the noise that new pictures are made of
"""

from math import log, tau
from typing import Literal

import torch.nn.functional as F
from pydantic import PositiveFloat
from torch import Tensor


def reconstruction(
    x_rebuilt: Tensor,
    x_real: Tensor,
    *,
    likelihood: Literal["bernoulli", "gaussian"] = "bernoulli",
    deviation: PositiveFloat = 1.0,
) -> Tensor:
    """E -log p(x | x'), summed over channels and pixels, averaged over the batch; nats.

    With values p' and p of the two pictures brought to [0, 1]:

        bernoulli   -p log p' - (1 - p) log(1 - p')    each value a probability of ink; for black on white. Grey values
                                                       cost their own entropy even where p' = p. No log is below -100
        gaussian    (x - x')^2 / (2 s^2) + log s + log(2 pi) / 2    with deviation s; for pictures with grey and colour

    Args:
        x_rebuilt: x', (B, C, H, W) in [-1, 1].
        x_real: x, the same shape and range.
        likelihood: as above (Kingma & Welling 2014, appendix C).
        deviation: s, above 0, for pictures in [-1, 1]. The smaller it is, the more a pixel counts against the latent's
            divergence: sharper reconstructions, and a latent farther from noise.
    """
    if likelihood == "gaussian":
        costs = (x_real - x_rebuilt).square() / (2 * deviation**2) + log(deviation) + log(tau) / 2
    else:
        costs = F.binary_cross_entropy((x_rebuilt + 1) / 2, (x_real + 1) / 2, reduction="none")
    return costs.flatten(1).sum(1).mean()


def kl_to_normal(latent_mean: Tensor, latent_log_variance: Tensor) -> Tensor:
    """E 1/2 sum (mean^2 + variance - 1 - log variance), the divergence from N(0, 1) (appendix B there); nats.

    Args:
        latent_mean: (B, Z).
        latent_log_variance: (B, Z).
    """
    numbers = latent_mean.square() + latent_log_variance.exp() - 1 - latent_log_variance
    return 0.5 * numbers.sum(1).mean()
