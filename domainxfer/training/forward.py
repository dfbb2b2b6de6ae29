"""How a network is called in training: in the run's number format and, on a GPU, recorded once and then replayed.

The networks are so small that a GPU waits for the program that launches its kernels, thousands a step. A CUDA graph
launches all those of a forward, and all those of its backward, at once. What is computed stays the same.
"""

import warnings
from collections.abc import Callable, Hashable
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call
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
        replayed: record what can be; nothing is on a CPU.
    """

    def __init__(self, device: torch.device, *, bf16: bool, replayed: bool = False) -> None:
        self.device, self.bf16 = device, bf16
        self.replayed = replayed and device.type == "cuda"
        self._recorded: dict[Hashable, Callable[..., Any]] = {}

    def __call__(self, network: nn.Module, *inputs: Tensor | None, which: str) -> Any:
        """network(*inputs).

        Args:
            network: its answer is a tensor or tuples of tensors.
            inputs: on the device.
            which: name of this call. What a replayed call returns is overwritten by the next one of the same name, so
                that calls with a backward in common need names of their own.
        """
        if not (self.replayed and torch.is_grad_enabled() and may_be_recorded(network)):
            with autocast(self.device, self.bf16):
                return network(*inputs)
        given = tuple(x for x in inputs if x is not None)
        parameters = tuple(network.parameters())
        key = (id(network), which, network.training, tuple(x is None for x in inputs), *map(_kind, given + parameters))
        if key not in self._recorded:
            self._recorded[key] = self._record(network, inputs, parameters)
        return self._recorded[key](*given, *parameters)

    def _record(
        self, network: nn.Module, inputs: tuple[Tensor | None, ...], parameters: tuple[Tensor, ...]
    ) -> Callable[..., Any]:
        """The call as a function of those inputs that are there and of the parameters."""
        names = [name for name, _ in network.named_parameters()]
        missing = [x is None for x in inputs]

        def call(*tensors: Tensor) -> Any:
            values = iter(tensors)
            arguments = tuple(None if absent else next(values) for absent in missing)
            with torch.autocast(self.device.type, torch.bfloat16, enabled=self.bf16, cache_enabled=False):
                return functional_call(network, dict(zip(names, values, strict=True)), arguments)

        # Gradients of the parameters themselves may already be under way, on a stream that a recording must not touch.
        # So it is made with copies: of the inputs, and of the parameters as tensors that share their memory.
        like = [x.detach().clone() for x in inputs if x is not None] + [p.detach() for p in parameters]
        wanted = [x.requires_grad for x in (*inputs, *parameters) if x is not None]
        like = [x.requires_grad_(learns) for x, learns in zip(like, wanted, strict=True)]
        return _recorded(call, tuple(like))


def _recorded(call: Callable[..., Any], like: tuple[Tensor, ...]) -> Callable[..., Any]:
    """The call, whose forward and backward are replayed; for arguments like these."""
    with warnings.catch_warnings():
        # Recording asks for gradients of these arguments on two streams in turn, and adds none of them up.
        warnings.filterwarnings("ignore", message="The AccumulateGrad node's stream does not match")
        replayed: Callable[..., Any] = torch.cuda.make_graphed_callables(call, like, allow_unused_input=True)
    return replayed


def may_be_recorded(network: nn.Module) -> bool:
    """Whether a network answers the same again, and stays the same by that."""
    return not any(isinstance(module, WITH_A_STATE) for module in network.modules())


def _kind(x: Tensor) -> Hashable:
    """What a recording of a call with x holds for."""
    return x.shape, x.stride(), x.dtype, x.requires_grad
