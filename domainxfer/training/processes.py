"""One process or many: the same code. accelerate finds out where we run; here are the three things training asks of it.

Networks are not wrapped: gradient penalties differentiate twice and several forwards share a backward, which wrappers
make hard to follow. Gradients are averaged by hand after each backward instead.
"""

import os
from collections.abc import Iterable
from datetime import timedelta

import torch
from accelerate import PartialState
from accelerate.utils import broadcast, gather
from torch import Tensor, nn

from domainxfer.errors import UsageError


class Processes:
    """The processes of this run (launched by ``--nproc``, torchrun or accelerate), or just this one.

    A GPU is one of CUDA's. accelerate would take Apple's (MPS) and others' too, on which nothing here was ever tried.

    Args:
        cpu: stay on the CPU even where there is a GPU.

    Raises:
        UsageError: more processes on this machine than it has GPUs.
    """

    def __init__(self, *, cpu: bool = False) -> None:
        if not cpu:
            _refuse_more_processes_than_gpus()
        if not torch.distributed.is_initialized():
            PartialState._reset_state()  # it remembers the device of the first run in this program
        # The others wait while the main process measures, which may take longer than the default of 10 or 30 minutes.
        self.state = PartialState(cpu=cpu or not torch.cuda.is_available(), timeout=timedelta(days=1))
        self.count: int = self.state.num_processes
        self.rank: int = self.state.process_index
        self.is_main: bool = self.state.is_main_process
        self.device: torch.device = self.state.device

    def average_gradients(self, parameters: Iterable[nn.Parameter]) -> None:
        """Replace each gradient by its mean over the processes; one message for all of them."""
        gradients = [p.grad for p in parameters if p.grad is not None]
        if self.count == 1 or not gradients:
            return
        flat = torch.cat([g.reshape(-1) for g in gradients])
        torch.distributed.all_reduce(flat)
        flat /= self.count
        for gradient, mean in zip(gradients, flat.split([g.numel() for g in gradients]), strict=True):
            gradient.copy_(mean.view_as(gradient))

    def gather(self, tensor: Tensor) -> Tensor:
        """The rows of all processes, in order of rank; gradients flow back into this process's rows."""
        if self.count == 1:
            return tensor
        gathered: Tensor = _GatherRows.apply(tensor, self.rank, self.count)
        return gathered

    def mean(self, values: Tensor) -> Tensor:
        """Mean over the processes."""
        if self.count == 1:
            return values
        values = values.clone()
        torch.distributed.all_reduce(values)
        return values / self.count

    def any(self, flag: bool) -> bool:
        """Whether the flag is up in any process: all of them then do the same thing at the same step."""
        if self.count == 1:
            return flag
        up = torch.tensor([float(flag)], device=self.device)
        torch.distributed.all_reduce(up)
        return bool(up.item() > 0)

    def same_start(self, network: nn.Module) -> None:
        """Give every process the main one's weights."""
        if self.count > 1:
            for tensor in network.state_dict().values():
                broadcast(tensor)

    def wait(self) -> None:
        """Until all processes are here."""
        if self.count == 1:
            return
        if self.device.type == "cpu":  # accelerate names a GPU for each process, also where none is used
            torch.distributed.barrier()
        else:
            self.state.wait_for_everyone()


def _refuse_more_processes_than_gpus() -> None:
    here, gpus = int(os.environ.get("LOCAL_WORLD_SIZE", 1)), torch.cuda.device_count()
    if 0 < gpus < here:
        raise UsageError(
            f"{here} processes need a GPU each, and this machine has {gpus}: --nproc {gpus}, or --cpu to leave it alone"
        )


class _GatherRows(torch.autograd.Function):
    """Rows of all processes. Every process computes the same loss L of all rows; dL/d(own rows) is then exact, and the
    averaging of gradients that follows divides it by the number of processes: hence the factor in the backward pass."""

    @staticmethod
    def forward(ctx, rows: Tensor, rank: int, count: int) -> Tensor:  # type: ignore[no-untyped-def]
        ctx.rank, ctx.count, ctx.rows = rank, count, len(rows)
        gathered: Tensor = gather(rows.contiguous())
        return gathered

    @staticmethod
    def backward(ctx, gradient: Tensor):  # type: ignore[no-untyped-def]
        own = gradient[ctx.rank * ctx.rows : (ctx.rank + 1) * ctx.rows]
        return own * ctx.count, None, None
