"""Runs the CUDA launchers without a GPU: nvcc's PTX in an emulator, on numpy arrays.

POOLZOO_PTXSIM names the emulator's folder: ``ptxsim.py`` (interprets PTX and checks every access), ``fakecuda.py`` and
``fakecudart.c`` (stand in for the CUDA runtime, so that the real host code runs).
"""

from __future__ import annotations

import ctypes
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from poolzoo.native.libraries import locked, operator_flags

SOURCES = Path(__file__).parents[2] / "poolzoo"
FILES = (
    *("native/geometry.h", "native/simd.h", "native/reducers.h", "native/reducers_by_distance.h"),
    *("cuda/launchers.h", "cuda/kernels.cuh", "cuda/pairs.cuh", "cuda/strips.cuh", "cuda/teams.cuh", "cuda/tiles.cuh"),
    *("cuda/plans.cuh", "cuda/reducer_cuda.cu"),
)


def missing() -> str | None:
    """Why nothing can be executed here."""
    if "POOLZOO_PTXSIM" not in os.environ:
        return "POOLZOO_PTXSIM does not name a PTX emulator"
    if not (Path(os.environ["POOLZOO_PTXSIM"]) / "ptxsim.py").exists():
        return f"POOLZOO_PTXSIM={os.environ['POOLZOO_PTXSIM']} holds no ptxsim.py"
    return next((f"no {tool}" for tool in ("nvcc", "gcc") if not shutil.which(tool)), None)


class Geometry(ctypes.Structure):
    """poolzoo/native/geometry.h"""

    _fields_ = [
        ("batch", ctypes.c_int64),
        ("channels", ctypes.c_int64),
        *[(n, ctypes.c_int64 * 3) for n in ("in_", "out", "kernel", "stride", "padding", "dilation")],
        ("channels_last", ctypes.c_int32),
        ("adaptive", ctypes.c_int32),
    ]


class DType(NamedTuple):
    code: int
    storage: type[np.generic]
    eps: float
    accumulated_eps: float
    tiny: float


#: bfloat16 travels as the upper half of a float32. `tiny`: weights below the accumulator's smallest normal number may
#: be 0, and a result moves in steps of the type's smallest number.
DTYPES = {
    "float64": DType(0, np.float64, 2.0**-53, 2.0**-53, 2.0**-1022),
    "float32": DType(1, np.float32, 2.0**-24, 2.0**-24, 2.0**-126),
    "bfloat16": DType(2, np.uint16, 2.0**-8, 2.0**-24, 2.0**-126),
    "float16": DType(3, np.float16, 2.0**-11, 2.0**-24, 2.0**-24),
}


def encode(a: np.ndarray, dtype: str) -> np.ndarray:
    if dtype != "bfloat16":
        return a.astype(DTYPES[dtype].storage)
    # Cuts off: these values are chosen, not computed.
    return (a.astype(np.float32).view(np.uint32) >> 16).astype(np.uint16)


def decode(a: np.ndarray, dtype: str) -> np.ndarray:
    if dtype == "bfloat16":
        a = (a.astype(np.uint32) << 16).view(np.float32)
    return a.astype(np.float64)


def copy_sources(folder: Path, edits: dict[str, str] | None = None) -> Path:
    """A copy of the sources, with each of `edits` applied wherever its text stands; it must stand somewhere."""
    folder.mkdir(parents=True)
    texts = {name: (SOURCES / name).read_text() for name in FILES}
    for old, new in (edits or {}).items():
        if not any(old in text for text in texts.values()):
            raise ValueError(f"not in the sources: {old!r}")
        texts = {name: text.replace(old, new) for name, text in texts.items()}
    for name, text in texts.items():
        (folder / Path(name).name).write_text(text)
    return folder


#: Edits that leave out one type of indices.
ONLY_32_BIT = {"    launch(Windows<int64_t>(g), int64_t{});": "    return;"}
ONLY_64_BIT = {"bool narrow =": "bool narrow = false &&", "    launch(Windows<int32_t>(g), int32_t{});": "    return;"}


def only(*dtypes: str) -> dict[str, str]:
    """Edits that leave out all other types."""
    types = {"float64": "double", "float32": "float", "bfloat16": "__nv_bfloat16", "float16": "__half"}
    codes = {"float64": "kFloat64", "float32": "kFloat32", "bfloat16": "kBFloat16", "float16": "kFloat16"}
    out = [name for name in types if name not in dtypes]
    return {f"    case {codes[name]}: call(static_cast<{types[name]}*>(nullptr)); break;\n": "" for name in out}


def name_parameters(ptx: str) -> str:
    """nvcc may load a parameter through a register that holds its address; the emulator wants it by name."""
    return "".join(map(_name_parameters, re.split(r"(?=\.visible \.entry)", ptx)))


def _name_parameters(entry: str) -> str:
    moves = re.findall(r"(mov\.b64\s+(%rd\d+), (\w+_param_\d+);)", entry)
    places = {register: (name, 0) for _, register, name in moves}
    for statement, register, base, offset in re.findall(r"(add\.s64\s+(%rd\d+), (%rd\d+), (-?\d+);)", entry):
        if base in places:
            places[register] = (places[base][0], places[base][1] + int(offset))
            entry = entry.replace(statement, "")
    for statement, *_ in moves:
        entry = entry.replace(statement, "")

    def named(load: re.Match[str]) -> str:
        name, offset = places.get(load[2], (load[2], 0))
        return f"{load[1]}[{name}+{offset + int(load[3] or 0)}]"

    return re.sub(r"(ld\.param[^\[;]*)\[(%rd\d+)\+?(-?\d+)?\]", named, entry)


class Emulator:
    """One fake CUDA runtime a process; every library loaded through it keeps its own kernels."""

    def __init__(self, folder: Path) -> None:
        home = Path(os.environ["POOLZOO_PTXSIM"])
        sys.path.insert(0, str(home))
        import fakecuda
        import ptxsim

        class GPU(ptxsim.GPU):
            def load(self, ptx: str) -> None:
                super().load(name_parameters(ptx))

        self.folder, self.GPU = folder, GPU
        runtime = folder / "libfakecudart.so"
        subprocess.run(["gcc", "-O2", "-shared", "-fPIC", str(home / "fakecudart.c"), "-o", str(runtime)], check=True)
        self.device = fakecuda.Device(self.GPU(), str(runtime))

    def load(self, target: Path, operator: str) -> Library:
        self.device.gpu = self.GPU()
        return Library(self, operator, ctypes.CDLL(str(target)), self.device.gpu.kernels)


def compiled(sources: Path, operator: str, folder: Path) -> Path:
    """One operator's launchers and PTX, uncompressed and without a runtime: the fake one reads it from the library.

    Test processes that share ``folder`` compile each of them once.
    """
    target = folder / f"{sources.name}-{operator}.so"
    with locked(target.with_suffix(".lock")):
        if not target.exists():
            options = "-std=c++17 -O3 -gencode arch=compute_80,code=compute_80 -lineinfo -shared -Xcompiler -fPIC"
            options += " -cudart none --no-compress"
            command = ["nvcc", *options.split(), *operator_flags(operator), str(sources / "reducer_cuda.cu")]
            subprocess.run([*command, "-o", str(target.with_suffix(".part"))], check=True)
            target.with_suffix(".part").rename(target)
    return target


class Library:
    """One operator's launchers. Arrays are encoded, in the order of memory; a reducer's inputs come as a list."""

    def __init__(self, emulator: Emulator, operator: str, lib: ctypes.CDLL, kernels: dict[str, Any]) -> None:
        self.emulator, self.lib, self.kernels = emulator, lib, kernels
        self.operator = operator
        for name in ("workspace", "param_sums"):
            self.launcher(name).restype = ctypes.c_int64

    def launcher(self, name: str) -> Any:
        return getattr(self.lib, f"poolzoo_{self.operator}_{name}")

    def start(self, schedule: str = "lockstep", races: bool = True) -> Any:
        """A fresh GPU: empty memory, no findings."""
        self.gpu = self.emulator.device.gpu = self.emulator.GPU(schedule=schedule, seed=0, races=races)
        self.gpu.kernels = self.kernels
        return self.gpu

    def put(self, array: np.ndarray, name: str, shift: int) -> ctypes.c_void_p:
        """Copy to the device, `shift` elements into a buffer, so that a shift misaligns it."""
        padded = np.concatenate([np.zeros(shift, array.dtype), array.ravel()])
        return ctypes.c_void_p(self.gpu.put(padded, name) + shift * array.itemsize)

    def put_inputs(self, inputs: Sequence[np.ndarray], shift: int) -> list[Any]:
        return [self.put(a, "xb"[i], shift) for i, a in enumerate(inputs)] + [None] * (2 - len(inputs))

    def room(self, count: int, dtype: str, name: str, shift: int) -> ctypes.c_void_p:
        size = np.dtype(DTYPES[dtype].storage).itemsize
        return ctypes.c_void_p(self.gpu.malloc((count + shift) * size, name) + shift * size)

    def fetch(self, pointer: ctypes.c_void_p, dtype: str, shape: tuple[int, ...]) -> np.ndarray:
        return self.gpu.get(pointer.value, DTYPES[dtype].storage, shape)

    def call(self, name: str, *arguments: Any) -> None:
        status = self.launcher(name)(*arguments)
        self.emulator.device.check()
        if status:
            raise RuntimeError(f"cudaError {status}")

    def forward(
        self, inputs: Sequence[np.ndarray], g: Geometry, dtype: str, param: float, shift: int = 0
    ) -> np.ndarray:
        shape = memory_shape(g, g.out)
        given, py = self.put_inputs(inputs, shift), self.room(int(np.prod(shape)), dtype, "y", shift)
        self.call("forward", *given, py, *common(g, dtype, param))
        return self.fetch(py, dtype, shape)

    def backward(
        self, grad_y: np.ndarray, inputs: Sequence[np.ndarray], g: Geometry, dtype: str, param: float, shift: int = 0
    ) -> list[np.ndarray]:
        shape = memory_shape(g, g.in_)
        pg, given = self.put(grad_y, "grad_y", shift), self.put_inputs(inputs, shift)
        grads = [self.room(int(np.prod(shape)), dtype, f"grad_{'xb'[i]}", shift) for i in range(len(inputs))]
        size = self.launcher("workspace")(ctypes.byref(g), DTYPES[dtype].code)
        space = ctypes.c_void_p(self.gpu.malloc(size, "workspace") if size else None)
        padded = [*grads, *[None] * (2 - len(grads))]
        self.call("backward", pg, *given, *padded, space, *common(g, dtype, param))
        return [self.fetch(p, dtype, shape) for p in grads]

    def param_backward(
        self, grad_y: np.ndarray, inputs: Sequence[np.ndarray], g: Geometry, dtype: str, param: float
    ) -> float:
        pg, given = self.put(grad_y, "grad_y", 0), self.put_inputs(inputs, 0)
        sums = ctypes.c_void_p(self.gpu.malloc(8 * self.launcher("param_sums")(ctypes.byref(g)), "sums"))
        self.call("param_backward", pg, *given, sums, *common(g, dtype, param))
        return float(self.fetch(sums, "float64", ())[()])


def common(g: Geometry, dtype: str, param: float) -> tuple[Any, ...]:
    """What every launcher ends in: geometry, type, parameter and the stream."""
    return ctypes.byref(g), DTYPES[dtype].code, ctypes.c_double(param), None


def memory_shape(g: Geometry, size: Any) -> tuple[int, ...]:
    return (g.batch, *size, g.channels) if g.channels_last else (g.batch, g.channels, *size)
