"""A CSV or Parquet file with a label and 784 pixels a row.

The pixel columns are named as in Kaggle's digit-recognizer (pixel0 to pixel783), from one
on (pixel1 to pixel784), or by row and column (1x1 to 28x28); their order does not matter,
and further columns are passed over. A gap is NaN, never 0.
"""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from digitflow.config.data import TableSource
from digitflow.data.sets import Digits, LabelledImages, number_writers
from digitflow.errors import InputError, list_some
from digitflow.images.frame import SIDE
from digitflow.store.references import digest_file, digest_json

if TYPE_CHECKING:
    import pyarrow as pa

_PIXELS = SIDE * SIDE
_SUFFIXES = (".csv", ".csv.gz", ".parquet")


def fingerprint(source: TableSource) -> str:
    """Return a digest of the files' contents and of the columns' names.

    Raises
    ------
    InputError
        If a file is missing.
    """
    try:
        digests = [digest_file(path) for path in _list_files(source)]
    except OSError as exc:
        raise InputError(f"can't read the table: {exc}") from exc
    return digest_json([source.label, source.writer, *digests])


def load(source: TableSource) -> Digits:
    """Read the table, and the one of test rows where it is named.

    Returns
    -------
    Digits
        Images uint8 (n, 28, 28), or float32 if a pixel is missing or no byte. Labels as
        they are, float with NaN if one is missing. Writers int32, None without a column.

    Raises
    ------
    InputError
        If a file is missing, damaged or empty, lacks columns, or has a cell that is no
        number.
    """
    tables = [_read_table(path, source) for path in _list_files(source)]
    name = source.writer
    writers = number_writers(
        *(table[name].to_pylist() if name in table.column_names else None for table in tables)
    )
    parts = [
        LabelledImages(_read_images(table, path), _read_labels(table, source, path), ids)
        for table, path, ids in zip(tables, _list_files(source), writers, strict=True)
    ]
    test = parts[1] if len(parts) > 1 else None
    return Digits(parts[0], test, origin=f"the table {source.file}")


def _list_files(source: TableSource) -> list[Path]:
    return [path for path in (source.file, source.test_file) if path is not None]


def _read_table(path: Path, source: TableSource) -> "pa.Table":
    """Read the columns that are needed: label, pixels in order, writer if there is one."""
    if not path.name.lower().endswith(_SUFFIXES):
        raise InputError(f"a table must be one of {', '.join(_SUFFIXES)}, got {path}")
    if not path.is_file():
        raise InputError(f"there is no table {path}")
    try:
        table = _read_columns(path, source)
    # pyarrow's errors are ValueErrors or OSErrors.
    except (OSError, ValueError) as exc:
        raise InputError(f"can't read the table {path}: {exc!s:.300}") from exc
    if table.num_rows == 0:
        raise InputError(f"the table {path} has no rows")
    return table


def _read_columns(path: Path, source: TableSource) -> "pa.Table":
    import pyarrow.csv
    import pyarrow.parquet

    if path.name.lower().endswith(".parquet"):
        with pyarrow.parquet.ParquetFile(path) as file:
            return file.read(_choose_columns(file.schema_arrow.names, path, source))
    with pyarrow.csv.open_csv(path) as reader:
        names = reader.schema.names
    return _read_csv(path, _choose_columns(names, path, source), source.writer)


def _read_csv(path: Path, names: list[str], writer: str) -> "pa.Table":
    """Read cells as bytes if all are, else as numbers, else as the text they are."""
    import pyarrow as pa
    from pyarrow.csv import ConvertOptions, read_csv

    for cell_type in (pa.uint8(), pa.float32()):
        types = dict.fromkeys(names, cell_type) | {writer: pa.string()}
        options = ConvertOptions(include_columns=names, column_types=types)
        try:
            return read_csv(path, convert_options=options)
        except pa.ArrowInvalid:
            continue
    types = dict.fromkeys(names, pa.string())
    options = ConvertOptions(
        include_columns=names, column_types=types, strings_can_be_null=True
    )
    return read_csv(path, convert_options=options)


def _choose_columns(present: list[str], path: Path, source: TableSource) -> list[str]:
    pixels = max(_name_pixels(), key=lambda names: len(set(names) & set(present)))
    wanted = [source.label, *pixels]
    missing = [name for name in wanted if name not in set(present)]
    if missing:
        raise InputError(
            f"{path} lacks {len(missing)} columns: {list_some(missing)}. Expected are the "
            f"label ({source.label!r}) and {_PIXELS} pixels named pixel0 to pixel783, "
            f"pixel1 to pixel784 or 1x1 to 28x28; it has {list_some(present)}"
        )
    columns = [*wanted, source.writer] if source.writer in present else wanted
    repeated = [name for name in columns if present.count(name) > 1]
    if repeated:
        raise InputError(f"{path} has columns of the same name: {list_some(repeated)}")
    return columns


def _name_pixels() -> list[list[str]]:
    sides = range(1, SIDE + 1)
    return [
        [f"pixel{number}" for number in range(_PIXELS)],
        [f"pixel{number}" for number in range(1, _PIXELS + 1)],
        [f"{row}x{column}" for row in sides for column in sides],
    ]


def _read_images(table: "pa.Table", path: Path) -> np.ndarray:
    names = table.column_names[1 : _PIXELS + 1]
    columns = [_parse_numbers(table[name], name, path) for name in names]
    dtype = np.uint8 if all(_holds_bytes(column) for column in columns) else np.float32
    images = np.empty((table.num_rows, _PIXELS), dtype=dtype)
    for place, column in enumerate(columns):
        images[:, place] = column.to_numpy()
    return images.reshape(-1, SIDE, SIDE)


def _read_labels(table: "pa.Table", source: TableSource, path: Path) -> np.ndarray:
    labels = _parse_numbers(table[source.label], source.label, path)
    return np.asarray(labels.to_numpy())


def _holds_bytes(column: "pa.ChunkedArray") -> bool:
    import pyarrow as pa
    import pyarrow.compute

    if not pa.types.is_integer(column.type) or column.null_count:
        return False
    if column.type == pa.uint8():
        return True
    extremes = pyarrow.compute.min_max(column).as_py()
    return bool(extremes["min"] >= 0 and extremes["max"] <= np.iinfo(np.uint8).max)


def _parse_numbers(column: "pa.ChunkedArray", name: str, path: Path) -> "pa.ChunkedArray":
    import pyarrow as pa

    if pa.types.is_integer(column.type) or pa.types.is_floating(column.type):
        return column
    try:
        return column.cast(pa.float64())
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as exc:
        raise InputError(_describe_text(column, name, path)) from exc


def _describe_text(column: "pa.ChunkedArray", name: str, path: Path) -> str:
    import pandas as pd

    texts = column.to_pandas().astype("string")
    wrong = texts[texts.notna() & pd.to_numeric(texts, errors="coerce").isna()]
    cells = [f"row {row} has {text!r:.40}" for row, text in wrong.items()]
    return (
        f"{path}: column {name} must hold numbers, {list_some(cells) or column.type} "
        "(row 0 is the first below the header)"
    )
