"""IDX files, the format that MNIST is published in: a short header, then plain bytes.

Two zero bytes, a byte for the type (8: uint8), a byte for the number of axes, the length
of each axis as a big-endian uint32, then the values in C order. Gzipped or not.
"""

import gzip
import math
import zlib
from pathlib import Path
from typing import BinaryIO

import numpy as np

from digitflow.errors import InputError

_MAGIC = b"\x00\x00\x08"
_MAX_AXES = 3
_MAX_BYTES = 4 << 30
# Deflate never packs tighter than this, so a header that promises more lies.
_MAX_GZIP_RATIO = 1032
_GZIP_MAGIC = b"\x1f\x8b"
_CHUNK_BYTES = 1 << 20


def read_idx(path: Path) -> np.ndarray:
    """Read an IDX file of unsigned bytes; its first bytes tell whether it is gzipped.

    Memory grows with what the file really holds, never with what its header promises.

    Returns
    -------
    ndarray of 1 to 3 axes, uint8

    Raises
    ------
    InputError
        If the file is missing, no IDX file, damaged, or its length and header disagree.
    """
    try:
        with path.open("rb") as raw:
            packed = raw.read(len(_GZIP_MAGIC)) == _GZIP_MAGIC
            raw.seek(0)
            limit = path.stat().st_size * (_MAX_GZIP_RATIO if packed else 1)
            with gzip.open(raw) if packed else raw as file:
                return _read_values(file, min(limit, _MAX_BYTES), path)
    except (OSError, EOFError, zlib.error) as exc:
        raise InputError(
            f"can't read the IDX file {path}: {exc}. Download or copy it again."
        ) from exc


def _read_values(file: BinaryIO | gzip.GzipFile, limit: int, path: Path) -> np.ndarray:
    shape = _read_shape(file, path)
    expected = math.prod(shape)
    if expected > limit:
        raise InputError(
            f"{path}: its header promises {expected} bytes {shape}, "
            f"the file can't hold more than {limit}"
        )
    content = bytearray()
    # One byte more than promised is asked for: it tells a file that is too long, and
    # makes gzip check its own sum at the end.
    while chunk := file.read(min(_CHUNK_BYTES, expected + 1 - len(content))):
        content += chunk
    if len(content) != expected:
        found = "more" if len(content) > expected else str(len(content))
        raise InputError(
            f"{path}: its header promises {expected} bytes {shape}, found {found}. "
            "Download or copy it again."
        )
    return np.frombuffer(content, dtype=np.uint8).reshape(shape)


def _read_shape(file: BinaryIO | gzip.GzipFile, path: Path) -> tuple[int, ...]:
    head = file.read(4)
    if len(head) < 4 or head[:3] != _MAGIC or not 1 <= head[3] <= _MAX_AXES:
        raise InputError(
            f"{path} is no IDX file of unsigned bytes: it must begin with 00 00 08 and "
            f"1 to {_MAX_AXES} axes, got {head.hex(' ') or 'nothing'}"
        )
    sizes = file.read(4 * head[3])
    if len(sizes) < 4 * head[3]:
        raise InputError(f"{path} ends inside its header. Download or copy it again.")
    return tuple(int(size) for size in np.frombuffer(sizes, dtype=">u4"))
