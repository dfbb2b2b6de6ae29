"""Everything a run needs to go on as if it had never stopped, in one file that is whole or not there.

A checkpoint holds both networks, the moving average, the optimizers, the step, and the random state; the place in
the data follows from the step. Plain types and tensors only, read with ``weights_only=True``: nothing is unpickled.
"""

import copy
import io
from pathlib import Path
from typing import Any

import torch
from torch import nn

from domainxfer.errors import DomainxferError
from domainxfer.files import explain_os_error, written_whole
from domainxfer.training.run_folder import checkpoint_files
from domainxfer.training.step import Stepper

FORMAT = 1


class MovingAverage:
    """Exponential moving average of a network's weights, with warm-up: early on it forgets faster.

    After update t the decay was min(decay, (1 + t) / (10 + t)), so the average never carries the random start along.

    Args:
        network: what is averaged.
        decay: reached after warm-up.
    """

    def __init__(self, network: nn.Module, decay: float) -> None:
        self.network, self.decay = copy.deepcopy(network).eval().requires_grad_(False), decay

    @torch.no_grad()
    def update(self, network: nn.Module, step: int) -> None:
        """Move towards the network's weights of this step."""
        decay = min(self.decay, (1 + step) / (10 + step))
        torch._foreach_lerp_(list(self.network.parameters()), list(network.parameters()), 1 - decay)
        for kept, now in zip(self.network.buffers(), network.buffers(), strict=True):
            kept.copy_(now)  # BatchNorm's statistics, averages themselves


def checkpoint_path(folder: Path, step: int) -> Path:
    """Where the checkpoint of a step lies in a ``checkpoints/`` folder."""
    return folder / f"step_{step:07d}.pt"


def save_checkpoint(
    folder: Path, stepper: Stepper, average: MovingAverage, step: int, extra: dict[str, Any], keep: int
) -> Path:
    """Write the checkpoint after ``step`` steps, then remove all but the ``keep`` newest.

    Args:
        folder: ``checkpoints/``.
        stepper: networks and optimizers.
        average: of the generator.
        step: steps done.
        extra: plain types that the loop wants back.
        keep: how many stay.
    """
    state = {
        "format": FORMAT,
        "step": step,
        "generator": stepper.generator.state_dict(),
        "critic": stepper.critic.state_dict(),
        "average": average.network.state_dict(),
        "optimizers": {name: optimizer.state_dict() for name, optimizer in stepper.optimizers.items()},
        "random": torch.get_rng_state(),
        "extra": extra,
    }
    path = checkpoint_path(folder, step)
    buffer = io.BytesIO()  # torch's own file writer hides a full disk behind a RuntimeError
    torch.save(state, buffer)
    with written_whole(path) as part:
        part.write_bytes(buffer.getbuffer())
    # A later one can only be damaged (the run went on from before it): it must not push this one out.
    for old in [other for other in checkpoint_files(folder) if other <= path][:-keep]:
        old.unlink(missing_ok=True)
    return path


def load_checkpoint(path: Path) -> dict[str, Any]:
    """Read a checkpoint.

    Raises:
        DomainxferError: missing, damaged, of a newer version, or a pickle of something else.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise explain_os_error(error, "read", path) from error
    try:
        state = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    except Exception as error:  # damaged bytes can make the reader trip over anything
        raise DomainxferError(f"{path} is no checkpoint of domainxfer, or damaged: refused unread") from error
    if not isinstance(state, dict) or not isinstance(state.get("format"), int):
        raise DomainxferError(f"{path} is no checkpoint of domainxfer")
    if state["format"] > FORMAT:
        raise DomainxferError(f"{path} was written by a newer domainxfer: pip install --upgrade domainxfer")
    if not isinstance(state.get("step"), int) or not isinstance(state.get("extra"), dict):
        raise DomainxferError(f"{path} is no checkpoint of domainxfer")
    return state


def restore(state: dict[str, Any], stepper: Stepper, average: MovingAverage) -> int:
    """Put a checkpoint back; returns the steps done."""
    stepper.generator.load_state_dict(state["generator"])
    stepper.critic.load_state_dict(state["critic"])
    average.network.load_state_dict(state["average"])
    for name, optimizer in stepper.optimizers.items():
        of_recipe = [{k: v for k, v in group.items() if k != "params"} for group in optimizer.param_groups]
        optimizer.load_state_dict(state["optimizers"][name])
        for group, settings in zip(optimizer.param_groups, of_recipe, strict=True):
            group.update(settings)  # the recipe may have other ones now than the checkpoint
    torch.set_rng_state(state["random"])
    return int(state["step"])
