"""MNIST and its kin: IDX files from a folder, else OpenML's `mnist_784` by scikit-learn.

The files are named as MNIST's are, whatever stands before: train-images-idx3-ubyte.gz,
emnist-digits-test-labels-idx1-ubyte, qmnist-train-labels-idx2-int.gz. QMNIST's labels of
eight columns tell who wrote each digit.
"""

import gzip
import logging
import math
import os
import re
import warnings
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np

from digitflow.config.data import MnistSource
from digitflow.data.contents import GZIP, require_data
from digitflow.data.sets import UNKNOWN_WRITER, Digits, LabelledImages
from digitflow.errors import InputError, list_some
from digitflow.images.frame import SIDE
from digitflow.store.references import digest_file, digest_json

_TYPES = {8: ">u1", 9: ">i1", 11: ">i2", 12: ">i4", 13: ">f4", 14: ">f8"}
_MAX_AXES = 3
_MAX_BYTES = 4 << 30
# Deflate never packs tighter than this, so a header that promises more lies.
_MAX_GZIP_RATIO = 1032
_CHUNK_BYTES = 1 << 20
_HOME = (
    "from https://ossci-datasets.s3.amazonaws.com/mnist/ or "
    "https://storage.googleapis.com/cvdf-datasets/mnist/; without source.folder and "
    "DIGITFLOW_MNIST_DIR OpenML's copy is fetched"
)


def read_idx(path: Path) -> np.ndarray:
    """Read an IDX file; its first bytes tell whether it is gzipped.

    Memory grows with what the file really holds, never with what its header promises.

    Returns
    -------
    ndarray of 1 to 3 axes
        Of the type that the file names: uint8 of images, int32 of QMNIST's labels.

    Raises
    ------
    InputError
        If the file is missing, no IDX file, damaged, or its length and header disagree.
    """
    require_data(path, _HOME)
    try:
        with path.open("rb") as raw:
            packed = raw.read(len(GZIP)) == GZIP
            raw.seek(0)
            limit = path.stat().st_size * (_MAX_GZIP_RATIO if packed else 1)
            with gzip.open(raw) if packed else raw as file:
                return _read_values(file, min(limit, _MAX_BYTES), path)
    except (OSError, EOFError, zlib.error) as exc:
        raise InputError(
            f"can't read the IDX file {path}: {exc}. Download or copy it again."
        ) from exc


def _read_values(file: BinaryIO | gzip.GzipFile, limit: int, path: Path) -> np.ndarray:
    dtype, shape = _read_header(file, path)
    expected = math.prod(shape) * dtype.itemsize
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
    values = np.frombuffer(content, dtype=dtype).reshape(shape)
    return values.astype(dtype.newbyteorder("="), copy=False)


def _read_header(
    file: BinaryIO | gzip.GzipFile, path: Path
) -> tuple[np.dtype, tuple[int, ...]]:
    head = file.read(4)
    known = len(head) == 4 and head[:2] == b"\0\0" and head[2] in _TYPES
    if not known or not 1 <= head[3] <= _MAX_AXES:
        raise InputError(
            f"{path} is no IDX file: it must begin with 00 00, a type (08: bytes) and 1 to "
            f"{_MAX_AXES} axes, got {head.hex(' ') or 'nothing'}"
        )
    sizes = file.read(4 * head[3])
    if len(sizes) < 4 * head[3]:
        raise InputError(f"{path} ends inside its header. Download or copy it again.")
    shape = tuple(int(size) for size in np.frombuffer(sizes, dtype=">u4"))
    return np.dtype(_TYPES[head[2]]), shape


logger = logging.getLogger(__name__)

FOLDER_VARIABLE = "DIGITFLOW_MNIST_DIR"
_SPLITS = ("train", "t10k")
# Its test set is called otherwise by others.
_NAMES = re.compile(
    r"(?P<prefix>.*?)(?P<split>train|t10k|test)-(?P<what>images|labels)[-.]"
    r"idx[123]-(?:ubyte|int)(?:\.gz)?"
)
# QMNIST: class, NIST's series, writer, and five more.
_QMNIST_COLUMNS, _QMNIST_SERIES, _QMNIST_WRITER = 8, 1, 2
_WRITER_COLUMNS = ("label", "series", "writer")
_MAX_WRITER = np.iinfo(np.int32).max
_OPENML_NAME, _OPENML_VERSION = "mnist_784", 1
_OPENML_ROWS, _OPENML_TRAIN_ROWS = 70_000, 60_000


def fingerprint(source: MnistSource) -> str:
    """Return a digest of the files that would be read; OpenML's version never changes.

    Raises
    ------
    InputError
        If a folder is named and the IDX files are not all in it.
    """
    folder = _choose_folder(source)
    if folder is None:
        return f"OpenML {_OPENML_NAME} version {_OPENML_VERSION}"
    try:
        paths = [path for split in _find_splits(source, folder) for path in split if path]
        return digest_json({path.name: digest_file(path) for path in paths})
    except OSError as exc:
        raise InputError(f"can't read MNIST's files in {folder}: {exc}") from exc


def load(source: MnistSource) -> Digits:
    """Read MNIST's training and test images, with writers where the folder has them.

    Returns
    -------
    Digits
        Images uint8 (n, 28, 28), labels uint8, writers and their series int32 or None.

    Raises
    ------
    InputError
        If a file is missing, damaged or does not fit the others; or, without a folder, if
        OpenML can't be reached and nothing is cached.
    """
    folder = _choose_folder(source)
    if folder is None:
        return _load_openml()
    splits = _find_splits(source, folder)
    train, test = (_read_split(files) for files in splits)
    prefix = match_name(splits[0].images)
    named = f"{prefix}: " if prefix else "MNIST's "
    return Digits(train, test, origin=f"{named}IDX files in {folder}")


def _choose_folder(source: MnistSource) -> Path | None:
    if source.folder is not None:
        return source.folder
    named = os.environ.get(FOLDER_VARIABLE)
    return Path(named).expanduser() if named else None


class _Split(NamedTuple):
    """The files of a split; the one of writers where there is one."""

    images: Path
    labels: Path
    writers: Path | None


def list_sets(folder: Path) -> dict[str, dict[tuple[str, str], Path]]:
    """Return the IDX files of a folder, by (split, "images" or "labels"), by their prefix.

    A split is "train" or "t10k", as MNIST calls it; MNIST's own prefix is empty.
    """
    found: dict[str, dict[tuple[str, str], Path]] = {}
    # Of one file, gzipped and not, the latter counts.
    for path in sorted(folder.iterdir(), reverse=True) if folder.is_dir() else ():
        if (name := _NAMES.fullmatch(path.name)) and path.is_file():
            split = "train" if name["split"] == "train" else "t10k"
            found.setdefault(name["prefix"], {})[split, name["what"]] = path
    return found


def match_name(path: Path) -> str | None:
    """Return what stands before the name of MNIST's file, empty too; None for other names."""
    name = _NAMES.fullmatch(path.name)
    return None if name is None else name["prefix"].rstrip("-")


def _find_splits(source: MnistSource, folder: Path) -> tuple[_Split, _Split]:
    """Return the files of the training and of the test images."""
    sets = list_sets(folder)
    prefix = _choose_prefix(source, folder, list(sets))
    files = sets.get(prefix, {})
    for split in _SPLITS:
        for what, axes in (("images", 3), ("labels", 1)):
            if (split, what) not in files:
                raise InputError(_describe_missing(folder, f"{prefix}{split}-{what}", axes))
    train, test = (
        _Split(files[split, "images"], files[split, "labels"], _find_writers(folder, split))
        for split in _SPLITS
    )
    return train, test


def _choose_prefix(source: MnistSource, folder: Path, prefixes: Sequence[str]) -> str:
    if source.prefix is not None:
        # Written as one reads it, without the dash.
        wanted = source.prefix.rstrip("-")
        known = {prefix.rstrip("-"): prefix for prefix in prefixes}
        if wanted not in known:
            named = list_some(sorted(known)) or "none"
            raise InputError(f"{folder} holds no set {wanted}, source.prefix; there: {named}")
        return known[wanted]
    if len(prefixes) > 1 and "" not in prefixes:
        named = list_some(sorted(prefix.rstrip("-") for prefix in prefixes), 10)
        raise InputError(
            f"{folder} holds several sets: {named}. Name one as source.prefix in the config"
        )
    return prefixes[0] if len(prefixes) == 1 else ""


def _describe_missing(folder: Path, stem: str, axes: int) -> str:
    state = "it" if folder.is_dir() else "there is no such folder; it"
    return (
        f"MNIST is expected in {folder}: {state} must hold {stem}-idx{axes}-ubyte (or "
        f"{stem}.idx{axes}-ubyte), gzipped (.gz) or not"
    )


def _find_writers(folder: Path, split: str) -> Path | None:
    paths = [folder / f"{split}-writers.csv{suffix}" for suffix in ("", ".gz")]
    return next((path for path in paths if path.is_file()), None)


def _read_split(files: _Split) -> LabelledImages:
    images, labels = read_idx(files.images), read_idx(files.labels)
    if images.shape[1:] != (SIDE, SIDE) or len(images) == 0:
        raise InputError(
            f"{files.images} must hold images of {SIDE}x{SIDE} pixels, got {images.shape}"
        )
    is_wide = labels.ndim == 2 and labels.shape[1] == _QMNIST_COLUMNS
    if len(labels) != len(images) or not (is_wide or labels.ndim == 1):
        raise InputError(
            f"{files.labels} must hold one label for each of the {len(images)} images of "
            f"{files.images.name}, got {labels.shape}"
        )
    if is_wide:
        # numpy's columns lie apart, and what is stored must not.
        digits, series, writers = (
            np.ascontiguousarray(labels[:, column], dtype=np.int32)
            for column in (0, _QMNIST_SERIES, _QMNIST_WRITER)
        )
        return LabelledImages(images, digits, writers, series)
    people = (None, None) if files.writers is None else _read_writers(files.writers, labels)
    return LabelledImages(images, labels, *people)


def _read_writers(path: Path, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return writers and their series, int32, -1 where unknown."""
    import pandas as pd

    try:
        table = pd.read_csv(path)
    # A damaged gzip raises EOFError or OSError; the parser's errors are ValueErrors.
    except (OSError, EOFError, ValueError) as exc:
        raise InputError(f"can't read the writers in {path}: {exc}") from exc
    _check_writers(table, labels, path)
    columns = (table[name].fillna(UNKNOWN_WRITER) for name in ("writer", "series"))
    writers, series = (np.asarray(column, dtype=np.int32) for column in columns)
    return writers, series


def _check_writers(table: Any, labels: np.ndarray, path: Path) -> None:
    missing = [name for name in _WRITER_COLUMNS if name not in table.columns]
    if missing:
        raise InputError(
            f"{path} lacks {list_some(missing)}; expected are the columns "
            f"{', '.join(_WRITER_COLUMNS)}, got {list_some(table.columns)}"
        )
    if len(table) != len(labels):
        raise InputError(
            f"{path} must have a row for each of {len(labels)} images, got {len(table)}"
        )
    wrong = np.flatnonzero(table["label"].to_numpy() != labels)
    if wrong.size:
        raise InputError(
            f"{path} belongs to other images: its labels differ from the IDX labels in "
            f"{wrong.size} rows, such as {list_some(wrong.tolist())}"
        )
    for name in ("writer", "series"):
        if not _are_numbers(table[name].dropna()):
            raise InputError(
                f"{path}: a {name} must be a whole number from 0 to {_MAX_WRITER}, or empty"
            )


def _are_numbers(known: Any) -> bool:
    if known.dtype.kind not in "iuf":
        return False
    return not ((known % 1 != 0) | (known < 0) | (known > _MAX_WRITER)).any()


def _load_openml() -> Digits:
    images, labels = _fetch_openml()
    if images.shape != (_OPENML_ROWS, SIDE * SIDE):
        raise InputError(
            f"OpenML's {_OPENML_NAME} must have {_OPENML_ROWS} rows of {SIDE * SIDE} "
            f"pixels, got {images.shape}"
        )
    images = images.reshape(-1, SIDE, SIDE)
    test_start = _OPENML_TRAIN_ROWS
    return Digits(
        train=LabelledImages(images[:test_start], labels[:test_start]),
        test=LabelledImages(images[test_start:], labels[test_start:]),
        origin=f"MNIST from OpenML, {_OPENML_NAME} version {_OPENML_VERSION}",
    )


def _fetch_openml() -> tuple[np.ndarray, np.ndarray]:
    from sklearn.datasets import fetch_openml

    logger.info("asking OpenML for %s, or scikit-learn's copy of it", _OPENML_NAME)
    # As bytes, because pandas would take 440 MB of int64 for these 55 MB. And the class as
    # text: as a category, scikit-learn 1.9.1 fails on it with pandas 3.1, and drops the
    # cached file (scikit-learn issue 34892).
    dtypes = dict.fromkeys(range(SIDE * SIDE), "uint8") | {SIDE * SIDE: "str"}
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            bunch = fetch_openml(
                _OPENML_NAME,
                version=_OPENML_VERSION,
                as_frame=False,
                parser="pandas",
                n_retries=1,
                delay=0.5,
                read_csv_kwargs={"dtype": dtypes},
            )
    # No network is a URLError (an OSError); a damaged answer ends as one of the others.
    except (OSError, EOFError, ValueError, ArithmeticError) as exc:
        raise InputError(
            f"MNIST is not here, and OpenML did not give it: {exc}. Either put MNIST's four "
            "IDX files in a folder and name it as source.folder in the config or in "
            f"{FOLDER_VARIABLE}; or connect to the network once, then scikit-learn keeps "
            "OpenML's copy on disk."
        ) from exc
    for warning in caught:
        logger.warning("%s", warning.message)
    labels = [int(str(label).strip("'\"")) for label in bunch.target]
    return bunch.data, np.array(labels, dtype=np.uint8)
