"""Fitted models as skops files: equal models give equal files, and no file runs code.

What a file may hold is decided by the package (`types`), never by a list stored in it; what
it does hold is checked (`soundness`) before anything is asked of it. Only types that the
config of a run trusts come on top: a reference names them, and with the digest of the file it
vouches for the modules that define them, which the file brings along. A champion keeps the
code that it was judged with, whatever becomes of the user's folder; a file that comes without
such a reference is given no trust, and its code is not run.
"""

import io
import json
import logging
from collections import Counter
from collections.abc import Collection, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any, BinaryIO
from zipfile import ZipFile, ZipInfo

import numpy as np

from digitflow.errors import DamagedArtifact, InputError, list_some
from digitflow.models.soundness import (
    BINNED_BOOSTING,
    find_loaded,
    iterate_parts,
    require_sound,
)
from digitflow.models.types import SCHEMA, iterate_nodes, list_types
from digitflow.project.code import ProjectCode, merge_code
from digitflow.project.importing import open_namespace
from digitflow.store.artifacts import Store
from digitflow.store.references import FileRef, ModelRef, digest_bytes, digest_stream

# Nobody can tell two equal ones apart; sharing them is an accident of the process.
_IMMUTABLE_NODES = {"JsonNode", "TypeNode", "FunctionNode", "TupleNode", "DTypeNode"}
_ADVICE = "Use only model files that digitflow wrote."
_CODE = "code/"
# What is refused though a setting avoids it.
_SETTINGS = {
    "sklearn.neighbors._kd_tree.KDTree": "algorithm: brute",
    "sklearn.neighbors._ball_tree.BallTree": "algorithm: brute",
}

logger = logging.getLogger(__name__)


def dump_model(
    model: Any,
    store: Store,
    trusted: Collection[str] = (),
    code: ProjectCode | None = None,
) -> ModelRef:
    """Store a fitted scikit-learn object as models/<digest>.skops.

    Equal models get the same digest: skops' names by memory address and the times of the
    zip are replaced by names by content and a fixed time.

    Parameters
    ----------
    model : estimator
        What only its fit needed and can't be stored is taken out of it.
    store : Store
        Where it goes.
    trusted : collection of str
        Types and functions that it may hold beside those of scikit-learn and ours.
    code : ProjectCode, optional
        Where those of a project are defined; it goes into the file.

    Raises
    ------
    InputError
        If the model holds what skops can't store or what `load_model` would refuse.
    """
    with store.temporary_path(".skops") as raw, store.temporary_path(".skops") as path:
        content = _dump(model)
        # Written twice, the second time in its canonical form.
        with store.room_for(2 * len(content)):
            raw.write_bytes(content)
            with ZipFile(raw) as archive:
                lent = require_storable(model, archive, trusted)
            defined = set() if code is None else code.paths().keys()
            needed = code if any(name.rpartition(".")[0] in defined for name in lent) else None
            _write_canonical(raw, path, needed)
        stored = store.put_file(path, "models", ".skops")
    return ModelRef(**stored.model_dump(), trusted=tuple(lent))


def check_storable(model: Any, trusted: Collection[str]) -> None:
    """Find out whether `dump_model` would take a model, fitted or not; nothing is stored.

    Raises
    ------
    InputError
        As `dump_model`.
    """
    with ZipFile(io.BytesIO(_dump(model))) as archive:
        require_storable(model, archive, trusted)


def require_storable(model: Any, archive: ZipFile, trusted: Collection[str]) -> list[str]:
    """Return what of a model's file `trusted` alone allows.

    Raises
    ------
    InputError
        If it holds what nothing allows; it says what can be done.
    """
    _, lent, refused = list_types(archive, trusted)
    if refused:
        raise InputError(
            f"{type(model).__name__} holds {list_some(refused)}, which nobody trusts. "
            f"{_advise(refused)}"
        )
    return lent


def _advise(refused: list[str]) -> str:
    settings = {_SETTINGS[name] for name in refused if name in _SETTINGS}
    if settings:
        return f"Its arrays can't be checked; set {list_some(settings)}."
    return (
        "A model file is made of scikit-learn's types and of those that the config trusts: if "
        f"you know what they do, write `trust: [{', '.join(refused)}]`."
    )


def _dump(model: Any) -> bytes:
    import skops.io

    for part in iterate_parts(model):
        _drop_fit_state(part)
    try:
        return bytes(skops.io.dumps(model))
    except TypeError as exc:
        raise InputError(f"{type(model).__name__} can't be stored: {exc}") from exc


def _drop_fit_state(part: Any) -> None:
    """Take out of boosted trees what only their fit needs, and can't be stored safely."""
    kind = find_loaded(*BINNED_BOOSTING)
    if kind is None or not isinstance(part, kind):
        return
    part._feature_subsample_rng = None
    if getattr(part, "_preprocessor", None) is not None:
        # It checks once more what is an array of numbers already.
        steps = part._preprocessor.transformers + part._preprocessor.transformers_
        for _, numbers, _ in steps:
            if hasattr(numbers, "func"):
                numbers.func = None


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
        return _read_model(source, None, ())
    try:
        return store.read(
            source,
            lambda path: _read_model(path, source.digest, getattr(source, "trusted", ())),
        )
    except FileNotFoundError as exc:
        raise DamagedArtifact(
            f"the model file {store.blobs.describe(source)} is missing. Train again to make it."
        ) from exc


def _read_model(path: Path, digest: str | None, lending: Sequence[str]) -> Any:
    """Read a model's file, after its digest where one is known."""
    try:
        with path.open("rb") as file:
            _require_digest(file, digest)
            with ZipFile(file) as archive:
                allowed, lent, refused = list_types(archive, lending)
                code = read_code(archive) if lent else None
            if not refused:
                return _construct(file, allowed, lent, code)
    except DamagedArtifact:
        raise
    except InputError as exc:
        raise InputError(f"{path} is not used: {exc}. {_ADVICE}") from exc
    except Exception as exc:  # a crafted file can make any constructor raise anything
        if digest is not None and isinstance(exc, FileNotFoundError):
            raise
        raise InputError(
            f"{path} is no readable skops file ({type(exc).__name__}: {exc}). It may be "
            "truncated, of another format, or made to look like one."
        ) from exc
    raise InputError(
        f"{path} holds what no model of digitflow is made of: {list_some(refused)}. Nothing "
        f"of it was run. {_ADVICE}"
    )


def read_code(archive: ZipFile) -> ProjectCode | None:
    """Return the modules that a model's file brings along; nothing of them is run."""
    sources = {
        name.removeprefix(_CODE): archive.read(name).decode()
        for name in archive.namelist()
        if name.startswith(_CODE)
    }
    return ProjectCode(sources=sources) if sources else None


def add_code(ref: ModelRef, store: Store, code: ProjectCode | None) -> ProjectCode | None:
    """Return the code that a stored model brings along, and other code with it."""
    if not ref.trusted:
        return code

    def read(path: Path) -> ProjectCode | None:
        with ZipFile(path) as archive:
            return read_code(archive)

    return merge_code(store.read(ref, read), code)


def _construct(
    file: BinaryIO, allowed: list[str], lent: list[str], code: ProjectCode | None
) -> Any:
    import skops.io

    if lent:
        logger.info("the model uses what its config trusts: %s", list_some(lent))
    # skops reads the file again, and makes nothing that is not on this list or its own.
    with nullcontext() if code is None else open_namespace(code).visible():
        model = skops.io.load(file, trusted=allowed)
    require_sound(model)
    return model


def _require_digest(file: BinaryIO, digest: str | None) -> None:
    if digest is not None and (found := digest_stream(file)) != digest:
        raise DamagedArtifact(
            f"the model file {file.name} changed: its digest should be {digest}, it is "
            f"{found}. It is not used. Put the original back, or train again."
        )


def _write_canonical(source: Path, target: Path, code: ProjectCode | None) -> None:
    """Copy a skops file so that its bytes depend on the model, and its code, only."""
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
        for path, text in ({} if code is None else code.sources).items():
            new.writestr(ZipInfo(f"{_CODE}{path}"), text)


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
