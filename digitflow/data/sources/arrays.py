"""Arrays in one file: numpy's .npz, as Keras' mnist.npz, or MATLAB's .mat, as EMNIST's, SVHN's.

Which arrays are images and which are labels tell their names: `x_train` and `y_train`,
`train_images` and `train_labels`, `dataset.train.images`, `X` and `y`, `data` and `label`.
Which axis counts the images tells the number of labels. Images of 28x28 gray pixels are taken
as they are; others, colours too, are brought to the MNIST frame.
"""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from digitflow.config.data import ArraysSource
from digitflow.data.contents import require_data
from digitflow.data.framing import frame_rows
from digitflow.data.sets import Digits, LabelledImages, number_writers
from digitflow.errors import InputError, list_some
from digitflow.images.frame import SIDE
from digitflow.images.inputs import to_picture
from digitflow.store.references import digest_file, digest_json

SUFFIXES = (".npz", ".mat")
_PIXELS = SIDE * SIDE
_CLASSES = 10
_COLOURS = (1, 3, 4)
_WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|\d+")
_WORDS = {
    "images": {"x", "image", "images", "data", "pixels", "features"},
    "labels": {"y", "label", "labels", "target", "targets", "digit", "digits"},
    "writers": {"writer", "writers"},
    "train": {"train", "training"},
    "test": {"test", "testing", "t10k"},
}
_LISTED = 12

Arrays = dict[str, np.ndarray]


def fingerprint(source: ArraysSource) -> str:
    """Return a digest of the files' contents.

    Raises
    ------
    InputError
        If a file is missing.
    """
    try:
        return digest_json([digest_file(path) for path in _list_files(source)])
    except OSError as exc:
        raise InputError(f"can't read the arrays: {exc}") from exc


def load(source: ArraysSource) -> Digits:
    """Read images and labels, of the test too where the file or `test_file` has them.

    Returns
    -------
    Digits
        Images (n, 28, 28) of any levels; uint8 where they were brought to the frame. Labels
        as they are. Writers where an array of that name has one for each image.

    Raises
    ------
    InputError
        If a file is missing, damaged or of another kind, or it can't be told which of its
        arrays are images and labels, or they don't fit together.
    """
    files = _list_files(source)
    found = [_group(_read_arrays(path), path) for path in files]
    groups = [found[0]["train"], found[-1]["test"] or found[-1]["train"]]
    if len(files) == 1:
        groups = [found[0]["train"], found[0]["test"]]
    names = [_flatten(group.get("writers")) for group in groups]
    parts = [
        _build_part(group, path, ids) if group else None
        for group, path, ids in zip(
            groups, (files[0], files[-1]), number_writers(*names), strict=True
        )
    ]
    train, test = parts
    if train is None:
        raise InputError(f"{files[0]} holds test images only: name the file of training images")
    return Digits(train, test, origin=f"the arrays in {source.file}")


def _list_files(source: ArraysSource) -> list[Path]:
    return [path for path in (source.file, source.test_file) if path is not None]


def _read_arrays(path: Path) -> Arrays:
    """Read all arrays of a file by their names; those of a struct as "struct.field"."""
    if not path.name.lower().endswith(SUFFIXES):
        raise InputError(f"a file of arrays must be one of {', '.join(SUFFIXES)}, got {path}")
    if not path.is_file():
        raise InputError(f"there is no file of arrays {path}")
    require_data(path)
    read = _read_npz if path.name.lower().endswith(".npz") else _read_mat
    try:
        return read(path)
    except InputError:
        raise
    # Damaged files end as whatever their readers stumbled over.
    except Exception as exc:
        raise InputError(f"can't read the arrays in {path}: {exc!s:.300}") from exc


def _read_npz(path: Path) -> Arrays:
    # Opened here: numpy leaves a damaged file open. Nothing is unpickled: arrays of objects
    # raise a ValueError.
    with path.open("rb") as raw, np.load(raw, allow_pickle=False) as file:
        return {name: file[name] for name in file.files}


def _read_mat(path: Path) -> Arrays:
    from scipy.io import loadmat

    try:
        content = loadmat(path)
    except NotImplementedError as exc:
        raise InputError(
            f"{path} is MATLAB's file of version 7.3, which is HDF5: save it by `save -v7`, or "
            "as .npz with numpy"
        ) from exc
    names = [name for name in content if not name.startswith("__")]
    return {key: array for name in names for key, array in _iterate(name, content[name])}


def _iterate(name: str, value: Any) -> Iterator[tuple[str, np.ndarray]]:
    """Yield the arrays in a struct of MATLAB, however deep."""
    if not isinstance(value, np.ndarray):
        return
    if value.dtype.names:
        for field in value.dtype.names if value.size == 1 else ():
            yield from _iterate(f"{name}.{field}", value.reshape(-1)[0][field])
    elif value.dtype != object:
        yield name, value


def _group(arrays: Arrays, path: Path) -> dict[str, Arrays]:
    """Sort arrays into images, labels and writers, of "train" and "test".

    Raises
    ------
    InputError
        If there are not one array of images and one of labels in either.
    """
    found: dict[str, Arrays] = {"train": {}, "test": {}}
    for name, array in arrays.items():
        words = {word.lower() for word in _WORD.findall(name)}
        roles = [role for role in ("labels", "writers", "images") if words & _WORDS[role]]
        # Neither names a split that we know, as in `val_images`.
        others = words - set().union(*_WORDS.values()) - {"dataset", "mnist"}
        if roles and not (others and not words & (_WORDS["train"] | _WORDS["test"])):
            split = "test" if words & _WORDS["test"] else "train"
            found[split].setdefault(roles[0], array)
    wanted = {"images", "labels"}
    if any(group and not wanted <= group.keys() for group in found.values()) or not any(
        found.values()
    ):
        raise InputError(
            f"{path}: which of its arrays are images and which are labels is not clear from "
            f"their names: {_list_arrays(arrays)}. Expected are x_train and y_train (and "
            "x_test, y_test), train_images and train_labels, or X and y"
        )
    return found


def _list_arrays(arrays: Mapping[str, np.ndarray]) -> str:
    named = [f"{name:.40} {array.dtype} {array.shape}" for name, array in arrays.items()]
    return list_some(named, _LISTED) or "there are none"


def _flatten(writers: np.ndarray | None) -> list[Any] | None:
    return None if writers is None else writers.ravel().tolist()


def _build_part(group: Arrays, path: Path, writers: np.ndarray | None) -> LabelledImages:
    labels = _lay_labels(group["labels"])
    images = _lay_images(group["images"], len(labels), path)
    if writers is not None and len(writers) != len(labels):
        writers = None
    return LabelledImages(images, labels, writers)


def _lay_labels(labels: np.ndarray) -> np.ndarray:
    """Return labels (n,), or one-hot (n, 10); MATLAB has them in a row or a column."""
    if 1 in labels.shape or labels.ndim == 1:
        return labels.ravel()
    return labels.T if labels.shape[0] == _CLASSES != labels.shape[-1] else labels


def _lay_images(images: np.ndarray, count: int, path: Path) -> np.ndarray:
    """Return images (n, 28, 28): as they are, or brought to the frame."""
    axes = [
        axis for axis in (0, images.ndim - 1) if images.ndim and images.shape[axis] == count
    ]
    if not axes:
        raise InputError(
            f"{path}: {count:,} labels need as many images, got an array {images.shape}"
        )
    rows = np.moveaxis(images, axes[0], 0)
    if rows.shape[1:] in ((_PIXELS,), (1, _PIXELS), (SIDE, SIDE, 1), (1, SIDE, SIDE)):
        rows = rows.reshape(-1, SIDE, SIDE)
    if rows.shape[1:] == (SIDE, SIDE):
        return np.ascontiguousarray(rows)
    if rows.ndim == 4 and rows.shape[1] in _COLOURS and rows.shape[-1] not in _COLOURS:
        rows = np.moveaxis(rows, 1, -1)
    if rows.ndim not in (3, 4) or (rows.ndim == 4 and rows.shape[-1] not in _COLOURS):
        raise InputError(
            f"{path}: images must be an array (n, height, width), (n, height, width, colours), "
            f"(n, {_PIXELS}) or with n last, got {images.shape}"
        )

    def read(row: int) -> np.ndarray:
        return to_picture(np.ascontiguousarray(rows[row]))

    return frame_rows(len(rows), read, lambda row: f"image {row}", str(path))
