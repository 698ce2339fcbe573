"""The inbox: a folder in which people put labelled pictures; they become corrections."""

from collections.abc import Iterator
from pathlib import Path

from digitflow.data.sets import CLASSES
from digitflow.errors import InputError
from digitflow.feedback.corrections import add_corrections
from digitflow.images.files import read_picture
from digitflow.images.frame import to_mnist_frame
from digitflow.store.artifacts import Store
from digitflow.store.references import Record

TAKEN, REFUSED = "taken", "refused"
WHO = "inbox"


class Taken(Record):
    """What was found in an inbox: new corrections, and {file: why it can't be used}."""

    new: int
    seen: int
    refused: dict[str, str]


def take_pictures(store: Store, inbox: Path) -> Taken:
    """Keep the pictures of `inbox`/0 to `inbox`/9, a digit in each, as corrections.

    What is kept moves to `inbox`/taken, what can't be used to `inbox`/refused with the
    reason beside it: nothing is lost, and nothing is read twice. A picture is in the
    database before it moves; one that is cut off between is kept once all the same.

    Raises
    ------
    InputError
        If the inbox is no folder.
    """
    if not inbox.is_dir():
        raise InputError(f"the inbox {inbox} is no folder: make it, with folders 0 to 9 in it")
    new, seen, refused = 0, 0, {}
    for digit, path in _list_pictures(inbox):
        seen += 1
        try:
            image = to_mnist_frame(read_picture(path))
        except (InputError, MemoryError) as exc:
            refused[str(path)] = str(exc)
            moved = _move(path, inbox / REFUSED / str(digit))
            moved.with_name(f"{moved.name}.why.txt").write_text(f"{exc}\n", encoding="utf-8")
            continue
        new += add_corrections(store, [image], [digit], WHO, str(path))
        _move(path, inbox / TAKEN / str(digit))
    return Taken(new=new, seen=seen, refused=refused)


def _list_pictures(inbox: Path) -> Iterator[tuple[int, Path]]:
    for digit in range(CLASSES):
        for path in sorted((inbox / str(digit)).glob("*")):
            # A name with a dot in front is still being written by some programs.
            if path.is_file() and not path.name.startswith("."):
                yield digit, path


def _move(path: Path, folder: Path) -> Path:
    """Move a file into a folder; one of the same name that is there keeps its own."""
    folder.mkdir(parents=True, exist_ok=True)
    target, number = folder / path.name, 1
    while target.exists():
        target = folder / f"{path.stem}-{number}{path.suffix}"
        number += 1
    return path.rename(target)
