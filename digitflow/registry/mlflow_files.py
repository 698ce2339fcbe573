"""The files that MLflow keeps of a version: its bundle, and pages on how it came to be.

Those of the store's own registry are found by the run's name: MLflow notes absolute paths,
and a folder may have been moved since.
"""

import platform
import shutil
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from digitflow.models.bundle import ModelBundle
from digitflow.registry.mlflow_client import is_remote
from digitflow.registry.versions import MODEL_FILE, SIGNATURE, list_files
from digitflow.store.artifacts import Store, storage_errors

ARTIFACTS = "registry/artifacts"
MODEL_FOLDER, BUNDLE_FOLDER = "model", "bundle"


def put_bundle(client: Any, store: Store, run_id: str, bundle: ModelBundle) -> None:
    """Keep every file of a bundle, with the page that tells MLflow how to load it."""
    files = {name: store.path_of(ref) for name, ref in list_files(bundle).items()}
    model = files.pop(MODEL_FILE)
    with TemporaryDirectory() as folder:
        page = Path(folder) / "MLmodel"
        _write_page(page, run_id, model)
        put_files(client, store, run_id, {MODEL_FILE: model, page.name: page}, MODEL_FOLDER)
        about = Path(folder) / "bundle.json"
        about.write_text(bundle.model_dump_json(indent=2), encoding="utf-8")
        put_files(client, store, run_id, files | {about.name: about}, BUNDLE_FOLDER)


def put_files(
    client: Any, store: Store, run_id: str, files: Mapping[str, Path], place: str = ""
) -> None:
    """Keep copies of files, by their names, in a folder of an MLflow run."""
    kept = find_folder(store, run_id)
    for name, file in files.items():
        if kept is None:
            _upload_file(client, run_id, file, name, place)
        else:
            _copy_file(store, file, kept / place / name)


def download_file(client: Any, store: Store, version: Any, name: str) -> bytes | None:
    """Return a file of a version's bundle as MLflow keeps it, None if it has none."""
    from mlflow.exceptions import MlflowException

    kept = find_folder(store, version.run_id)
    place = f"{MODEL_FOLDER if name == MODEL_FILE else BUNDLE_FOLDER}/{name}"
    try:
        if kept is not None:
            return (kept / place).read_bytes()
        with TemporaryDirectory() as folder:
            path = client.download_artifacts(version.run_id, place, folder)
            return Path(path).read_bytes()
    except (MlflowException, OSError):
        return None


def list_sizes(store: Store, run_id: str) -> list[int]:
    """Return the sizes in bytes of an MLflow run's files; none where a server keeps them."""
    folder = find_folder(store, run_id)
    paths = () if folder is None else folder.rglob("*")
    return [path.stat().st_size for path in paths if path.is_file()]


def find_folder(store: Store, run_id: str) -> Path | None:
    """Return where the files of an MLflow run are; None where a server keeps them."""
    return None if is_remote() else store.root / ARTIFACTS / run_id / "artifacts"


def _copy_file(store: Store, source: Path, target: Path) -> None:
    with store.temporary_path() as copy, storage_errors(target):
        shutil.copyfile(source, copy)
        target.parent.mkdir(parents=True, exist_ok=True)
        copy.replace(target)


def _upload_file(client: Any, run_id: str, file: Path, name: str, place: str) -> None:
    """Upload a file under a name of its own; MLflow takes the name that it has."""
    with TemporaryDirectory() as folder:
        copy = Path(folder) / name
        shutil.copyfile(file, copy)
        client.log_artifact(run_id, str(copy), place or None)


def _write_page(page: Path, run_id: str, model: Path) -> None:
    """Write MLflow's page on a model. We never read it: anybody could change it."""
    import skops.io
    from mlflow.models import Model
    from sklearn import __version__ as sklearn_version

    about = Model(artifact_path=MODEL_FOLDER, run_id=run_id, signature=_describe_signature())
    about.add_flavor(
        "python_function",
        loader_module="mlflow.sklearn",
        model_path=MODEL_FILE,
        predict_fn="predict_proba",
        python_version=platform.python_version(),
    )
    about.add_flavor(
        "sklearn",
        pickled_model=MODEL_FILE,
        sklearn_version=sklearn_version,
        serialization_format="skops",
        skops_trusted_types=skops.io.get_untrusted_types(file=model),
    )
    about.save(str(page))


def _describe_signature() -> Any:
    """Return MLflow's description of a model: images to the probabilities of ten digits."""
    import numpy as np
    from mlflow.models import ModelSignature
    from mlflow.types import Schema, TensorSpec

    images, probabilities = (
        Schema([TensorSpec(np.dtype(dtype), shape)]) for dtype, shape in SIGNATURE.values()
    )
    return ModelSignature(inputs=images, outputs=probabilities)
