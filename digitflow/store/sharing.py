"""Named files that homes share: records of runs, reports, results.

In a folder they are shared as they are. With a bucket they are written there too, and what
others have written is brought here before it is read.
"""

import mimetypes
from contextlib import suppress
from pathlib import Path
from typing import Protocol

from digitflow.store.bucket import Bucket
from digitflow.store.files import Folder

# Everything else that is named stays in the folder: locks, databases, checkpoints, ...
SHARED = ("format", "reports/", "runs/")
# Who opens a page by a browser finds the last one.
_REDIRECT = '<meta http-equiv="refresh" content="0; url=../{target}/index.html">\n'


class Sharing(Protocol):
    """What a store asks of the place where named files are shared."""

    def push(self, name: str) -> None:
        """Let others see a named file as it is now."""

    def pull(self, start: str, ending: str = "") -> None:
        """Bring here what others have changed of the files named so."""

    def point(self, name: str, target: str) -> None:
        """Let others see where a link leads."""

    def read(self, name: str) -> bytes | None:
        """Return what others see under a name; None where nothing is."""

    def write(self, name: str, content: bytes) -> None:
        """Let others see bytes under a name, of which no copy stays here."""

    def check_writable(self) -> None:
        """Raise `StorageError` unless others can be shown something now."""


class InFolder:
    """Others see the folder itself.

    Parameters
    ----------
    folder : Folder
    """

    def __init__(self, folder: Folder) -> None:
        self._folder = folder

    def push(self, name: str) -> None:
        """Do nothing."""

    def pull(self, start: str, ending: str = "") -> None:
        """Do nothing."""

    def point(self, name: str, target: str) -> None:
        """Do nothing."""

    def read(self, name: str) -> bytes | None:
        """Return a file's bytes; None where there is none."""
        try:
            return (self._folder.root / name).read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            return None

    def write(self, name: str, content: bytes) -> None:
        """Write a file."""
        self._folder.write_bytes(name, content)

    def check_writable(self) -> None:
        """Do nothing: writing the folder is tried by the store."""


class InBucket:
    """Others see a bucket; a tag noted beside each file says what was last seen there.

    Parameters
    ----------
    folder : Folder
    bucket : Bucket
    """

    def __init__(self, folder: Folder, bucket: Bucket) -> None:
        self._folder, self._bucket = folder, bucket

    def push(self, name: str) -> None:
        """Put a file that is shared into the bucket as it is now."""
        if not name.startswith(SHARED):
            return
        with suppress(FileNotFoundError):
            content = (self._folder.root / name).read_bytes()
            kind = mimetypes.guess_type(name)[0] or "text/plain"
            self._note(name, self._bucket.write(name, content, kind))

    def pull(self, start: str, ending: str = "") -> None:
        """Bring here the files of the bucket named so that are not as last seen.

        What this home goes on writing is not in the bucket, or as it was seen there: it stays.
        """
        found = {
            each.name: each.tag
            for each in self._bucket.list_objects(start)
            if each.name.endswith(ending)
        }
        for name, tag in found.items():
            if self._read_tag(name) != tag and (content := self._bucket.read(name)) is not None:
                self._folder.write_bytes(name, content)
                self._note(name, tag)

    def point(self, name: str, target: str) -> None:
        """Leave a page that leads to the target's page."""
        self._bucket.write(
            f"{name}/index.html", _REDIRECT.format(target=target).encode(), "text/html"
        )

    def read(self, name: str) -> bytes | None:
        """Return what the bucket has under a name; None where nothing is."""
        return self._bucket.read(name)

    def write(self, name: str, content: bytes) -> None:
        """Put bytes into the bucket."""
        self._bucket.write(name, content)

    def check_writable(self) -> None:
        """Raise `StorageError` unless the bucket takes an object now."""
        self._bucket.check_writable()

    def _tag_path(self, name: str) -> Path:
        return self._folder.root / "tags" / name.replace("/", "-")

    def _read_tag(self, name: str) -> str:
        path = self._tag_path(name)
        # A file that somebody has removed here is wanted again.
        if not (self._folder.root / name).is_file():
            return ""
        with suppress(FileNotFoundError):
            return path.read_text(encoding="utf-8")
        return ""

    def _note(self, name: str, tag: str) -> None:
        self._folder.write_bytes(f"tags/{self._tag_path(name).name}", tag.encode())
