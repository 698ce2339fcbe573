"""Files of tables: CSV, Parquet, and JSON lines."""

import gzip
import io
import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from digitflow.data.contents import require_head, split_rows
from digitflow.errors import InputError, list_some
from digitflow.images.files import STANDARD_INPUT, name_file, read_standard_input
from digitflow.store.references import digest_file, digest_json

if TYPE_CHECKING:
    import pandas as pd

SUFFIXES = (".csv", ".csv.gz", ".tsv", ".tsv.gz", ".parquet", ".jsonl", ".jsonl.gz")
_GZIP, _PARQUET = b"\x1f\x8b", b"PAR1"
# Of a first line with thousands of names.
_HEAD_BYTES = 1 << 17
_NUMBER = re.compile(r"[-+]?\d+(?:[.,]\d*)?(?:[eE][-+]?\d+)?")


def require_table_file(path: Path, suffixes: tuple[str, ...] = SUFFIXES) -> None:
    """Say so if a path is no file of one of these kinds.

    Raises
    ------
    InputError
        If its name ends otherwise, or there is no such file.
    """
    if not path.name.lower().endswith(suffixes):
        raise InputError(f"a table must be one of {', '.join(suffixes)}, got {path}")
    if not path.is_file():
        raise InputError(f"there is no table {path}")


def digest_tables(*paths: Path) -> str:
    """Return a digest of files' contents.

    Raises
    ------
    InputError
        If one can't be read.
    """
    try:
        return digest_json([digest_file(path) for path in paths])
    except OSError as exc:
        raise InputError(f"can't read the table: {exc}") from exc


def read_frame(path: Path) -> "pd.DataFrame":
    """Read a table; nothing is guessed of what its cells mean.

    Parameters
    ----------
    path : Path
        Its kind is what its name ends in; `-` is standard input, whose kind its content tells.

    Returns
    -------
    DataFrame
        A CSV's cells as text, NaN where one is empty or says NA or NaN; those of Parquet and
        JSON lines as they are.

    Raises
    ------
    InputError
        If the file is missing, damaged or without rows, or two columns have one name.
    """
    name = name_file(path)
    if path == STANDARD_INPUT:
        return parse_frame(read_standard_input(), name)
    require_table_file(path)
    kind = path.name.lower().removesuffix(".gz").rpartition(".")[2]
    try:
        content = path.read_bytes()
    except OSError as exc:
        raise InputError(f"can't read the table {name}: {exc!s:.300}") from exc
    return parse_frame(content, name, kind)


def parse_frame(content: bytes, name: str, kind: str | None = None) -> "pd.DataFrame":
    """Read a table's content; returns and raises what `read_frame` does.

    Parameters
    ----------
    content : bytes
        Compressed by gzip or not.
    name : str
        How errors call it.
    kind : str, optional
        "csv", "tsv", "parquet" or "jsonl"; else its content tells.
    """
    # Errors of pyarrow and of JSON are ValueErrors or OSErrors; of gzip, EOFErrors too.
    try:
        content = gzip.decompress(content) if content.startswith(_GZIP) else content
        frame = _parse_table(content, name, kind or _guess_kind(content))
    except (OSError, EOFError, ValueError) as exc:
        raise InputError(f"can't read the table {name}: {exc!s:.300}") from exc
    if frame.empty:
        raise InputError(f"the table {name} has no rows")
    repeated = frame.columns[frame.columns.duplicated()]
    if len(repeated):
        raise InputError(f"{name} has columns of the same name: {list_some(repeated)}")
    return frame


def _parse_table(content: bytes, name: str, kind: str) -> "pd.DataFrame":
    import pandas as pd

    require_head(content[:_HEAD_BYTES], name)
    if kind == "parquet":
        return pd.read_parquet(io.BytesIO(content))
    if kind == "jsonl":
        return pd.DataFrame.from_records(_parse_objects(content))
    return _parse_csv(content)


def _guess_kind(content: bytes) -> str:
    if content.startswith(_PARQUET):
        return "parquet"
    return "jsonl" if content.lstrip().startswith(b"{") else "csv"


def _parse_csv(content: bytes) -> "pd.DataFrame":
    import pyarrow as pa
    from pyarrow.csv import ConvertOptions, ParseOptions, open_csv, read_csv

    first = content[:_HEAD_BYTES].decode("utf-8-sig", errors="replace").splitlines()[:1]
    delimiter, rows = split_rows(first)
    _require_names(rows[0] if rows else [])
    parsing = ParseOptions(delimiter=delimiter)
    with open_csv(pa.BufferReader(content), parse_options=parsing) as reader:
        names = reader.schema.names
    options = ConvertOptions(
        column_types=dict.fromkeys(names, pa.string()), strings_can_be_null=True
    )
    table = read_csv(pa.BufferReader(content), parse_options=parsing, convert_options=options)
    return table.to_pandas()


def _require_names(cells: list[str]) -> None:
    """Stop where the first line is a row: most of it are numbers, of which one is a measure."""
    numbers = [cell for cell in cells if _NUMBER.fullmatch(cell)]
    # Names may be whole numbers, as those of an array's columns are.
    if 2 * len(numbers) > len(cells) and not all(cell.isdecimal() for cell in numbers):
        raise ValueError(
            f"its first line must hold the columns' names, and looks like a row: "
            f"{list_some([f'{cell:.40}' for cell in cells])}. Add a line of names above it"
        )


def _parse_objects(content: bytes) -> list[dict[str, Any]]:
    """Read JSON lines by Python: pandas guesses what may be a date."""
    rows = [json.loads(line) for line in content.decode().splitlines() if line.strip()]
    wrong = [number for number, row in enumerate(rows) if not isinstance(row, dict)]
    if wrong:
        raise ValueError(f"each line must be an object, not so in rows {list_some(wrong)}")
    return rows
