"""What the page of a training on a table says beside: its columns, errors, their places."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from digitflow.config.table import PLACE, ClassificationConfig, Column, RegressionConfig
from digitflow.data.sets import PreparedData, SampleSet
from digitflow.data.tables.frames import to_frame
from digitflow.data.tables.sets import CheckedRows
from digitflow.evaluation.evidence import Share
from digitflow.evaluation.scoring import Evaluation, Winner
from digitflow.models.bundle import ModelBundle
from digitflow.reports.charts import (
    COLOURS,
    NO_VALUE,
    draw_matrix,
    encode,
    new_figure,
    soften_frame,
)
from digitflow.reports.columns import BINS, draw_columns, draw_map, write_thousands
from digitflow.reports.pictures import Figures, store_pictures
from digitflow.store.artifacts import Store
from digitflow.store.references import Record

TITLES = {
    "columns": "What the columns hold, in the training rows",
    "predicted": "Predicted against true, on the validation rows",
    "errors": "How far predictions are off, on the validation rows",
    "map": "Where predictions are off, on the validation rows",
    "confusion": "What was taken for what, on the validation rows",
}


class ColumnCard(Record):
    """A column of the training rows: how it is filled, and what is known of it."""

    name: str
    type: str
    unit: str
    missing: int
    capped: int
    values: str


def describe_page(
    store: Store,
    config: RegressionConfig | ClassificationConfig,
    data: PreparedData,
    winner: Winner,
    bundle: ModelBundle,
    others: Mapping[str, Share],
) -> dict[str, Any]:
    """Return what reports/table.html.j2 needs beside a `RunReport`."""
    checked = CheckedRows.of(data.checked)
    train = store.open_array(data.splits.train.samples)
    return {
        "target": config.target,
        "task": config.task,
        "generated": checked.table.generated,
        "intervals": bundle.intervals,
        "columns": [
            _describe_column(name, column, checked, train[name])
            for name, column in checked.table.columns.items()
        ],
        "target_missing": checked.missing.get(config.target, 0),
        "target_capped": checked.capped.get(config.target, 0),
        "photographs": {},
    }


def _describe_column(
    name: str, column: Column, checked: CheckedRows, cells: np.ndarray
) -> ColumnCard:
    return ColumnCard(
        name=name,
        type=column.type,
        unit=column.unit or "",
        missing=checked.missing.get(name, 0),
        capped=checked.capped.get(name, 0),
        values=describe_values(cells),
    )


def describe_values(cells: np.ndarray) -> str:
    """Say what cells (n,) are: categories with their counts, or the range of numbers."""
    return _describe_text(cells) if cells.dtype.kind == "U" else _describe_numbers(cells)


def _describe_text(cells: np.ndarray) -> str:
    values, counts = np.unique(cells[cells != ""], return_counts=True)
    order = np.argsort(-counts, kind="stable")
    return ", ".join(f"{values[place]} ({counts[place]:,})" for place in order)


def _describe_numbers(cells: np.ndarray) -> str:
    known = cells[np.isfinite(cells)]
    if not known.size:
        return "none"
    low, middle, high = np.quantile(known, [0, 0.5, 1])
    return f"{low:,.5g} to {high:,.5g}, median {middle:,.5g}"


def draw_figures(
    store: Store, train: SampleSet, validation: SampleSet, evaluation: Evaluation
) -> Figures:
    """Draw the columns of `train`, and what a model got wrong on the rows of `validation`."""
    from sklearn.metrics import confusion_matrix

    records, targets = (
        store.open_array(validation.samples),
        store.open_array(validation.targets),
    )
    predictions = store.open_array(evaluation.predictions)
    columns = to_frame(store.open_array(train.samples))
    pictures = {"columns": draw_columns(TITLES["columns"], columns)}
    if predictions.ndim == 1:
        pictures |= draw_errors(records, targets, predictions, validation.unit)
    else:
        counts = confusion_matrix(
            targets, predictions.argmax(axis=1), labels=np.arange(len(validation.classes))
        )
        pictures["confusion"] = draw_confusion(counts, validation.classes)
    return store_pictures(store, pictures, TITLES)


def draw_errors(
    records: np.ndarray, targets: np.ndarray, values: np.ndarray, unit: str
) -> dict[str, bytes]:
    """Draw what a regression predicts, how far it is off and, where places are known, where.

    Parameters
    ----------
    records : structured ndarray of shape (n,)
        Rows of a table.
    targets, values : float ndarray of shape (n,)
        True and predicted.

    Returns
    -------
    dict of str to bytes
        PNGs by the names of `TITLES`.
    """
    pictures = {
        "predicted": draw_predicted(targets, values, unit),
        "errors": draw_residuals(targets, values, unit),
    }
    if set(PLACE) <= set(records.dtype.names or ()):
        places = np.stack([records[name] for name in PLACE], axis=1)
        label = f"predicted less true{_write_unit(unit)}"
        pictures["map"] = draw_map(TITLES["map"], places, values - targets, label, signed=True)
    return pictures


def draw_predicted(targets: np.ndarray, values: np.ndarray, unit: str) -> bytes:
    """Draw predicted against true values, a point a row; a PNG."""
    figure = new_figure(6.2, 5.4)
    axes = figure.add_subplot()
    axes.scatter(targets, values, s=5, alpha=0.35, color=COLOURS[0], linewidths=0)
    ends = [min(targets.min(), values.min()), max(targets.max(), values.max())]
    axes.plot(ends, ends, color=COLOURS[1], linewidth=1.2, label="predicted = true")
    _name_axes(axes, f"true{_write_unit(unit)}", f"predicted{_write_unit(unit)}")
    axes.legend(frameon=False)
    return encode(figure)


def draw_residuals(targets: np.ndarray, values: np.ndarray, unit: str) -> bytes:
    """Draw the errors over the predicted values, and how they are spread; a PNG."""
    figure = new_figure(9.6, 4.0)
    left, right = figure.subplots(1, 2)
    errors = values - targets
    left.scatter(values, errors, s=5, alpha=0.35, color=COLOURS[0], linewidths=0)
    left.axhline(0, color=COLOURS[1], linewidth=1.2)
    error = f"predicted less true{_write_unit(unit)}"
    _name_axes(left, f"predicted{_write_unit(unit)}", error)
    right.hist(errors, bins=2 * BINS, color=COLOURS[0])
    _name_axes(right, error, "rows")
    return encode(figure)


def draw_confusion(counts: np.ndarray, classes: tuple[str, ...]) -> bytes:
    """Draw how often each class, a row, was taken for each, a column (k, k); a PNG."""
    # Of three classes the picture is too narrow for its whole title.
    title = TITLES["confusion"].partition(",")[0]
    return draw_matrix(title, counts, "predicted", "true", classes, classes, decimals=0)


def _write_unit(unit: str) -> str:
    return f" ({unit})" if unit else ""


def _name_axes(axes: Any, x_label: str, y_label: str) -> None:
    axes.set_xlabel(x_label)
    axes.set_ylabel(y_label)
    axes.grid(color=NO_VALUE, linewidth=0.8)
    axes.set_axisbelow(True)
    write_thousands(axes)
    soften_frame(axes)
