"""Several generators in one: they share the body and differ in the linear map by which content enters it, their head.

Sharing all but the entrance is how a mixture of generators was built before (MGAN, Hoang et al. 2018). Which head
serves a picture follows from what the generator is given, so that G stays a function of its arguments: the range of one
number of its input is cut into as many parts of equal probability as there are heads. Heads explore by noise on their
weights while they learn (noisy-linear layers: NoisyNet, Fortunato et al. 2018), each with noise of its own.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from domainxfer.draws import draw

SIGMA = 0.017
"""Where each deviation starts: that of NoisyNet's form with a noise a weight (section 3.2)."""


class NoisyHeads(nn.Module):
    """Linear maps side by side, of which each row of the input takes one.

    While training, head h is y = (W_h + S_h * e_h) x + b_h + s_h * f_h, with e, f ~ N(0, 1), one number a weight, until
    the next `redraw`; * is elementwise. After `eval()` it is y = W_h x + b_h. All of W, S, b, s are learned.

    Args:
        heads: how many.
        inputs: length of x.
        outputs: length of y.
        kind: what the numbers that choose the heads are drawn from: ``"normal"`` for N(0, 1), ``"symmetric"`` for
            U(-1, 1).
    """

    weight_noise: Tensor
    bias_noise: Tensor

    def __init__(self, heads: int, inputs: int, outputs: int, kind: str) -> None:
        super().__init__()
        self.heads, self.kind = heads, kind
        bound = (3 / inputs) ** 0.5
        self.weight = nn.Parameter(torch.empty(heads, outputs, inputs).uniform_(-bound, bound))
        self.bias = nn.Parameter(torch.empty(heads, outputs).uniform_(-bound, bound))
        self.weight_sigma = nn.Parameter(torch.full_like(self.weight, SIGMA))
        self.bias_sigma = nn.Parameter(torch.full_like(self.bias, SIGMA))
        # Not in checkpoints: they follow from the step, and are 0 until it is known.
        self.register_buffer("weight_noise", torch.zeros_like(self.weight), persistent=False)
        self.register_buffer("bias_noise", torch.zeros_like(self.bias), persistent=False)

    def forward(self, x: Tensor, chooser: Tensor) -> Tensor:
        """(B, inputs) and the numbers (B,) that choose the heads -> (B, outputs)."""
        weight: Tensor = self.weight
        bias: Tensor = self.bias
        if self.training:
            weight = weight + self.weight_sigma * self.weight_noise
            bias = bias + self.bias_sigma * self.bias_noise
        of_all: Tensor = F.linear(x, weight.flatten(0, 1), bias.flatten()).view(x.shape[0], self.heads, -1)
        return of_all[torch.arange(x.shape[0], device=x.device), self.chosen(chooser)]

    def chosen(self, chooser: Tensor) -> Tensor:
        """The head (B,), int64, of each number: its quantile, in parts of equal size."""
        share = torch.special.ndtr(chooser) if self.kind == "normal" else (chooser + 1) / 2
        return (share * self.heads).long().clamp(0, self.heads - 1)

    def redraw(self, seed: int, step: int) -> None:
        """New noise on the weights, which follows from (seed, step, head)."""
        for head in range(self.heads):
            numbers = draw(seed, "noise on weights", step, head)
            for noise in (self.weight_noise[head], self.bias_noise[head]):
                noise.copy_(torch.from_numpy(numbers.standard_normal(tuple(noise.shape), dtype="float32")))


def redraw_heads(network: nn.Module, seed: int, step: int) -> None:
    """New noise for the heads of a network, if it has any."""
    for module in network.modules():
        if isinstance(module, NoisyHeads):
            module.redraw(seed, step)
