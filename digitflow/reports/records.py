"""What finished trainings left behind, read again: leaderboards, data cards, images."""

from dataclasses import dataclass
from typing import Any

from digitflow.data.sets import SampleSet
from digitflow.evaluation.scoring import Entry
from digitflow.reports.training import DataCard
from digitflow.store.artifacts import Store
from digitflow.store.references import ArrayRef
from digitflow.store.runs import find_outputs, find_run, list_runs


@dataclass(frozen=True)
class Training:
    """A training run that came to its report.

    Attributes
    ----------
    run : str
    started : str
        UTC, ISO 8601.
    entries : tuple of Entry
        The leaderboard, best first.
    data : DataCard
    record : dict
        All that its run.json holds.
    """

    run: str
    started: str
    entries: tuple[Entry, ...]
    data: DataCard
    record: dict[str, Any]


def list_trainings(store: Store, model: str) -> list[Training]:
    """Return the trainings of a model that came to their reports, the newest first."""
    records = list_runs(store, "train")
    return [
        _read_training(record)
        for record in records
        if record.get("model") == model and "leaderboard" in record
    ]


def find_training(store: Store, run: str) -> Training | None:
    """Return a training by its run; None where its record is gone or has no report."""
    record = find_run(store, run)
    return _read_training(record) if record and "leaderboard" in record else None


def _read_training(record: dict[str, Any]) -> Training:
    return Training(
        run=record["run"],
        started=record["started"],
        entries=tuple(Entry.model_validate(row) for row in record["leaderboard"]),
        data=DataCard.model_validate(record["data"]),
        record=record,
    )


def find_sets(store: Store, run: str, task: str = "split") -> dict[str, SampleSet]:
    """Return the sets of images that a task of a run gave: of "split" its four parts.

    Nothing where they are not known, as of a run whose record was freed.
    """
    sets: dict[str, dict[str, ArrayRef]] = {}
    for name, ref in find_outputs(store, run, task).items():
        part, _, column = name.rpartition(".")
        if isinstance(ref, ArrayRef) and column in SampleSet.model_fields:
            sets.setdefault(part, {})[column] = ref
    return {
        part: SampleSet.model_validate(columns)
        for part, columns in sets.items()
        if {"samples", "targets"} <= columns.keys()
    }
