"""Where the bytes behind references lie: the protocol, and a folder of this machine.

A blob is named by the digest of what it holds and never changes, so it may be copied and
dropped anywhere; `digitflow.store.bucket_blobs` keeps them in a bucket.
"""

import json
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext, suppress
from pathlib import Path
from typing import Any, NamedTuple, Protocol, TypeVar

import numpy as np

from digitflow.errors import DamagedArtifact, StorageError
from digitflow.store.files import Folder, storage_errors
from digitflow.store.references import ArrayRef, FileRef, digest_array, digest_file

Read = TypeVar("Read")

# What references lead to; each is a folder of the store, or of the bucket.
BLOB_FOLDERS = ("arrays", "figures", "models", "quarantine", "tables")


class StoredFile(NamedTuple):
    """The name of a file in the store, and its size in bytes."""

    name: str
    bytes: int


class Blobs(Protocol):
    """What a store asks of the place where its blobs lie."""

    def path_of(self, ref: FileRef) -> Path:
        """Return where a blob is on this machine, or would be once it is read here."""

    def describe(self, ref: FileRef) -> str:
        """Return where a blob is kept, for a message."""

    def room_for(self, size: int) -> AbstractContextManager[None]:
        """Make room on this machine for so many bytes, which are put down within the block."""

    def take_in(self, source: Path, ref: FileRef) -> None:
        """Move a finished temporary file to its place."""

    def read(self, ref: FileRef, reader: Callable[[Path], Read]) -> Read:
        """Return what a function reads from the blob's file on this machine."""

    def lend(self, refs: Iterable[FileRef], folder: Path) -> Path:
        """Return a folder in which blobs lie under their names; an empty one may be filled."""

    def has(self, ref: FileRef) -> bool:
        """Tell whether the blob is there, intact or not."""

    def is_intact(self, ref: FileRef) -> bool:
        """Tell whether the blob is as it was stored, by the quickest look."""

    def verify(self, ref: FileRef) -> None:
        """Look at all of it that is on this machine; drop what differs and raise."""

    def rehash(self, ref: FileRef) -> None:
        """Hash the whole blob where it is kept; drop it and raise if it differs."""

    def list_files(self, folder: str) -> Iterator[StoredFile]:
        """Yield the files of a folder, by name."""

    def measure(self) -> dict[str, int]:
        """Return the bytes of each folder, and of files in none, "": copies don't count."""

    def measure_copies(self) -> int:
        """Return how many bytes the copies take that are on this machine."""

    def adopt(self, name: str) -> None:
        """Let others see a file, or a folder's files, put in their place by hand."""

    def remove(self, name: str) -> None:
        """Remove a file, or a folder's files, from where others see them."""

    def forget(self) -> None:
        """Look again at what is there: somebody has found it changed."""


class LocalBlobs:
    """Blobs in the folder itself.

    Parameters
    ----------
    folder : Folder
    """

    def __init__(self, folder: Folder) -> None:
        self._folder = folder

    def path_of(self, ref: FileRef) -> Path:
        """Return where a blob is."""
        return self._folder.root / ref.path

    def describe(self, ref: FileRef) -> str:
        """Return where a blob is, for a message."""
        return str(self.path_of(ref))

    def room_for(self, size: int) -> AbstractContextManager[None]:
        """Do nothing: the disk is the limit."""
        return nullcontext()

    def take_in(self, source: Path, ref: FileRef) -> None:
        """Move a finished temporary file to its place; equal ones are stored once."""
        target = self.path_of(ref)
        if target.exists() and self.is_intact(ref):
            return
        with storage_errors(target):
            target.parent.mkdir(parents=True, exist_ok=True)
            source.chmod(0o444)
            # No fsync: a lost page after a power cut is caught by the digest.
            source.replace(target)
        self._record_stat(ref)

    def read(self, ref: FileRef, reader: Callable[[Path], Read]) -> Read:
        """Return what a function reads from the blob's file."""
        return reader(self.path_of(ref))

    def lend(self, refs: Iterable[FileRef], folder: Path) -> Path:
        """Return the folder itself."""
        return self._folder.root

    def has(self, ref: FileRef) -> bool:
        """Tell whether the file is there."""
        return self.path_of(ref).is_file()

    def is_intact(self, ref: FileRef) -> bool:
        """Tell whether the file is as it was stored; hash it only if its stat differs."""
        path = self.path_of(ref)
        try:
            if _stat_of(path) == _read_json(self.stat_path(ref)):
                return True
            check_digest(path, ref)
        except (OSError, DamagedArtifact):
            return False
        with suppress(StorageError):  # a read-only store can still be read
            self._record_stat(ref)
        return True

    def verify(self, ref: FileRef) -> None:
        """Hash the whole file; raise `DamagedArtifact`, and drop the file, if it differs."""
        path = self.path_of(ref)
        try:
            check_digest(path, ref)
        except DamagedArtifact:
            # Out of the way, so that whoever recomputes it finds the place free.
            path.unlink(missing_ok=True)
            raise

    rehash = verify

    def list_files(self, folder: str) -> Iterator[StoredFile]:
        """Yield the files of a folder, by name."""
        with suppress(FileNotFoundError, NotADirectoryError):
            for entry in sorted(os.scandir(self._folder.root / folder), key=_name_of):
                if entry.is_file():
                    yield StoredFile(f"{folder}/{entry.name}", entry.stat().st_size)

    def measure(self) -> dict[str, int]:
        """Return the bytes of each folder, and of files in none, by the name ""."""
        paths = list(self._folder.root.glob("*"))
        sizes = {path.name: measure_folder(path) for path in paths if path.is_dir()}
        return sizes | {"": sum(path.stat().st_size for path in paths if path.is_file())}

    def measure_copies(self) -> int:
        """Return 0: there are none."""
        return 0

    def adopt(self, name: str) -> None:
        """Do nothing: others see the folder."""

    def remove(self, name: str) -> None:
        """Remove what was noted of a file; the store removes the file itself."""
        self._name_stat(name).unlink(missing_ok=True)

    def forget(self) -> None:
        """Do nothing: each look is at the file."""

    def stat_path(self, ref: FileRef) -> Path:
        """Return where size, times and inode of a blob's file are noted."""
        return self._name_stat(ref.path)

    def _name_stat(self, name: str) -> Path:
        return self._folder.root / "stats" / f"{name.replace('/', '-')}.json"

    def _record_stat(self, ref: FileRef) -> None:
        name = self.stat_path(ref).relative_to(self._folder.root).as_posix()
        text = json.dumps(_stat_of(self.path_of(ref)))
        self._folder.write_bytes(name, text.encode())


def measure_folder(folder: Path) -> int:
    """Return the bytes of all files in a folder and below; links count nothing."""
    paths = (path for path in folder.rglob("*") if path.is_file() and not path.is_symlink())
    return sum(path.stat().st_size for path in paths)


def check_digest(path: Path, ref: FileRef) -> None:
    """Hash a whole file; raise `DamagedArtifact` if it is not what the reference says."""
    if not path.is_file():
        raise describe_damage(path, "is missing")
    if path.stat().st_size != ref.bytes:
        raise describe_damage(path, f"has {path.stat().st_size} bytes instead of {ref.bytes}")
    if isinstance(ref, ArrayRef):
        found = digest_array(map_array(path, ref))
    else:
        found = digest_file(path)
    if found != ref.digest:
        raise describe_damage(path, "its bytes changed")


def map_array(path: Path, ref: ArrayRef) -> np.ndarray:
    """Return a file's array, memory-mapped and read-only.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    DamagedArtifact
        If it holds no array of that dtype and shape.
    """
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except FileNotFoundError:
        raise
    except (OSError, ValueError, EOFError) as exc:
        raise describe_damage(path, str(exc)) from exc
    if array.shape != ref.shape or array.dtype.name != ref.dtype:
        raise describe_damage(path, f"holds {array.dtype.name} {array.shape}")
    return array


def describe_damage(path: Path | str, what: str) -> DamagedArtifact:
    """Return the error of a blob that is missing or changed."""
    return DamagedArtifact(f"{path}: {what}. It is dropped and computed again.")


def _name_of(entry: "os.DirEntry[str]") -> str:
    return entry.name


def _stat_of(path: Path) -> dict[str, int]:
    stat = path.stat()
    return {"bytes": stat.st_size, "mtime_ns": stat.st_mtime_ns, "inode": stat.st_ino}


def _read_json(path: Path) -> Any:
    try:
        return json.loads(path.read_bytes())
    except ValueError:
        return None
