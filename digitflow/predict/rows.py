"""A champion of a table, loaded, and what it predicts for rows: frames, records and files."""

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from digitflow.data.facts import TableFacts
from digitflow.data.tables.files import read_frame
from digitflow.data.tables.frames import identify_rows, to_frame, write_cells
from digitflow.data.tables.inspection import CheckedFrame
from digitflow.errors import InputError
from digitflow.feedback.predictions import PREDICTED, PredictionLog
from digitflow.feedback.tables import Sample
from digitflow.images.files import name_file
from digitflow.models.golden import load_bundle
from digitflow.models.intervals import bound_values
from digitflow.models.predicting import predict_in_chunks
from digitflow.models.threads import use_one_thread
from digitflow.predict.predictions import Unread
from digitflow.registry.history import find_champion
from digitflow.registry.versions import Champion
from digitflow.store.artifacts import Store
from digitflow.store.references import Record

if TYPE_CHECKING:
    import pandas as pd

# So many rows are checked and predicted together: what is shown first waits for no more.
BATCH = 10_000
CSV_COLUMNS = (
    *("file", "index", "target", "value", "unit", "low", "high", "probability"),
    *("row", "model", "version", "error"),
)
"""Of a table of what was predicted; see `list_table_row`."""


class RowPrediction(Record):
    """What is predicted for one row.

    Attributes
    ----------
    row : str
        Digest of the row's cells: `digitflow correct` knows it by that.
    file : str or None
        The row's file, where it came from one.
    index : int
        Its place in the file or table, from 0.
    target : str
        The name of what is predicted.
    value : float or str
        The predicted value, in `unit`; of a classification the most probable class.
    unit : str
        Empty where the values have none.
    interval : tuple of (low, high) or None
        Holds the true value with the coverage that was chosen; None without intervals.
    probability : float or None
        Of the class, 0 to 1; None for a value.
    probabilities : dict of str to float
        Of all classes; empty for a value.
    model, version : str
        The registered model that predicted it.
    """

    row: str
    file: str | None
    index: int
    target: str
    value: float | str
    unit: str
    interval: tuple[float, float] | None
    probability: float | None
    probabilities: dict[str, float]
    model: str
    version: str


class RowPredictor:
    """A champion of a table, loaded.

    Parameters
    ----------
    champion : Champion
        Which version this is, and what its rows must hold.
    pipeline : sklearn.pipeline.Pipeline
        Its model: records (n,) to values or probabilities.
    log : PredictionLog or None
        Where every prediction is kept; whoever opened it ends it.

    Raises
    ------
    InputError
        If the champion takes pictures.
    """

    def __init__(
        self, champion: Champion, pipeline: Any, log: PredictionLog | None = None
    ) -> None:
        self.champion = champion
        self.pipeline = pipeline
        self.log = log
        self.table = require_table(champion)

    @classmethod
    def load(cls, store: Store, model: str, log: PredictionLog | None = None) -> "RowPredictor":
        """Load the champion of a registered model.

        Raises
        ------
        InputError
            If there is no champion, it takes pictures, or it predicts otherwise with the
            installed versions.
        DamagedArtifact
            If its file is missing or changed.
        """
        return cls.open(store, find_champion(store, model), log)

    @classmethod
    def open(
        cls, store: Store, champion: Champion, log: PredictionLog | None = None
    ) -> "RowPredictor":
        """Load what `find_champion` has found; raises what `load` does."""
        require_table(champion)
        return cls(champion, load_bundle(champion.bundle, store), log)

    def predict(self, rows: Any, file: str | None = None) -> list[RowPrediction | Unread]:
        """Predict each row.

        Parameters
        ----------
        rows : DataFrame, structured array, dict, list of dicts, or path
            A row's cells by the names of the columns; further ones are passed over. A path is
            that of a CSV, Parquet or JSON lines file; `-` is standard input.
        file : str, optional
            What the rows' file is called, where they are not given by a path.

        Returns
        -------
        list of RowPrediction or Unread
            One for each row, in their order. A row with a cell that is not what its column
            holds is an `Unread` with its index.

        Raises
        ------
        InputError
            If nothing of it is a table, or it lacks a column.
        """
        if isinstance(rows, str | PathLike):
            path = Path(rows)
            return list(self._stream(read_frame(path), name_file(path)))
        return list(self._stream(open_rows(rows), file))

    def read_files(
        self, files: Iterable[str | PathLike[str]]
    ) -> Iterator[RowPrediction | Unread]:
        """Yield what `predict` returns, file by file; one that can't be read is an `Unread`."""
        for file in files:
            name = name_file(file)
            try:
                yield from self._stream(read_frame(Path(file)), name)
            except InputError as exc:
                message = str(exc)
                said = message if name in message else f"{name}: {message}"
                yield Unread(file=str(file), error=said)

    def _stream(
        self, frame: "pd.DataFrame", file: str | None
    ) -> Iterator[RowPrediction | Unread]:
        for start in range(0, len(frame), BATCH):
            yield from self._predict_batch(frame.iloc[start : start + BATCH], file, start)

    def _predict_batch(
        self, frame: "pd.DataFrame", file: str | None, start: int
    ) -> Iterator[RowPrediction | Unread]:
        checked = CheckedFrame(frame, self.table.columns)
        found = iter(self._describe(checked.to_records(self.table.columns), file))
        for row in range(len(frame)):
            place = start + row
            if row not in checked.errors:
                yield next(found).model_copy(update={"file": file, "index": place})
                continue
            named = f"row {place}" if file is None else f"{file}, row {place}"
            yield Unread(file=file, error=f"{named}: {checked.errors[row]}", index=place)

    def _describe(self, records: np.ndarray, file: str | None) -> list[RowPrediction]:
        if not len(records):
            return []
        began = time.perf_counter()
        with use_one_thread(len(records)):
            predictions = predict_in_chunks(self.pipeline, records)
        seconds = (time.perf_counter() - began) / len(records)
        digests = identify_rows(records).astype(str).tolist()
        bounds = self._bound(predictions)
        if self.log is not None:
            samples = [Sample(*row) for row in zip(digests, write_cells(records), strict=True)]
            names = self.champion.name, self.champion.version
            statuses = [PREDICTED] * len(samples)
            self.log.add(samples, predictions, statuses, *names, file, seconds, bounds)
        described = (
            self._describe_classes(predictions)
            if predictions.ndim == 2
            else self._describe_values(predictions, bounds)
        )
        known = {
            "file": None,
            "index": 0,
            "target": self.table.target,
            "unit": self.table.unit,
            "model": self.champion.name,
            "version": self.champion.version,
        }
        rows = zip(digests, described, strict=True)
        return [RowPrediction(row=digest, **known, **said) for digest, said in rows]

    def _bound(self, predictions: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
        intervals = self.champion.bundle.intervals
        return None if intervals is None else bound_values(predictions, intervals)

    def _describe_values(
        self, values: np.ndarray, bounds: tuple[np.ndarray, np.ndarray] | None
    ) -> Iterator[dict[str, Any]]:
        intervals: list[Any] = [None] * len(values)
        if bounds is not None:
            intervals = np.column_stack(bounds).tolist()
        for value, interval in zip(values.tolist(), intervals, strict=True):
            yield {
                "value": value,
                "interval": interval,
                "probability": None,
                "probabilities": {},
            }

    def _describe_classes(self, probabilities: np.ndarray) -> Iterator[dict[str, Any]]:
        names = [self.table.classes[int(number)] for number in self.pipeline.classes_]
        for shares in probabilities.tolist():
            place = int(np.argmax(shares))
            yield {
                "value": names[place],
                "interval": None,
                "probability": shares[place],
                "probabilities": dict(zip(names, shares, strict=True)),
            }


def require_table(champion: Champion) -> TableFacts:
    """Return what is known of the rows that a champion takes.

    Raises
    ------
    InputError
        If it takes pictures.
    """
    if champion.bundle.table is None:
        raise InputError(f"{champion.name} reads pictures of digits, no rows of a table")
    return champion.bundle.table


def open_rows(rows: Any) -> "pd.DataFrame":
    """Return whatever rows are given as a frame, its cells as they came.

    Raises
    ------
    InputError
        If it is no DataFrame, structured array, dict or list of dicts, or has no rows.
    """
    import pandas as pd

    if isinstance(rows, np.ndarray) and rows.dtype.names:
        return to_frame(np.atleast_1d(rows))
    if isinstance(rows, Mapping):
        rows = [rows]
    if isinstance(rows, Sequence) and rows and all(isinstance(row, Mapping) for row in rows):
        rows = pd.DataFrame.from_records(rows)
    if not isinstance(rows, pd.DataFrame) or rows.empty:
        raise InputError(
            "rows are a DataFrame, a structured array, a dict or a list of dicts, with one "
            f"row or more, got {type(rows).__name__}"
        )
    return rows


def list_table_row(result: RowPrediction | Unread) -> dict[str, Any]:
    """Return a result as a row of a table with `CSV_COLUMNS`."""
    row = result.model_dump(include=set(CSV_COLUMNS))
    if isinstance(result, RowPrediction) and result.interval is not None:
        row |= {"low": result.interval[0], "high": result.interval[1]}
    return row
