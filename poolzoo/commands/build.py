"""``poolzoo build``."""

from __future__ import annotations

import click

from poolzoo._console import say
from poolzoo.commands.modes import Command
from poolzoo.commands.options import Failed


@click.command(cls=Command)
@click.option("--cuda", is_flag=True, help="Build the CUDA operators too; TORCH_CUDA_ARCH_LIST sets the GPUs.")
def build(cuda: bool) -> None:
    """Build the native operators now instead of at first use.

    \b
    Examples:
      poolzoo build
      TORCH_CUDA_ARCH_LIST=9.0 poolzoo build --cuda
    """
    import warnings

    from poolzoo import native

    for device in ("cpu", "cuda") if cuda else ("cpu",):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the reason is said below, and is an error here
            reason = native.build(device)
        if reason:
            raise Failed(f"the native {device} operators cannot be built: {reason}")
        say(f"native {device}: {native.status()[device]}")
