"""The type stubs are what the registry makes, and type checkers reject by them what poolzoo would."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from reports.conftest import docs_script

import poolzoo
from poolzoo import registry

PROJECT = Path(__file__).parents[1] / "pyproject.toml"
RIGHT = """
import torch
from torch import Tensor

import poolzoo
from poolzoo import functional as PF

x = torch.rand(1, 3, 8, 8)
y: Tensor = PF.soft_pool2d(x, 2, beta=2.0)
pool: poolzoo.Pool = poolzoo.SoftPool2d(kernel_size=(2, 2), stride=2, beta=0.5, backend="reference")
other: poolzoo.Pool = poolzoo.DppPool1d(3, variant="full", channels=4)
made: poolzoo.Pool = poolzoo.create_pool("softpool:beta=4", kernel_size=2, channels=4)
poolzoo.AdaUnpool2d(2, beta=0.5).load_state_dict(poolzoo.AdaPool2d(2).state_dict())
converted = poolzoo.replace_pools
names: list[str] = poolzoo.list_pools()
size: tuple[int, ...] = poolzoo.SoftPool2d(2).kernel_size
"""
#: A line that is wrong, and what mypy and pyright say of it.
WRONG = {
    "poolzoo.SoftPol2d(2)": ("SoftPool2d", '"SoftPol2d" is not a known attribute of module "poolzoo"'),
    "poolzoo.SoftPool2d(2, betta=1.0)": ('Unexpected keyword argument "betta"', 'No parameter named "betta"'),
    "poolzoo.LipPool2d(2, in_channels=3)": ('keyword argument "in_channels"', 'No parameter named "in_channels"'),
    "poolzoo.AdaUnpool2d(2, betta=1.0)": ('Unexpected keyword argument "betta"', 'No parameter named "betta"'),
    "poolzoo.SoftPool2d()": ('Missing positional argument "kernel_size"', 'missing for parameter "kernel_size"'),
    "PF.soft_pool2d(x, '2')": ('Argument 2 to "soft_pool2d" has incompatible', 'parameter "kernel_size"'),
    "PF.soft_pool2d(x, 2).colour": ('"Tensor" has no attribute "colour"', 'attribute "colour" for class "Tensor"'),
    "poolzoo.SoftPool2d(2)(x).colour": ('"Tensor" has no attribute "colour"', 'attribute "colour" for class "Tensor"'),
    "poolzoo.AdaptiveLpPool2d(output_size=1, stride=2)": ('argument "stride"', 'No parameter named "stride"'),
    "PF.soft_pool4d(x, 2)": ('has no attribute "soft_pool4d"', '"soft_pool4d" is not a known attribute'),
}
#: What a checker must know the type of: every function, every class, every module's result.
TYPES = {
    "poolzoo.AdaptiveSoftPool2d(1)(x)": "Tensor",
    "poolzoo.GlobalSoftPool2d()(x)": "Tensor",
    "poolzoo.AdaptiveLpPool2d((3, None), p=3)": "AdaptiveLpPool2d",
    "PF.global_gem_pool2d(x, flatten=True)": "Tensor",
    "poolzoo.AdaUnpool2d(2)(x, x)": "Tensor",
    "poolzoo.CheckeredMaxPool2d(2)(x)": "Tensor",
    "PF.adaptive_soft_pool2d(x, 1)": "Tensor",
    "PF.ada_unpool2d(x, x, 2)": "Tensor",
    "poolzoo.create_pool('avg')(x)": "Tensor",
    "poolzoo.pool_info('avg')": "PoolInfo",
    "poolzoo.compare('skimage:coffee')": "Result",
}
NEEDED = {"lip": ", logit=x"}
for _info in registry.builtin_pools():
    for _ndim in _info.ndims:
        TYPES[f"PF.{_info.function_name}{_ndim}d(x, 2{NEEDED.get(_info.name, '')})"] = "Tensor"
        TYPES[f"poolzoo.{_info.class_name}{_ndim}d(kernel_size=2)"] = f"{_info.class_name}{_ndim}d"
        TYPES[f"poolzoo.{_info.class_name}{_ndim}d(2)(x)"] = "Tensor"
SCRIPT = RIGHT + "\n".join([*WRONG, *(f"reveal_type({line})" for line in TYPES)]) + "\n"
FIRST = RIGHT.count("\n") + 1


def lowest_python() -> str:
    (lowest,) = re.findall(r'^requires-python = ">=(3\.\d+)"$', PROJECT.read_text(), re.MULTILINE)
    return lowest


def by_mypy(script: Path) -> list[tuple[int, str, str]]:
    """Line, severity and message of everything that it says."""
    from mypy import api

    out, err, _ = api.run(
        ["--strict", "--no-error-summary", "--hide-error-context", "--python-version", lowest_python(), str(script)]
    )
    assert err == ""
    found = [re.fullmatch(r"(?:.*?):(\d+): (error|note): (.*)", line) for line in out.splitlines()]
    return [(int(match[1]), match[2], match[3]) for match in found if match is not None]


def by_pyright(script: Path) -> list[tuple[int, str, str]]:
    (script.parent / "pyrightconfig.json").write_text(
        json.dumps({"typeCheckingMode": "standard", "pythonVersion": lowest_python()})
    )
    command = [sys.executable, "-m", "basedpyright", "--outputjson", "--pythonpath", sys.executable, script.name]
    done = subprocess.run(command, cwd=script.parent, capture_output=True, text=True)
    assert done.returncode in (0, 1), done.stderr
    said: list[dict[str, Any]] = json.loads(done.stdout)["generalDiagnostics"]
    kinds = {"error": "error", "information": "note"}
    return [(one["range"]["start"]["line"] + 1, kinds[one["severity"]], one["message"]) for one in said]


def test_stubs_are_current():
    for path, text in docs_script("make_stubs").texts().items():
        assert path.read_text(encoding="utf-8") == text, f"{path.name}: run make catalog"


@pytest.mark.slow
@pytest.mark.parametrize(("check", "which"), [(by_mypy, 0), (by_pyright, 1)], ids=["mypy", "pyright"])
def test_a_checker_takes_what_is_right_and_names_what_is_wrong(check, which, tmp_path):
    script = tmp_path / "script.py"
    script.write_text(SCRIPT, encoding="utf-8")
    said = check(script)
    errors = {line: message for line, kind, message in said if kind == "error"}
    assert set(errors) == set(range(FIRST, FIRST + len(WRONG))), errors
    for number, (line, words) in enumerate(WRONG.items(), FIRST):
        assert words[which] in errors[number], line
    revealed = {line: message for line, kind, message in said if kind == "note" and "ype " in message}
    for number, (line, name) in enumerate(TYPES.items(), FIRST + len(WRONG)):
        assert re.search(rf'is "([\w.]+\.)?{name}"$', revealed[number]), (line, revealed[number])


def test_stubs_leave_no_parameter_open():
    for name in ("__init__.pyi", "functional.pyi"):
        stub = (Path(poolzoo.__file__).parent / name).read_text(encoding="utf-8")
        assert not re.search(r"\*\*?\w", stub), name


def test_pyproject_promises_one_lowest_python():
    text, lowest = PROJECT.read_text(encoding="utf-8"), lowest_python()
    assert f'python_version = "{lowest}"' in text  # mypy's
    assert f'target-version = "py{lowest.replace(".", "")}"' in text  # ruff's
    named = re.findall(r"Programming Language :: Python :: 3\.(\d+)", text)
    assert f"3.{named[0]}" == lowest
