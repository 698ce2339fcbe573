"""A table in a file: CSV, Parquet or JSON lines, with a row for each example."""

from pathlib import Path

from digitflow.config.table import FileTable
from digitflow.data.tables.files import digest_tables, read_frame
from digitflow.data.tables.frames import Table


def fingerprint(source: FileTable) -> str:
    """Return a digest of the files' contents.

    Raises
    ------
    InputError
        If a file is missing.
    """
    return digest_tables(*_list_files(source))


def load_table(source: FileTable) -> Table:
    """Read the file, and the one of test rows where it is named.

    Raises
    ------
    InputError
        If a file is missing, damaged or without rows.
    """
    frames = [read_frame(path) for path in _list_files(source)]
    test = frames[1] if len(frames) > 1 else None
    return Table(frames[0], test, origin=f"the table {source.file}")


def _list_files(source: FileTable) -> list[Path]:
    return [path for path in (source.file, source.test_file) if path is not None]
