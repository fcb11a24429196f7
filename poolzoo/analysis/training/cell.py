"""One cell: a network with one operator, trained from one seed, epoch after epoch.

An epoch depends on the state after the previous one and on the seed alone: the order of the images, the augmentation
and the network's own draws are seeded anew for each. So a run that was stopped and resumed gives the same rows.
"""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Iterator
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim import lr_scheduler
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from poolzoo.analysis.inputs.labelled import DataSet
from poolzoo.analysis.inputs.networks import lay_channels_last
from poolzoo.analysis.results.rows import one_line
from poolzoo.analysis.results.training_rows import TrainingRow, empty_row
from poolzoo.analysis.scoring.peak_memory import peak_bytes
from poolzoo.analysis.training.batches import (
    SCORED_AT_ONCE,
    augment,
    augmentation_generator,
    epoch_batches,
    scale_of,
    scaled,
    split,
    steps_of,
)
from poolzoo.analysis.training.checkpoints import Checkpoint
from poolzoo.analysis.training.distributed import current_group, own_device
from poolzoo.analysis.training.networks import DRAWS, channels_of, make_model, seed_of, seeded
from poolzoo.analysis.training.recipe import Recipe

#: From this number of classes on, top-5 says something.
TOP5_CLASSES = 10


class TrainingCell:
    """A network in training.

    Attributes:
        rows: one per finished epoch.

    Args:
        recipe: the settings.
        data: the images.
        spec: the operator, "" for the network as it is.
        seed: of the weights and of all draws.

    Raises:
        ValueError: the network cannot be made.
    """

    def __init__(self, recipe: Recipe, data: DataSet, spec: str, seed: int) -> None:
        self.recipe, self.data, self.spec, self.seed = recipe, data, spec, seed
        self.group = current_group()
        self.device = torch.device(own_device(recipe.device))
        self.channels = channels_of(recipe.model, data.shape[0])
        self.model = make_model(recipe.model, spec, seed, data.shape, data.classes).to(self.device)
        self.layout = torch.channels_last if recipe.channels_last else torch.contiguous_format
        if recipe.channels_last:
            lay_channels_last(self.model)
        self.learned, self.held_back = split(data.train, recipe.val_fraction, seed)
        mean, deviation = scale_of(data.train.images, self.learned)
        self.scale = mean.to(self.device), deviation.to(self.device)
        self.steps = steps_of(len(self.learned), recipe.batch_size)
        self.optimizer = torch.optim.SGD(
            self.model.parameters(),
            lr=recipe.lr,
            momentum=recipe.momentum,
            weight_decay=recipe.weight_decay,
            nesterov=recipe.momentum > 0,
        )
        self.scheduler = _scheduler(self.optimizer, recipe, self.steps)
        self.average: nn.Module | None = None
        if recipe.ema:
            decay = get_ema_multi_avg_fn(recipe.ema)  # type: ignore[no-untyped-call]
            self.average = AveragedModel(self.model, multi_avg_fn=decay, use_buffers=True)
        shared = self.group.wrapped(self.model)
        self.runs: nn.Module = torch.compile(shared) if recipe.compile else shared  # type: ignore[assignment]
        self.best: dict[str, Tensor] = {}
        self.best_epoch = 0
        self.rows: list[TrainingRow] = []

    @property
    def is_finished(self) -> bool:
        """Whether all epochs are trained, or one diverged."""
        return len(self.rows) == self.recipe.epochs or any(row["error"] for row in self.rows)

    def run_epoch(self) -> None:
        """Train one epoch, score the held-back images and, after the last epoch, the test images."""
        row = empty_row(self.recipe.data, self.recipe.model, self.spec, self.seed, len(self.rows) + 1)
        row["epochs"], row["device"] = self.recipe.epochs, self.recipe.device
        row["parameters"] = sum(value.numel() for value in self.model.parameters())
        self.rows.append(row)
        try:
            # Each process of a group draws its own part.
            with seeded(seed_of(self.seed, DRAWS, row["epoch"]) + self.group.rank, str(self.device)):
                self._train(row)
                if row["error"] is None:
                    self._score(row)
        except OSError:
            raise
        except Exception as error:  # an operator that cannot be trained is a row, not the end of the run
            if self.group.world > 1:
                raise  # the other processes wait for this one: torchrun ends them, and the run can be resumed
            row["error"] = one_line(error)

    def _train(self, row: TrainingRow) -> None:
        recipe, images = self.recipe, self.data.train
        generator = augmentation_generator(self.seed, row["epoch"])
        loss_sum = torch.zeros((), dtype=torch.float64, device=self.device)
        right, seen = torch.zeros((), dtype=torch.int64, device=self.device), 0
        row["peak_bytes"] = self._step_bytes(row)
        self.runs.train()
        began = time.perf_counter()
        for numbers in epoch_batches(self.learned, recipe.batch_size, self.seed, row["epoch"]):
            batch = augment(images.images[numbers].to(self.device), recipe.augment, generator)[self.group.part]
            labels = images.labels[numbers].to(self.device)[self.group.part]
            self.optimizer.zero_grad(set_to_none=True)
            with self._precision():
                scores = self.runs(self._input(batch))
            loss = F.cross_entropy(scores.float(), labels, label_smoothing=recipe.label_smoothing)
            loss.backward()  # type: ignore[no-untyped-call]
            self.optimizer.step()
            self.scheduler.step()
            if isinstance(self.average, AveragedModel):
                self.average.update_parameters(self.model)
            loss_sum += loss.detach().double() * len(labels)
            right += (scores.detach().argmax(1) == labels).sum()
            seen += len(numbers)
        self.group.add(loss_sum, right)
        self.group.copy_buffers(self.model)
        total = float(loss_sum)  # waits for a GPU
        seconds = time.perf_counter() - began
        row["epoch_s"], row["images_per_s"] = seconds, seen / seconds
        if not math.isfinite(total):
            row["error"] = f"diverged: the training loss of epoch {row['epoch']} is {total}"
            return
        row["train_loss"], row["train_top1"] = total / seen, int(right) / seen

    def _score(self, row: TrainingRow) -> None:
        """Score the held-back images, remember the best epoch, and test at the end."""
        scored = self.average or self.model
        if len(self.held_back):
            row["val_loss"], row["val_top1"], row["val_top5"] = self._rate(scored, "train", self.held_back)
            former = max((r["val_top1"] or 0.0 for r in self.rows[:-1]), default=-1.0)
            if self.recipe.select == "best" and (row["val_top1"] or 0.0) > former:
                self.best = {name: value.detach().clone() for name, value in scored.state_dict().items()}
                self.best_epoch = row["epoch"]
        if row["epoch"] == self.recipe.epochs:
            row["tested_epoch"] = self.best_epoch or row["epoch"]
            if self.best:
                scored.load_state_dict(self.best)
            everything = torch.arange(len(self.data.test))
            row["test_loss"], row["test_top1"], row["test_top5"] = self._rate(scored, "test", everything)

    def _rate(self, model: nn.Module, part: str, numbers: Tensor) -> tuple[float, float, float | None]:
        """Return loss, top-1 and top-5 on some images of a part."""
        held = self.data.train if part == "train" else self.data.test
        sums = torch.zeros(3, dtype=torch.float64, device=self.device)
        model.eval()
        with torch.no_grad(), self._precision():
            for own in torch.split(numbers[self.group.part], SCORED_AT_ONCE):
                labels = held.labels[own].to(self.device)
                scores = model(self._input(held.images[own].to(self.device))).float()
                ranked = scores.topk(min(5, scores.shape[1])).indices == labels[:, None]
                loss = F.cross_entropy(scores, labels, reduction="sum")
                sums += torch.stack([loss.double(), ranked[:, 0].sum(), ranked.sum()])
        self.group.add(sums)
        loss, top1, top5 = (sums / len(numbers)).tolist()
        return loss, top1, top5 if self.data.classes >= TOP5_CLASSES else None

    def _input(self, images: Tensor) -> Tensor:
        return scaled(images, self.scale, self.channels).contiguous(memory_format=self.layout)

    def _precision(self) -> torch.autocast:
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.recipe.amp)

    def _step_bytes(self, row: TrainingRow) -> int | None:
        """Return what a step on a copy of the network allocates at most; measured in the first epoch."""
        if row["epoch"] > 1:
            return self.rows[0]["peak_bytes"]
        model = copy.deepcopy(self.model).train()
        numbers = self.learned[: self.recipe.batch_size][self.group.part]
        images, labels = (held[numbers].to(self.device) for held in (self.data.train.images, self.data.train.labels))

        def step() -> None:
            with self._precision():
                scores = model(self._input(images))
            F.cross_entropy(scores.float(), labels).backward()  # type: ignore[no-untyped-call]

        with seeded(0, str(self.device)):
            return peak_bytes(step, self.device)

    # Checkpoints ----------------------------------------------------------------------------------------------------

    def to_checkpoint(self, plan: str) -> Checkpoint:
        """Return the state, which belongs to the plan of this digest."""
        tensors = {f"model.{name}": value for name, value in self.model.state_dict().items()}
        tensors |= {f"momentum.{name}": value for name, value in self._momenta()}
        tensors |= {f"best.{name}": value for name, value in self.best.items()}
        if self.average is not None:
            tensors |= {f"ema.{name}": value for name, value in self.average.state_dict().items()}
        group = self.optimizer.param_groups[0]
        numbers = {key: value for key, value in group.items() if type(value) in (int, float)}
        facts = {
            "plan": plan,
            "spec": self.spec,
            "seed": self.seed,
            "rows": self.rows,
            "best_epoch": self.best_epoch,
            "group": numbers,
            "scheduler": {"last_epoch": self.scheduler.last_epoch, "_step_count": self.scheduler._step_count},
        }
        return Checkpoint(tensors, facts)

    def resume(self, checkpoint: Checkpoint) -> None:
        """Take over the state of a checkpoint of this cell."""
        facts = checkpoint.facts
        self.model.load_state_dict(checkpoint.part("model"))
        momenta = checkpoint.part("momentum")
        for name, value in self.model.named_parameters():
            if name in momenta:
                self.optimizer.state[value]["momentum_buffer"] = momenta[name].to(self.device)
        self.optimizer.param_groups[0].update(facts["group"])
        self.scheduler.last_epoch = facts["scheduler"]["last_epoch"]
        self.scheduler._step_count = facts["scheduler"]["_step_count"]
        if self.average is not None:
            self.average.load_state_dict(checkpoint.part("ema"))
        self.best = {name: value.to(self.device) for name, value in checkpoint.part("best").items()}
        self.best_epoch, self.rows = facts["best_epoch"], facts["rows"]

    def _momenta(self) -> Iterator[tuple[str, Tensor]]:
        for name, value in self.model.named_parameters():
            momentum: Any = self.optimizer.state.get(value, {}).get("momentum_buffer")
            if momentum is not None:
                yield name, momentum


def _scheduler(optimizer: torch.optim.Optimizer, recipe: Recipe, steps: int) -> lr_scheduler.LRScheduler:
    total = recipe.epochs * steps
    if recipe.schedule == "multistep":
        return lr_scheduler.MultiStepLR(optimizer, [math.ceil(total / 2), math.ceil(total * 3 / 4)], gamma=0.1)
    return lr_scheduler.OneCycleLR(optimizer, recipe.lr, total_steps=max(2, total), cycle_momentum=recipe.momentum > 0)
