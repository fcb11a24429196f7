"""The peak memory of a call, on the CPU and on a GPU."""

from __future__ import annotations

from collections.abc import Callable

import torch


def peak_bytes(call: Callable[[], object], device: torch.device) -> int:
    """Return the peak memory of a call in bytes: what it allocates, its result included; not what was there before."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
        torch.cuda.reset_peak_memory_stats(device)
        before = torch.cuda.memory_allocated(device)
        y = call()
        torch.cuda.synchronize(device)
        del y
        return torch.cuda.max_memory_allocated(device) - before
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU], profile_memory=True) as record:
        y = call()
        del y
    assert record.profiler is not None and record.profiler.kineto_results is not None
    # The allocator's own events, the only record of a running total: +bytes at each allocation, -bytes at each release.
    events = [e for e in record.profiler.kineto_results.events() if e.name() == "[memory]"]
    held = peak = 0
    for event in sorted(events, key=lambda e: e.start_ns()):
        held += event.nbytes()
        peak = max(peak, held)
    return peak
