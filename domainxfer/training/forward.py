"""How a network is called in training: in the run's number format and, on a GPU, recorded once and then replayed.

The networks are so small that a GPU waits for the program that launches its kernels, thousands a step. A CUDA graph
launches all those of a forward, and all those of its backward, at once. What is computed stays the same.
What is left then is mostly memory read and written by one small operation after another; torch.compile fuses them.
"""

import warnings
from collections.abc import Hashable
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.dropout import _DropoutNd
from torch.nn.utils.parametrize import ParametrizationList

from domainxfer.models.precision import autocast

WITH_A_STATE = (_BatchNorm, _DropoutNd, ParametrizationList)
"""Modules whose forward leaves something behind, or differs from call to call: recording runs it several times."""


class Forward:
    """Calls networks.

    Args:
        device: where they are.
        bf16: autocast to bf16.
        on_gpu: "eager", "replayed" or "compiled" there; on a CPU it is always eager.
    """

    def __init__(
        self, device: torch.device, *, bf16: bool, on_gpu: Literal["eager", "replayed", "compiled"] = "eager"
    ) -> None:
        self.device, self.bf16 = device, bf16
        self.on_gpu = on_gpu if device.type == "cuda" else "eager"
        self._recorded: dict[Hashable, nn.Module] = {}

    def __call__(self, network: nn.Module, *inputs: Tensor | None, which: str) -> Any:
        """network(*inputs).

        Args:
            network: its answer is a tensor or tuples of tensors.
            inputs: on the device.
            which: name of this call. What a replayed call returns is overwritten by the next one of the same name, so
                that calls with a backward in common need names of their own.
        """
        if self.on_gpu == "eager" or not torch.is_grad_enabled() or not may_be_recorded(network):
            with autocast(self.device, self.bf16):
                return network(*inputs)
        given = tuple(x for x in inputs if x is not None)
        learns = tuple(p.requires_grad for p in network.parameters())
        key = (id(network), which, network.training, learns, tuple(_kind(x) for x in inputs))
        if key not in self._recorded:
            fused: Any = torch.compile(network, dynamic=False) if self.on_gpu == "compiled" else network
            self._recorded[key] = _recorded(_Call(fused, inputs, self.device, bf16=self.bf16), given)
        return self._recorded[key](*given)


def _recorded(call: nn.Module, given: tuple[Tensor, ...]) -> nn.Module:
    """The call, whose forward and backward are replayed from now on."""
    like = tuple(x.detach().clone().requires_grad_(x.requires_grad) for x in given)
    # The recording keeps the nodes that add up gradients, on the stream on which it was made. They are waited for.
    warnings.filterwarnings("ignore", message="The AccumulateGrad node's stream does not match")
    torch.cuda.make_graphed_callables(call, like, allow_unused_input=True)  # puts replaying in place of its forward
    return call


def may_be_recorded(network: nn.Module) -> bool:
    """Whether a network answers the same again, and stays the same by that."""
    return not any(isinstance(module, WITH_A_STATE) for module in network.modules())


class _Call(nn.Module):
    """A network with those of its inputs that are tensors; the others are None."""

    def __init__(
        self, network: nn.Module, inputs: tuple[Tensor | None, ...], device: torch.device, *, bf16: bool
    ) -> None:
        super().__init__()
        self.network, self.given, self.device, self.bf16 = network, [x is not None for x in inputs], device, bf16

    def forward(self, *tensors: Tensor) -> Any:
        these = iter(tensors)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.bf16, cache_enabled=False):
            return self.network(*(next(these) if given else None for given in self.given))


def _kind(x: Tensor | None) -> Hashable:
    """What a recording of a call with x holds for."""
    return None if x is None else (x.shape, x.stride(), x.dtype, x.requires_grad)
