"""The cost of a whole model with each operator in place of its pools, next to the model as given.

The forward pass is timed in evaluation mode without autograd; forward and backward in training mode, with gradients of
all parameters. The share of each pool is measured in passes of their own, eager and in evaluation mode, because the
hooks that read the clock take time.
"""

from __future__ import annotations

import copy
import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils import _pytree as pytree

from poolzoo.analysis.inputs.networks import CHANNELS_LAST, lay_channels_last
from poolzoo.analysis.results.machine import cpu_threads
from poolzoo.analysis.results.profile_figures import MODEL_FIGURE_KEYS
from poolzoo.analysis.results.result import Result
from poolzoo.analysis.results.rows import Row, one_line, set_numbers
from poolzoo.analysis.results.schema import MODEL_KIND
from poolzoo.analysis.scoring.forward_times import time_shares, time_statement
from poolzoo.analysis.scoring.peak_memory import peak_bytes
from poolzoo.analysis.scoring.pool_modules import describe_specs, make_module, normal_spec, provenance, shown_params
from poolzoo.analysis.scoring.processor_wait import ProcessorWait
from poolzoo.analysis.studies.profile import DTYPES, time_budget
from poolzoo.registry import pool_info
from poolzoo.surgery import Report, replace_pools


@dataclass(frozen=True)
class ModelWorkload:
    """How a model is run.

    Attributes:
        batches: batch sizes; empty means that of the example.
        dtype: a name from :data:`poolzoo.analysis.studies.profile.DTYPES`; None means the model's own.
        device: torch's name of the device.
        channels_last: lay parameters and inputs of four axes out with channels innermost.
        compiled: run the model through ``torch.compile``.
        threads: CPU threads; None means torch's own choice.
        min_time: seconds over which each time is measured, at least.
        seed: of learnable operators' start values and of random draws.
    """

    batches: tuple[int, ...] = ()
    dtype: str | None = None
    device: str = "cpu"
    channels_last: bool = False
    compiled: bool = False
    threads: int | None = None
    min_time: float = 0.2
    seed: int = 0

    def __post_init__(self) -> None:
        if self.dtype is not None and self.dtype not in DTYPES:
            raise ValueError(f"dtype={self.dtype!r}: one of {', '.join(DTYPES)} is allowed")
        if wrong := [batch for batch in self.batches if batch < 1]:
            raise ValueError(f"batch={wrong[0]}: at least 1 is allowed")
        if self.threads is not None and self.threads < 1:
            raise ValueError(f"threads={self.threads}: at least 1 is allowed")


Inputs = tuple[Any, ...]


def profile_model(
    model: nn.Module,
    example: Inputs,
    specs: Sequence[str],
    workload: ModelWorkload = ModelWorkload(),
    *,
    name: str = "",
    on_step: Callable[[int, int], None] | None = None,
) -> Result:
    """Time a model as given and with each operator in place of its pools, one after the other, in this process.

    The model itself is not changed: copies are.

    Args:
        model: the model.
        example: its positional arguments. For another batch size, tensors with the first tensor's batch size are
            repeated or cut along their first axis.
        specs: operators as spec strings.
        workload: how it is run.
        name: of the model, for rows and messages; by default its class.
        on_step: called with the number of finished and of all rows.

    Returns:
        For the model as given and each operator, one row per batch size. A failed row has an ``error``.

    Raises:
        ValueError: an unknown operator, a parameter that is not allowed, a model that does not run on the example, or
            one without pools that can be replaced.
    """
    name = name or type(model).__name__
    specs = list(dict.fromkeys(map(normal_spec, specs)))
    _check_specs(specs, workload)
    cuda = [torch.device(workload.device)] if torch.device(workload.device).type == "cuda" else []
    rows: list[Row] = []
    with torch.random.fork_rng(cuda), cpu_threads(workload.threads or torch.get_num_threads()):
        torch.manual_seed(workload.seed)
        known = provenance("")
        given, inputs = _prepare(model, example, workload, name)
        batches = _batch_sizes(inputs, workload)
        _check_runs(given, _with_batch(inputs, batches[0]), name)
        found = _find_pools(given, _with_batch(inputs, batches[0]), name)
        for spec in ("", *specs):
            own = {batch: _row(name, spec, given, _with_batch(inputs, batch), batch, workload) for batch in batches}
            rows += own.values()
            try:
                run, sites = _variant(given, spec, _with_batch(inputs, batches[0]), found, workload)
            except Exception as error:  # an operator that cannot be put in is a row, not the end of the run
                for row in own.values():
                    row["error"] = one_line(error)
            else:
                for batch, row in own.items():
                    _measure(row, run, sites, _with_batch(inputs, batch), workload)
            if on_step:
                on_step(len(rows), len(batches) * (len(specs) + 1))
    _note_ratios(rows)
    facts = {"pools": describe_specs(specs), "seed": workload.seed, "min_time": workload.min_time, "model": name}
    return Result(MODEL_KIND, known | facts | _sites_found(found), rows)


def _sites_found(found: Report) -> dict[str, list[dict[str, str]]]:
    """Return the pools of the model for the result's metadata."""
    return {
        "pools_replaced": [{"where": site.where, "what": site.before} for site in found.replaced],
        "pools_left_alone": [site._asdict() for site in found.left_alone],
    }


def _check_specs(specs: Sequence[str], workload: ModelWorkload) -> None:
    """Raise ValueError for a parameter that an operator does not take."""
    if not specs:
        raise ValueError("specs=[]: one operator or more is needed")
    for spec in specs:
        ndim = pool_info(shown_params(spec)[0]).ndims[0]
        make_module(
            spec,
            ndim=ndim,
            channels=4,
            window={"kernel_size": 2, "stride": 2},
            seed=workload.seed,
            device="cpu",
            dtype=torch.float32,
        )


def _prepare(model: nn.Module, example: Inputs, workload: ModelWorkload, name: str) -> tuple[nn.Module, Inputs]:
    """Return copies of the model and its inputs on the device, in the dtype and the layout that are asked for."""
    if isinstance(model, torch.jit.ScriptModule):
        raise ValueError(f"model {name}: TorchScript, whose pools cannot be replaced")
    dtype = DTYPES[workload.dtype] if workload.dtype else None

    def moved(x: Tensor) -> Tensor:
        x = x.detach().to(workload.device, dtype if x.is_floating_point() else None)
        layout = CHANNELS_LAST.get(x.dim()) if workload.channels_last else None
        return x if layout is None else x.contiguous(memory_format=layout)

    try:
        given = copy.deepcopy(model).to(device=workload.device, dtype=dtype)
        inputs: Inputs = pytree.tree_map_only(Tensor, moved, example)
        if workload.channels_last:
            layouts = {CHANNELS_LAST[x.dim()] for x in _tensors(inputs) if x.dim() in CHANNELS_LAST}
            if len(layouts) != 1:
                raise ValueError("channels_last: its inputs need four axes, or all five")
            lay_channels_last(given)
    except Exception as error:  # whatever a model does when it is copied or moved
        raise ValueError(f"model {name}: {one_line(error)}") from error
    return given, inputs


def _tensors(inputs: Any) -> list[Tensor]:
    return [leaf for leaf in pytree.tree_leaves(inputs) if isinstance(leaf, Tensor)]


def _batch_sizes(inputs: Inputs, workload: ModelWorkload) -> list[int | None]:
    """Return the batch sizes; None for inputs without one, which are used as they are."""
    sized = [x for x in _tensors(inputs) if x.dim()]
    if workload.batches and not sized:
        raise ValueError(f"batch={workload.batches[0]}: the example has no tensor with a batch axis")
    return list(dict.fromkeys(workload.batches)) or [sized[0].shape[0] if sized else None]


def _with_batch(inputs: Inputs, batch: int | None) -> Inputs:
    """Return inputs of another batch size, repeated or cut along the first axis."""
    sizes = [x.shape[0] for x in _tensors(inputs) if x.dim()]
    if batch is None or not sizes or sizes[0] == batch:
        return inputs
    if sizes[0] == 0:
        raise ValueError("example: its batch is empty")

    def sized(x: Tensor) -> Tensor:
        if not x.dim() or x.shape[0] != sizes[0]:
            return x
        # Indexing would lose the memory layout of an input that is laid out with channels innermost.
        return torch.cat([x] * -(-batch // sizes[0]))[:batch] if batch > sizes[0] else x[:batch]

    resized: Inputs = pytree.tree_map_only(Tensor, sized, inputs)
    return resized


def _check_runs(model: nn.Module, inputs: Inputs, name: str) -> None:
    """Raise ValueError if the model does not run."""
    try:
        with torch.no_grad():
            model.eval()(*inputs)
    except Exception as error:  # whatever a model does
        raise ValueError(f"model {name}: does not run on {_shapes(inputs)}: {one_line(error)}") from error


def _shapes(inputs: Inputs) -> str:
    return " and ".join("x".join(map(str, x.shape)) or "a number" for x in _tensors(inputs)) or "the example"


def _find_pools(model: nn.Module, inputs: Inputs, name: str) -> Report:
    """Return the pools that operators replace.

    Raises:
        ValueError: there are none.
    """
    try:
        report: Report = replace_pools(model, "max", example=inputs, allow_none=True, verbose=False).pool_report  # type: ignore[assignment]
    except Exception as error:
        raise ValueError(f"model {name}: {one_line(error)}") from error
    if not report.replaced:
        stay = "; ".join(f"{site.where} ({site.what}): {site.why}" for site in report.left_alone)
        raise ValueError(f"model {name}: has no pool that can be replaced{f': {stay}' if stay else ''}")
    return report


Sites = tuple[nn.Module, dict[str, nn.Module]]
Run = Callable[..., Any]


def _variant(
    given: nn.Module, spec: str, inputs: Inputs, found: Report, workload: ModelWorkload
) -> tuple[nn.Module, Sites]:
    """Return the model with an operator, and the one in which its pools are modules, with these by name.

    The two differ for the model as given alone, whose pools may be calls of functions, which have no hooks.
    """
    if spec:
        torch.manual_seed(workload.seed)
        model = replace_pools(given, spec, example=inputs, verbose=False)
        return model, (model, _modules_at(model, model.pool_report))  # type: ignore[arg-type]
    hooked = _with_calls_as_modules(given, found)
    return given, (hooked, _modules_at(hooked, found))


def _with_calls_as_modules(given: nn.Module, found: Report) -> nn.Module:
    """Return the model with torch's modules in place of calls of torch's pooling functions."""
    paths = {path for path, _ in given.named_modules(remove_duplicate=False)}
    calls = {site.where for site in found.replaced if site.where.split(", ")[0] not in paths}
    same: dict[str, nn.Module] = {}

    def choose(path: str, module: nn.Module) -> bool:
        if path in calls:
            same[path] = module  # the torch module that computes what the call does
        return path in calls

    if not calls:
        return given
    # Any operator makes the forward call a module at these places.
    model = replace_pools(given, "max", choose, allow_none=True, verbose=False)
    for path, module in same.items():
        parent, _, name = path.rpartition(".")
        setattr(model.get_submodule(parent), name, module)
    return model


def _modules_at(model: nn.Module, report: Report) -> dict[str, nn.Module]:
    """Return the modules where pools were replaced, by their paths; a module in several places is listed once."""
    paths = dict(model.named_modules(remove_duplicate=False))
    sites = {site.where.replace(", ", "+"): paths.get(site.where.split(", ")[0]) for site in report.replaced}
    return {where: module for where, module in sites.items() if module is not None}


def _row(name: str, spec: str, model: nn.Module, inputs: Inputs, batch: int | None, workload: ModelWorkload) -> Row:
    pool, params = shown_params(spec) if spec else ("", "")
    floats = [p.dtype for p in model.parameters() if p.is_floating_point()]
    floats += [x.dtype for x in _tensors(inputs) if x.is_floating_point()]
    row: Row = {  # type: ignore[typeddict-item]
        "model": name,
        "pool": pool,
        "params": params,
        "batch": batch,
        "shape": next(("x".join(map(str, x.shape)) for x in _tensors(inputs)), ""),
        "device": workload.device,
        "dtype": str(floats[0]).removeprefix("torch.") if floats else "",
        "layout": "channels_last" if workload.channels_last else "contiguous",
        "threads": torch.get_num_threads(),
        "execution": "compiled" if workload.compiled else "eager",
        "sites": None,
        "error": None,
    }
    set_numbers(row, dict.fromkeys(MODEL_FIGURE_KEYS))
    return row


def _measure(row: Row, model: nn.Module, sites: Sites, inputs: Inputs, workload: ModelWorkload) -> None:
    """Set a row's figures; those after a failure stay None."""
    torch.manual_seed(workload.seed)
    if workload.compiled:
        torch.compiler.reset()  # else the models before it would count towards the limit of compilations
    run = torch.compile(model, dynamic=False) if workload.compiled else model
    place, wait = "", ProcessorWait()
    try:
        model.eval()
        with torch.no_grad():
            _measure_forward(row, run, sites, inputs, workload)
        place = "forward and backward: "
        model.train()
        _measure_training(row, run, [p for p in model.parameters() if p.requires_grad], inputs, workload)
    except Exception as error:  # a failed operator is a row, not the end of the run
        row["error"] = place + one_line(error)
    finally:
        model.eval()
    row["waited_fraction"] = wait.fraction()


def _measure_forward(row: Row, run: Run, sites: Sites, inputs: Inputs, workload: ModelWorkload) -> None:
    budget = time_budget(workload.min_time)
    forward = functools.partial(run, *inputs)
    # One result is kept meanwhile, as in other measurements of a forward pass; that call also compiles.
    timing = time_statement("forward()", {"forward": forward, "kept": forward()}, *budget)
    row["forward_s"], row["forward_iqr_s"] = timing.median, timing.iqr
    row["peak_bytes"] = peak_bytes(forward, torch.device(workload.device))
    hooked, modules = sites
    shares = time_shares(functools.partial(hooked.eval(), *inputs), modules, *budget)
    row["sites"] = ",".join(f"{where}={share:.4f}" for where, share in shares.items())
    row["pools_share"] = sum(shares.values())


def _measure_training(
    row: Row, run: Run, parameters: Sequence[Tensor], inputs: Inputs, workload: ModelWorkload
) -> None:
    step = functools.partial(_step, run, inputs, parameters)
    if not step():
        return
    timing = time_statement("step()", {"step": step}, *time_budget(workload.min_time))
    row["forward_backward_s"], row["forward_backward_iqr_s"] = timing.median, timing.iqr
    row["training_peak_bytes"] = peak_bytes(step, torch.device(workload.device))


def _step(run: Run, inputs: Inputs, parameters: Sequence[Tensor]) -> tuple[Tensor | None, ...]:
    """Return the gradients of all parameters for a gradient of ones; empty if nothing in the model learns."""
    outputs = [y for y in _tensors(run(*inputs)) if y.requires_grad]
    if not (outputs and parameters):
        return ()
    ones = [torch.ones_like(y) for y in outputs]
    return torch.autograd.grad(outputs, parameters, ones, allow_unused=True)


def _note_ratios(rows: Sequence[Row]) -> None:
    """Set each row's times relative to the model as given, of the same batch size."""
    given = {row["batch"]: row for row in rows if not row["pool"]}
    for row in rows:
        own = given[row["batch"]]
        if row["forward_s"] and own["forward_s"]:
            row["ratio"] = row["forward_s"] / own["forward_s"]
        if row["forward_backward_s"] and own["forward_backward_s"]:
            row["forward_backward_ratio"] = row["forward_backward_s"] / own["forward_backward_s"]
