"""The champion and the small file that names it: all that prediction needs to know.

The registry writes the file, last and in one step, and records in it how its database
looked; while that looks the same, the file can be trusted without asking the registry.
"""

from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from digitflow.artifacts import ModelRef, Store
from digitflow.errors import DamagedArtifact
from digitflow.evaluation.scoring import TestScore

FOLDER = "models/champions"


class Champion(BaseModel):
    """The registered version that predicts, with its score on the frozen test images.

    Attributes
    ----------
    name, version : str
        Registered model and version.
    model : ModelRef
        Its file, a pipeline from uint8 (n, 28, 28) to probabilities.
    score : TestScore
        What the gate judged it by.
    run : str
        The run that made it.
    promoted_at : str
        UTC, ISO 8601.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    version: str
    model: ModelRef
    score: TestScore
    run: str
    promoted_at: str


class Pointer(BaseModel):
    """What the file holds; `database` is None where the registry is a server."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    champion: Champion
    database: dict[str, int] | None


def read_pointer(store: Store, model: str) -> Pointer | None:
    """Return what the pointer file of a registered model says, None if there is none.

    Raises
    ------
    DamagedArtifact
        If the file is there and can't be read.
    """
    path = pointer_path(store, model)
    try:
        return Pointer.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValidationError) as exc:
        raise DamagedArtifact(
            f"{path} can't be read ({exc}). `digitflow train` or `digitflow doctor` writes "
            "it again from the registry."
        ) from exc


def pointer_path(store: Store, model: str) -> Path:
    """Return where the pointer file of a registered model is."""
    return store.root / _name(model)


def write_pointer(store: Store, pointer: Pointer) -> None:
    """Replace the pointer file, whole or not at all."""
    text = pointer.model_dump_json(indent=2) + "\n"
    store.write_text(_name(pointer.champion.name), text)


def remove_pointer(store: Store, model: str) -> None:
    """Remove the pointer file: the registry has no champion."""
    store.remove(_name(model))


def list_pointers(store: Store) -> list[str]:
    """Return the names of the registered models that have a pointer file."""
    return sorted(path.stem for path in (store.root / FOLDER).glob("*.json"))


def stat_database(path: Path) -> dict[str, int] | None:
    """Return size, time and inode of the registry's file; None if there is none."""
    try:
        stat = path.stat()
    except FileNotFoundError:
        return None
    return {"bytes": stat.st_size, "mtime_ns": stat.st_mtime_ns, "inode": stat.st_ino}


def _name(model: str) -> str:
    return f"{FOLDER}/{model}.json"
