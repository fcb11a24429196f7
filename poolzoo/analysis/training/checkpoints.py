"""The checkpoint of a cell: one safetensors file with its weights, optimizer state and rows.

It is written under a temporary name and renamed, so that there is a whole one or none. Nothing in it is unpickled.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from poolzoo._console import reason
from poolzoo._files import write_whole


@dataclass(frozen=True)
class Checkpoint:
    """The state of a cell after an epoch.

    Attributes:
        tensors: by name: ``model.``, ``momentum.``, ``ema.`` and ``best.`` and the names of the network.
        facts: plain data: the rows, the numbers of the optimizer, and the ``plan`` that it belongs to.
    """

    tensors: Mapping[str, Tensor]
    facts: dict[str, Any]

    def part(self, name: str) -> dict[str, Tensor]:
        """Return the tensors of one part by their names in it."""
        return {key[len(name) + 1 :]: value for key, value in self.tensors.items() if key.startswith(f"{name}.")}


def write_checkpoint(path: Path, checkpoint: Checkpoint) -> None:
    """Write a checkpoint in place of an earlier one.

    Raises:
        OSError: it cannot be written; an earlier one is unchanged.
    """
    from safetensors.torch import save

    # Copies, because tied weights share memory, which the format does not allow.
    tensors = {name: value.detach().cpu().contiguous().clone() for name, value in checkpoint.tensors.items()}
    path.parent.mkdir(exist_ok=True)
    write_whole(path, save(tensors, {"poolzoo": json.dumps(checkpoint.facts)}))


def read_checkpoint(path: Path, plan: str) -> Checkpoint | None:
    """Read a checkpoint; None if there is none, or one of another plan.

    Args:
        path: the file.
        plan: the digest of the plan that it has to belong to.

    Raises:
        ValueError: it is damaged.
    """
    from safetensors import SafetensorError, safe_open

    if not path.is_file():
        return None
    try:
        with safe_open(path, "pt") as file:
            facts = json.loads((file.metadata() or {})["poolzoo"])
            if facts.get("plan") != plan:
                return None
            return Checkpoint({name: file.get_tensor(name) for name in file.keys()}, facts)  # noqa: SIM118
    except (SafetensorError, KeyError, ValueError, OSError) as error:
        raise ValueError(
            f"{path}: a damaged checkpoint ({reason(error)}); delete it, and its cell is trained from the start"
        ) from error
