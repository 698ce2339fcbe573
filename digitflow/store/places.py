"""Where a store lies, as the environment names it: a folder, or a bucket and a folder."""

from collections.abc import Mapping
from pathlib import Path

from digitflow.errors import InputError
from digitflow.formatting import parse_bytes
from digitflow.store.bucket import SCHEME
from digitflow.store.cache import DEFAULT_LIMIT, LIMIT_VARIABLE
from digitflow.store.files import ARTIFACTS_VARIABLE

CACHE_VARIABLE = "DIGITFLOW_CACHE"
DEFAULT_FOLDER = "artifacts"


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
