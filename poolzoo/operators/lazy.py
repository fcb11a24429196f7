"""Modules whose parameters depend on the number of input channels, and that can take it from their first input.

They behave like torch's lazy modules: until the first call the parameters are ``UninitializedParameter``, which can be
moved, saved, loaded and copied. Unlike torch's, a module keeps its class at the first call.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn.modules.lazy import LazyModuleMixin
from torch.nn.parameter import UninitializedParameter, is_lazy

from poolzoo.geometry import check_input
from poolzoo.operators.base import Pool, check_channels


class LazyPool(LazyModuleMixin, Pool):
    """``channels`` is the number of input channels; None takes it from the first input, or from a state dict.

    A subclass overrides :meth:`make_parts`, calls :meth:`start` when its arguments are set, and calls
    :meth:`initialize_parameters` before it uses a parameter.
    """

    channels: int | None
    #: The parameter by whose shape a state dict tells the number of channels, and its axis of channels; None is the
    #: last parameter, which then has one value per channel.
    told_by: ClassVar[tuple[str, int] | None] = None

    def __init__(self, *args: Any, channels: int | None = None, **kwargs: Any) -> None:
        check_channels(channels)
        if channels is None:
            super().__init__(*args, **kwargs)  # with the mixin's hooks, which make a module lazy
        else:
            super(LazyModuleMixin, self).__init__(*args, **kwargs)
        self.channels = channels

    def make_parts(self, channels: int) -> Mapping[str, nn.Module]:
        """Return the submodules with the parameters by attribute name; see :attr:`told_by`."""
        raise NotImplementedError

    def start(self, device: torch.device | str | None, dtype: torch.dtype | None) -> None:
        """Add the submodules, with uninitialized parameters if the number of channels is not known yet."""
        if self.channels is not None:
            for name, part in self.make_parts(self.channels).items():
                setattr(self, name, part.to(device=device, dtype=dtype))
            return
        with torch.device("meta"):  # draws no random numbers
            parts = self.make_parts(1)
        for name, part in parts.items():
            for module in part.modules():
                for key in dict(module.named_parameters(recurse=False)):
                    uninitialized = UninitializedParameter(device=device, dtype=dtype)  # type: ignore[call-arg]
                    setattr(module, key, uninitialized)
            setattr(self, name, part)

    def has_uninitialized_params(self) -> bool:
        """Return whether the number of channels is still unknown."""
        return self.channels is None

    def initialize_parameters(self, input: Tensor) -> None:
        """Take the channels of this input, if they are not known yet.

        Raises:
            ValueError: the module was made for another number of channels, or the input is not allowed.
        """
        check_input(input, self.ndim)
        channels = input.shape[-self.ndim - 1]
        if self.channels is None:
            self.take_channels(channels)
        elif channels != self.channels:
            raise ValueError(f"input: {channels} channels; channels={self.channels} are needed")

    def take_channels(self, channels: int) -> None:
        """Make the parameters for this number of channels, as a first input does; do nothing if it is already known."""
        if self.channels is not None:
            return
        check_channels(channels)
        with torch.inference_mode(False), torch.no_grad():
            for name, started in self.make_parts(channels).items():
                _fill(getattr(self, name), started)
        self.channels = channels
        for hook in ("_initialize_hook", "_load_hook"):
            getattr(self, hook).remove()
            delattr(self, hook)

    def _infer_parameters(self, module: LazyPool, args: Any, kwargs: Any = None) -> None:
        module.initialize_parameters(*args, **(kwargs or {}))

    def _replicate_for_data_parallel(self) -> Any:
        """The mixin's refuses every module of the class; torch's own change their class at the first input."""
        owner: Any = super() if self.channels is None else super(LazyModuleMixin, self)
        return owner._replicate_for_data_parallel()

    def state_dict(self, *args: Any, **kwargs: Any) -> Any:
        if self.channels is None:
            kwargs["keep_vars"] = True  # an uninitialized parameter cannot be detached; torch's save it as it is
        return super().state_dict(*args, **kwargs)

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *args: Any) -> None:
        name, axis = self.told_by or ([key for key, _ in self.named_parameters()][-1], None)
        saved = state_dict.get(prefix + name)
        if self.channels is None and isinstance(saved, Tensor) and not is_lazy(saved) and saved.numel():
            self.take_channels(saved.numel() if axis is None else saved.shape[axis])
        super()._load_from_state_dict(state_dict, prefix, *args)

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Read a module that may have been pickled when its arguments had their former names."""
        present = {self.info.renamed.get(key, key): value for key, value in state.items()}
        super().__setstate__(present)  # type: ignore[no-untyped-call]


def _fill(module: nn.Module, started: nn.Module) -> None:
    """Give a module with uninitialized parameters the sizes and start values of another."""
    for own, other in zip(module.modules(), started.modules(), strict=True):
        # Channels and groups of a convolution.
        vars(own).update({key: value for key, value in vars(other).items() if type(value) is int})
        for key, start in other.named_parameters(recurse=False):
            parameter = getattr(own, key)
            if is_lazy(parameter):
                parameter.materialize(start.shape)
            else:  # torch makes it a plain one where it goes to a device of another kind, as meta
                parameter.data = torch.empty_like(start, device=parameter.device, dtype=parameter.dtype)
            parameter.copy_(start)
