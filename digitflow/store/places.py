"""Where a store lies: as the environment names it, and as the folder itself says.

It is a folder, or a bucket and this machine's folder for it. What is in a folder says of which
format it is, and of which bucket it holds copies, before anything else is there.
"""

import secrets
from collections.abc import Mapping
from pathlib import Path

from digitflow.errors import InputError
from digitflow.formatting import parse_bytes
from digitflow.store.bucket import SCHEME
from digitflow.store.cache import DEFAULT_LIMIT, LIMIT_VARIABLE
from digitflow.store.files import ARTIFACTS_VARIABLE, Folder, storage_errors
from digitflow.store.sharing import InFolder, Sharing

CACHE_VARIABLE = "DIGITFLOW_CACHE"
DEFAULT_FOLDER = "artifacts"
# Raised when what is stored takes another form; a folder of another form is left alone.
FORMAT, FORMAT_FILE = "1", "format"
# In the folder that holds copies of a bucket: its URL. What lies there may be dropped.
BUCKET_FILE = "bucket"
# Which of the bucket's homes it is: only there its locks are seen, see `Store.sees_locks_of`.
HOME_FILE = "home"
_KEPT = ("arrays", "registry", "runs")
# Those whose format this process has seen.
_known_buckets: set[str] = set()


def read_place(environ: Mapping[str, str]) -> tuple[Path, str, int]:
    """Return a store's folder, its bucket's URL ("" for none), and the limit of its copies.

    Raises
    ------
    InputError
        If the place, or the limit, is none.
    """
    named = environ.get(ARTIFACTS_VARIABLE) or DEFAULT_FOLDER
    limit = _read_limit(environ)
    if "://" not in named:
        return Path(named), "", limit
    bucket = named.removeprefix(SCHEME).strip("/")
    if not named.startswith(SCHEME) or not bucket:
        raise InputError(
            f"{ARTIFACTS_VARIABLE} must be a folder or {SCHEME}bucket/prefix, got {named!r}; "
            "other kinds of buckets are not supported"
        )
    folder = Path(environ.get(CACHE_VARIABLE) or DEFAULT_FOLDER)
    return folder, f"{SCHEME}{bucket}", limit


def _read_limit(environ: Mapping[str, str]) -> int:
    text = environ.get(LIMIT_VARIABLE)
    if not text:
        return DEFAULT_LIMIT
    try:
        return parse_bytes(text)
    except InputError as exc:
        raise InputError(f"{LIMIT_VARIABLE}: {exc}") from exc


class Place:
    """A folder, or a bucket and this machine's folder for it.

    Parameters
    ----------
    folder : Folder
    sharing : Sharing
        What all machines see.
    bucket : str
        The bucket's URL; "" for none.
    """

    def __init__(self, folder: Folder, sharing: Sharing, bucket: str) -> None:
        self.root, self.bucket = folder.root, bucket
        self._own, self._sharing = InFolder(folder), sharing
        self._begun = self._has_folder = False

    @property
    def name(self) -> str:
        """How people name it: its bucket, or its folder."""
        return self.bucket or str(self.root)

    def require_format(self) -> bool:
        """Tell whether something was stored here already; see `Store.require_format`."""
        found = self._require_own()
        if found or not self.bucket:
            self._require_bucket()
        if not self.bucket or self.bucket in _known_buckets:
            return found
        shared = _decode(self._sharing.read(FORMAT_FILE))
        self._check_format(shared)
        if shared is not None:
            _known_buckets.add(self.bucket)
        return found

    def _require_own(self) -> bool:
        found = _decode(self._own.read(FORMAT_FILE))
        # In this order: a store that begins writes its format before anything else.
        if found is None and any((self.root / name).exists() for name in _KEPT):
            found = _decode(self._own.read(FORMAT_FILE)) or "none"
        self._check_format(found)
        return found is not None

    def _check_format(self, found: str | None) -> None:
        if found not in (None, FORMAT):
            raise InputError(
                f"{self.name} holds what another version of digitflow stored (format {found}; "
                f"this one reads {FORMAT}), and nothing in it was changed. To start a new "
                f"folder, name one in {ARTIFACTS_VARIABLE}, or move this one away."
            )

    def _require_bucket(self) -> None:
        """Refuse a folder whose blobs are no copies, or copies of another bucket's."""
        noted = _decode(self._own.read(BUCKET_FILE)) or ""
        if noted == self.bucket:
            return
        holds = f"copies of what {noted} holds" if noted else "a store of its own"
        variable = CACHE_VARIABLE if self.bucket else ARTIFACTS_VARIABLE
        raise InputError(
            f"{self.root} holds {holds}, and {ARTIFACTS_VARIABLE} is {self.name}: name "
            f"another folder in {variable}"
        )

    def begin(self) -> None:
        """Note the format before anything is stored; raises as `require_format` does."""
        if not self._begun:
            self.begin_folder()
            if self.bucket and self.bucket not in _known_buckets:
                self._sharing.push(FORMAT_FILE)
                _known_buckets.add(self.bucket)
            self._begun = True

    def begin_folder(self) -> None:
        """Note it in this machine's folder alone."""
        if not (self._has_folder or self.require_format()):
            self.declare_folder()
        self._has_folder = True

    def declare_folder(self) -> None:
        """Say what the folder is, whatever it holds."""
        with storage_errors(self.root):
            self.root.mkdir(parents=True, exist_ok=True)
            if self.bucket:
                self._write_once(HOME_FILE, secrets.token_hex(8))
                self._write_once(BUCKET_FILE, self.bucket)
            self._write_once(FORMAT_FILE, FORMAT)

    def _write_once(self, name: str, text: str) -> None:
        unfinished = self.root / f"{name}-{secrets.token_hex(8)}"
        unfinished.write_text(f"{text}\n", encoding="utf-8")
        unfinished.replace(self.root / name)

    def read_home(self) -> str:
        """Return which of the bucket's homes the folder is; empty for a folder alone."""
        if not self.bucket:
            return ""
        self.begin_folder()
        return (self.root / HOME_FILE).read_text(encoding="utf-8").strip()


def _decode(content: bytes | None) -> str | None:
    return None if content is None else content.decode(errors="replace").strip()
