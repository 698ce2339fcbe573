"""A folder of pictures, one folder a label: `<label>/*.png`, `.jpg` or `.jpeg`.

Pictures may have any size and either polarity; each is brought to the MNIST frame. None is
left out: one that can't be read becomes an image of NaN, one without ink an image of 0,
and one in a folder that is no digit gets the label NaN, so that validation puts them into
quarantine with the reason. Only hidden files (those that begin with a dot) are passed over.
"""

import logging
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from digitflow.config.data import ImagesSource
from digitflow.data.sets import CLASSES, Digits, LabelledImages, number_writers
from digitflow.errors import InputError, list_some
from digitflow.images.files import read_picture
from digitflow.images.frame import SIDE, to_mnist_frame
from digitflow.store.references import digest_json

logger = logging.getLogger(__name__)

_SUFFIXES = {".png", ".jpg", ".jpeg"}
_LABELS = {str(digit): digit for digit in range(CLASSES)}
_WRITERS_FILE = "writers.csv"
_PROGRESS_STEP = 5_000


@dataclass(frozen=True)
class _Folder:
    """Pictures of a folder in their order: by label, then by name."""

    root: Path
    paths: list[Path]

    @property
    def names(self) -> list[str]:
        return [path.relative_to(self.root).as_posix() for path in self.paths]

    @property
    def labels(self) -> np.ndarray:
        numbers = [_LABELS.get(path.parent.name, np.nan) for path in self.paths]
        return np.array(numbers, dtype=np.float32)


def fingerprint(source: ImagesSource) -> str:
    """Return a digest of the pictures' names, sizes and times; no picture is opened.

    Raises
    ------
    InputError
        If a folder is missing or holds no pictures of digits.
    """
    folders = _list_folders(source)
    try:
        return digest_json([_describe_files(folder) for folder in folders])
    except OSError as exc:
        raise InputError(f"can't list the pictures in {source.folder}: {exc}") from exc


def load(source: ImagesSource) -> Digits:
    """Read all pictures, in the order of their labels and names.

    Returns
    -------
    Digits
        Images uint8 (n, 28, 28); float32 if some picture can't be read: its pixels are NaN
        and the others are as they would be. Labels float32, NaN for a folder whose name is
        no digit. Writers from `writers.csv` (columns file, writer; files are named
        relative to the folder, as in 7/anna.png), where there is one.

    Raises
    ------
    InputError
        If a folder is missing or holds no pictures of digits, or `writers.csv` is damaged.
    """
    folders = _list_folders(source)
    writers = number_writers(*(_look_up_writers(folder) for folder in folders))
    parts = [
        LabelledImages(_read_images(folder), folder.labels, ids)
        for folder, ids in zip(folders, writers, strict=True)
    ]
    test = parts[1] if len(parts) > 1 else None
    return Digits(parts[0], test, origin=f"pictures in {source.folder}")


def _list_folders(source: ImagesSource) -> list[_Folder]:
    roots = [source.folder, source.test_folder]
    return [_list_pictures(root) for root in roots if root is not None]


def _list_pictures(root: Path) -> _Folder:
    if not root.is_dir():
        raise InputError(f"there is no folder of pictures {root}")
    try:
        folders = [path for path in root.iterdir() if path.is_dir() and not _is_hidden(path)]
        paths = sorted(path for folder in folders for path in folder.iterdir())
    except OSError as exc:
        raise InputError(f"can't list the pictures in {root}: {exc}") from exc
    paths = [p for p in paths if p.suffix.lower() in _SUFFIXES and not _is_hidden(p)]
    if not any(path.parent.name in _LABELS for path in paths):
        found = sorted(path.name for path in root.iterdir()) or ["nothing"]
        raise InputError(
            f"{root} holds no pictures of digits: expected are folders named 0 to 9 with "
            f"{', '.join(sorted(_SUFFIXES))} files in them; found {list_some(found)}"
        )
    return _Folder(root, paths)


def _is_hidden(path: Path) -> bool:
    return path.name.startswith(".")


def _describe_files(folder: _Folder) -> list[tuple[str, int, int]]:
    writers = folder.root / _WRITERS_FILE
    paths = [*folder.paths, writers] if writers.is_file() else folder.paths
    stats = [(path, path.stat()) for path in paths]
    return [
        (path.relative_to(folder.root).as_posix(), stat.st_size, stat.st_mtime_ns)
        for path, stat in stats
    ]


def _read_images(folder: _Folder) -> np.ndarray:
    images = np.zeros((len(folder.paths), SIDE, SIDE), dtype=np.uint8)
    unreadable = []
    for row, path in enumerate(folder.paths):
        if row and row % _PROGRESS_STEP == 0:
            logger.info("read %d of %d pictures in %s", row, len(images), folder.root)
        try:
            picture = read_picture(path)
        except InputError:
            unreadable.append(row)
            continue
        images[row] = _frame_or_blank(picture)
    if not unreadable:
        return images
    logger.warning(
        "%d pictures can't be read: %s",
        len(unreadable),
        list_some([folder.names[row] for row in unreadable]),
    )
    marked = images.astype(np.float32)
    marked[unreadable] = np.nan
    return marked


def _frame_or_blank(picture: np.ndarray) -> np.ndarray:
    try:
        return to_mnist_frame(picture)
    except InputError:
        return np.zeros((SIDE, SIDE), dtype=np.uint8)


def _look_up_writers(folder: _Folder) -> list[str | None] | None:
    """Return the writer of each picture, None where there is no file of writers."""
    import pandas as pd

    path = folder.root / _WRITERS_FILE
    if not path.is_file():
        return None
    try:
        table = pd.read_csv(path, dtype="string")
    except (OSError, ValueError) as exc:
        raise InputError(f"can't read the writers in {path}: {exc}") from exc
    if not {"file", "writer"} <= set(table.columns):
        raise InputError(
            f"{path} must have the columns file and writer, got {list_some(table.columns)}"
        )
    by_file = table.drop_duplicates().set_index("file")["writer"]
    repeated = by_file.index[by_file.index.duplicated()].unique()
    if len(repeated):
        raise InputError(f"{path} names two writers for {list_some(repeated)}")
    writers = by_file.reindex(folder.names)
    if writers.isna().all():
        raise InputError(
            f"{path} names none of the pictures; files are named relative to the folder, "
            f"as in {folder.names[0]}; got {list_some(table['file'])}"
        )
    return writers.astype(object).where(writers.notna(), None).tolist()
