"""From the host to a device, without waiting for it."""

import torch
from torch import Tensor


def on_device(tensor: Tensor, device: torch.device) -> Tensor:
    """The tensor on a device.

    A plain copy to a GPU waits until all work that the GPU was given before is done, so that it stands idle while the
    next is prepared. From page-locked memory the copy takes its turn behind that work instead.
    """
    if device.type != "cuda" or tensor.device.type != "cpu":
        return tensor.to(device)
    return tensor.pin_memory().to(device, non_blocking=True)
