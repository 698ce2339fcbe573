"""What pages show of a training on a table: sets, columns, bad rows, how well it fits."""

import csv
import io
from collections.abc import Mapping

import numpy as np
import streamlit as st

from digitflow.app.resources import show_missing
from digitflow.data.facts import TableFacts, describe_cells
from digitflow.data.sets import SampleSet
from digitflow.data.tables.frames import to_frame
from digitflow.evaluation.metrics import ClassificationMetrics
from digitflow.evaluation.scoring import Entry
from digitflow.formatting import format_value
from digitflow.reports.columns import draw_columns
from digitflow.reports.records import Training, find_sets
from digitflow.reports.table import TITLES, describe_values, draw_confusion, draw_predicted
from digitflow.reports.training import PURPOSES, PartCard
from digitflow.store.artifacts import Store
from digitflow.store.runs import find_outputs

REFILL = "The rows of this run are not here any more: a training brings them back."


def show_sets(training: Training) -> None:
    """Show how large the parts are, and what is predicted in each."""
    card = training.data
    st.subheader("Dimensions")
    st.text(card.origin)
    st.dataframe(
        [
            {
                "set": part.name,
                "rows": part.rows,
                **_describe_targets(part, card.classes, card.unit),
                "what for": PURPOSES.get(part.name, ""),
            }
            for part in card.splits
        ],
        hide_index=True,
    )


def _describe_targets(
    part: PartCard, classes: tuple[str, ...], unit: str
) -> Mapping[str, int | str]:
    if classes:
        return dict(zip(classes, part.class_counts, strict=True))
    names = ("lowest", "median", "mean", "highest")
    return {
        name: format_value(value, unit) for name, value in zip(names, part.target, strict=True)
    }


def show_columns(store: Store, training: Training, table: TableFacts) -> None:
    """Show what each column holds, and how its values are spread over the training rows."""
    train = find_sets(store, training.run).get("train")
    if train is None:
        show_missing(REFILL, "digitflow train")
        return
    records = store.open_array(train.samples)
    st.subheader("Columns")
    st.dataframe(
        [
            {
                "column": name,
                "unit": column.unit or "",
                "holds": describe_cells(column),
                "values": describe_values(records[name]),
                "missing": _count_missing(records[name]),
            }
            for name, column in table.columns.items()
        ],
        hide_index=True,
        height="content",
        column_config={
            "column": st.column_config.TextColumn(pinned=True),
            "values": st.column_config.TextColumn(width="large", help="In the training rows."),
            "missing": st.column_config.NumberColumn(help="Cells of the training rows."),
        },
    )
    units = {name: column.unit or "" for name, column in table.columns.items()}
    st.image(
        _draw_columns(train.samples.digest, records, units),
        alt="How the values of each column are spread",
    )


def _count_missing(cells: np.ndarray) -> int:
    return int((cells == "").sum() if cells.dtype.kind == "U" else np.isnan(cells).sum())


@st.cache_data(max_entries=20, show_spinner="drawing")
def _draw_columns(digest: str, _records: np.ndarray, units: Mapping[str, str]) -> bytes:
    return draw_columns(TITLES["columns"], to_frame(_records), units)


def show_quarantine(store: Store, training: Training) -> None:
    """Show the cells and rows that are not used, and why."""
    st.subheader("Quarantine: rows that are not used, and why")
    if not training.data.problems:
        st.success("None: every row could be used.")
        return
    counts = [{"what": what, "rows": rows} for what, rows in training.data.problems.items()]
    st.dataframe(counts, hide_index=True)
    table = find_outputs(store, training.run, "validate").get("quarantine")
    if table is None:
        show_missing(REFILL, "digitflow train")
        return
    rows = csv.DictReader(io.StringIO(store.read_bytes(table).decode()))
    st.dataframe(list(rows), hide_index=True)


def show_fit(store: Store, training: Training, entry: Entry) -> None:
    """Draw what a candidate predicted for the validation rows against what is true."""
    if entry.evaluation is None:
        return
    metrics, card = entry.evaluation.metrics, training.data
    if isinstance(metrics, ClassificationMetrics):
        st.image(
            _draw_classes(metrics.confusion, card.classes),
            alt="How often each class was taken for each",
        )
        return
    validation = find_sets(store, training.run).get("validation")
    if validation is None:
        show_missing(REFILL, "digitflow train")
        return
    st.image(
        _draw_values(entry.evaluation.predictions.digest, store, entry, validation, card.unit),
        alt="Predicted against true values",
    )


@st.cache_data(max_entries=50, show_spinner="drawing")
def _draw_classes(counts: tuple[tuple[int, ...], ...], classes: tuple[str, ...]) -> bytes:
    return draw_confusion(np.array(counts), classes)


@st.cache_data(max_entries=50, show_spinner="drawing")
def _draw_values(
    digest: str, _store: Store, _entry: Entry, _validation: SampleSet, unit: str
) -> bytes:
    assert _entry.evaluation is not None
    targets = _store.open_array(_validation.targets)
    return draw_predicted(targets, _store.open_array(_entry.evaluation.predictions), unit)
