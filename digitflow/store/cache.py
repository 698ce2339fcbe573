"""A bounded folder of copies: what was used least recently goes before more comes."""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

from digitflow.errors import StorageError
from digitflow.formatting import format_bytes
from digitflow.store.blobs import BLOB_FOLDERS
from digitflow.store.files import TEMPORARY, Folder
from digitflow.store.locks import acquire_lock, release_lock

LIMIT_VARIABLE = "DIGITFLOW_CACHE_LIMIT"
DEFAULT_LIMIT = 20 << 30


class _Copy(NamedTuple):
    used: int
    bytes: int
    path: Path


class BoundedFolder:
    """Copies of blobs, and temporary files, that never take more than a limit together.

    Parameters
    ----------
    folder : Folder
    limit : int
        Bytes.
    """

    def __init__(self, folder: Folder, limit: int) -> None:
        self._folder = folder
        self.limit = limit

    @contextmanager
    def room_for(self, size: int) -> Iterator[None]:
        """Make room for so many bytes, which are put down within the block.

        The other processes of this machine wait until then. A copy that somebody has mapped
        stays readable for them when it goes.

        Raises
        ------
        StorageError
            If it is more than the limit, or temporary files take the rest of it.
        """
        self._require(size, 0)
        with self.hold("cache"):
            copies = sorted(self._list(BLOB_FOLDERS))
            taken = sum(copy.bytes for copy in copies)
            busy = sum(copy.bytes for copy in self._list((TEMPORARY,)))
            if size + busy > self.limit and self._folder.sweep_temporary():
                busy = sum(copy.bytes for copy in self._list((TEMPORARY,)))
            self._require(size, busy)
            for copy in copies:
                if size + busy + taken <= self.limit:
                    break
                self._drop(copy.path)
                taken -= copy.bytes
            yield

    @contextmanager
    def hold(self, name: str) -> Iterator[None]:
        """Hold a lock among the processes of this machine."""
        path = self._folder.root / "locks" / f"{name}.lock"
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = acquire_lock(path)
        try:
            yield
        finally:
            release_lock(path, descriptor)

    def touch(self, path: Path) -> None:
        """Note that a copy is used now; its own time of change stays."""
        with suppress(OSError):
            os.utime(path, ns=(time.time_ns(), path.stat().st_mtime_ns))

    def _require(self, size: int, busy: int) -> None:
        if size + busy > self.limit:
            taken = f", of which temporary files take {format_bytes(busy)}" if busy else ""
            raise StorageError(
                f"{format_bytes(size)} find no room in {self._folder.root}: "
                f"{LIMIT_VARIABLE} is {format_bytes(self.limit)}{taken}. Raise it"
            )

    def _list(self, folders: tuple[str, ...]) -> Iterator[_Copy]:
        for folder in folders:
            with suppress(FileNotFoundError):
                for entry in os.scandir(self._folder.root / folder):
                    with suppress(FileNotFoundError):  # it has just been dropped
                        stat = entry.stat()
                        yield _Copy(stat.st_atime_ns, stat.st_size, Path(entry.path))

    def _drop(self, path: Path) -> None:
        path.unlink(missing_ok=True)
        stat = self._folder.root / "stats" / f"{path.parent.name}-{path.name}.json"
        stat.unlink(missing_ok=True)
