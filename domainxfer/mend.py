"""Fewer mistakes of the same model: a part of the noise is drawn again, and kept where the critic likes what it makes.

    noise --a part drawn again--> another noise;  D(G(another)) > D(G(noise))?  then it is the noise from here on

A critic sees some of what its generator does wrong and cannot help. Choosing pictures by it is known as rejection
sampling (Azadi et al., "Discriminator rejection sampling", 2019; Turner et al., "Metropolis-Hastings generative
adversarial networks", 2019). There the whole noise is drawn anew; but where a picture is right in a hundred places,
no draw is likely to get all of them right at once. Drawn part by part, what is right stays.

This samples no distribution: it climbs to what the critic likes best, so variety falls as mistakes do.
"""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from domainxfer.draws import draw
from domainxfer.models.config import GeneratorConfig
from domainxfer.models.model import NetworkModel

BLOCK = 3
"""Side of the square of places whose noise is drawn again, where places have noise of their own."""
EVERYWHERE = 0.1
"""How often, instead, the noise that all places hear is drawn again."""
SHARE = 1 / 8
"""Of the numbers, which are drawn again where noise belongs to no place."""


def mended(
    model: NetworkModel,
    noise: Tensor,
    label: Tensor | None,
    code: Tensor | None,
    *,
    seed: int,
    numbers: Sequence[int],
    times: int,
) -> Tensor:
    """Noise whose pictures the model's critic scores at least as high, picture by picture: (N, noise_size).

    Args:
        model: with its critic.
        noise: where it begins, (N, noise_size).
        label: (N,) int64, where the generator has labels.
        code: (N, code_size); None means all 0.
        seed: of the draws.
        numbers: of the N pictures; the draws of a picture follow from its number, whichever others there are.
        times: how often a part is drawn again.

    Raises:
        DomainxferError: the model was saved without its critic.
    """
    drawn = [draw(seed, "mend", number) for number in numbers]
    best = _liked(model, noise, label, code)
    for _ in range(times):
        another = torch.stack([_partly_new(z, model.config.generator, of) for z, of in zip(noise, drawn, strict=True)])
        liked = _liked(model, another, label, code)
        better = liked > best
        noise, best = torch.where(better[:, None], another, noise), torch.where(better, liked, best)
    return noise


def _liked(model: NetworkModel, noise: Tensor, label: Tensor | None, code: Tensor | None) -> Tensor:
    return model.whole_score(model.apply(noise, label, code), label).cpu()


def _partly_new(noise: Tensor, config: GeneratorConfig, drawn: np.random.Generator) -> Tensor:
    """One picture's noise (noise_size,), a part of it drawn again."""
    size = len(noise)
    normal = config.noise == "normal"
    fresh = drawn.standard_normal(size, np.float32) if normal else 2 * drawn.random(size, np.float32) - 1
    return torch.where(torch.from_numpy(_part(size, config, drawn)), torch.from_numpy(fresh), noise)


def _part(size: int, config: GeneratorConfig, drawn: np.random.Generator) -> np.ndarray:
    """Which numbers of the noise are drawn again, (size,) bool."""
    first = config.layers[0] if config.layers else None
    if first is None or first.kind != "places":
        part = drawn.random(size) < SHARE
        part[drawn.integers(size)] = True  # else a short noise would often stay as it is
        return part
    part, own = np.zeros(size, bool), first.maps * first.side**2
    if size > own and drawn.random() < EVERYWHERE:
        part[own:] = True
        return part
    row, column = drawn.integers(first.side, size=2)
    above, left = max(0, row - BLOCK // 2), max(0, column - BLOCK // 2)
    places = part[:own].reshape(first.maps, first.side, first.side)
    places[:, above : row + BLOCK // 2 + 1, left : column + BLOCK // 2 + 1] = True
    return part
