"""Record a training loop of your own into a training store, epoch by epoch."""

from __future__ import annotations

from pathlib import Path

from poolzoo.analysis.results.rows import label
from poolzoo.analysis.results.store_file import is_store
from poolzoo.analysis.results.training_rows import CELL_KEYS, TrainingRow
from poolzoo.analysis.results.training_store import TrainingPlan, TrainingStore
from poolzoo.analysis.scoring.pool_modules import describe_specs, pick_baseline, provenance

#: The settings of a store that is recorded; a run of ``poolzoo train`` has others.
RECORDED = {"recorded": "by record_training"}


def record(path: Path, row: TrainingRow, baseline: str | None = None) -> None:
    """Add a row to a store, in place of an earlier one of this cell and epoch.

    Args:
        path: a new file, or a store that was made by this function.
        row: an epoch.
        baseline: the operator that others are held against; by default avg if it is there, else the first.

    Raises:
        StoreError: not such a store, or it cannot be written.
    """
    spec = label(row) if row["pool"] else ""
    specs = [spec]
    if is_store(path):
        with TrainingStore.open(path) as store:
            specs = list(dict.fromkeys([*store.specs, spec]))
    named = [name for name in specs if name]
    chosen = baseline if baseline in named else None
    metadata = {
        **provenance(pick_baseline(named, chosen) if named else ""),
        "pools": describe_specs(named),
        "images": [],
        "device": row["device"],
    }
    with TrainingStore.create(path, TrainingPlan(RECORDED, tuple(specs), metadata)) as store:
        cell = [row[key] for key in CELL_KEYS]  # type: ignore[literal-required]
        own = {
            other["epoch"]: other
            for other in store.rows_of(spec, row["seed"])
            if [other[key] for key in CELL_KEYS] == cell  # type: ignore[literal-required]
        }
        own[row["epoch"]] = row
        finished = row["error"] is not None or row["test_top1"] is not None
        store.put(spec, [own[epoch] for epoch in sorted(own)], finished=finished)
