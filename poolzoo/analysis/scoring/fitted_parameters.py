"""The fitted parameters of an operator: their facts, their file, and modules that have them.

The file format is safetensors: it holds tensors and text, and reading it cannot run code. The facts are JSON under one
key of its metadata, because safetensors stores several keys in no fixed order.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torch import Tensor

import poolzoo
from poolzoo._console import reason
from poolzoo._files import write_whole
from poolzoo.analysis.inputs.training_images import pixel_digest
from poolzoo.analysis.results.rows import Row, label
from poolzoo.analysis.results.schema import CENTER, INTERPOLATE, WINDOW_SIZES, window_words
from poolzoo.analysis.scoring.pool_modules import normal_spec, shown_window
from poolzoo.operators.base import Pool

if TYPE_CHECKING:
    from poolzoo.analysis.inputs.files import FloatImage

#: The metadata's key, and the version of what stands under it.
KEY, VERSION = "poolzoo", 2
#: What a file of version 1 leaves unsaid.
_SINCE_2: dict[str, Any] = {"padding": 0, "dilation": 1, "ceil_mode": False, "align": INTERPOLATE}
#: A larger file is not read: no operator learns that much from images.
MOST_BYTES = 64 * 2**20


@dataclass(frozen=True)
class Fitted:
    """The fitted parameters of an operator, and how they were fitted.

    Attributes:
        spec: the operator, as rows are labelled.
        kernel_size, stride, padding, dilation: of its windows, an int or ``"3x2"``.
        ceil_mode: of its windows.
        upsample, align, normalize: of the round trip whose error was minimised.
        trained_on: the name that the user gave for the training images.
        images: the training images, name and :func:`~poolzoo.analysis.inputs.training_images.pixel_digest`.
        tiles, held_back, side: the number of squares for training, the number held back, and their side in pixels.
        steps, best_step: the number of steps, and the step with the best parameters; 0 keeps the initial ones.
        learning_rate, seed: the learning rate of Adam; the seed of tiles, batches and start values.
        before, after: mean PSNR over the held-back squares in dB, of the initial and of the kept parameters.
        tensors: the module's state by name, on the CPU.
        error: the reason if the fit failed, or None.
    """

    spec: str
    kernel_size: int | str
    stride: int | str
    padding: int | str
    dilation: int | str
    ceil_mode: bool
    upsample: str
    align: str
    normalize: str
    trained_on: str
    images: tuple[tuple[str, str], ...]
    tiles: int
    held_back: int
    side: int
    steps: int
    learning_rate: float
    seed: int
    best_step: int = 0
    before: float = 0.0
    after: float = 0.0
    tensors: dict[str, Tensor] = field(default_factory=dict, repr=False, compare=False)
    error: str | None = None

    @property
    def facts(self) -> dict[str, Any]:
        """All but the tensors, as plain data."""
        facts = {f.name: getattr(self, f.name) for f in fields(self) if f.name not in ("tensors", "images", "error")}
        return facts | {"images": [{"name": name, "sha256": digest} for name, digest in self.images]}

    @property
    def digest(self) -> str:
        """SHA-256 of the parameters, which identifies a fit."""
        digest = hashlib.sha256()
        for name, value in sorted(self.tensors.items()):
            digest.update(f"{name} {tuple(value.shape)} {value.dtype}".encode() + value.contiguous().numpy().tobytes())
        return digest.hexdigest()

    @property
    def words(self) -> str:
        """The images that it learned from, in words, for a row."""
        count = len(self.images)
        how = self.upsample + (f", align {self.align}" if self.align != CENTER else "")
        return f"{count} image{'s' * (count != 1)} ({self.trained_on}), rebuilt by {how}"


#: The types that the facts of a file must have.
_TYPES: dict[str, type | tuple[type, ...]] = {
    **dict.fromkeys(("spec", "upsample", "align", "normalize", "trained_on"), str),
    **dict.fromkeys(WINDOW_SIZES, (int, str)),
    "ceil_mode": bool,
    **dict.fromkeys(("tiles", "held_back", "side", "steps", "seed", "best_step"), int),
    **dict.fromkeys(("learning_rate", "before", "after"), (int, float)),
}


def save_fitted(path: Path, fitted: Fitted) -> None:
    """Write the parameters and their facts to a safetensors file; equal fits are equal bytes."""
    from safetensors.torch import save

    about = {"version": VERSION, "poolzoo": poolzoo.__version__, **fitted.facts}
    tensors = {name: value.contiguous() for name, value in fitted.tensors.items()}
    write_whole(path, save(tensors, {KEY: json.dumps(about, ensure_ascii=False, allow_nan=False)}))


def load_fitted(path: Path) -> Fitted:
    """Read a file that :func:`save_fitted` wrote.

    Raises:
        ValueError: no such file, too large, not safetensors, or not written by poolzoo.
    """
    from safetensors import SafetensorError, safe_open

    try:
        size = path.stat().st_size
        if size > MOST_BYTES:
            raise ValueError(f"{str(path)!r}: {size} bytes; fitted parameters have at most {MOST_BYTES}")
        with safe_open(path, framework="pt") as file:
            about = json.loads((file.metadata() or {}).get(KEY, "null"))
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except OSError as error:
        raise ValueError(f"{str(path)!r}: cannot be read: {error.strerror or error}") from error
    except (SafetensorError, json.JSONDecodeError, RecursionError) as error:
        raise ValueError(f"{str(path)!r}: not a safetensors file ({reason(error)})") from error
    if not isinstance(about, dict) or about.get("version") not in (1, VERSION):
        raise ValueError(f"{str(path)!r}: not written by `poolzoo fit` of this version")
    if about["version"] == 1:
        about = _SINCE_2 | about
    wrong = [key for key, kind in _TYPES.items() if not isinstance(about.get(key), kind)]
    # A result is strict JSON and can state no others.
    wrong += [key for key, value in about.items() if isinstance(value, float) and not math.isfinite(value)]
    images = about.get("images")
    if not isinstance(images, list) or not all(isinstance(i, dict) and {"name", "sha256"} <= set(i) for i in images):
        wrong = [*wrong, "images"]
    if wrong:
        raise ValueError(f"{str(path)!r}: written by `poolzoo fit`, but without a proper {wrong[0]!r}")
    seen = tuple((str(image["name"]), str(image["sha256"])) for image in about["images"])
    # A file of an earlier release may have a former name of a parameter.
    facts = {key: about[key] for key in _TYPES} | {"images": seen, "spec": normal_spec(about["spec"])}
    return Fitted(**facts, tensors=tensors)


def give_parameters(module: Pool, fitted: Fitted, normalize: str) -> Pool:
    """Return ``module`` with the fitted parameters, in its own dtype and on its own device.

    Args:
        module: of the operator that was fitted.
        fitted: the fitted parameters.
        normalize: the input's scale, which must be that of the fit.

    Raises:
        ValueError: fitted for other windows or another scale, or the tensors are not this module's.
    """
    own_window = shown_window(module.geometry)
    given = {key: getattr(fitted, key) for key in own_window}
    if (given, fitted.normalize) != (own_window, normalize):
        here, there = (
            f"{window_words(window)}, {scale} normalisation"
            for window, scale in ((own_window, normalize), (given, fitted.normalize))
        )
        raise ValueError(f"{fitted.spec}: fitted for {there}; here it has {here}")
    if fitted.error is None:
        own = {name: tuple(value.shape) for name, value in module.state_dict().items()}
        learned = {name: tuple(value.shape) for name, value in fitted.tensors.items()}
        if own != learned:
            raise ValueError(f"{fitted.spec}: the fitted parameters are {_shapes(learned)}; {_shapes(own)} are needed")
        module.load_state_dict(fitted.tensors)
    return module


def _shapes(shapes: dict[str, tuple[int, ...]]) -> str:
    return ", ".join(f"{name} {'x'.join(map(str, shape)) or 'scalar'}" for name, shape in sorted(shapes.items()))


def check_fits(fits: Sequence[Fitted], specs: Sequence[str]) -> None:
    """Raise ValueError unless each of ``fits`` is of a different operator among ``specs``."""
    for place, fitted in enumerate(fits):
        if fitted.spec not in specs:
            raise ValueError(f"fitted {fitted.spec!r}: not among the operators that are compared, {', '.join(specs)}")
        if any(other.spec == fitted.spec for other in fits[:place]):
            raise ValueError(f"fitted {fitted.spec!r}: given twice")


def note_scored(rows: Iterable[Row], image: FloatImage, fits: Sequence[Fitted]) -> None:
    """Note in the rows of an image if an operator learned from this image."""
    if not fits:
        return
    digest = pixel_digest(image)
    trained = {fitted.spec for fitted in fits if any(digest == seen for _, seen in fitted.images)}
    for row in rows:
        if row["state"] == "fitted" and label(row) in trained:
            row["pool_fitted_on"] = f"{row['pool_fitted_on']}; this image is one of them"
