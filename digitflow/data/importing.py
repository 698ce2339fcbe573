"""What is understood of data before anything is trained on them.

From a path to the section of a config that reads it, and to what it holds: counts, levels,
polarity, which way round, what would be set aside.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from digitflow.catalogue import SOURCES
from digitflow.config.data import (
    ArraysSource,
    ImagesSource,
    MnistSource,
    PlainSource,
    Source,
    TableSource,
    ValidationRules,
    list_parts,
)
from digitflow.config.digits import DigitsConfig
from digitflow.config.reading import load_config, parse_config
from digitflow.data.contents import require_data
from digitflow.data.conventions import TURNED, ExchangedRows
from digitflow.data.ingestion import adopt_digits
from digitflow.data.inspection import RowInspection
from digitflow.data.labels import name_labels, suggest_meanings, write_meanings
from digitflow.data.orientation import find_way
from digitflow.data.sets import CLASSES, UNKNOWN_WRITER, Digits
from digitflow.data.sources import arrays, images, mnist, table
from digitflow.data.validation import inspect_digits, require_usable
from digitflow.errors import InputError, list_some
from digitflow.images.frame import SIDE

_WORDS = ("builtin", "mnist", "pen")
_CONFIGS = (".yaml", ".yml")
_PACKED = (".zip", ".tar", ".tar.gz", ".tgz", ".rar", ".7z", ".tar.bz2", ".tar.xz")
_FILES = (*table.SUFFIXES, *arrays.SUFFIXES)
_LABELS = ("label", "labels", "class", "digit", "target", "y")


@dataclass(frozen=True)
class Understood:
    """What a source holds, as a run would read it.

    Attributes
    ----------
    source : PlainSource
        The section that reads it; what was guessed is in it.
    guessed : tuple of str
        What nobody said, and why it is likely.
    digits : Digits
        In our conventions.
    splits : tuple of RowInspection
        Training images, then those of the test where there are some; faults are marked.
    way : str or None
        Which way round the training images lie, see `find_way`.
    is_turned : bool
        Whether dark ink on bright ground was turned.
    notes : tuple of str
        What was done, and what was noticed.
    stops : str or None
        Why a run would stop; None if it would go on.
    """

    source: PlainSource
    guessed: tuple[str, ...]
    digits: Digits
    splits: tuple[RowInspection, ...]
    way: str | None
    is_turned: bool
    notes: tuple[str, ...]
    stops: str | None


def understand(source: PlainSource) -> Understood:
    """Read a source; guess what its labels mean and whether rows and columns are exchanged.

    Raises
    ------
    InputError
        If it can't be read.
    """
    raw: Digits = SOURCES.load(source.kind).load(source)
    source, digits, guessed = _guess_meanings(raw, source)
    splits, notes = inspect_digits(digits)
    train = splits[0]
    try:
        require_usable(splits, ValidationRules(), digits.notes)
        stops = None
    except InputError as exc:
        stops = str(exc)
    return Understood(
        source=source,
        guessed=tuple(guessed),
        digits=digits,
        splits=tuple(splits),
        way=find_way(train.images[train.usable], train.labels[train.usable]),
        is_turned=any(TURNED in note for note in notes),
        notes=notes,
        stops=stops,
    )


def _guess_meanings(raw: Digits, source: PlainSource) -> tuple[PlainSource, Digits, list[str]]:
    guessed: list[str] = []
    while True:
        try:
            digits = adopt_digits(raw, source)
        except ExchangedRows:
            source = source.model_copy(update={"transpose": True})
            guessed.append(
                "rows and columns are exchanged in the files: exchanged back, the mean image "
                "of each digit resembles that digit"
            )
            continue
        meanings = _find_meanings(raw, digits, source)
        if not meanings:
            return source, digits, guessed
        source = source.model_copy(update={"labels": meanings})
        guessed.append(
            f"what labels mean that are no digits, by their words or images: "
            f"{write_meanings(meanings)}"
        )


def _find_meanings(raw: Digits, digits: Digits, source: PlainSource) -> dict[str, int]:
    if getattr(source, "labels", True):
        return {}
    texts = name_labels(raw.train.labels)
    return suggest_meanings(digits.train.images, texts, digits.train.labels)


def count_labels(split: RowInspection) -> list[int]:
    """Return how many usable images each digit has, ten numbers."""
    return np.bincount(split.labels[split.usable], minlength=CLASSES).tolist()


def count_problems(split: RowInspection) -> dict[str, int]:
    """Return how many images would be set aside, by reason, the most frequent first."""
    return dict(Counter(problem.reason for problem in split.list_problems()).most_common())


def count_writers(split: RowInspection) -> int | None:
    """Return how many writers are known; None where the source knows none."""
    writers = split.raw.writers
    return None if writers is None else len(np.setdiff1d(writers, [UNKNOWN_WRITER]))


def average_digits(split: RowInspection) -> np.ndarray:
    """Return the mean of each digit's usable images, uint8 (10, 28, 28); 0 where none is."""
    means = np.zeros((CLASSES, *split.images.shape[1:]), np.uint8)
    for digit in range(CLASSES):
        rows = split.usable[split.labels[split.usable] == digit]
        if rows.size:
            means[digit] = np.rint(split.images[rows].mean(axis=0))
    return means


def choose_samples(split: RowInspection, each: int) -> np.ndarray:
    """Return usable images of each digit, evenly spread, uint8 (10, each, 28, 28); 0: none."""
    samples = np.zeros((CLASSES, each, *split.images.shape[1:]), np.uint8)
    for digit in range(CLASSES):
        rows = split.usable[split.labels[split.usable] == digit]
        chosen = rows[np.linspace(0, len(rows) - 1, min(each, len(rows))).astype(int)]
        samples[digit, : len(chosen)] = split.images[chosen]
    return samples


def find_source(named: str) -> PlainSource:
    """Tell from a path what kind of source it is, and its section.

    Parameters
    ----------
    named : str
        A file or a folder; a config, whose source is taken; `builtin`, `mnist` or `pen`; or
        the folder of several sets of IDX files with the name of one behind it.

    Raises
    ------
    InputError
        If there is no such thing, or it is none that digits can be read from.
    """
    path = Path(named).expanduser()
    if named in _WORDS and not path.exists():
        return _parse({"kind": named})
    if not path.exists():
        return _find_set(path)
    if path.is_dir():
        return _find_in_folder(path)
    name = path.name.lower()
    if name.endswith(_CONFIGS):
        return _take_part(load_config(path), path)
    if name.endswith(_PACKED):
        raise InputError(f"{path} is packed: unpack it, and name the folder or the file in it")
    require_data(path)
    if (prefix := mnist.match_name(path)) is not None:
        return MnistSource(folder=path.parent, prefix=prefix or None)
    if name.endswith(arrays.SUFFIXES):
        return ArraysSource(file=path, test_file=_find_test(path))
    if name.endswith(table.SUFFIXES):
        return _find_in_table(path)
    raise InputError(
        f"{path}: digits are read from IDX files, {', '.join(_FILES)} and folders of pictures"
    )


def _parse(values: dict[str, str]) -> PlainSource:
    config = parse_config({"source": values})
    return _take_part(config, Path())


def _take_part(config: object, path: Path) -> PlainSource:
    if not isinstance(config, DigitsConfig):
        raise InputError(f"{path} is the config of a table; docs/tables.md is about these")
    source: Source = config.source
    parts = list_parts(source)
    if len(parts) > 1:
        raise InputError(f"the source of {path} is a mix: import its parts one by one")
    return parts[0]


def _find_set(path: Path) -> MnistSource:
    sets = mnist.list_sets(path.parent)
    if path.name in {prefix.rstrip("-") for prefix in sets}:
        return MnistSource(folder=path.parent, prefix=path.name)
    raise InputError(f"there is no file or folder {path}")


def _find_in_folder(folder: Path) -> PlainSource:
    sets = mnist.list_sets(folder)
    if "" in sets or len(sets) == 1:
        return MnistSource(folder=folder)
    if sets:
        named = [str(folder / prefix.rstrip("-")) for prefix in sorted(sets)]
        raise InputError(f"{folder} holds several sets, name one: {list_some(named, 10)}")
    files = sorted(path for path in _walk(folder) if path.name.lower().endswith(_FILES))
    if not files or any(path.suffix.lower() in images.SUFFIXES for path in folder.rglob("*")):
        return ImagesSource(folder=folder)
    train = [path for path in files if "test" not in path.name.lower()]
    if len(train) != 1:
        raise InputError(
            f"{folder} holds {len(files)} files of digits, name the one of training images: "
            f"{list_some([str(path) for path in files])}"
        )
    return find_source(str(train[0]))


def _walk(folder: Path) -> Iterator[Path]:
    """Yield the files in a folder and in those in it, where Hugging Face puts them."""
    for path in folder.iterdir():
        if path.is_file():
            yield path
        elif path.is_dir():
            yield from (each for each in path.iterdir() if each.is_file())


def _find_test(path: Path) -> Path | None:
    """Return the file of test images beside one of training images."""
    named = path.with_name(path.name.replace("train", "test"))
    return named if named != path and named.is_file() else None


def _find_in_table(path: Path) -> TableSource:
    columns = table.inspect_table(path)
    if not columns.has_images:
        raise InputError(
            f"{path} has neither {SIDE * SIDE} columns of pixels nor one of pictures: it is a "
            "table of other things. docs/tables.md says how to train on it (workload: table); "
            f"its columns are {list_some([f'{name:.40}' for name in columns.others], 12)}"
        )
    label = _choose_label(path, columns.others)
    test = _find_test(path)
    # Kaggle's test.csv has no labels.
    if test is not None and label not in table.inspect_table(test).others:
        test = None
    return TableSource(file=path, test_file=test, label=label)


def _choose_label(path: Path, names: tuple[str, ...]) -> str:
    likely = [name for known in _LABELS for name in names if name.lower() == known]
    if not likely and len(names) != 1:
        raise InputError(
            f"{path}: which column holds the labels is not clear; those that hold no pixels "
            f"are {list_some([f'{name:.40}' for name in names]) or 'none'}. Name it label"
        )
    return likely[0] if likely else names[0]
