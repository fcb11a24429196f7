"""One training on several GPUs or processes, started by ``torchrun``: each takes its part of every batch.

torch's DistributedDataParallel averages the gradients. Batch normalisation sees a process's own part of a batch, as is
usual. The first process writes the store and the checkpoints; the others follow it.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, TypeVar, cast

import torch
from torch import Tensor, nn

Held = TypeVar("Held")


@dataclass(frozen=True)
class Group:
    """The processes of a training; a group of one does nothing.

    Attributes:
        rank: this process's number.
        world: how many there are.
    """

    rank: int = 0
    world: int = 1

    @property
    def is_first(self) -> bool:
        """Whether this process writes."""
        return self.rank == 0

    @property
    def part(self) -> slice:
        """This process's images of a batch."""
        return slice(self.rank, None, self.world)

    def wrapped(self, model: nn.Module) -> nn.Module:
        """Return a network whose gradients are averaged over the processes."""
        return model if self.world == 1 else nn.parallel.DistributedDataParallel(model)

    def add(self, *sums: Tensor) -> None:
        """Add up each tensor over the processes, in place."""
        if self.world > 1:
            for value in sums:
                torch.distributed.all_reduce(value)

    def from_first(self, value: Held) -> Held:
        """Return the first process's object in every process."""
        if self.world == 1:
            return value
        held: list[Any] = [value]
        torch.distributed.broadcast_object_list(held)
        return cast("Held", held[0])

    def copy_buffers(self, model: nn.Module) -> None:
        """Give every process the first one's buffers, as running means."""
        if self.world > 1:
            for buffer in model.buffers():
                torch.distributed.broadcast(buffer, 0)


def is_follower() -> bool:
    """Return whether torchrun started this process, and it is not the first."""
    return int(os.environ.get("WORLD_SIZE", "1")) > 1 and os.environ.get("RANK", "0") != "0"


def own_device(device: str) -> str:
    """Return the device of this process: under torchrun, ``cuda`` is a GPU of its own."""
    return f"cuda:{os.environ['LOCAL_RANK']}" if device == "cuda" and "LOCAL_RANK" in os.environ else device


@contextlib.contextmanager
def joined(device: str) -> Iterator[Group]:
    """Join the processes that torchrun started, until the end of a ``with`` block; without torchrun, a group of one."""
    world = int(os.environ.get("WORLD_SIZE", "1"))
    if world == 1 or "RANK" not in os.environ:
        yield Group()
        return
    torch.distributed.init_process_group("nccl" if device.startswith("cuda") else "gloo")
    try:
        yield current_group()
    finally:
        torch.distributed.destroy_process_group()


def current_group() -> Group:
    """Return the group that this process has joined."""
    if not (torch.distributed.is_available() and torch.distributed.is_initialized()):
        return Group()
    return Group(torch.distributed.get_rank(), torch.distributed.get_world_size())
