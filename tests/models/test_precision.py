"""The number format: bf16 only where the hardware is faster with it, and only where it was asked for."""

from typing import Any

import pytest
import torch
from torch import nn

from domainxfer.models.precision import autocast, pays_bf16

CPU = torch.device("cpu")


@pytest.mark.parametrize(
    ("amx", "capabilities", "pays"),
    [
        (True, {"sse4a": False, "avx512_bf16": True}, True),
        (
            False,
            {"sse4a": False, "avx512_bf16": True},
            False,
        ),  # an Intel CPU, slower in bf16
        (False, {"sse4a": True, "avx512_bf16": True}, True),
        (False, {"sse4a": True, "avx512_bf16": False}, False),  # an AMD CPU before Zen 4
        (False, {"architecture": "aarch64", "bf16": True}, False),
    ],
)
def test_a_cpu_pays_with_amx_or_as_one_of_amd_that_has_bf16(
    monkeypatch: pytest.MonkeyPatch, amx: bool, capabilities: dict[str, bool], pays: bool
) -> None:
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: amx)
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: capabilities, raising=False)
    assert pays_bf16(CPU) is pays


def test_a_pytorch_that_does_not_say_whose_cpu_it_is_takes_fp32(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: False)
    monkeypatch.delattr(torch.cpu, "get_capabilities", raising=False)
    assert pays_bf16(CPU) is False


@pytest.mark.parametrize("computed", [True, False])
def test_a_gpu_that_only_emulates_does_not_pay(monkeypatch: pytest.MonkeyPatch, computed: bool) -> None:
    def supported(including_emulation: bool = True) -> bool:
        return including_emulation or computed

    monkeypatch.setattr(torch.cuda, "is_bf16_supported", supported)
    assert pays_bf16(torch.device("cuda")) is computed


def test_an_unknown_device_is_not_trusted() -> None:
    assert pays_bf16(torch.device("meta")) is False


@pytest.mark.parametrize(("bf16", "expected"), [(True, torch.bfloat16), (False, torch.float32)])
def test_layers_compute_in_what_was_asked_for(bf16: bool, expected: torch.dtype) -> None:
    layer = nn.Conv2d(3, 4, 3)
    x = torch.ones(1, 3, 8, 8)
    with autocast(CPU, bf16):
        y = layer(x)
        y.float().sum().backward()
    assert y.dtype == expected
    assert layer.weight.dtype == torch.float32
    assert layer.weight.grad is not None
    assert layer.weight.grad.dtype == torch.float32
    assert layer(x).dtype == torch.float32, "and afterwards as before"


def test_fp32_inside_of_bf16_is_fp32() -> None:
    """Penalties are computed so: autocast is switched off within a pass that has it on."""
    layer, x = nn.Linear(4, 4), torch.ones(2, 4)
    inner: Any
    with autocast(CPU, True):
        with autocast(CPU, False):
            inner = layer(x)
        outer = layer(x)
    assert (inner.dtype, outer.dtype) == (torch.float32, torch.bfloat16)
