"""A CSV or Parquet file with a label and 784 pixels a row, or with a label and a picture.

The pixel columns are named as in Kaggle's digit-recognizer (pixel0 to pixel783), from one
on (pixel1 to pixel784), or by row and column (1x1 to 28x28); their order does not matter,
and further columns are passed over. A gap is NaN, never 0. A CSV's cells may be parted by
commas, semicolons or tabs; one without a header has the label first (or last) and 784 pixels
in their order. A column of pictures holds files, as bytes or, as Hugging Face writes them, as
`{bytes, path}`.
"""

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from digitflow.config.data import TableSource
from digitflow.data.contents import read_head, require_data, split_rows
from digitflow.data.framing import frame_rows
from digitflow.data.sets import Digits, LabelledImages, number_writers
from digitflow.errors import InputError, list_some
from digitflow.images.files import decode_picture
from digitflow.images.frame import SIDE
from digitflow.store.references import digest_file, digest_json

if TYPE_CHECKING:
    import pyarrow as pa

_PIXELS = SIDE * SIDE
_CSV = (".csv", ".csv.gz", ".tsv", ".tsv.gz", ".txt", ".txt.gz")
SUFFIXES = (*_CSV, ".parquet")
# Of a header of 784 names, and of the rows below it that are looked at.
_HEAD_BYTES = 1 << 17


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
        Images uint8 (n, 28, 28), or float32 if a pixel is missing or no byte, or a picture
        can't be read. Labels as they are, numbers or texts, NaN or "" if one is missing.
        Writers int32, None without a column.

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
        LabelledImages(_read_images(table, path), _read_labels(table, source), ids)
        for table, path, ids in zip(tables, _list_files(source), writers, strict=True)
    ]
    test = parts[1] if len(parts) > 1 else None
    return Digits(parts[0], test, origin=f"the table {source.file}")


def _list_files(source: TableSource) -> list[Path]:
    return [path for path in (source.file, source.test_file) if path is not None]


def _read_table(path: Path, source: TableSource) -> "pa.Table":
    """Read the columns that are needed: label, pixels in order, writer if there is one."""
    if not path.name.lower().endswith(SUFFIXES):
        raise InputError(
            f"a table must be one of {', '.join(SUFFIXES)}, got {path} (.npz and .mat are read "
            "by the source arrays)"
        )
    if not path.is_file():
        raise InputError(f"there is no table {path}")
    require_data(path)
    try:
        table = _read_columns(path, source)
    # pyarrow's errors are ValueErrors or OSErrors.
    except (OSError, ValueError) as exc:
        raise InputError(f"can't read the table {path}: {exc!s:.300}") from exc
    if table.num_rows == 0:
        raise InputError(f"the table {path} has no rows")
    return table


def _read_columns(path: Path, source: TableSource) -> "pa.Table":
    import pyarrow.parquet

    if path.name.lower().endswith(".parquet"):
        with pyarrow.parquet.ParquetFile(path) as file:
            pictures = _find_pictures(file.schema_arrow)
            present = file.schema_arrow.names
            return file.read(_choose_columns(present, path, source, pictures))
    form = inspect_csv(path, source.label)
    names = _choose_columns(list(form.names), path, source)
    return _read_csv(path, form, names, source)


class TableColumns(NamedTuple):
    """Whether a table has images, as pixels or pictures, and its columns that are none."""

    has_images: bool
    others: tuple[str, ...]


def inspect_table(path: Path) -> TableColumns:
    """Tell by a table's columns what it holds; its rows are not read.

    Raises
    ------
    InputError
        If it can't be read.
    """
    import pyarrow.parquet

    try:
        if path.name.lower().endswith(".parquet"):
            with pyarrow.parquet.ParquetFile(path) as file:
                names, pictures = file.schema_arrow.names, _find_pictures(file.schema_arrow)
        else:
            names, pictures = list(inspect_csv(path).names), None
    # pyarrow's errors are ValueErrors or OSErrors.
    except (OSError, ValueError) as exc:
        raise InputError(f"can't read the table {path}: {exc!s:.300}") from exc
    pixels = max(_name_pixels(), key=lambda known: len(set(known) & set(names)))
    has_pixels = set(pixels) <= set(names)
    images = {pictures} if pictures else set(pixels)
    others = tuple(name for name in names if name not in images)
    return TableColumns(has_pixels or pictures is not None, others)


def _find_pictures(schema: "pa.Schema") -> str | None:
    """Return the column of pictures, where there is one."""
    import pyarrow as pa

    for field in schema:
        inner = [part.name for part in field.type] if pa.types.is_struct(field.type) else []
        if "bytes" in inner or pa.types.is_binary(field.type):
            return str(field.name)
    return None


class CsvForm(NamedTuple):
    """How a CSV is written.

    Attributes
    ----------
    delimiter : str
    names : tuple of str
        Its columns; where it has no header, the label's and "pixel0" to "pixel783".
    has_header : bool
    """

    delimiter: str
    names: tuple[str, ...]
    has_header: bool


def inspect_csv(path: Path, label: str = "label") -> CsvForm:
    """Tell how a CSV is written by its first lines; `label` names that column if none does.

    Raises
    ------
    InputError
        If it has no header, and not a label and 784 pixels a row.
    OSError, ValueError
        If it can't be read, is empty, or is no text.
    """
    head = read_head(path, _HEAD_BYTES)
    if not head or b"\0" in head:
        raise ValueError("it is no text" if head else "it is empty or damaged")
    # Not the last line, which may have been cut.
    whole = head[: head.rfind(b"\n") + 1] or head
    lines = whole.decode("utf-8-sig").splitlines() or [""]
    delimiter, rows = split_rows(lines)
    first = rows[0] if rows else []
    if not first or not all(map(_is_number, first)):
        return CsvForm(delimiter, tuple(first), True)
    if len(first) != _PIXELS + 1:
        raise InputError(
            f"{path} has no header and {len(first):,} columns: expected are a header, or the "
            f"label and {_PIXELS} pixels a row"
        )
    pixels = [f"pixel{number}" for number in range(_PIXELS)]
    # The first pixel lies in a corner, where nobody writes.
    is_last = all(row[0] == first[0] for row in rows) and any(
        row[-1] != first[-1] for row in rows
    )
    names = [*pixels, label] if is_last else [label, *pixels]
    return CsvForm(delimiter, tuple(names), False)


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _read_csv(path: Path, form: CsvForm, names: list[str], source: TableSource) -> "pa.Table":
    """Read cells as bytes if all are, else as numbers, else as the text they are."""
    import pyarrow as pa
    from pyarrow.csv import ConvertOptions, ParseOptions, ReadOptions, read_csv

    numbers, text = (pa.uint8(), pa.float32()), pa.string()
    tried = [*zip(numbers, numbers, strict=True), *((each, text) for each in (*numbers, text))]
    for pixels, label in tried:
        types = dict.fromkeys(names, pixels) | {source.label: label, source.writer: text}
        try:
            return read_csv(
                path,
                read_options=ReadOptions(
                    column_names=list(form.names), skip_rows=int(form.has_header)
                ),
                parse_options=ParseOptions(delimiter=form.delimiter),
                convert_options=ConvertOptions(
                    include_columns=names, column_types=types, strings_can_be_null=True
                ),
            )
        except pa.ArrowInvalid:
            if (pixels, label) == tried[-1]:
                raise
    raise AssertionError("the last one is returned or raised")


def _choose_columns(
    present: list[str], path: Path, source: TableSource, pictures: str | None = None
) -> list[str]:
    pixels = max(_name_pixels(), key=lambda names: len(set(names) & set(present)))
    wanted = [source.label, *([pictures] if pictures else pixels)]
    missing = [name for name in wanted if name not in set(present)]
    if missing:
        raise InputError(_describe_missing(path, source.label, missing, present, pixels))
    columns = [*wanted, source.writer] if source.writer in present else wanted
    repeated = [name for name in columns if present.count(name) > 1]
    if repeated:
        raise InputError(f"{path} has columns of the same name: {list_some(repeated)}")
    return columns


def _describe_missing(
    path: Path, label: str, missing: list[str], present: list[str], pixels: list[str]
) -> str:
    # A name may be as long as the file.
    lacks = f"{path} lacks {len(missing)} columns: {list_some([f'{n:.40}' for n in missing])}"
    others = [f"{name:.40}" for name in present if name not in set(pixels)]
    if missing == [label]:
        return (
            f"{lacks}. source.label names the column of labels; the columns that hold no "
            f"pixels are {list_some(others) or 'none'}"
        )
    return (
        f"{lacks}. Expected are the label ({label!r}) and {_PIXELS} pixels named pixel0 to "
        "pixel783, pixel1 to pixel784 or 1x1 to 28x28, or the label and a column of pictures; "
        f"it has {list_some([f'{name:.40}' for name in present])}"
    )


def _name_pixels() -> list[list[str]]:
    sides = range(1, SIDE + 1)
    return [
        [f"pixel{number}" for number in range(_PIXELS)],
        [f"pixel{number}" for number in range(1, _PIXELS + 1)],
        [f"{row}x{column}" for row in sides for column in sides],
    ]


def _read_images(table: "pa.Table", path: Path) -> np.ndarray:
    if len(table.column_names) < _PIXELS:
        return _read_pictures(table[table.column_names[1]].to_pylist(), path)
    names = table.column_names[1 : _PIXELS + 1]
    columns = [_parse_numbers(table[name], name, path) for name in names]
    dtype = np.uint8 if all(_holds_bytes(column) for column in columns) else np.float32
    images = np.empty((table.num_rows, _PIXELS), dtype=dtype)
    for place, column in enumerate(columns):
        images[:, place] = column.to_numpy()
    return images.reshape(-1, SIDE, SIDE)


def _read_pictures(
    cells: list[dict[str, bytes | None] | bytes | None], path: Path
) -> np.ndarray:
    def read(row: int) -> np.ndarray:
        cell = cells[row]
        content = cell.get("bytes") if isinstance(cell, dict) else cell
        if not content:
            raise InputError(f"row {row} of {path} holds no picture")
        return decode_picture(content, f"row {row} of {path}")

    return frame_rows(len(cells), read, lambda row: f"row {row}", str(path))


def _read_labels(table: "pa.Table", source: TableSource) -> np.ndarray:
    import pyarrow as pa

    column = table[source.label]
    if pa.types.is_integer(column.type) or pa.types.is_floating(column.type):
        return np.asarray(column.to_numpy())
    return np.array(["" if cell is None else cell for cell in column.to_pylist()], dtype=object)


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
