"""Blobs in a bucket, with copies of those used last in a bounded folder of this machine."""

import shutil
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, suppress
from functools import partial
from pathlib import Path
from typing import TypeVar

from digitflow.errors import DamagedArtifact, StorageError
from digitflow.store.blobs import (
    BLOB_FOLDERS,
    LocalBlobs,
    StoredFile,
    check_digest,
    describe_damage,
)
from digitflow.store.bucket import Bucket
from digitflow.store.cache import LIMIT_VARIABLE, BoundedFolder
from digitflow.store.files import Folder, allocate_file
from digitflow.store.references import FileRef

Read = TypeVar("Read")

ATTEMPTS = 5
# What is listed and removed with the bucket's blobs, since all homes share it.
SHARED_FOLDERS = (*BLOB_FOLDERS, "results", "runs", "reports")
# Of which this machine has copies, or what tells them from others; none is anybody's own.
COPIED_FOLDERS = (*SHARED_FOLDERS, "stats", "tags", "tmp", "locks")


class BucketBlobs:
    """Blobs that every machine sees, read through copies.

    A size says that a blob is there; its bytes are hashed when they come. So who only hands
    references on moves no bytes.

    Parameters
    ----------
    folder : Folder
        Where copies lie, and what is being written.
    bucket : Bucket
    limit : int
        Bytes that copies and temporary files take at most.
    """

    def __init__(self, folder: Folder, bucket: Bucket, limit: int) -> None:
        self._folder, self._bucket = folder, bucket
        self._copies = LocalBlobs(folder)
        self._bounded = BoundedFolder(folder, limit)

    def path_of(self, ref: FileRef) -> Path:
        """Return where the copy of a blob is, or would be."""
        return self._copies.path_of(ref)

    def describe(self, ref: FileRef) -> str:
        """Return where a blob is kept, for a message."""
        return f"{self._bucket.url}/{ref.path}"

    def room_for(self, size: int) -> AbstractContextManager[None]:
        """Drop the copies used least recently until so many bytes have room."""
        return self._bounded.room_for(size)

    def take_in(self, source: Path, ref: FileRef) -> None:
        """Put a finished temporary file into the bucket; it stays here as a copy."""
        # Asked, not remembered: somebody may have found it damaged, and removed it.
        there = self._bucket.size_of(ref.path)
        if there not in (None, ref.bytes):
            self._bucket.remove(ref.path)
        if there != ref.bytes:
            self._bucket.create(ref.path, source)
        _seen.add(self._bucket.url, ref.path, ref.bytes)
        self._copies.take_in(source, ref)

    def read(self, ref: FileRef, reader: Callable[[Path], Read]) -> Read:
        """Return what a function reads from the copy, which is fetched where there is none.

        Raises
        ------
        DamagedArtifact
            If the blob is missing, or its bytes changed; it is removed then.
        StorageError
            If it finds no room.
        """
        for _ in range(ATTEMPTS):
            path = self._fetch(ref)
            try:
                return reader(path)
            except FileNotFoundError:  # dropped before it was opened, for others' copies
                continue
        raise StorageError(
            f"the copy of {self.describe(ref)} was dropped {ATTEMPTS} times before it was "
            f"read: raise {LIMIT_VARIABLE}"
        )

    def _fetch(self, ref: FileRef) -> Path:
        path = self.path_of(ref)
        if not self._copies.is_intact(ref):
            # Of those that want it here, one fetches it.
            with self._bounded.hold(f"fetch-{ref.digest}"):
                if not self._copies.is_intact(ref):
                    self._download(ref)
        self._bounded.touch(path)
        return path

    def _download(self, ref: FileRef) -> None:
        """Fetch a blob; one that differs twice is damaged where it is kept."""
        try:
            self._copy(ref)
        except DamagedArtifact:
            try:
                self._copy(ref)
            except DamagedArtifact:
                self._drop(ref)
                raise

    def _copy(self, ref: FileRef) -> None:
        with self._folder.temporary_path(Path(ref.path).suffix) as part:
            with self._bounded.room_for(ref.bytes):
                allocate_file(part, ref.bytes)
            if not self._bucket.read_into(ref.path, part, ref.bytes):
                raise describe_damage(self.describe(ref), "is missing or cut short")
            try:
                check_digest(part, ref)
            except DamagedArtifact as exc:
                raise describe_damage(self.describe(ref), "its bytes changed") from exc
            _seen.add(self._bucket.url, ref.path, ref.bytes)
            self._copies.take_in(part, ref)

    def lend(self, refs: Iterable[FileRef], folder: Path) -> Path:
        """Fill an empty folder with blobs, for who knows no bucket, and return it."""
        for ref in refs:
            target = folder / ref.path
            target.parent.mkdir(parents=True, exist_ok=True)
            self.read(ref, partial(shutil.copyfile, dst=target))
        return folder

    def has(self, ref: FileRef) -> bool:
        """Tell whether the bucket has something under the blob's name."""
        return self._size(ref) is not None

    def is_intact(self, ref: FileRef) -> bool:
        """Tell whether the bucket has a blob of that size, or has it again from here."""
        found = self._size(ref)
        return found == ref.bytes or (found is None and self._put_back(ref))

    def verify(self, ref: FileRef) -> None:
        """Look at the blob's size in the bucket, and hash the copy if there is one."""
        if self._copies.has(ref):
            # Dropped where it differs: who reads it fetches it again.
            with suppress(DamagedArtifact, FileNotFoundError):
                self._copies.verify(ref)
        if (found := self._size(ref)) != ref.bytes:
            self._drop(ref)
            if self._put_back(ref):
                return
            what = "is missing" if found is None else f"has {found} bytes, not {ref.bytes}"
            raise describe_damage(self.describe(ref), what)

    def rehash(self, ref: FileRef) -> None:
        """Fetch the whole blob and hash it, whatever was seen or copied before."""
        self.forget()
        self.path_of(ref).unlink(missing_ok=True)
        self._fetch(ref)

    def list_files(self, folder: str) -> Iterator[StoredFile]:
        """Yield what the bucket has under a folder; what is not shared, of this machine."""
        if folder not in SHARED_FOLDERS:
            yield from self._copies.list_files(folder)
            return
        for each in self._bucket.list_objects(f"{folder}/"):
            yield StoredFile(each.name, each.bytes)

    def measure(self) -> dict[str, int]:
        """Return the bytes of each folder, in the bucket or only here."""
        sizes = self._copies.measure()
        found = {name: size for name, size in sizes.items() if name not in COPIED_FOLDERS}
        for each in self._bucket.list_objects(""):
            folder = each.name.rpartition("/")[0].partition("/")[0]
            found[folder] = found.get(folder, 0) + each.bytes
        return found

    def measure_copies(self) -> int:
        """Return how many bytes the copies of blobs take on this machine."""
        sizes = self._copies.measure()
        return sum(sizes.get(name, 0) for name in BLOB_FOLDERS)

    def adopt(self, name: str) -> None:
        """Put a file, or a folder's files, into the bucket as they are here."""
        path = self._folder.root / name
        if name.partition("/")[0] not in SHARED_FOLDERS:
            return
        for each in path.rglob("*") if path.is_dir() else (path,):
            if each.is_file():
                self._bucket.create(each.relative_to(self._folder.root).as_posix(), each)

    def remove(self, name: str) -> None:
        """Remove what the bucket has under a name, or in a folder of that name."""
        self._copies.remove(name)
        folder = name.partition("/")[0]
        if folder not in SHARED_FOLDERS:
            return
        if folder in (*BLOB_FOLDERS, "results"):  # files, in no folders of their own
            names = [name]
        else:
            names = [each.name for each in self._bucket.list_objects(f"{name}/")]
        for each in (name, *names):
            self._bucket.remove(each)
            _seen.drop(self._bucket.url, each)

    def forget(self) -> None:
        """Ask the bucket again, whatever this process has seen of it."""
        _seen.clear()

    def _put_back(self, ref: FileRef) -> bool:
        """Put a copy, if there is a good one, where the bucket has lost its blob."""
        try:
            self._copies.verify(ref)
            self._bucket.create(ref.path, self.path_of(ref))
        except (DamagedArtifact, FileNotFoundError):
            return False
        _seen.add(self._bucket.url, ref.path, ref.bytes)
        return True

    def _drop(self, ref: FileRef) -> None:
        self._bucket.remove(ref.path)
        _seen.drop(self._bucket.url, ref.path)

    def _size(self, ref: FileRef) -> int | None:
        """Return the blob's size in the bucket, which is asked once for what it has."""
        size = _seen.get(self._bucket.url, ref.path)
        if size is None and (size := self._bucket.size_of(ref.path)) is not None:
            _seen.add(self._bucket.url, ref.path, size)
        return size


class _Seen:
    """Sizes of what this process has seen in buckets. Blobs don't change, and rarely go."""

    def __init__(self) -> None:
        self._sizes: dict[tuple[str, str], int] = {}
        self._changing = threading.Lock()

    def get(self, url: str, name: str) -> int | None:
        return self._sizes.get((url, name))

    def add(self, url: str, name: str, size: int) -> None:
        with self._changing:
            self._sizes[url, name] = size

    def drop(self, url: str, name: str) -> None:
        with self._changing:
            self._sizes.pop((url, name), None)

    def clear(self) -> None:
        with self._changing:
            self._sizes.clear()


_seen = _Seen()
