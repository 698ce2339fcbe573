"""What a request's body is: files of pictures, rows of a table, or MLflow's forms of both."""

import json
from collections.abc import Callable, Mapping
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from digitflow.data.tables.files import parse_frame
from digitflow.errors import InputError
from digitflow.serving.answering import UNNAMED
from digitflow.serving.refusals import Unsupported

if TYPE_CHECKING:
    import pandas as pd

JSON, CSV, FORM = "application/json", "text/csv", "multipart/form-data"
JSON_LINES = "application/x-ndjson"
ROW_TYPES = (JSON, CSV, JSON_LINES, "application/jsonl", "text/tab-separated-values")
# What a client says that was told nothing: curl of any body, a browser of a file.
UNSAID = ("", "application/octet-stream", "application/x-www-form-urlencoded")
FORMS = ("dataframe_split", "dataframe_records", "instances", "inputs")
_PACKED = (b"\x1f\x8b", b"PAR1")


def read_type(header: str | None) -> str:
    """Return what a Content-Type names, in small letters, without its parameters."""
    return (header or "").partition(";")[0].strip().lower()


def require_multipart() -> None:
    """Refuse forms where what reads them is not installed.

    Raises
    ------
    Unsupported
        With another way to send a picture.
    """
    if find_spec("python_multipart") is None:
        raise Unsupported(
            f"{FORM} needs python-multipart, which the extra app brings: pip install "
            "'digitflow[app]'. Or send one picture as the whole body: curl --data-binary @FILE"
        )


def parse_rows(content: bytes, name: str | None) -> Any:
    """Return the rows of a body: JSON objects, one or a list, or else a CSV or JSON lines.

    Raises
    ------
    InputError
        If it is none of these.
    Unsupported
        If it is compressed: what it unpacks to has no bound.
    """
    if content.startswith(_PACKED):
        raise Unsupported("rows come as CSV, JSON or JSON lines, not compressed")
    if content.lstrip()[:1] == b"[":
        return read_json(content)
    if content.lstrip()[:1] == b"{" and b"\n{" not in content:
        return read_json(content)
    return parse_frame(content, name or UNNAMED)


def read_json(content: bytes) -> Any:
    """Return what JSON says; NaN and Infinity are numbers, as for MLflow.

    Raises
    ------
    InputError
        If it is no JSON.
    """
    try:
        return json.loads(content)
    except (ValueError, RecursionError) as exc:
        raise InputError(f"{UNNAMED} is no JSON: {exc!s:.200}") from exc


def parse_invocation(content: bytes, kind: str) -> Any:
    """Return the rows or pixels of MLflow's scoring protocol.

    Parameters
    ----------
    content : bytes
        A CSV; or JSON, an object with one of `FORMS`.
    kind : str
        Its Content-Type.

    Returns
    -------
    DataFrame, dict, or nested lists

    Raises
    ------
    InputError
        If it is none of these.
    """
    if kind == CSV:
        return parse_frame(content, UNNAMED)
    said = read_json(content)
    forms = [form for form in FORMS if form in said] if isinstance(said, dict) else []
    if len(forms) != 1:
        got = f"the keys {sorted(said)}" if isinstance(said, dict) else type(said).__name__
        raise InputError(
            f"{UNNAMED} must be a JSON object with exactly one of {', '.join(FORMS)}, got "
            f"{got:.200}"
        )
    return _OPEN[forms[0]](said[forms[0]])


def _open_split(said: Any) -> "pd.DataFrame":
    import pandas as pd

    if not isinstance(said, Mapping) or not {"columns", "data"} <= said.keys():
        raise InputError("dataframe_split is an object with the lists columns and data")
    try:
        return pd.DataFrame(said["data"], columns=said["columns"])
    except (ValueError, TypeError) as exc:
        raise InputError(f"dataframe_split: its data do not fit its columns: {exc}") from exc


def _open_records(said: Any) -> Any:
    if not isinstance(said, list):
        raise InputError(f"dataframe_records is a list of objects, got {type(said).__name__}")
    return said


def _open_columns(said: Any) -> Any:
    """Return named columns as a frame; rows, and arrays without names, as they are."""
    import pandas as pd

    if not isinstance(said, Mapping):
        return said
    try:
        return pd.DataFrame({name: _list_cells(cells) for name, cells in said.items()})
    except ValueError as exc:
        raise InputError(f"inputs: its columns are not of one length: {exc}") from exc


def _list_cells(cells: Any) -> list[Any]:
    return cells if isinstance(cells, list) else [cells]


_OPEN: dict[str, Callable[[Any], Any]] = {
    "dataframe_split": _open_split,
    "dataframe_records": _open_records,
    "instances": _open_records,
    "inputs": _open_columns,
}
