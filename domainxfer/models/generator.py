"""The one generator: G(content, label, code) -> image, for any number of domains.

    picture (B, 3, H, W) --space-to-depth--> (B, W, H/4, W/4) --conditioned blocks--> sub-pixel up, twice --> change
    noise   (B, Z) --head, conditioned up-sampling--> the same body and exit --> tanh

The change is painted colours and gains on the picture's own detail (`models/detail.py`); it is added to the picture.
Nearly all work happens at a quarter of the resolution. The picture enters again at half size, so that edges in
the output lie where they lie in the input, and fine blocks may follow there: strokes narrower than the body's grid,
such as a zebra's stripes, otherwise lie on that grid. The label and the code reach every block through its
normalisation.
"""

from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from domainxfer.models.bands import Bands, FromColours
from domainxfer.models.blocks import Blur, ConditionedBlock, ConditionedNorm, SubPixelUp, conv3x3
from domainxfer.models.config import GeneratorConfig
from domainxfer.models.detail import amplified
from domainxfer.models.heads import NoisyHeads
from domainxfer.models.layered import Encoder

CONDITION_SIZE = 64  # length of the vector that carries label and code to every normalisation


class Generator(nn.Module):
    """Label-conditioned generator with picture or noise content.

    Args:
        config: sizes; see `GeneratorConfig`.
    """

    def __init__(self, config: GeneratorConfig) -> None:
        super().__init__()
        self.config = c = config
        halvings = c.patch.bit_length() - 1  # 2 for patch 4
        widths = [c.width] + [c.width // 2] * (halvings - 1)
        noise_size, heads = (c.noise_size, 0) if c.content == "noise" else (0, c.heads)
        self.condition = Condition(c.labels, c.code_size, noise_size, c.leak, heads)
        if c.content == "picture":
            self.halve: nn.Module = Bands(c.channels) if c.bands else nn.PixelUnshuffle(2)
            self.enter: nn.Module = nn.Sequential(
                nn.PixelUnshuffle(c.patch // 2), conv3x3(c.channels * c.patch**2, c.width)
            )
            self.reenter = conv3x3(c.channels * 4, widths[-1])
        else:
            self.enter = NoiseHead(c)
        self.blocks = nn.ModuleList(ConditionedBlock(c.width, CONDITION_SIZE, c.norm, c.leak) for _ in range(c.blocks))
        self.ups = nn.ModuleList(SubPixelUp(a, b) for a, b in pairwise(widths))
        self.exit_norm = ConditionedNorm(widths[-1], CONDITION_SIZE, c.norm)
        self.fine = nn.ModuleList(ConditionedBlock(widths[-1], CONDITION_SIZE, c.norm, c.leak) for _ in range(c.fine))
        detail = c.detail if c.output == "change" else 0
        self.exit = SubPixelUp(widths[-1], c.channels + detail)
        self.colours = FromColours() if c.bands and c.channels == 3 else nn.Identity()
        self.encoder = Encoder(c) if c.encoder else None
        with torch.no_grad():  # start near "no change", yet not at it: a label flip must show from the first step
            self.exit.conv.weight.mul_(0.3)

    @property
    def multiple(self) -> int:
        """Height and width of a picture must be multiples of this."""
        return self.config.patch

    @property
    def reach(self) -> int:
        """How far from a pixel, along an axis, the picture can still matter to what becomes of it: at most so many px.

        A 3x3 convolution or blur reaches one cell of its grid, and a cell need not begin where the pixel lies. (With
        instance normalisation everything matters everywhere; that is not counted.)
        """
        c = self.config
        reach = (c.patch - 1) + c.patch * (1 + 2 * c.blocks) + 2 * (2 * c.fine + 1) + 1
        for up in range(len(self.ups)):
            side = c.patch >> up
            reach += side + side // 2  # its convolution, and its blur at twice the resolution
        return max(reach, (1 << c.detail) - 1)

    def forward(self, content: Tensor, label: Tensor | None = None, code: Tensor | None = None) -> Tensor:
        """Make images.

        Args:
            content: pictures (B, C, H, W) in [-1, 1], H and W multiples of `multiple`; or noise (B, noise_size).
            label: (B,) int64, the domain to make; None where the generator has no labels.
            code: (B, code_size) in [-1, 1]; None means all zeros.

        Returns:
            Images (B, C, H, W), fp32. With output "change" they may leave [-1, 1] a little; clamp them for display.
        """
        return self.with_gains(content, label, code)[0]

    def with_gains(self, content: Tensor, label: Tensor | None, code: Tensor | None) -> tuple[Tensor, Tensor]:
        """The image as `forward` makes it, and the gains on detail in it, (B, levels, H, W), fp32; finest first."""
        painted, gains = self._parts(content, label, code)
        if self.config.output == "plain":
            return torch.tanh(painted), gains
        return content + amplified(content, gains, self.config.edges) + painted, gains

    def _parts(self, content: Tensor, label: Tensor | None, code: Tensor | None) -> tuple[Tensor, Tensor]:
        """What an image is made of, both fp32: painted colours (B, C, H, W), and gains on detail (B, levels, H, W)."""
        condition = self.condition(content, label, code)
        if isinstance(self.enter, NoiseHead):
            x = self.enter(content, condition, layout_of(self.exit.conv.weight))
        else:
            halved = self.halve(content)
            x = self.enter(halved)
        for block in self.blocks:
            x = block(x, condition)
        for up in self.ups:
            x = up(x)
        if self.config.content == "picture":
            x = x + self.reenter(halved)
        for block in self.fine:
            x = block(x, condition)
        x = self.exit(F.leaky_relu(self.exit_norm(x, condition), self.config.leak))
        painted, gains = x.tensor_split([self.config.channels], dim=1)
        return self.colours(painted).float(), gains.float()


class Condition(nn.Module):
    """One vector from label, code and (for noise content) the noise itself: (B, CONDITION_SIZE)."""

    def __init__(self, labels: int, code_size: int, noise_size: int, leak: float, heads: int = 0) -> None:
        super().__init__()
        self.labels, self.code_size, self.noise_size, self.leak = labels, code_size, noise_size, leak
        # An embedding row a label, and a linear map of the continuous rest; both are as loud at the start.
        self.of_label = nn.Embedding(labels, CONDITION_SIZE) if labels else None
        rest = code_size + noise_size
        self.of_rest = nn.Linear(rest, CONDITION_SIZE, bias=False) if rest else None
        if self.of_rest is not None:
            nn.init.normal_(self.of_rest.weight, std=1 / rest**0.5)
        sizes = (CONDITION_SIZE, CONDITION_SIZE)
        self.mix = NoisyHeads(heads, *sizes, "symmetric") if heads else nn.Linear(*sizes)

    def forward(self, content: Tensor, label: Tensor | None, code: Tensor | None) -> Tensor:
        batch = content.shape[0]  # unlike len() it stays free in an exported file
        total = torch.zeros(batch, CONDITION_SIZE, device=content.device)
        if self.of_label is not None:
            if label is None:
                raise ValueError("this generator needs a label for each picture")
            total = total + self.of_label(label)
        if self.of_rest is not None:
            rest = [content] if self.noise_size else []
            if self.code_size:
                rest.append(torch.zeros(batch, self.code_size, device=content.device) if code is None else code)
            total = total + self.of_rest(torch.cat(rest, dim=1))
        return F.leaky_relu(self._mixed(total, code), self.leak) + total

    def _mixed(self, total: Tensor, code: Tensor | None) -> Tensor:
        if isinstance(self.mix, NoisyHeads):
            chooser = code[:, 0] if code is not None and self.code_size else total.new_zeros(len(total))
            mixed: Tensor = self.mix(total, chooser)
        else:
            mixed = self.mix(total)
        return mixed


class NoiseHead(nn.Module):
    """From noise (B, Z) to the grid on which the body works, by conditioned up-sampling from the smallest grid."""

    def __init__(self, config: GeneratorConfig) -> None:
        super().__init__()
        grid, doublings = config.size // config.patch, 0
        while grid % 2 == 0 and grid > 4:
            grid, doublings = grid // 2, doublings + 1
        self.grid, self.width = grid, config.width
        sizes = (config.noise_size, config.width * grid * grid)
        self.linear = NoisyHeads(config.heads, *sizes, config.noise_kind) if config.heads else nn.Linear(*sizes)
        self.steps = nn.ModuleList(
            ConditionedBlock(config.width, CONDITION_SIZE, config.norm, config.leak) for _ in range(doublings)
        )
        self.blur = Blur()

    def forward(self, noise: Tensor, condition: Tensor, layout: torch.memory_format) -> Tensor:
        x: Tensor = self.linear(noise, noise[:, 0]) if isinstance(self.linear, NoisyHeads) else self.linear(noise)
        x = x.view(-1, self.width, self.grid, self.grid).contiguous(memory_format=layout)
        for block in self.steps:
            x = self.blur(F.interpolate(block(x, condition), scale_factor=2, mode="nearest"))
        return x


def layout_of(weight: Tensor) -> torch.memory_format:
    """The memory format of a convolution's weight, which pictures had better share."""
    last = weight.is_contiguous(memory_format=torch.channels_last)
    return torch.channels_last if last else torch.contiguous_format
