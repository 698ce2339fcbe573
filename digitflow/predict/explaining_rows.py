"""Why a row's value was predicted: what each cell adds, and which learnt rows are near."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from digitflow.config.table import PLACE
from digitflow.data.tables.frames import to_records
from digitflow.models.predicting import predict_in_chunks
from digitflow.predict.rows import RowPredictor, open_rows

Cell = str | float | None


@dataclass(frozen=True)
class Span:
    """The values of one column among the rows that a model learnt from.

    Attributes
    ----------
    usual : str or float or None
        The median; of categories the most frequent one. None where every cell is missing.
    low, high : float
        Smallest and largest; NaN for categories, and where every cell is missing.
    values : tuple of str
        The categories, the most frequent first; empty for numbers.
    whole : bool
        Whether all numbers are whole.
    """

    usual: Cell
    low: float = np.nan
    high: float = np.nan
    values: tuple[str, ...] = ()
    whole: bool = False

    @classmethod
    def of(cls, cells: np.ndarray) -> "Span":
        """Measure cells (n,), numbers with NaN for a gap, or text with "" for one."""
        if cells.dtype.kind == "U":
            values, counts = np.unique(cells[cells != ""], return_counts=True)
            ordered = tuple(values[np.argsort(-counts, kind="stable")].tolist())
            return cls(usual=ordered[0] if ordered else None, values=ordered)
        known = cells[np.isfinite(cells)]
        if not known.size:
            return cls(usual=None)
        # A value that occurs: the middle of 3 and 4 rooms is no number of rooms.
        usual = float(np.quantile(known, 0.5, method="nearest"))
        whole = bool((known % 1 == 0).all())
        return cls(usual, float(known.min()), float(known.max()), whole=whole)


def measure_spans(records: np.ndarray) -> dict[str, Span]:
    """Return what the values of each column of records (n,) are."""
    return {name: Span.of(records[name]) for name in records.dtype.names or ()}


def measure_effects(
    predictor: RowPredictor, row: Mapping[str, Any], usual: Mapping[str, Any]
) -> dict[str, float]:
    """Measure by how much a prediction changes because one cell is not the usual one.

    Each cell by itself is set back to the usual one, the others stay: what two of them do
    only together is not seen, and the effects don't add up to the whole difference.

    Parameters
    ----------
    row : mapping of str to cell
        A row whose cells are what their columns hold.
    usual : mapping of str to cell
        Of each column, as the median of the training rows; see `Span`.

    Returns
    -------
    dict of str to float
        Of each column the prediction less the one with the usual cell, in the target's unit;
        of a classification the difference of the predicted class's probability. The largest
        first, by size.
    """
    columns = predictor.table.columns
    given = {name: row.get(name) for name in columns}
    changed = [given | {name: usual[name]} for name in columns]
    records = to_records(open_rows([given, *changed]), columns)
    found = predict_in_chunks(predictor.pipeline, records)
    values = found if found.ndim == 1 else found[:, int(found[0].argmax())]
    effects = dict(zip(columns, (values[0] - values[1:]).tolist(), strict=True))
    return dict(sorted(effects.items(), key=lambda effect: -abs(effect[1])))


def find_near(records: np.ndarray, row: Mapping[str, Any], count: int) -> np.ndarray:
    """Return the rows nearest to a place, by the angle between them; the nearest first.

    Parameters
    ----------
    records : ndarray of shape (n,), structured
        With the fields `longitude` and `latitude`, degrees.
    row : mapping of str to float
        The place, by the same names.

    Returns
    -------
    ndarray of shape (min(n, count),), int64
    """
    longitude, latitude = (np.deg2rad(records[name]) for name in PLACE)
    east, north = (np.deg2rad(float(row[name])) for name in PLACE)
    # Haversines: exact for neighbours too, where cosines of small angles are all but 1.
    half = (
        np.sin((latitude - north) / 2) ** 2
        + np.cos(latitude) * np.cos(north) * np.sin((longitude - east) / 2) ** 2
    )
    return np.argsort(half, kind="stable")[:count]
