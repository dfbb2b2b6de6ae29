"""Number format and memory layout: what this machine computes fastest, chosen by ``auto``."""

from contextlib import AbstractContextManager

import torch


def pays_bf16(device: torch.device) -> bool:
    """Whether bfloat16 is faster than fp32: on GPUs since Ampere, on CPUs with AMX, on AMD's with AVX-512 BF16.

    On an Intel CPU that has AVX-512 BF16 without AMX the training step took 1.3 to 1.5 times as long as in fp32, on an
    AMD one .56 to .8 times (docs/results.md, "Speed of the training step"). What the hardware says of itself decides,
    not a measurement, so that the same machine always chooses the same.
    """
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    if device.type == "cpu":
        return bool(torch.cpu._is_amx_tile_supported()) or _is_amd_with_bf16()
    return False


def _is_amd_with_bf16() -> bool:
    """AMD's since Zen 4, told by SSE4a, which Intel's have not; False where this PyTorch does not say."""
    has: dict[str, object] = getattr(torch.cpu, "get_capabilities", dict)()
    return bool(has.get("sse4a") and has.get("avx512_bf16"))


def autocast(device: torch.device, bf16: bool) -> AbstractContextManager[None]:
    """Autocast to bf16 where asked; weights, and what PyTorch lists as needing it, stay fp32."""
    return torch.autocast(device.type, torch.bfloat16, enabled=bf16)
