"""Number format and memory layout: what this machine computes fastest, chosen by ``auto``."""

from contextlib import AbstractContextManager

import torch


def pays_bf16(device: torch.device) -> bool:
    """Whether bfloat16 is faster than fp32: on CPUs with AMX, on GPUs since Ampere. Elsewhere fp32 is faster.

    A CPU that has AVX-512 BF16 without AMX computes bf16 too, and more slowly: 166 GFLOP/s against 287 in a 3x3
    convolution of 128 channels, and the training step took 1.3 to 1.5 times as long (docs/results.md). What the
    hardware says of itself decides, not a measurement, so that the same machine always chooses the same.
    """
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    if device.type == "cpu":
        return bool(torch.cpu._is_amx_tile_supported())
    return False


def autocast(device: torch.device, bf16: bool) -> AbstractContextManager[None]:
    """Autocast to bf16 where asked; weights, and what PyTorch lists as needing it, stay fp32."""
    return torch.autocast(device.type, torch.bfloat16, enabled=bf16)
