"""Moving to a device; that it does not wait for a GPU is tested on one (test_gpu.py)."""

import torch

from domainxfer.on_device import on_device


def test_on_a_cpu_a_tensor_stays_what_it_is() -> None:
    x = torch.arange(3)
    assert on_device(x, torch.device("cpu")) is x


def test_elsewhere_it_is_there() -> None:
    assert on_device(torch.arange(3), torch.device("meta")).device.type == "meta"
