"""A folder's snapshot in one file: its databases at one moment, and what champions need."""

import json
import shutil
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import Any
from zipfile import ZIP_DEFLATED, BadZipFile, ZipFile

from digitflow.errors import DamagedArtifact, InputError, StorageError
from digitflow.feedback.tables import FEEDBACK
from digitflow.formatting import format_bytes
from digitflow.registry import history, mlflow_client, mlflow_files
from digitflow.registry.champion import restore_bundle
from digitflow.registry.cleanup import list_refs
from digitflow.registry.history import HISTORY
from digitflow.registry.versions import MIRROR_FILE, Registration
from digitflow.service.databases import PREFECT_TITLE, list_databases
from digitflow.store.artifacts import Store
from digitflow.store.databases import read_patience
from digitflow.store.files import storage_errors
from digitflow.store.places import FORMAT, FORMAT_FILE
from digitflow.store.runs import GC_LOCK, now
from digitflow.store.sqlite_files import copy_database, freeze, read_error

MANIFEST = "backup.json"
# Where each database lies in a backup, and in a folder that is restored.
PLACES = {
    HISTORY.title: history.FILE,
    mlflow_client.TITLE: MIRROR_FILE,
    FEEDBACK.title: FEEDBACK.file,
    PREFECT_TITLE: "prefect/prefect.db",
}
_FOLDERS = ("arrays", "models", "registry", "feedback", "prefect", "runs")
_NEVER_CHANGED = ("arrays/", "models/")
# Most of it is compressed no better by more work.
_LEVEL = 1


def back_up(store: Store, target: Path) -> dict[str, Any]:
    """Write a backup while runs go on; it appears whole or not at all.

    All four databases are as they were at one moment; who wants to write to one waits for
    the second or two that copying takes. With them go the files of each model's champion and
    of the one before, what they were judged on, MLflow's copies of them, and the records of
    runs.

    Parameters
    ----------
    store : Store
    target : Path
        A file that is not there yet.

    Returns
    -------
    dict
        file, bytes, champions {model: version}, databases, elsewhere (titles of those that a
        server keeps).

    Raises
    ------
    InputError
        If the file is there, or nothing is stored yet.
    StorageError
        If a database is damaged, or the file can't be written.
    """
    if target.exists() or not target.absolute().parent.is_dir():
        said = "is there already" if target.exists() else "is in no folder that is there"
        raise InputError(f"{target} {said}: name another file")
    if not store.require_format():
        raise InputError(f"nothing is stored in {store.root} yet: there is nothing to back up")
    elsewhere = [each.title for each in list_databases(store) if each.path is None]
    with storage_errors(target), store.lock(GC_LOCK), TemporaryDirectory(
        dir=target.absolute().parent, prefix=f".{target.name}-"
    ) as work:  # fmt: skip
        copies = _copy_databases(store, Path(work))
        # As the copy says, not as it is by now; one on a server was not copied.
        kept = _list_kept(Store(Path(work)))
        about = {
            "made": now(),
            "digitflow": version("digitflow"),
            "format": FORMAT,
            "champions": {f.model: f.version for f in kept if history.CHAMPION in f.aliases},
            "databases": sorted(copies),
            "elsewhere": elsewhere,
        }
        whole = Path(work) / "whole"
        files = {**_lend_blobs(store, kept, Path(work)), **dict(_list_files(store, kept))}
        _write_archive(whole, about, files | copies)
        whole.replace(target)
    return {"file": str(target), "bytes": target.stat().st_size, **about}


def _copy_databases(store: Store, folder: Path) -> dict[str, Path]:
    """Copy the databases that are files, all of one moment; return them by place."""
    there = {
        PLACES[each.title]: each.path
        for each in list_databases(store)
        if each.path is not None and each.path.exists()
    }
    copies = {place: folder / place for place in there}
    for copy in copies.values():
        copy.parent.mkdir(exist_ok=True)
    try:
        with freeze([*there.values()], read_patience()) as connections:
            for connection, copy in zip(connections, copies.values(), strict=True):
                copy_database(connection, copy)
    except sqlite3.Error as exc:
        raise StorageError(_explain(store, exc)) from exc
    return copies


def _explain(store: Store, exc: sqlite3.Error) -> str:
    """Say which database could not be copied."""
    for each in list_databases(store):
        fault = each.find_fault(read_patience(), True)
        if each.path is not None and fault is not None and fault.kind != "full":
            return fault.describe(each.title, each.path)
    fault = read_error(exc)
    return f"the databases could not be copied: {exc if fault is None else fault.said}"


def _list_kept(copied: Store) -> list[Registration]:
    """Return the versions that are champions, or were it before."""
    return [
        found
        for model in history.list_models(copied)
        for found in history.list_registrations(copied, model)
        if {history.CHAMPION, history.PREVIOUS} & {*found.aliases}
    ]


def _list_files(store: Store, kept: Sequence[Registration]) -> Iterator[tuple[str, Path]]:
    """Yield what goes with databases and blobs: its name in the store, and where it is."""
    wanted: set[str] = set()
    digests = {found.bundle.model.digest for found in kept}
    for folder in mlflow_files.list_folders(store):
        pages = mlflow_files.read_pages(folder)
        if pages is not None and pages[0].model.digest in digests:
            wanted |= {store.name_of(path) for path in folder.rglob("*") if path.is_file()}
    store.refresh("runs/")
    wanted |= {store.name_of(path) for path in (store.root / "runs").glob("*/*.json*")}
    yield from ((name, store.root / name) for name in sorted(wanted))


def _lend_blobs(store: Store, kept: Sequence[Registration], work: Path) -> dict[str, Path]:
    """Return where the files of versions are on this machine, by their names in the store."""
    files = {}
    for ref in {ref.path: ref for found in kept for ref in list_refs(found)}.values():
        with suppress(DamagedArtifact):  # a version may have lost one already
            files[ref.path] = store.lend((ref,), work / "lent") / ref.path
    return files


def _write_archive(path: Path, about: Mapping[str, Any], files: Mapping[str, Path]) -> None:
    with ZipFile(path, "w", ZIP_DEFLATED, compresslevel=_LEVEL) as archive:
        archive.writestr(MANIFEST, json.dumps(about, indent=2))
        for name, file in files.items():
            # A run's record may go meanwhile, a file of a version be missing already.
            with suppress(FileNotFoundError):
                archive.write(file, name)


# -- restoring ----------------------------------------------------------------------


def restore(store: Store, source: Path) -> dict[str, Any]:
    """Fill an empty folder from a backup; return what the backup says of itself.

    Raises
    ------
    InputError
        If something is stored in the folder, or the file is no backup, or damaged.
    StorageError
        If there is no room for it.
    """
    _require_empty(store)
    try:
        with source.open("rb") as file, ZipFile(file) as archive:
            about = _read_manifest(archive, source)
            _require_places(store, about["databases"])
            _unpack(store, archive)
    except OSError as exc:
        raise InputError(f"{source} can't be read: {exc.strerror or exc}") from exc
    except (BadZipFile, EOFError, ValueError) as exc:
        raise InputError(f"{source} is no whole backup: {exc}") from exc
    for model in history.list_models(store):
        last = history.read_last(store, model)
        if last is not None:
            restore_bundle(store, last.champion)
    return about


def _require_empty(store: Store) -> None:
    if store.require_format() or (store.bucket and store.read_shared(FORMAT_FILE)):
        raise InputError(
            f"{store.place} holds something already, and a backup is restored where nothing "
            "is: name another folder in DIGITFLOW_ARTIFACTS, or move this one away"
        )


def _require_places(store: Store, places: Sequence[str]) -> None:
    """Refuse where a database would be restored that nobody reads there."""
    for each in list_databases(store):
        if PLACES[each.title] in places and each.path != store.root / PLACES[each.title]:
            raise InputError(
                f"{each.named_by} names another place for {each.title} than the folder that is "
                "restored: unset it first"
            )


def _read_manifest(archive: ZipFile, source: Path) -> dict[str, Any]:
    try:
        about: dict[str, Any] = json.loads(archive.read(MANIFEST))
    except KeyError as exc:
        raise InputError(f"{source} is no backup of digitflow: it has no {MANIFEST}") from exc
    if about.get("format") != FORMAT:
        raise InputError(
            f"{source} was made by another digitflow ({about.get('digitflow')}, its folders "
            f"have format {about.get('format')}; this one reads {FORMAT})"
        )
    for name in archive.namelist():
        path = PurePosixPath(name)
        if name != MANIFEST and (path.parts[0] not in _FOLDERS or ".." in path.parts):
            raise InputError(f"{source} holds {name!r}, which is no part of a backup")
    return about


def _unpack(store: Store, archive: ZipFile) -> None:
    """Put everything in its place; the format, by which the folder counts as one, comes last.

    What was unpacked before something went wrong is removed.
    """
    size = sum(info.file_size for info in archive.infolist())
    with storage_errors(store.root):
        store.root.mkdir(parents=True, exist_ok=True)
        if (free := shutil.disk_usage(store.root).free) < size:
            raise StorageError(
                f"{store.root} has {format_bytes(free)} free, and the backup needs "
                f"{format_bytes(size)}"
            )
        try:
            for name in archive.namelist():
                if name != MANIFEST:
                    path = Path(archive.extract(name, store.root))
                    path.chmod(0o444 if name.startswith(_NEVER_CHANGED) else 0o644)
        except BaseException:
            for folder in _FOLDERS:
                shutil.rmtree(store.root / folder, ignore_errors=True)
            raise
        store.adopt(name for name in archive.namelist() if name != MANIFEST)
