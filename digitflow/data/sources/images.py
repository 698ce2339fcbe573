"""A folder of pictures, one folder a label: `<label>/*.png`, also in folders below it.

Pictures may have any size and either polarity; each is brought to the MNIST frame. None is
left out: one that can't be read becomes an image of NaN, one without ink an image of 0,
and one in a folder that is no digit keeps the folder's name as its label, so that validation
puts them into quarantine with the reason. What is no picture is passed over, and counted;
only hidden files (those that begin with a dot) are passed over in silence.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from digitflow.config.data import ImagesSource
from digitflow.data.framing import frame_rows
from digitflow.data.sets import Digits, LabelledImages, number_writers
from digitflow.errors import InputError, list_some
from digitflow.images.files import read_picture
from digitflow.store.references import digest_json

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".webp", ".tif", ".tiff")
TRAIN_FOLDERS, TEST_FOLDERS = ("train", "training"), ("test", "testing")
_DIGITS = {str(digit) for digit in range(10)}
_WRITERS_FILE = "writers.csv"


@dataclass(frozen=True)
class _Folder:
    """Pictures of a folder in their order: by label, then by name.

    Attributes
    ----------
    root : Path
    paths : list of Path
        The pictures.
    others : list of Path
        Files that are none, hidden ones left out.
    """

    root: Path
    paths: list[Path]
    others: list[Path]

    @cached_property
    def names(self) -> list[str]:
        """Of the pictures, relative to the folder, with slashes."""
        return [path.relative_to(self.root).as_posix() for path in self.paths]

    @property
    def labels(self) -> np.ndarray:
        """The name of the folder that each picture lies in, at the first level, as text."""
        return np.array([name.partition("/")[0] for name in self.names], dtype=str)


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
        and the others are as they would be. Labels are the folders' names, as text. Writers
        from `writers.csv` (columns file, writer; files are named relative to the folder, as
        in 7/anna.png), where there is one.

    Raises
    ------
    InputError
        If a folder is missing or holds no pictures in folders, or `writers.csv` is damaged.
    """
    folders = _list_folders(source)
    writers = number_writers(*(_look_up_writers(folder) for folder in folders))
    parts = [
        LabelledImages(_read_images(folder), folder.labels, ids)
        for folder, ids in zip(folders, writers, strict=True)
    ]
    test = parts[1] if len(parts) > 1 else None
    notes = (
        *(note for folder in folders for note in _describe_others(folder)),
        *_describe_unused(source.folder, [folder.root for folder in folders]),
    )
    return Digits(parts[0], test, f"pictures in {source.folder}", notes)


def _list_folders(source: ImagesSource) -> list[_Folder]:
    roots = find_parts(source.folder)
    if source.test_folder is not None:
        roots = (*roots[:1], source.test_folder)
    return [_list_pictures(root) for root in roots]


def find_parts(folder: Path) -> tuple[Path, ...]:
    """Return the folder of training pictures, and that of test pictures where there is one.

    They are the folder itself; or its train and test, where it has no folders of digits; or
    those of the one folder in it, as archives are unpacked.

    Raises
    ------
    InputError
        If there is no such folder, or it can't be listed.
    """
    if not folder.is_dir():
        raise InputError(f"there is no folder of pictures {folder}")
    try:
        inside = {path.name.lower(): path for path in folder.iterdir() if path.is_dir()}
    except OSError as exc:
        raise InputError(f"can't list the pictures in {folder}: {exc}") from exc
    inside = {name: path for name, path in inside.items() if not _is_hidden(path)}
    if _DIGITS & inside.keys():
        return (folder,)
    train, test = (
        next((inside[name] for name in names if name in inside), None)
        for names in (TRAIN_FOLDERS, TEST_FOLDERS)
    )
    if train is not None:
        return (train,) if test is None else (train, test)
    if len(inside) == 1 and _holds_folders(only := next(iter(inside.values()))):
        return find_parts(only)
    return (folder,)


def _holds_folders(folder: Path) -> bool:
    return any(path.is_dir() and not _is_hidden(path) for path in folder.iterdir())


def _list_pictures(root: Path) -> _Folder:
    if not root.is_dir():
        raise InputError(f"there is no folder of pictures {root}")
    try:
        files = sorted(_walk(root))
    except OSError as exc:
        raise InputError(f"can't list the pictures in {root}: {exc}") from exc
    paths = [path for path in files if _is_picture(path) and path.parent != root]
    if not paths:
        found = sorted(path.name for path in root.iterdir()) or ["nothing"]
        raise InputError(
            f"{root} holds no pictures of digits: expected are folders named 0 to 9 with "
            f"{', '.join(SUFFIXES)} files in them, or train and test of such folders; found "
            f"{list_some(found)}"
        )
    taken = {root / _WRITERS_FILE, *paths}
    return _Folder(root, paths, [path for path in files if path not in taken])


def _walk(folder: Path, within: tuple[Path, ...] = ()) -> Iterator[Path]:
    """Yield the files of a folder and of those below it, what is hidden left out."""
    # A link may lead back up.
    if (real := folder.resolve()) in within:
        return
    for path in folder.iterdir():
        if _is_hidden(path):
            continue
        if path.is_dir():
            yield from _walk(path, (*within, real))
        else:
            yield path


def _is_hidden(path: Path) -> bool:
    return path.name.startswith(".")


def _is_picture(path: Path) -> bool:
    return path.suffix.lower() in SUFFIXES


def _describe_others(folder: _Folder) -> Iterator[str]:
    """Say which files were passed over, by their endings."""
    if not folder.others:
        return
    kinds = Counter(path.suffix.lower() or path.name for path in folder.others)
    counts = list_some([f"{count} {kind}" for kind, count in kinds.most_common()], 8)
    named = list_some([path.relative_to(folder.root).as_posix() for path in folder.others])
    yield (
        f"{len(folder.others)} files in {folder.root} are no pictures in a label's folder and "
        f"were passed over ({counts}): {named}"
    )


def _describe_unused(root: Path, used: list[Path]) -> Iterator[str]:
    """Say which folders beside those of training and test pictures were passed over."""
    beside = [] if used[0] == root else sorted(used[0].parent.iterdir())
    unused = [p.name for p in beside if p.is_dir() and p not in used and not _is_hidden(p)]
    if unused:
        yield f"folders beside {used[0].name} that were passed over: {list_some(unused)}"


def _describe_files(folder: _Folder) -> list[tuple[str, int, int]]:
    writers = folder.root / _WRITERS_FILE
    paths = [*folder.paths, writers] if writers.is_file() else folder.paths
    stats = [(path, path.stat()) for path in paths]
    found = [
        (path.relative_to(folder.root).as_posix(), stat.st_size, stat.st_mtime_ns)
        for path, stat in stats
    ]
    # What is passed over is named in a note.
    return found + [(path.relative_to(folder.root).as_posix(), 0, 0) for path in folder.others]


def _read_images(folder: _Folder) -> np.ndarray:
    def read(row: int) -> np.ndarray:
        return read_picture(folder.paths[row])

    return frame_rows(len(folder.paths), read, folder.names.__getitem__, str(folder.root))


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
