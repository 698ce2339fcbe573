"""The content-addressed store: the only module of ours that writes under artifacts/.

Arrays, models and other files are named by the digest of what they hold, written to a
temporary name and renamed, so that a reader sees a whole file or none. What travels
between tasks is a reference: small, hashable, printable.
"""

import errno
import json
import logging
import os
import secrets
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from digitflow.errors import DamagedArtifact, InputError, StorageError
from digitflow.store.locks import acquire_lock, is_locked, release_lock, was_abandoned
from digitflow.store.references import (
    ArrayRef,
    FileRef,
    digest_array,
    digest_bytes,
    digest_file,
)

logger = logging.getLogger(__name__)

ARTIFACTS_VARIABLE = "DIGITFLOW_ARTIFACTS"
# Raised when what is stored takes another form; a folder of another form is left alone.
FORMAT, FORMAT_FILE = "1", "format"
_KEPT = ("arrays", "registry", "runs")
_CANNOT_WRITE = {
    errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM, errno.ENOTDIR,
    errno.EEXIST,
}  # fmt: skip


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


class Store:
    """A folder of artifacts.

    Parameters
    ----------
    root : Path
        The folder; it is made when something is first written.
    """

    def __init__(self, root: Path) -> None:
        self.root = Path(root).absolute()
        self._begun = False

    def path_of(self, ref: FileRef) -> Path:
        """Return where a reference's file is on this machine."""
        return self.root / ref.path

    def name_of(self, path: Path) -> str:
        """Return the name by which a file of the store is referred to."""
        return path.relative_to(self.root).as_posix()

    def require_format(self) -> bool:
        """Tell whether something was stored here already.

        Raises
        ------
        InputError
            If another digitflow, older or newer, stored it; nothing is changed then.
        """
        found = self._read_format()
        # In this order: a store that begins writes its format before anything else.
        if found is None and any((self.root / name).exists() for name in _KEPT):
            found = self._read_format() or "none"
        if found not in (None, FORMAT):
            raise InputError(
                f"{self.root} holds what another version of digitflow stored (format {found}; "
                f"this one reads {FORMAT}), and nothing in it was changed. To start a new "
                f"folder, name one in {ARTIFACTS_VARIABLE}, or move this one away."
            )
        return found is not None

    def _read_format(self) -> str | None:
        try:
            return (self.root / FORMAT_FILE).read_text(encoding="utf-8").strip()
        except (FileNotFoundError, NotADirectoryError):
            return None

    # -- writing ------------------------------------------------------------------

    def begin(self) -> None:
        """Note the format before anything is stored; raises as `require_format` does."""
        if self._begun or self.require_format():
            self._begun = True
            return
        with storage_errors(self.root):
            self.root.mkdir(parents=True, exist_ok=True)
            unfinished = self.root / f"{FORMAT_FILE}-{secrets.token_hex(8)}"
            unfinished.write_text(f"{FORMAT}\n", encoding="utf-8")
            unfinished.replace(self.root / FORMAT_FILE)
        self._begun = True

    @contextmanager
    def temporary_path(self, suffix: str = "") -> Iterator[Path]:
        """Yield an unused path under tmp/, removed afterwards if it is still there."""
        self.begin()
        folder = self.root / "tmp"
        with storage_errors(folder):
            folder.mkdir(parents=True, exist_ok=True)
        # The process id tells a later sweep whose file this was.
        path = folder / f"{os.getpid()}-{secrets.token_hex(8)}{suffix}"
        try:
            with storage_errors(path):
                yield path
        finally:
            with suppress(OSError):  # the error on its way out says more
                path.unlink(missing_ok=True)

    @contextmanager
    def scratch_array(self, shape: tuple[int, ...], dtype: Any) -> Iterator[np.ndarray]:
        """Yield a writable memory-mapped array that vanishes at the end of the block."""
        with self.temporary_path(".npy") as path:
            yield _allocate_array(path, shape, dtype)

    @contextmanager
    def new_array(self, shape: tuple[int, ...], dtype: Any) -> Iterator["PendingArray"]:
        """Yield a `PendingArray` to fill; at the end of the block it is stored.

        Nothing is stored when the block raises. `pending.ref` is set afterwards.
        """
        with self.temporary_path(".npy") as path:
            array = _allocate_array(path, shape, dtype)
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
            self._move_in(path, pending.ref)

    def put_array(self, array: np.ndarray) -> ArrayRef:
        """Store a copy of an array (any shape, any plain dtype) and return its reference."""
        with self.new_array(array.shape, array.dtype) as pending:
            pending.array[...] = array
        return pending.ref

    def put_bytes(self, content: bytes, folder: str, suffix: str) -> FileRef:
        """Store bytes under `folder/<digest><suffix>` and return their reference."""
        with self.temporary_path(suffix) as path:
            path.write_bytes(content)
            return self.put_file(path, folder, suffix)

    def put_file(self, path: Path, folder: str, suffix: str) -> FileRef:
        """Move a finished temporary file into the store and return its reference."""
        digest = digest_file(path)
        size = path.stat().st_size
        ref = FileRef(digest=digest, path=f"{folder}/{digest}{suffix}", bytes=size)
        self._move_in(path, ref)
        return ref

    def _move_in(self, source: Path, ref: FileRef) -> None:
        target = self.path_of(ref)
        if target.exists() and self.is_intact(ref):
            return
        with storage_errors(target):
            target.parent.mkdir(parents=True, exist_ok=True)
            source.chmod(0o444)
            # No fsync: a lost page after a power cut is caught by the digest.
            source.replace(target)
        self._record_stat(ref)

    def write_text(self, name: str, text: str) -> Path:
        """Write a small named file (run record, report) whole or not at all."""
        return self.write_bytes(name, text.encode())

    def write_bytes(self, name: str, content: bytes) -> Path:
        """Write a small named file whole or not at all."""
        target = self.root / name
        with self.temporary_path() as path:
            path.write_bytes(content)
            target.parent.mkdir(parents=True, exist_ok=True)
            path.replace(target)
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

    def remove(self, name: str) -> None:
        """Remove a file or a folder of the store; nothing happens if it is not there."""
        path = self.root / name
        with storage_errors(path):
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)

    # -- reading ------------------------------------------------------------------

    def open_array(self, ref: ArrayRef) -> np.ndarray:
        """Return the array, memory-mapped and read-only, shared by all who open it."""
        path = self.path_of(ref)
        try:
            array = np.load(path, mmap_mode="r", allow_pickle=False)
        except (OSError, ValueError, EOFError) as exc:
            raise _damaged(path, str(exc)) from exc
        if array.shape != ref.shape or array.dtype.name != ref.dtype:
            raise _damaged(path, f"holds {array.dtype.name} {array.shape}")
        return array

    def read_bytes(self, ref: FileRef) -> bytes:
        """Return a stored file's bytes, checked against its digest."""
        path = self.path_of(ref)
        try:
            content = path.read_bytes()
        except OSError as exc:
            raise _damaged(path, str(exc)) from exc
        if digest_bytes(content) != ref.digest:
            raise _damaged(path, "its bytes changed")
        return content

    def verify(self, ref: FileRef) -> None:
        """Hash the whole file; raise `DamagedArtifact`, and drop the file, if it differs."""
        path = self.path_of(ref)
        try:
            self._check_digest(ref)
        except DamagedArtifact:
            # Out of the way, so that whoever recomputes it finds the place free.
            path.unlink(missing_ok=True)
            raise

    def is_intact(self, ref: FileRef) -> bool:
        """Tell whether the file is as it was stored; hash it only if its stat differs."""
        path = self.path_of(ref)
        try:
            if _stat_of(path) == _read_json(self._stat_path(ref)):
                return True
            self._check_digest(ref)
        except (OSError, DamagedArtifact):
            return False
        with suppress(StorageError):  # a read-only store can still be read
            self._record_stat(ref)
        return True

    def _check_digest(self, ref: FileRef) -> None:
        path = self.path_of(ref)
        if not path.is_file():
            raise _damaged(path, "is missing")
        if path.stat().st_size != ref.bytes:
            raise _damaged(path, f"has {path.stat().st_size} bytes instead of {ref.bytes}")
        if isinstance(ref, ArrayRef):
            found = digest_array(self.open_array(ref))
        else:
            found = digest_file(path)
        if found != ref.digest:
            raise _damaged(path, "its bytes changed")

    def _stat_path(self, ref: FileRef) -> Path:
        return self.root / "stats" / f"{ref.path.replace('/', '-')}.json"

    def _record_stat(self, ref: FileRef) -> None:
        name = str(self._stat_path(ref).relative_to(self.root))
        self.write_text(name, json.dumps(_stat_of(self.path_of(ref))))

    # -- together with other processes --------------------------------------------

    @contextmanager
    def lock(self, name: str) -> Iterator[None]:
        """Hold a lock that other processes and threads respect; freed if we are killed."""
        path = self.lock_path(name)
        descriptor = acquire_lock(path)
        try:
            yield
        finally:
            release_lock(path, descriptor)

    def is_locked(self, name: str) -> bool:
        """Tell whether somebody alive holds the named lock now."""
        return is_locked(self.lock_path(name))

    def list_abandoned(self, prefix: str) -> list[str]:
        """Return the locks named with a prefix whose holders were killed.

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
        swept = 0
        for path in (self.root / "tmp").glob("*-*"):
            owner = path.name.split("-", 1)[0]
            if owner.isdigit() and not _is_alive(int(owner)):
                path.unlink(missing_ok=True)
                swept += 1
        return swept

    def check_writable(self) -> None:
        """Raise `StorageError` unless the folder takes a megabyte now."""
        with self.temporary_path() as path:
            path.write_bytes(bytes(1 << 20))


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
    store = Store(Path(environ.get(ARTIFACTS_VARIABLE) or "artifacts"))
    store.require_format()
    return store


_RESERVED_AT_ONCE = 2**20


def _allocate_array(path: Path, shape: tuple[int, ...], dtype: Any) -> np.ndarray:
    """Map a new `.npy` whose disk space is reserved: a full disk raises here.

    Without that, the first write to a page that finds no space ends the process (SIGBUS).
    """
    array = np.lib.format.open_memmap(path, mode="w+", dtype=dtype, shape=shape)
    with path.open("r+b") as file:
        _reserve(file, array.offset, path.stat().st_size)
    return array


def _reserve(file: BinaryIO, start: int, end: int) -> None:
    """Reserve the disk space of a part of a file."""
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(file.fileno(), start, max(end - start, 1))
        return
    # macOS has no such call; what is written has its place.
    file.seek(start)
    for place in range(start, end, _RESERVED_AT_ONCE):
        file.write(bytes(min(_RESERVED_AT_ONCE, end - place)))


def _stat_of(path: Path) -> dict[str, int]:
    stat = path.stat()
    return {"bytes": stat.st_size, "mtime_ns": stat.st_mtime_ns, "inode": stat.st_ino}


def _read_json(path: Path) -> Any:
    try:
        return json.loads(path.read_bytes())
    except ValueError:
        return None


def _damaged(path: Path, what: str) -> DamagedArtifact:
    return DamagedArtifact(f"{path}: {what}. It is dropped and computed again.")


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
