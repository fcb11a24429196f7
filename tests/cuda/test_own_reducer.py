"""The example of a native reducer in docs/extending.md, taken from its text, compiles and pools as it says."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from poolzoo import native
from poolzoo.native import libraries

TEXT = (Path(__file__).parents[2] / "docs" / "extending.md").read_text()
CODE = """
import sys
from pathlib import Path
import torch
from poolzoo import native
from poolzoo.native import libraries
from poolzoo.geometry import make_geometry
from poolzoo.registry import Native, register_pool
from poolzoo.windows import absent, pool_windows

libraries.NATIVE = Path(sys.argv[1])

@register_pool("midrange", summary="", formula="", source="", native=Native("midrange", "Midrange"))
def midrange(a, mask):
    return (absent(a, mask, torch.inf).amin(-1) + absent(a, mask, -torch.inf).amax(-1)) / 2

assert not native.why_not("cpu", "midrange"), native.why_not("cpu", "midrange")
for ndim, shape in ((1, (2, 3, 40)), (2, (2, 3, 12, 35)), (3, (1, 2, 5, 6, 7))):
    for window in ((2,), (3, 2, 1), (3, 3, 0, 2)):
        geometry = make_geometry(ndim, *window)
        order = torch.randperm(torch.Size(shape).numel(), generator=torch.Generator().manual_seed(0))
        results = []
        for pool in (lambda x: native.pool("midrange", x, geometry), lambda x: pool_windows(x, geometry, midrange)):
            x = order.double().reshape(shape).requires_grad_()
            y = pool(x)
            y.square().sum().backward()
            results.append((y, x.grad))
        torch.testing.assert_close(*results)
print("equal")
"""


@pytest.mark.skipif(bool(native.why_not()), reason=f"no native build here: {native.why_not()}")
@pytest.mark.slow
def test_the_example_of_a_reducer_pools(tmp_path):
    (example,) = re.findall(r"```cpp\n(.*?)```", TEXT, flags=re.DOTALL)
    sources = tmp_path / "sources"
    sources.mkdir()
    for source in libraries.NATIVE.iterdir():
        if source.suffix in (".h", ".cpp"):
            text = source.read_text()
            if source.name == "reducers.h":
                text = text.replace("}  // namespace poolzoo", example + "}  // namespace poolzoo")
            (sources / source.name).write_text(text)
    environment = os.environ | {"POOLZOO_CACHE": str(tmp_path / "cache"), "OMP_NUM_THREADS": "2"}
    command = [sys.executable, "-c", CODE, str(sources)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "equal\n"), done.stderr[-3000:]
