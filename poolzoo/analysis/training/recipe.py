"""How networks are trained: everything that the cells of one store have in common."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

SCHEDULES = ("onecycle", "multistep")
AUGMENTATIONS = ("none", "crop", "crop-flip")
SELECTIONS = ("last", "best")


@dataclass(frozen=True)
class Recipe:
    """The settings of a training.

    Attributes:
        data: as :func:`poolzoo.analysis.inputs.labelled.load_data` takes it.
        model: as :func:`poolzoo.analysis.training.networks.make_model` takes it.
        epochs: passes over the training images.
        batch_size: images per step; over all processes.
        lr: the schedule's largest learning rate.
        schedule: ``onecycle`` (Smith & Topin, arXiv 1708.07120, torch's OneCycleLR) or ``multistep`` (a tenth from half
            of the steps on, a hundredth from three quarters on).
        augment: ``none``; ``crop``: a shift by up to an eighth of the side, zeros outside; ``crop-flip``: and mirrored.
        val_fraction: the share of the training images that is held back.
        select: which epoch is tested: ``last``, or the ``best`` by top-1 of the held-back images.
        momentum, weight_decay: of SGD with Nesterov's momentum.
        label_smoothing: of the training loss.
        ema: decay of the exponential moving average of the weights that is scored in their place; 0 for none.
        amp: run the forward pass in bfloat16 where torch's autocast does.
        channels_last: lay weights and images out with channels innermost, which convolutions run faster on.
        compile: run the network through ``torch.compile``.
        device: torch's name of the device.
        train_images, test_images: use this many images; None for all.
    """

    data: str
    model: str = "small"
    epochs: int = 10
    batch_size: int = 128
    lr: float = 0.1
    schedule: str = "onecycle"
    augment: str = "none"
    val_fraction: float = 0.1
    select: str = "last"
    momentum: float = 0.9
    weight_decay: float = 5e-4
    label_smoothing: float = 0.0
    ema: float = 0.0
    amp: bool = False
    channels_last: bool = True
    compile: bool = False
    device: str = "cpu"
    train_images: int | None = None
    test_images: int | None = None

    def __post_init__(self) -> None:
        for name, allowed in (("schedule", SCHEDULES), ("augment", AUGMENTATIONS), ("select", SELECTIONS)):
            if (value := getattr(self, name)) not in allowed:
                raise ValueError(f"{name}={value!r}: {', '.join(allowed)} are allowed")
        for name in ("epochs", "batch_size", "train_images", "test_images"):
            value = getattr(self, name)
            if value is not None and (type(value) is not int or value < 1):
                raise ValueError(f"{name}={value!r}: an int of at least 1 is allowed")
        for name, below in (("val_fraction", 1), ("momentum", 1), ("label_smoothing", 1), ("ema", 1)):
            if not 0 <= getattr(self, name) < below:
                raise ValueError(f"{name}={getattr(self, name)!r}: a number from 0 to below {below} is allowed")
        if not 0 < self.lr < float("inf"):
            raise ValueError(f"lr={self.lr!r}: a number above 0 is allowed")
        if not 0 <= self.weight_decay < float("inf"):
            raise ValueError(f"weight_decay={self.weight_decay!r}: a number from 0 is allowed")
        if self.select == "best" and not self.val_fraction:
            raise ValueError("select best: needs held-back images, a val_fraction above 0")

    @property
    def facts(self) -> dict[str, Any]:
        """The settings as plain data; stores with different ones are different studies."""
        return asdict(self)
