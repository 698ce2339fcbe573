"""Large PNGs, decoded a band of rows at a time, so that none is in memory at its full size.

OpenCV decodes a PNG whole. But rows of it, with the one before them in front as it is, are a
PNG of their own, since a row depends on no other: libpng undoes their filters.
"""

import struct
import zlib
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_GRAY, _COLOURS, _PALETTE, _TRANSPARENT = 0, 2, 3, 6
_CHANNELS = {_GRAY: 1, _COLOURS: 3, _PALETTE: 1, _TRANSPARENT: 4}
# Bytes of a band, and of what is unpacked at a time.
_BAND, _PART = 1 << 20, 1 << 16


class _Layout(NamedTuple):
    """How the rows of a PNG lie; `kind` and `depth` as its header has them."""

    width: int
    height: int
    depth: int
    kind: int

    @property
    def row_bytes(self) -> int:
        return -(-self.width * self.depth * _CHANNELS[self.kind] // 8)


def decode_halved(content: bytes) -> np.ndarray | None:
    """Return a PNG at half its size, squares of 2 x 2 pixels averaged.

    Parameters
    ----------
    content : bytes
        A whole file whose checksums are right.

    Returns
    -------
    ndarray of shape (height, width), (height, width, 3) or (height, width, 4), uint8 or uint16
        Gray, BGR or BGRA; None where rows can't be had one after the other, or with fewer
        than 8 bits of gray, or with a transparent level, and of what is damaged.
    """
    import cv2

    chunks = list(_list_chunks(content))
    layout = _read_layout(chunks)
    if layout is None:
        return None
    colours = _read_palette(chunks) if layout.kind == _PALETTE else None
    half: np.ndarray | None = None
    place = 0
    try:
        for band in _decode_bands(chunks, layout):
            pixels = band if colours is None else _lay_colours(band, layout, colours)
            size = (layout.width + 1) // 2, (len(pixels) + 1) // 2
            small = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)
            if half is None:
                shape = (layout.height + 1) // 2, *small.shape[1:]
                half = np.empty(shape, small.dtype)
            half[place : place + len(small)] = small
            place += len(small)
    except (zlib.error, cv2.error, ValueError):
        return None
    return half


def _list_chunks(content: bytes) -> Iterator[tuple[bytes, memoryview]]:
    place, view = len(_SIGNATURE), memoryview(content)
    while place + 8 <= len(content):
        length = int.from_bytes(content[place : place + 4])
        yield content[place + 4 : place + 8], view[place + 8 : place + 8 + length]
        place += 12 + length


def _read_layout(chunks: list[tuple[bytes, memoryview]]) -> _Layout | None:
    """Return how rows lie, where they can be decoded in bands."""
    name, head = chunks[0] if chunks else (b"", memoryview(b""))
    if name != b"IHDR" or len(head) != 13 or any(kind == b"tRNS" for kind, _ in chunks):
        return None
    width, height, depth, kind, _, _, interlaced = struct.unpack(">IIBBBBB", head)
    layout = _Layout(width, height, depth, kind)
    fits = kind in _CHANNELS and (depth == 8 or kind == _PALETTE or depth == 16)
    return layout if fits and not interlaced and min(width, height) > 0 else None


def _read_palette(chunks: list[tuple[bytes, memoryview]]) -> np.ndarray:
    """Return 256 colours, (256, 3) BGR; those that are not there are black."""
    found = next((bytes(part) for name, part in chunks if name == b"PLTE"), b"")
    colours = np.zeros((256, 3), np.uint8)
    listed = np.frombuffer(found, np.uint8).reshape(-1, 3)[:, ::-1]
    colours[: len(listed)] = listed
    return colours


def _decode_bands(
    chunks: list[tuple[bytes, memoryview]], layout: _Layout
) -> Iterator[np.ndarray]:
    """Yield the pixels of some rows at a time, an even number but for the last ones.

    Raises
    ------
    ValueError
        If rows are missing.
    """
    import cv2

    step = max(2, _BAND // layout.row_bytes // 2 * 2)
    before = bytes(layout.row_bytes)
    unpacked = _unpack(chunks)
    rest = bytearray()
    for top in range(0, layout.height, step):
        wanted = min(step, layout.height - top) * (layout.row_bytes + 1)
        while len(rest) < wanted:
            part = next(unpacked, None)
            if part is None:
                raise ValueError("rows are missing")
            rest += part
        rows = bytes(rest[:wanted])
        del rest[:wanted]
        pixels = cv2.imdecode(_wrap(b"\0" + before + rows, layout), cv2.IMREAD_UNCHANGED)
        if pixels is None:
            raise ValueError("rows can't be decoded")
        before = _write_row(pixels[-1])
        yield pixels[1:]


def _unpack(chunks: list[tuple[bytes, memoryview]]) -> Iterator[bytes]:
    unpacker = zlib.decompressobj()
    for name, data in chunks:
        if name != b"IDAT":
            continue
        for start in range(0, len(data), _PART):
            waiting: bytes | memoryview = data[start : start + _PART]
            while waiting:
                yield unpacker.decompress(waiting, _BAND)
                waiting = unpacker.unconsumed_tail


def _wrap(rows: bytes, layout: _Layout) -> np.ndarray:
    """Make a PNG of rows with their filters; indices of a palette are its gray levels."""
    kind, depth, width = layout.kind, layout.depth, layout.width
    if kind == _PALETTE:
        kind, depth, width = _GRAY, 8, layout.row_bytes
    height = len(rows) // (layout.row_bytes + 1)
    head = struct.pack(">IIBBBBB", width, height, depth, kind, 0, 0, 0)
    chunks = (b"IHDR", head), (b"IDAT", zlib.compress(rows, 0)), (b"IEND", b"")
    written = [
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        for name, data in chunks
    ]
    return np.frombuffer(_SIGNATURE + b"".join(written), np.uint8)


def _write_row(pixels: np.ndarray) -> bytes:
    """Return a decoded row (width,) or (width, channels) as it is in a PNG."""
    if pixels.ndim == 2:
        pixels = pixels[:, [2, 1, 0, 3][: pixels.shape[1]]]
    return pixels.astype(pixels.dtype.newbyteorder(">")).tobytes()


def _lay_colours(band: np.ndarray, layout: _Layout, colours: np.ndarray) -> np.ndarray:
    """Return the colours (rows, width, 3) of a palette's indices, several in a byte."""
    each = 8 // layout.depth
    shifts = np.arange(each - 1, -1, -1, dtype=np.uint8) * layout.depth
    parts = (band[..., np.newaxis] >> shifts) & np.uint8(255 >> (8 - layout.depth))
    return colours[parts.reshape(len(band), -1)[:, : layout.width]]
