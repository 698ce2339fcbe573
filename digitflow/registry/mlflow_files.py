"""The files of versions as MLflow keeps them: a model, its bundle, and pages about both."""

import json
import platform
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from zipfile import ZipFile

from digitflow.gate.verdict import Verdict
from digitflow.models.bundle import ModelBundle, Signature
from digitflow.models.types import list_types
from digitflow.registry.mlflow_client import is_remote
from digitflow.registry.versions import (
    MODEL_FILE,
    TrainingFacts,
    list_files,
)
from digitflow.store.artifacts import Store
from digitflow.store.files import storage_errors
from digitflow.store.lineage import installed_version

ARTIFACTS = "registry/artifacts"
MODEL_FOLDER, BUNDLE_FOLDER = "model", "bundle"


def put_bundle(
    client: Any, store: Store, run_id: str, bundle: ModelBundle, signature: Signature
) -> None:
    """Keep every file of a bundle, with the page that tells MLflow how to load it."""
    refs = list_files(bundle)
    with TemporaryDirectory() as folder, TemporaryDirectory() as lent:
        root = store.lend(refs.values(), Path(lent))
        files = {name: root / ref.path for name, ref in refs.items()}
        model = files.pop(MODEL_FILE)
        page = Path(folder) / "MLmodel"
        _write_page(page, run_id, model, bundle.model.trusted, signature)
        put_files(client, store, run_id, {MODEL_FILE: model, page.name: page}, MODEL_FOLDER)
        about = Path(folder) / "bundle.json"
        about.write_text(bundle.model_dump_json(indent=2), encoding="utf-8")
        put_files(client, store, run_id, files | {about.name: about}, BUNDLE_FOLDER)


def put_files(
    client: Any, store: Store, run_id: str, files: Mapping[str, Path], place: str = ""
) -> None:
    """Keep copies of files, by their names, in a folder of an MLflow run."""
    if (kept := find_folder(store, run_id)) is None:
        # MLflow takes the names that files have.
        with TemporaryDirectory() as folder:
            for name, file in files.items():
                shutil.copyfile(file, Path(folder) / name)
            client.log_artifacts(run_id, folder, place or None)
        return
    for name, file in files.items():
        target = kept / place / name
        with store.temporary_path() as copy, storage_errors(target):
            shutil.copyfile(file, copy)
            target.parent.mkdir(parents=True, exist_ok=True)
            copy.replace(target)


def download_file(
    client: Any, store: Store, model: str, version: str, name: str
) -> bytes | None:
    """Return a file of a version's bundle as MLflow keeps it, None if it has none."""
    from mlflow.exceptions import MlflowException

    place = f"{MODEL_FOLDER if name == MODEL_FILE else BUNDLE_FOLDER}/{name}"
    try:
        run_id = client.get_model_version(model, version).run_id
        if (kept := find_folder(store, run_id)) is not None:
            return (kept / place).read_bytes()
        with TemporaryDirectory() as folder:
            path = client.download_artifacts(run_id, place, folder)
            return Path(path).read_bytes()
    except (MlflowException, OSError):
        return None


def list_sizes(store: Store, run_id: str) -> list[int]:
    """Return the sizes in bytes of an MLflow run's files; none where a server keeps them."""
    folder = find_folder(store, run_id)
    paths = () if folder is None else folder.rglob("*")
    return [path.stat().st_size for path in paths if path.is_file()]


def list_folders(store: Store) -> list[Path]:
    """Return the folders of all MLflow runs' files; none where a server keeps them."""
    return [] if is_remote() else sorted((store.root / ARTIFACTS).glob("*/artifacts"))


def read_pages(folder: Path) -> tuple[ModelBundle, Verdict, TrainingFacts] | None:
    """Return what the pages beside a version's files say; None unless all are there."""
    try:
        bundle = (folder / BUNDLE_FOLDER / "bundle.json").read_bytes()
        facts = json.loads((folder / "facts.json").read_bytes())
        facts["config"] = (folder / "config.yaml").read_text(encoding="utf-8")
        return (
            ModelBundle.model_validate_json(bundle),
            Verdict.model_validate_json((folder / "verdict.json").read_bytes()),
            TrainingFacts.model_validate_json(json.dumps(facts)),
        )
    except (OSError, ValueError):  # pydantic's error is one too
        return None


def find_folder(store: Store, run_id: str) -> Path | None:
    """Return where the files of an MLflow run are; None where a server keeps them."""
    return None if is_remote() else store.root / ARTIFACTS / run_id / "artifacts"


def _write_page(
    page: Path, run_id: str, model: Path, trusted: Sequence[str], signature: Signature
) -> None:
    """Write MLflow's page on a model. We never read it: anybody could change it."""
    from mlflow.models import Model

    with ZipFile(model) as archive:
        types, _, _ = list_types(archive, trusted)
    about = Model(artifact_path=MODEL_FOLDER, run_id=run_id, signature=_describe(signature))
    about.add_flavor(
        "python_function",
        loader_module="mlflow.sklearn",
        model_path=MODEL_FILE,
        predict_fn=signature.method,
        python_version=platform.python_version(),
    )
    about.add_flavor(
        "sklearn",
        pickled_model=MODEL_FILE,
        # By its metadata: nothing here needs what its import, and skops', takes seconds for.
        sklearn_version=installed_version("scikit-learn"),
        serialization_format="skops",
        skops_trusted_types=types,
    )
    about.save(str(page))


def _describe(signature: Signature) -> Any:
    """Return MLflow's description of what a model takes and gives."""
    import numpy as np
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, Schema, TensorSpec

    def describe_array(dtype: str, shape: tuple[int, ...]) -> Any:
        return Schema([TensorSpec(np.dtype(dtype), shape)])

    columns: list[Any] = [
        ColSpec("string" if np.dtype(dtype).kind == "U" else "double", name, required=False)
        for name, dtype in signature.columns
    ]
    inputs = Schema(columns) if columns else describe_array(*signature.inputs)
    return ModelSignature(inputs=inputs, outputs=describe_array(*signature.outputs))
