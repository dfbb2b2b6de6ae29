"""The parts of both networks: conditioned normalisation, the residual block, and resampling without checkerboard."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
import torch.nn.functional as F
from torch import Tensor, nn

MANY_PICTURES = 32
"""From so many pictures on, instance normalisation on a CPU takes them all at once."""


class ConditionedNorm(nn.Module):
    """Normalise, then scale and shift by what the condition says: n(x) * (1 + scale) + shift.

    The label must enter here: as constant input planes it would vanish in the first normalisation. Two kinds:

    - ``layer``: over the C channels of each place (Ba et al. 2016, as ConvNeXt uses it). No statistics of the
      picture enter, so a tile is translated as the whole picture would be, and it is three times as fast on a CPU
      in bf16 channels_last as
    - ``instance``: over the picture, a channel at a time (AdaIN, Huang & Belongie 2017).

    Statistics are accumulated in fp32 in both, and so is the map from the condition.
    """

    def __init__(self, channels: int, condition_size: int, kind: str) -> None:
        super().__init__()
        self.channels, self.kind = channels, kind
        self.to_scale_shift = nn.Linear(condition_size, 2 * channels)
        nn.init.normal_(self.to_scale_shift.weight, std=0.3 / condition_size**0.5)
        nn.init.zeros_(self.to_scale_shift.bias)

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        """x (B, C, H, W), condition (B, E) -> (B, C, H, W)."""
        with torch.autocast(x.device.type, enabled=False):  # so small a product is not worth two casts
            scale_shift = self.to_scale_shift(condition.float())
        scale, shift = scale_shift[:, :, None, None].to(x.dtype).chunk(2, dim=1)
        if self.kind == "layer":
            normal = F.layer_norm(x.permute(0, 2, 3, 1), (self.channels,)).permute(0, 3, 1, 2)
        else:
            normal = instance_normalised(x)
        return torch.addcmul(shift, normal, 1 + scale)


class InstanceNorm(nn.Module):
    """Instance normalisation (Ulyanov et al. 2016) with a learned scale and shift a channel."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight, self.bias = nn.Parameter(torch.ones(channels)), nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> the same shape."""
        return instance_normalised(x, self.weight, self.bias)


def instance_normalised(x: Tensor, weight: Tensor | None = None, bias: Tensor | None = None) -> Tensor:
    """Each channel of each picture to mean 0 and variance 1, then scaled and shifted: (B, C, H, W) -> the same shape.

    `nn.InstanceNorm2d` breaks channels_last; GroupNorm with a group a channel keeps it, but takes ten times as long on
    a CPU in bf16 as batch normalisation of one picture at a time, which is the same. Of many pictures the single calls
    add up, and most of all in the second derivative that gradient penalties take, which is thirty small steps each:
    there GroupNorm of the pictures in the usual layout, laid out again, is what is fast.
    """
    if x.device.type != "cpu" or torch.compiler.is_compiling():  # an export cannot count pictures
        return F.group_norm(x, x.shape[1], weight, bias)
    if len(x) >= MANY_PICTURES:
        layout = torch.channels_last if x.is_contiguous(memory_format=torch.channels_last) else torch.contiguous_format
        return F.group_norm(x.contiguous(), x.shape[1], weight, bias).contiguous(memory_format=layout)
    pictures = [F.batch_norm(picture, None, None, weight, bias, training=True) for picture in x.split(1)]
    return torch.cat(pictures) if len(pictures) > 1 else pictures[0]


@contextmanager
def forgetting(network: nn.Module) -> Iterator[None]:
    """Within it BatchNorm's running statistics stay as they are: fakes would spoil what reals are told by."""
    norms = [m for m in network.modules() if isinstance(m, (nn.BatchNorm1d, nn.BatchNorm2d))]
    usual = [norm.momentum for norm in norms]
    for norm in norms:
        norm.momentum = 0.0
    try:
        yield
    finally:
        for norm, momentum in zip(norms, usual, strict=True):
            norm.momentum = momentum


def start_at_full_strength(network: nn.Module) -> None:
    """Convolutions of a network that normalises nothing: PyTorch's default start fades the signal 2.4-fold a layer."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, a=0.2)
            if module.bias is not None:
                nn.init.zeros_(module.bias)


class ConditionedBlock(nn.Module):
    """Pre-activation residual block (He et al. 2016) whose two normalisations are conditioned."""

    def __init__(self, channels: int, condition_size: int, norm: str, leak: float = 0.2) -> None:
        super().__init__()
        self.leak = leak
        self.norm1 = ConditionedNorm(channels, condition_size, norm)
        self.conv1 = conv3x3(channels, channels, bias=False)
        self.norm2 = ConditionedNorm(channels, condition_size, norm)
        self.conv2 = conv3x3(channels, channels)
        with torch.no_grad():
            self.conv2.weight.mul_(0.3)  # blocks start close to the identity, which keeps a deep body calm

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        y = self.conv1(F.leaky_relu(self.norm1(x, condition), self.leak))
        change: Tensor = self.conv2(F.leaky_relu(self.norm2(y, condition), self.leak))
        return x + change


class SubPixelUp(nn.Module):
    """Twice the resolution: convolution to four times the channels, pixel shuffle, blur.

    The four sub-pixels start equal (ICNR, Aitken et al. 2017), and the [1 2 1] blur removes exactly the frequency at
    which they could differ, so no checkerboard can appear (Sugawara et al. 2018).
    """

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.conv, self.blur = conv3x3(in_channels, 4 * out_channels), Blur()
        with torch.no_grad():
            self.conv.weight.copy_(self.conv.weight[::4].repeat_interleave(4, dim=0))
            self.conv.bias.zero_()  # type: ignore[union-attr]

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, C', 2 H, 2 W)."""
        blurred: Tensor = self.blur(F.pixel_shuffle(self.conv(x), 2))
        return blurred


class Blur(nn.Module):
    """Separable [1 2 1] / 4 filter of each channel, edges repeated: (B, C, H, W) -> the same shape."""

    kernel: Tensor

    def __init__(self) -> None:
        super().__init__()
        row = torch.tensor([1.0, 2.0, 1.0])
        self.register_buffer("kernel", (row[:, None] * row / 16)[None, None], persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        weight = self.kernel.to(x.dtype).expand(x.shape[1], 1, 3, 3)
        return F.conv2d(F.pad(x, (1, 1, 1, 1), mode="replicate"), weight, groups=x.shape[1])


def conv3x3(in_channels: int, out_channels: int, *, bias: bool = True) -> nn.Conv2d:
    """3x3 convolution that keeps the size. Zero padding: it tells the network where the edge of the picture is."""
    return nn.Conv2d(in_channels, out_channels, 3, padding=1, bias=bias)
