"""Tables in three forms: a frame as read, a typed frame, and records as stored.

Records are one structured array, with a field for each column: it is stored, hashed and
memory-mapped like any other array.
"""

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from digitflow.config.table import Column
from digitflow.store.references import digest_bytes

if TYPE_CHECKING:
    import pandas as pd

_DIGEST_CHARACTERS = 32
_SEPARATOR = b"\x1f"


@dataclass(frozen=True)
class Table:
    """What a source holds, as it was read.

    Attributes
    ----------
    frame : DataFrame
        A row for each example, its target among the columns.
    test_frame : DataFrame or None
        The source's own test rows; None where it has none.
    origin : str
        One sentence for people: where the rows came from.
    generated : bool
        Whether the rows are invented.
    """

    frame: "pd.DataFrame"
    test_frame: "pd.DataFrame | None"
    origin: str
    generated: bool = False


def text_dtype() -> "pd.StringDtype":
    """Return the dtype of a frame's categories: text, with NaN where a cell is missing."""
    import pandas as pd

    return pd.StringDtype(na_value=np.nan)


def infer_columns(frame: "pd.DataFrame") -> dict[str, Column]:
    """Describe columns by what they hold: numbers where every cell is one, else categories.

    A column without any cell is one of numbers. Text that reads as numbers counts as numbers:
    cells of a CSV come as text.
    """
    return {str(name): Column(type=_infer_type(frame[name])) for name in frame.columns}


def _infer_type(cells: "pd.Series") -> Any:
    numbers = parse_numbers(cells)
    return "number" if bool((numbers.notna() | cells.isna()).all()) else "category"


def parse_numbers(cells: "pd.Series") -> "pd.Series":
    """Return cells as float64, NaN where one is missing or is no number."""
    import pandas as pd

    if pd.api.types.is_numeric_dtype(cells.dtype):
        return cells.astype("float64")
    return pd.to_numeric(cells.astype(object), errors="coerce").astype("float64")


def parse_categories(cells: "pd.Series") -> "pd.Series":
    """Return cells as text without blanks around it, NaN where nothing is left."""
    import pandas as pd

    if pd.api.types.is_float_dtype(cells.dtype) and (cells.dropna() % 1 == 0).all():
        cells = cells.astype("Int64")  # 7.0 was a 7, in a column with gaps
    texts = cells.astype(text_dtype()).str.strip()
    return texts.mask(texts == "")


def type_frame(frame: "pd.DataFrame", columns: Mapping[str, Column]) -> "pd.DataFrame":
    """Return the columns that are there as their types say, in the order of `columns`.

    Cells that are no numbers, in a column of numbers, become NaN: `inspect_table` finds them.
    """
    import pandas as pd

    def parse(name: str) -> "pd.Series":
        is_category = columns[name].type == "category"
        return parse_categories(frame[name]) if is_category else parse_numbers(frame[name])

    present = [name for name in columns if name in frame.columns]
    return pd.DataFrame({name: parse(name) for name in present}, index=frame.index)


def to_records(frame: "pd.DataFrame", columns: Mapping[str, Column]) -> np.ndarray:
    """Return the columns that are there as one structured array.

    Parameters
    ----------
    frame : DataFrame of n rows
        Cells as their types say, or text that reads as numbers.
    columns : mapping of str to Column
        The fields, in this order; those that the frame lacks are left out.

    Returns
    -------
    ndarray of shape (n,), structured
        Numbers float64 with NaN for a missing cell, categories `<U` as wide as the longest
        with "" for a missing one.
    """
    typed = type_frame(frame, columns)
    fields = {
        name: _to_text(typed[name]) if columns[name].type == "category" else typed[name]
        for name in typed.columns
    }
    arrays = {name: np.asarray(cells) for name, cells in fields.items()}
    # Fields without gaps between them, so that equal tables have equal bytes.
    records = np.zeros(len(frame), [(name, array.dtype) for name, array in arrays.items()])
    for name, array in arrays.items():
        records[name] = array
    return records


def _to_text(cells: "pd.Series") -> np.ndarray:
    texts = cells.fillna("").to_numpy(dtype=object)
    return texts.astype(str) if len(texts) else np.empty(0, "<U1")


def to_frame(records: np.ndarray) -> "pd.DataFrame":
    """Return records as a frame: numbers float64, categories text with NaN for "".

    Parameters
    ----------
    records : ndarray of shape (n,), structured
        As `to_records` makes them.
    """
    import pandas as pd

    def open_field(name: str) -> Any:
        cells = np.array(records[name])  # packed: a field alone has gaps between its cells
        return parse_categories(pd.Series(cells)) if cells.dtype.kind == "U" else cells

    return pd.DataFrame({name: open_field(name) for name in records.dtype.names or ()})


def write_cells(records: np.ndarray) -> list[bytes]:
    """Return each record's cells as JSON: an object of the fields' names, null for a gap."""
    names = sorted(records.dtype.names or ())
    return [
        json.dumps({name: _write_cell(record[name]) for name in names}).encode()
        for record in records
    ]


def _write_cell(cell: Any) -> str | float | None:
    if isinstance(cell, str):
        return str(cell) or None
    return None if np.isnan(cell) else float(cell) + 0.0


def read_cells(rows: Iterable[bytes]) -> "pd.DataFrame":
    """Return rows that `write_cells` wrote as a frame."""
    import pandas as pd

    return pd.DataFrame.from_records([json.loads(row) for row in rows])


def identify_rows(
    records: np.ndarray, by: Collection[str] = (), targets: np.ndarray | None = None
) -> np.ndarray:
    """Return a digest of what tells each row from others.

    Parameters
    ----------
    records : ndarray of shape (n,), structured
    by : collection of str, optional
        The fields that count, in any order; without them all fields and the targets.
    targets : ndarray of shape (n,), float64, optional

    Returns
    -------
    ndarray of shape (n,), bytes
        128 bits as hex digits. It depends on the cells' values alone, not on the width of a
        category's field, nor on other rows.
    """
    names = sorted(by or records.dtype.names or ())
    cells = [_list_cells(records[name]) for name in names]
    if not by and targets is not None:
        cells.append(_list_cells(targets))
    head = _SEPARATOR.join(name.encode() for name in names)
    digests = [digest_bytes(head, _SEPARATOR.join(row)) for row in zip(*cells, strict=True)]
    return np.array(digests, f"S{_DIGEST_CHARACTERS}")


def _list_cells(field: np.ndarray) -> Sequence[bytes]:
    if field.dtype.kind == "U":
        return [text.encode() for text in field.tolist()]
    # The shortest text that reads as the number: alike on every machine. -0.0 is 0.0.
    return [repr(number + 0.0).encode() for number in field.tolist()]
