"""The content-addressed store: the only module of ours that writes under artifacts/.

Arrays, models and other files are named by the digest of what they hold, written to a
temporary name and renamed, so that a reader sees a whole file or none. What travels
between tasks is a reference: small, hashable, printable.
"""

import logging
import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from digitflow.store.blobs import Blobs, LocalBlobs, StoredFile, describe_damage, map_array
from digitflow.store.bucket import Bucket
from digitflow.store.bucket_blobs import BucketBlobs
from digitflow.store.cache import DEFAULT_LIMIT, LIMIT_VARIABLE
from digitflow.store.files import (
    ARTIFACTS_VARIABLE,
    Folder,
    allocate_array,
    storage_errors,
)
from digitflow.store.locks import FileLocks, Locks, was_abandoned
from digitflow.store.places import CACHE_VARIABLE, Place, read_place
from digitflow.store.references import (
    ArrayRef,
    FileRef,
    digest_array,
    digest_bytes,
    digest_file,
)
from digitflow.store.server_locks import ServerLocks, names_server
from digitflow.store.sharing import InBucket, InFolder, Sharing

logger = logging.getLogger(__name__)

Read = TypeVar("Read")

# As long as that of a structured array may be.
HEADER_BYTES = 4096


class Store:
    """A folder of artifacts, or a bucket and the folder of this machine for it.

    It travels to other processes as where it is.

    Parameters
    ----------
    root : Path
        The folder; it is made when something is first written. Of a store in a bucket it
        holds what is locked, appended to or a database, and copies of blobs.
    bucket : str, optional
        "s3://bucket/prefix", where blobs lie and what is shared by name.
    limit : int, optional
        Bytes that copies of a bucket's blobs take, with temporary files.
    """

    def __init__(self, root: Path, bucket: str = "", limit: int = DEFAULT_LIMIT) -> None:
        self.root = Path(root).absolute()
        self.bucket, self._limit = bucket, limit
        self._folder = Folder(self.root)
        self.blobs: Blobs = LocalBlobs(self._folder)
        self._sharing: Sharing = InFolder(self._folder)
        if bucket:
            remote = Bucket(bucket)
            self.blobs = BucketBlobs(self._folder, remote, limit)
            self._sharing = InBucket(self._folder, remote)
        self._place = Place(self._folder, self._sharing, bucket)

    def __reduce__(self) -> tuple[Any, ...]:
        return _open_again, (str(self.root), self.bucket, self._limit)

    @property
    def place(self) -> str:
        """Where it is, as people name it: its bucket, or its folder."""
        return self._place.name

    def variables(self) -> dict[str, str]:
        """Return the environment in which `open_store` opens this very store."""
        if not self.bucket:
            return {ARTIFACTS_VARIABLE: str(self.root)}
        return {
            ARTIFACTS_VARIABLE: self.bucket,
            CACHE_VARIABLE: str(self.root),
            LIMIT_VARIABLE: f"{self._limit}B",
        }

    def path_of(self, ref: FileRef) -> Path:
        """Return where a reference's file is on this machine, or would be once it is read."""
        return self.blobs.path_of(ref)

    def name_of(self, path: Path) -> str:
        """Return the name by which a file of the store is referred to."""
        return path.relative_to(self.root).as_posix()

    def require_format(self) -> bool:
        """Tell whether something was stored here already.

        Raises
        ------
        InputError
            If another digitflow, older or newer, stored it, or the folder is that of another
            bucket, or of none; nothing is changed then.
        """
        return self._place.require_format()

    # -- writing ------------------------------------------------------------------

    def begin(self) -> None:
        """Note the format before anything is stored; raises as `require_format` does."""
        self._place.begin()

    def adopt(self, names: Iterable[str]) -> None:
        """Make a folder, which others have filled with files of these names, this store."""
        for name in names:
            self.blobs.adopt(name)
        self._place.declare_folder()
        self.begin()

    def _make_ready(self) -> None:
        """Let what is read from a bucket find its folder; nothing is written there."""
        if self.bucket:
            self._place.begin_folder()

    @contextmanager
    def temporary_path(self, suffix: str = "") -> Iterator[Path]:
        """Yield an unused path under tmp/, removed afterwards if it is still there."""
        self.begin()
        with self._folder.temporary_path(suffix) as path:
            yield path

    @contextmanager
    def scratch_array(self, shape: tuple[int, ...], dtype: Any) -> Iterator[np.ndarray]:
        """Yield a writable memory-mapped array that vanishes at the end of the block."""
        with self.temporary_path(".npy") as path:
            yield self._allocate(path, shape, dtype)

    @contextmanager
    def new_array(self, shape: tuple[int, ...], dtype: Any) -> Iterator["PendingArray"]:
        """Yield a `PendingArray` to fill; at the end of the block it is stored.

        Nothing is stored when the block raises. `pending.ref` is set afterwards.
        """
        with self.temporary_path(".npy") as path:
            array = self._allocate(path, shape, dtype)
            pending = PendingArray(array)
            yield pending
            digest = digest_array(array)
            array.flush()  # type: ignore[attr-defined]
            ref_path = f"arrays/{digest}.npy"
            pending.ref = ArrayRef(
                digest=digest,
                path=ref_path,
                bytes=path.stat().st_size,
                dtype=array.dtype.name,
                shape=shape,
            )
            pending.release()
            self.blobs.take_in(path, pending.ref)

    def _allocate(self, path: Path, shape: tuple[int, ...], dtype: Any) -> np.ndarray:
        with self.blobs.room_for(measure_array(shape, dtype)):
            return allocate_array(path, shape, dtype)

    def put_array(self, array: np.ndarray) -> ArrayRef:
        """Store a copy of an array (any shape, any plain dtype) and return its reference."""
        with self.new_array(array.shape, array.dtype) as pending:
            pending.array[...] = array
        return pending.ref

    def put_bytes(self, content: bytes, folder: str, suffix: str) -> FileRef:
        """Store bytes under `folder/<digest><suffix>` and return their reference."""
        with self.temporary_path(suffix) as path:
            with self.room_for(len(content)):
                path.write_bytes(content)
            return self.put_file(path, folder, suffix)

    def put_file(self, path: Path, folder: str, suffix: str) -> FileRef:
        """Move a finished temporary file into the store and return its reference."""
        digest = digest_file(path)
        size = path.stat().st_size
        ref = FileRef(digest=digest, path=f"{folder}/{digest}{suffix}", bytes=size)
        self.blobs.take_in(path, ref)
        return ref

    def room_for(self, size: int) -> AbstractContextManager[None]:
        """Make room for bytes of temporary files, which are written within the block."""
        return self.blobs.room_for(size)

    def write_text(self, name: str, text: str) -> Path:
        """Write a small named file (run record, report) whole or not at all."""
        return self.write_bytes(name, text.encode())

    def write_bytes(self, name: str, content: bytes) -> Path:
        """Write a small named file whole or not at all; others see it if it is shared."""
        self.begin()
        target = self._folder.write_bytes(name, content)
        self._sharing.push(name)
        return target

    def append_line(self, name: str, line: str) -> None:
        """Append one line to a named file; a single write, so lines never interleave.

        A last line that a kill has cut short stays a line of its own.
        """
        self.begin()
        target = self.root / name
        with storage_errors(target):
            target.parent.mkdir(parents=True, exist_ok=True)
            with target.open("ab+") as file:
                if file.tell():
                    file.seek(-1, os.SEEK_END)
                    line = line if file.read(1) == b"\n" else f"\n{line}"
                file.write(f"{line}\n".encode())

    def point(self, name: str, target: str) -> None:
        """Make `name` a symbolic link to its sibling `target`, replacing an older one."""
        link = self.root / name
        with self.temporary_path() as path:
            path.symlink_to(target)
            path.replace(link)
        self._sharing.point(name, target)

    def remove(self, name: str) -> None:
        """Remove a file or a folder of the store; nothing happens if it is not there."""
        path = self.root / name
        with storage_errors(path):
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)
        self.blobs.remove(name)

    # -- reading ------------------------------------------------------------------

    def open_array(self, ref: ArrayRef) -> np.ndarray:
        """Return the array, memory-mapped and read-only, shared by all who open it."""
        try:
            return self.read(ref, lambda path: map_array(path, ref))
        except OSError as exc:
            raise describe_damage(self.blobs.describe(ref), str(exc)) from exc

    def read_bytes(self, ref: FileRef) -> bytes:
        """Return a stored file's bytes, checked against its digest."""
        try:
            content = self.read(ref, Path.read_bytes)
        except OSError as exc:
            raise describe_damage(self.blobs.describe(ref), str(exc)) from exc
        if digest_bytes(content) != ref.digest:
            raise describe_damage(self.path_of(ref), "its bytes changed")
        return content

    def read(self, ref: FileRef, reader: Callable[[Path], Read]) -> Read:
        """Return what a function reads from a reference's file on this machine.

        The file may be gone right afterwards; what is open or mapped by then stays so.
        """
        self._make_ready()
        return self.blobs.read(ref, reader)

    def lend(self, refs: Iterable[FileRef], folder: Path) -> Path:
        """Return a folder with files under their references' paths, for who has no store.

        Parameters
        ----------
        refs : iterable of FileRef
        folder : Path
            An empty one, which copies may be put into; the caller removes it.
        """
        self._make_ready()
        return self.blobs.lend(refs, folder)

    def has(self, ref: FileRef) -> bool:
        """Tell whether the file is there, intact or not."""
        return self.blobs.has(ref)

    def verify(self, ref: FileRef) -> None:
        """Hash what is here of the file; if it differs, drop it and raise `DamagedArtifact`."""
        self.blobs.verify(ref)

    def is_intact(self, ref: FileRef) -> bool:
        """Tell whether the file is as it was stored; hash it only if its stat differs."""
        return self.blobs.is_intact(ref)

    def rehash(self, ref: FileRef) -> None:
        """Hash the whole file where it is kept; raise, and drop it, if it differs."""
        self._make_ready()
        self.blobs.rehash(ref)

    def forget(self) -> None:
        """Look again at what is there: a file was found missing or changed."""
        self.blobs.forget()

    def list_files(self, folder: str) -> Iterator[StoredFile]:
        """Yield name and size of the files of a folder, wherever they lie."""
        return self.blobs.list_files(folder)

    def read_shared(self, name: str) -> bytes | None:
        """Return what all machines see under a name now; None where nothing is."""
        return self._sharing.read(name)

    def write_shared(self, name: str, content: bytes) -> None:
        """Write a named file where all machines see it, without a copy on this one."""
        self.begin()
        self._sharing.write(name, content)

    def measure(self) -> dict[str, int]:
        """Return how many bytes each folder takes; copies of a bucket's files don't count."""
        return self.blobs.measure()

    def share(self, name: str) -> None:
        """Let other machines see a named file that was appended to."""
        self._sharing.push(name)

    def refresh(self, start: str, ending: str = "") -> None:
        """Bring to this machine what others have written to files named so."""
        self._make_ready()
        self._sharing.pull(start, ending)

    # -- together with other processes --------------------------------------------

    @property
    def locks(self) -> Locks:
        """Locks that all machines see where a PostgreSQL is named, else this one's."""
        return ServerLocks(self.bucket) if names_server() else self.own_locks

    @property
    def own_locks(self) -> FileLocks:
        """Locks of this folder, for what each machine has for itself."""
        return FileLocks(self.lock_path)

    def lock(self, name: str) -> AbstractContextManager[None]:
        """Hold a lock that other processes and threads respect; freed if we are killed."""
        return _hold(self.locks, name)

    def lock_here(self, name: str) -> AbstractContextManager[None]:
        """Do as `lock` among those that use this very folder."""
        return _hold(self.own_locks, name)

    def is_locked(self, name: str) -> bool:
        """Tell whether somebody alive holds the named lock now."""
        return self.locks.is_locked(name)

    @property
    def home(self) -> str:
        """Which of a bucket's homes this is; empty for a folder, whose locks all see."""
        return self._place.read_home()

    def sees_locks_of(self, home: str) -> bool:
        """Tell whether a lock that a home holds is seen from here."""
        return names_server() or home == self.home

    def list_abandoned(self, prefix: str) -> list[str]:
        """Return the locks of this folder named with a prefix whose holders were killed.

        They are listed until somebody takes them, or asks `is_locked`.
        """
        found = sorted(self.lock_path(prefix).parent.glob(f"{prefix}*.lock"))
        return [path.stem for path in found if was_abandoned(path)]

    def lock_path(self, name: str) -> Path:
        """Return the file behind a named lock; its folder is made."""
        self.begin()
        folder = self.root / "locks"
        with storage_errors(folder):
            folder.mkdir(parents=True, exist_ok=True)
        return folder / f"{name}.lock"

    def sweep_temporary(self) -> int:
        """Remove what killed processes left under tmp/; return how many files."""
        return self._folder.sweep_temporary()

    def check_writable(self) -> None:
        """Raise `StorageError` unless the folder takes a megabyte now, and others see it."""
        with self.temporary_path() as path:
            path.write_bytes(bytes(1 << 20))
        self._sharing.check_writable()


class PendingArray:
    """An array that is being written; `ref` is there once its block has ended."""

    def __init__(self, array: np.ndarray) -> None:
        self.array = array
        self.ref: ArrayRef

    def release(self) -> None:
        """Drop the writable map: what is stored must not change any more."""
        del self.array


def open_store(environ: Mapping[str, str] = os.environ) -> Store:
    """Return the store named by DIGITFLOW_ARTIFACTS, else ./artifacts.

    Raises
    ------
    InputError
        If another version of digitflow stored something there.
    """
    store = Store(*read_place(environ))
    store.require_format()
    return store


@contextmanager
def _hold(locks: Locks, name: str) -> Iterator[None]:
    held = locks.acquire(name)
    try:
        yield
    finally:
        locks.release(name, held)


def _open_again(root: str, bucket: str, limit: int) -> Store:
    """Open a store that came from another process, in this machine's folder of its bucket."""
    if not bucket:
        return Store(Path(root))
    return Store(Path(os.environ.get(CACHE_VARIABLE) or root), bucket, limit)


def measure_array(shape: tuple[int, ...], dtype: Any) -> int:
    """Return how many bytes an array's `.npy` file takes."""
    return int(np.prod(shape, dtype=np.int64)) * np.dtype(dtype).itemsize + HEADER_BYTES
