"""How long threads wait for a processor: what tells that other work disturbed a measurement.

A time that other work disturbed need not look noisy: with several threads, each call may wait for the one that has no
processor, so that all calls are slow alike. Linux counts the nanoseconds that a thread was ready to run without running
(``/proc/PID/task/TID/schedstat``, see the kernel's documentation of the scheduler's statistics).
"""

from __future__ import annotations

import time
from pathlib import Path

_THREADS = Path("/proc/self/task")


class ProcessorWait:
    """Counts from its creation how long this process's threads wait for a processor."""

    def __init__(self) -> None:
        """Begin to count."""
        self._began, self._waited = time.perf_counter(), _waited_seconds()

    def fraction(self) -> float | None:
        """Return the seconds that threads waited, together, per second since the creation; None where no one counts."""
        waited = _waited_seconds()
        if waited is None or self._waited is None:
            return None
        # A thread that ended takes its count with it.
        return max(waited - self._waited, 0.0) / (time.perf_counter() - self._began)


def _waited_seconds() -> float | None:
    nanoseconds, counted = 0, False
    for thread in _THREADS.glob("*/schedstat"):
        try:
            nanoseconds += int(thread.read_text().split()[1])
            counted = True
        except (OSError, IndexError, ValueError):  # the thread ended meanwhile
            continue
    return nanoseconds / 1e9 if counted else None
