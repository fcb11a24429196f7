"""How long threads wait for a processor: the time that a busy thread lacks on its own clock."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from types import SimpleNamespace

import pytest

from poolzoo.analysis.scoring import processor_wait
from poolzoo.analysis.scoring.processor_wait import ProcessorWait


@pytest.mark.skipif(ProcessorWait().fraction() is None, reason="the system does not count it")
def test_a_busy_thread_waits_for_what_its_own_clock_lacks():
    allowed = os.sched_getaffinity(0)
    one = {min(allowed)}
    rival = subprocess.Popen(
        [sys.executable, "-c", f"import os; os.sched_setaffinity(0, {one}); print(flush=True)\nwhile True: pass"],
        stdout=subprocess.PIPE,
    )
    try:
        rival.stdout.readline()
        os.sched_setaffinity(0, one)
        wait, began, own = ProcessorWait(), time.perf_counter(), time.thread_time()
        while time.perf_counter() < began + 0.4:
            pass
        wall = time.perf_counter() - began
        lacks = (wall - (time.thread_time() - own)) / wall
        fraction = wait.fraction()
    finally:
        os.sched_setaffinity(0, allowed)
        rival.kill()
        rival.wait()
        rival.stdout.close()
    # Other threads of this process may wait too, but then they have work.
    assert 0.1 < lacks < 1 and fraction > lacks - 0.1
    assert fraction < lacks + 0.1 or len(os.listdir("/proc/self/task")) > 1


def test_the_nanoseconds_of_all_threads_are_summed(monkeypatch, tmp_path):
    monkeypatch.setattr(processor_wait, "_THREADS", tmp_path)
    assert ProcessorWait().fraction() is None  # no one counts
    clock = iter([10.0, 14.0])
    monkeypatch.setattr(processor_wait, "time", SimpleNamespace(perf_counter=lambda: next(clock)))
    for thread in ("7", "8"):
        (tmp_path / thread).mkdir()
        (tmp_path / thread / "schedstat").write_text("5 2000000000 3\n")
    wait = ProcessorWait()
    (tmp_path / "7" / "schedstat").write_text("9 4000000000 8\n")
    (tmp_path / "8" / "schedstat").write_text("9 3000000000 8\n")
    assert wait.fraction() == pytest.approx((2 + 1) / 4)
