"""The one critic: D(image) -> (patch scores, label logits, code estimate), a PatchGAN with two more heads.

One strided trunk; patches are scored at several depths, so at several fields of view: the small one judges texture,
the large one knows where on the animal a texture belongs. Each label has its own patch map where labels are known
(StarGAN v2 found a critic output a domain to beat a single one); one map is shared where they are not.
Pictures enter as bands (`models/bands.py`), and features are normalised over each picture by itself: pictures never
meet, so gradient penalties may be taken a picture at a time. Normalised features cannot tell a picture from the same
picture of twice the contrast, so what the normalisation takes away is scored by a head of its own, the style head.
Where pictures are made of noise, nothing else says what belongs where in them: there the whole head scores the whole.
Labels that nobody gave are sought in differences between pictures, which are small beside what all pictures have in
common: there the label head reads features that are normalised over the batch. What each is worth is in docs/design.md.
"""

from collections.abc import Iterator
from itertools import pairwise
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from domainxfer.models.bands import Bands
from domainxfer.models.blocks import InstanceNorm, conv3x3, start_at_full_strength
from domainxfer.models.config import CriticConfig


class View(NamedTuple):
    """What the critic says of B images."""

    patches: tuple[Tensor, ...]
    """Scores, fp32: (B, h * w) of the patches for each field of view; then, where there are such heads, (B, 1) of the
    style head and (B, 1) of the whole head."""
    label_logits: Tensor
    """(B, K), fp32; K may be 0."""
    code: Tensor
    """Estimate of the code (B, code_size), fp32."""
    extra_logits: tuple[Tensor, ...] = ()
    """Logits of the extra label heads, (B, K') each, fp32."""

    @property
    def all_label_logits(self) -> tuple[Tensor, ...]:
        """Those of the label head, then those of the extra ones."""
        return (self.label_logits, *self.extra_logits)


class Critic(nn.Module):
    """PatchGAN critic with label and code head.

    Args:
        config: sizes; see `CriticConfig`.
    """

    def __init__(self, config: CriticConfig) -> None:
        super().__init__()
        self.config = c = config
        widths = [min(c.width * 2**i, c.width * 4) for i in range(c.depth)]
        self.enter = Bands(c.channels) if c.bands else nn.PixelUnshuffle(2)
        trunk = [conv3x3(4 * c.channels, widths[0])]
        trunk += [nn.Conv2d(a, b, 4, stride=2, padding=1) for a, b in pairwise(widths)]
        self.trunk = nn.ModuleList(trunk)  # entry i leaves 1 / 2^(i + 1) of the resolution
        # Not at the last level: label and code are read from its channels' means, which a normalisation takes away.
        levels = range(2, c.depth) if c.norm == "instance" else ()
        self.norms = nn.ModuleDict({str(level): InstanceNorm(widths[level - 1]) for level in levels})
        maps = c.labels if c.labels and c.patch_labels else 1
        self.patch_heads = nn.ModuleDict({str(f): _PatchHead(widths[f - 1], maps) for f in c.fields})
        self.style_head = nn.Linear(2 * sum(widths), maps) if c.style else None
        self.whole_head = nn.Linear(widths[-1] * (c.size // 2**c.depth) ** 2, maps) if c.whole else None
        self.label_norm = nn.BatchNorm1d(widths[-1], affine=False) if c.label_norm == "batch" else nn.Identity()
        self.label_head = nn.Linear(widths[-1], c.labels) if c.labels else None
        self.code_head = nn.Linear(widths[-1], c.code_size) if c.code_size else None
        self.extra_heads = nn.ModuleList(nn.Linear(widths[-1], labels) for labels in c.extra_heads)
        start_at_full_strength(self)
        if c.norm == "spectral":  # of all that a score goes through
            convolutions = [module for module in self.modules() if isinstance(module, nn.Conv2d)]
            for layer in (*convolutions, self.style_head, self.whole_head):
                if layer is not None:
                    spectral_norm(layer)

    def forward(self, image: Tensor, label: Tensor | None = None) -> View:
        """Judge images.

        Args:
            image: (B, C, H, W) in [-1, 1], sides multiples of 2; with a whole head, of the size it was built for.
            label: (B,) int64, the label whose patch map is wanted; not needed where one map is shared.

        Returns:
            A `View`; all scores are fp32.
        """
        return self.judge(self.enter(image), label)

    def judge(self, seen: Tensor, label: Tensor | None = None) -> View:
        """Judge images as they are seen: ``seen`` is what `enter` makes of them, (B, 4 C, H/2, W/2)."""
        patches, style = [], []
        for level, plain, x in self._levels(seen):
            if self.style_head is not None:
                style.append(_style(plain))
            if str(level) in self.patch_heads:
                maps = self.patch_heads[str(level)](x).float()
                patches.append(map_of_label(maps, label).flatten(1))
        pooled = x.float().mean((2, 3))
        with torch.autocast(x.device.type, enabled=False):
            scores = [] if self.style_head is None else [self.style_head(torch.cat(style, dim=1))]
            if self.whole_head is not None:
                scores.append(self.whole_head(x.float().flatten(1)))
            patches += [map_of_label(score[:, :, None, None], label).flatten(1) for score in scores]
            nothing = pooled[:, :0]
            labelled = self.label_norm(pooled)
            label_logits = nothing if self.label_head is None else self.label_head(labelled)
            code = nothing if self.code_head is None else self.code_head(pooled)
            return View(tuple(patches), label_logits, code, tuple(head(labelled) for head in self.extra_heads))

    def encode(self, image: Tensor) -> Tensor:
        """What labels are read from, the means of the last layer's channels: (B, width of it), fp32."""
        *_, (_, _, x) = self._levels(self.enter(image))
        features: Tensor = self.label_norm(x.float().mean((2, 3)))
        return features

    def _levels(self, x: Tensor) -> Iterator[tuple[int, Tensor, Tensor]]:
        """Of each level of the trunk its number, what its convolution makes, and that normalised and activated."""
        for level, conv in enumerate(self.trunk, start=1):
            plain = x = conv(x)
            if str(level) in self.norms:
                x = self.norms[str(level)](x)
            x = F.leaky_relu(x, 0.2)
            yield level, plain, x

    def info_parameters(self, *, label: bool = True) -> list[nn.Parameter]:
        """The parameters of the code head and, unless ``label`` is False, the label head: InfoGAN's Q network."""
        heads = (self.label_head if label else None, self.code_head)
        return [parameter for head in heads if head is not None for parameter in head.parameters()]


class _PatchHead(nn.Module):
    def __init__(self, channels: int, maps: int) -> None:
        super().__init__()
        self.mix = conv3x3(channels, channels)
        self.score = nn.Conv2d(channels, maps, 1)

    def forward(self, x: Tensor) -> Tensor:
        scores: Tensor = self.score(F.leaky_relu(self.mix(x), 0.2))
        return scores


def _style(x: Tensor) -> Tensor:
    """(B, C, H, W) -> (B, 2 C), fp32: mean and logarithm of the deviation of each channel, the style of AdaIN."""
    variance, mean = torch.var_mean(x.float(), dim=(2, 3), correction=0)
    return torch.cat([mean, 0.5 * (variance + 0.01).log()], dim=1)


def map_of_label(maps: Tensor, label: Tensor | None) -> Tensor:
    """The maps (B, K, h, w) of labels (B,): (B, 1, h, w); a single shared map is returned as it is."""
    if maps.shape[1] == 1:
        return maps
    if label is None:
        raise ValueError("this critic scores patches per label: say which")
    return maps.gather(1, label.view(-1, 1, 1, 1).expand(-1, 1, *maps.shape[2:]))
