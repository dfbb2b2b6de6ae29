"""Number format and memory layout: what this machine computes fastest, chosen by ``auto``."""

from contextlib import AbstractContextManager

import torch


def pays_bf16(device: torch.device) -> bool:
    """Whether bfloat16 is computed by the hardware: on CPUs with AMX or AVX-512 BF16, on GPUs since Ampere.

    Elsewhere bf16 is emulated and slower than fp32.
    """
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    if device.type == "cpu":
        return bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())
    return False


def autocast(device: torch.device, bf16: bool) -> AbstractContextManager[None]:
    """Autocast to bf16 where asked; weights, and what PyTorch lists as needing it, stay fp32."""
    return torch.autocast(device.type, torch.bfloat16, enabled=bf16)
