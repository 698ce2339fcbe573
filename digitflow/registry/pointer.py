"""The champion and the small file that names it: all that prediction needs to know.

The registry writes the file in one step, and records in it how the history's database
looked; while that looks the same, the file can be trusted without asking the history.
"""

from pathlib import Path

from pydantic import ValidationError

from digitflow.errors import DamagedArtifact
from digitflow.evaluation.scoring import TestScore
from digitflow.models.bundle import ModelBundle
from digitflow.store.artifacts import Store
from digitflow.store.references import ModelRef, Record

FOLDER = "models/champions"
DEFAULT_MODELS = ("digits", "digits-sample")
"""Whose champion is meant where no model is named: the first of these that has one."""


class Champion(Record):
    """The registered version that predicts, with its score on the frozen test images.

    Attributes
    ----------
    name, version : str
        Registered model and version.
    entry : int
        The entry of the history that it is champion by.
    bundle : ModelBundle
        Its pipeline, from uint8 (n, 28, 28) to probabilities, and what belongs to it.
    score : TestScore
        What the gate judged it by.
    run : str
        The run that made it.
    promoted_at : str
        UTC, ISO 8601.
    libraries : dict of str to str
        Versions of the libraries that it was made with.
    """

    name: str
    version: str
    entry: int
    bundle: ModelBundle
    score: TestScore
    run: str
    promoted_at: str
    libraries: dict[str, str]

    @property
    def model(self) -> ModelRef:
        """The pipeline's file."""
        return self.bundle.model


class Pointer(Record):
    """What the file holds; `database` is None where the history is kept by a server."""

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
            "it again from the history."
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


def _name(model: str) -> str:
    return f"{FOLDER}/{model}.json"
