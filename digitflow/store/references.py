"""References to what the store holds, and records: what travels between tasks.

A reference is small, hashable and printable; where the bytes lie is the store's business.
"""

import hashlib
import json
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from pydantic import BaseModel, ConfigDict

HASH_CHUNK_BYTES = 1 << 24


class Record(BaseModel):
    """Plain values that belong together: frozen, and nothing but its fields.

    "constants": a NaN survives being written as JSON and read again. What checks a record is
    built when one is first made (`defer_build`): most commands need few of those they import.
    """

    model_config = ConfigDict(
        frozen=True, extra="forbid", ser_json_inf_nan="constants", defer_build=True
    )


class FileRef(Record):
    """A stored file: digest of its content, path relative to the store, size in bytes."""

    digest: str
    path: str
    bytes: int


class ArrayRef(FileRef):
    """A stored `.npy` array; `digest` covers dtype, shape and bytes."""

    dtype: str
    shape: tuple[int, ...]


class ModelRef(FileRef):
    """A stored skops file that holds a fitted scikit-learn object.

    Attributes
    ----------
    trusted : tuple of str
        Types and functions of others in it that the config of its run trusts. The digest
        covers their code too, where it is a project's: the file brings it along.
    """

    trusted: tuple[str, ...] = ()


def digest_bytes(*parts: bytes | memoryview) -> str:
    """Return the blake2b digest (128 bits, hex) of the parts, one after another."""
    digest = hashlib.blake2b(digest_size=16)
    for part in parts:
        digest.update(part)
    return digest.hexdigest()


def digest_array(array: np.ndarray) -> str:
    """Return the digest of an array's dtype, shape and C-ordered bytes.

    A structured array's dtype is the names and types of its fields.
    """
    dtype = array.dtype.descr if array.dtype.names else array.dtype.str
    head = f"{dtype} {array.shape}".encode()
    flat = np.ascontiguousarray(array).reshape(-1).view(np.uint8)
    return digest_bytes(head, flat.data)


def digest_file(path: Path) -> str:
    """Return the digest of a file's bytes, read in chunks."""
    with path.open("rb") as file:
        return digest_stream(file)


def digest_stream(file: BinaryIO) -> str:
    """Return the digest of what an open file has yet to give, read in chunks."""
    digest = hashlib.blake2b(digest_size=16)
    while chunk := file.read(HASH_CHUNK_BYTES):
        digest.update(chunk)
    return digest.hexdigest()


def digest_json(value: Any) -> str:
    """Return the digest of a JSON-able value, independent of the order of its keys."""
    return digest_bytes(json.dumps(value, sort_keys=True).encode())
