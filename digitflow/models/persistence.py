"""Fitted models as skops files: equal models give equal files, and no file runs code.

What a file may hold is decided by the package (`allowed`), never by a list stored beside
it; what it does hold is checked (`soundness`) before anything is asked of it.
"""

import io
import json
from collections import Counter
from pathlib import Path
from typing import Any, BinaryIO
from zipfile import ZipFile, ZipInfo

import numpy as np

from digitflow.errors import DamagedArtifact, InputError, list_some
from digitflow.models import soundness
from digitflow.models.soundness import SCHEMA, iterate_nodes, list_types, require_sound
from digitflow.store.artifacts import Store
from digitflow.store.references import FileRef, ModelRef, digest_bytes, digest_file

# Nobody can tell two equal ones apart; sharing them is an accident of the process.
_IMMUTABLE_NODES = {"JsonNode", "TypeNode", "FunctionNode", "TupleNode", "DTypeNode"}
_ADVICE = "Use only model files that digitflow wrote."


def dump_model(model: Any, store: Store) -> ModelRef:
    """Store a fitted scikit-learn object as models/<digest>.skops.

    Equal models get the same digest: skops' names by memory address and the times of the
    zip are replaced by names by content and a fixed time.

    Raises
    ------
    InputError
        If the model holds what skops can't store or what `load_model` would refuse.
    """
    import skops.io

    with store.temporary_path(".skops") as raw, store.temporary_path(".skops") as path:
        try:
            skops.io.dump(model, raw)
        except TypeError as exc:
            raise InputError(f"{type(model).__name__} can't be stored: {exc}") from exc
        _write_canonical(raw, path)
        with ZipFile(path) as archive:
            refused = list_types(archive)[1]
        if refused:
            raise InputError(
                f"{type(model).__name__} holds {list_some(refused)}, which load_model would "
                f"refuse. If it is safe, add it to TRUSTED_TYPES in {soundness.__name__}."
            )
        stored = store.put_file(path, "models", ".skops")
    return ModelRef(**stored.model_dump())


def load_model(source: FileRef | Path, store: Store) -> Any:
    """Read a model; nothing of the file is constructed before all its types are known.

    Parameters
    ----------
    source : FileRef or Path
        A reference, whose digest is checked first, or any skops file.
    store : Store
        Where the reference's path begins.

    Raises
    ------
    DamagedArtifact
        If a reference's file is missing or its bytes changed.
    InputError
        If the file is no skops file, holds a type that is not on the list, or holds
        arrays that would make compiled code read beyond them.
    """
    if isinstance(source, Path):
        path = source
    else:
        path = store.path_of(source)
        _require_digest(path, source.digest)
    try:
        with path.open("rb") as file:
            with ZipFile(file) as archive:
                trusted, refused = list_types(archive)
            if not refused:
                return _construct(file, trusted)
    except InputError as exc:
        raise InputError(f"{path} is not used: {exc}. {_ADVICE}") from exc
    except Exception as exc:  # a crafted file can make any constructor raise anything
        raise InputError(
            f"{path} is no readable skops file ({type(exc).__name__}: {exc}). It may be "
            "truncated, of another format, or made to look like one."
        ) from exc
    raise InputError(
        f"{path} holds what no model of digitflow is made of: {list_some(refused)}. Nothing "
        f"of it was run. {_ADVICE}"
    )


def _construct(file: BinaryIO, trusted: list[str]) -> Any:
    import skops.io

    # skops reads the file again, and makes nothing that is not on this list or its own.
    model = skops.io.load(file, trusted=trusted)
    require_sound(model)
    return model


def _require_digest(path: Path, digest: str) -> None:
    if not path.is_file():
        raise DamagedArtifact(f"the model file {path} is missing. Train again to make it.")
    found = digest_file(path)
    if found != digest:
        raise DamagedArtifact(
            f"the model file {path} changed: its digest should be {digest}, it is {found}. "
            "It is not used. Put the original back, or train again."
        )


def _write_canonical(source: Path, target: Path) -> None:
    """Copy a skops file so that its bytes depend on the model only."""
    with ZipFile(source) as old, ZipFile(target, "w") as new:
        names: dict[str, str] = {}
        written: set[str] = set()
        for name in old.namelist():
            if name == SCHEMA:
                continue
            content = _clear_padding(old.read(name))
            renamed = digest_bytes(content) + Path(name).suffix
            names[name] = renamed
            if renamed not in written:
                written.add(renamed)
                new.writestr(ZipInfo(renamed), content)
        schema = json.loads(old.read(SCHEMA))
        _rename_nodes(list(iterate_nodes(schema)), names)
        new.writestr(ZipInfo(SCHEMA), json.dumps(schema))


def _clear_padding(content: bytes) -> bytes:
    """Zero the bytes between the fields of a structured array: they hold old memory."""
    if b"'|V" not in content[:1024]:
        return content
    array = np.load(io.BytesIO(content), allow_pickle=False)
    cleared = np.zeros(array.shape, array.dtype)
    for field in array.dtype.names or ():
        cleared[field] = array[field]
    buffer = io.BytesIO()
    np.save(buffer, cleared)
    return buffer.getvalue()


def _rename_nodes(nodes: list[dict[str, Any]], names: dict[str, str]) -> None:
    """Number the objects that occur more than once; the others need no identity."""
    shareable = [node for node in nodes if node["__loader__"] not in _IMMUTABLE_NODES]
    counts = Counter(node.get("__id__") for node in shareable)
    numbers: dict[int, int] = {}
    for node in nodes:
        address = node.pop("__id__", None)
        if counts[address] > 1:
            node["__id__"] = numbers.setdefault(address, len(numbers) + 1)
        if "file" in node:
            node["file"] = names[node["file"]]
