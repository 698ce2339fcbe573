"""Files of a folder that several processes, of this machine and of others, write to."""

import errno
import os
import secrets
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from digitflow.errors import StorageError

ARTIFACTS_VARIABLE = "DIGITFLOW_ARTIFACTS"
TEMPORARY = "tmp"
_CANNOT_WRITE = {
    errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM, errno.ENOTDIR,
    errno.EEXIST,
}  # fmt: skip
# Whether a process of another host lives can't be asked; nobody writes a file for so long.
ABANDONED_SECONDS = 24 * 3600.0


@contextmanager
def storage_errors(path: Path) -> Iterator[None]:
    """Turn 'no space', 'read-only' and 'not permitted' into one clear `StorageError`."""
    try:
        yield
    except OSError as exc:
        if exc.errno not in _CANNOT_WRITE:
            raise
        raise StorageError(
            f"can't write {path}: {os.strerror(exc.errno)}. Free space there "
            f"(`digitflow gc`), make it writable, or name another folder in "
            f"{ARTIFACTS_VARIABLE}. What was finished is kept."
        ) from exc


class Folder:
    """A folder whose files are written whole or not at all.

    Parameters
    ----------
    root : Path
        It is made when something is first written.
    """

    def __init__(self, root: Path) -> None:
        self.root = Path(root).absolute()

    @contextmanager
    def temporary_path(self, suffix: str = "") -> Iterator[Path]:
        """Yield an unused path under tmp/, removed afterwards if it is still there."""
        folder = self.root / TEMPORARY
        with storage_errors(folder):
            folder.mkdir(parents=True, exist_ok=True)
        # Process and host tell a later sweep whose file this was.
        name = f"{os.getpid()}-{socket.gethostname()}-{secrets.token_hex(8)}{suffix}"
        path = folder / name
        try:
            with storage_errors(path):
                yield path
        finally:
            with suppress(OSError):  # the error on its way out says more
                path.unlink(missing_ok=True)

    def write_bytes(self, name: str, content: bytes) -> Path:
        """Write a named file whole or not at all; return where it is."""
        target = self.root / name
        with self.temporary_path() as path:
            path.write_bytes(content)
            target.parent.mkdir(parents=True, exist_ok=True)
            path.replace(target)
        return target

    def sweep_temporary(self) -> int:
        """Remove what killed processes left under tmp/; return how many files."""
        swept = 0
        for path in (self.root / TEMPORARY).glob("*-*"):
            with suppress(FileNotFoundError):  # another sweep was quicker
                if _was_left(path):
                    path.unlink()
                    swept += 1
        return swept


def _was_left(path: Path) -> bool:
    """Tell whether a temporary file's process is gone, or, elsewhere, has long been silent."""
    owner, _, rest = path.name.partition("-")
    if not owner.isdigit():
        return False
    host = rest.rpartition("-")[0]
    if host in ("", socket.gethostname()):
        return not _is_alive(int(owner))
    return time.time() - path.stat().st_mtime > ABANDONED_SECONDS


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


_RESERVED_AT_ONCE = 2**20


def allocate_array(path: Path, shape: tuple[int, ...], dtype: Any) -> np.ndarray:
    """Map a new `.npy` whose disk space is reserved: a full disk raises here.

    Without that, the first write to a page that finds no space ends the process (SIGBUS).
    """
    array = np.lib.format.open_memmap(path, mode="w+", dtype=dtype, shape=shape)
    with path.open("r+b") as file:
        _reserve(file, array.offset, path.stat().st_size)
    return array


def allocate_file(path: Path, size: int) -> None:
    """Make a file of a size, with its disk space reserved."""
    with path.open("wb") as file:
        _reserve(file, 0, size)
        file.truncate(size)


def _reserve(file: BinaryIO, start: int, end: int) -> None:
    """Reserve the disk space of a part of a file."""
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(file.fileno(), start, max(end - start, 1))
        return
    # macOS has no such call; what is written has its place.
    file.seek(start)
    for place in range(start, end, _RESERVED_AT_ONCE):
        file.write(bytes(min(_RESERVED_AT_ONCE, end - place)))
