"""Make a project of a user's own: configs, an example module, deployments, a Makefile.

What is the same for every project is copied from where it is used: `configs/` and
prefect.yaml at the top of the repository, which the build takes along into a wheel.
"""

import shutil
from pathlib import Path

import yaml

from digitflow.errors import InputError, list_some
from digitflow.store.files import storage_errors
from digitflow.store.lineage import ROOT

_TEMPLATE = Path(__file__).with_name("template")
_WATCHED = "configs/mine.yaml"
_SHARED = (
    "configs/digits.yaml", "configs/housing.yaml", "configs/notifications.yaml",
    "configs/notifications-schema.json", "configs/schema.json",
)  # fmt: skip
_NEXT = "\n\n  - name: "


def start_project(folder: Path) -> list[str]:
    """Write a project into an empty folder, or one that is not there yet.

    Returns
    -------
    list of str
        The paths of its files, in the folder.

    Raises
    ------
    InputError
        If the folder is not empty, or is none.
    StorageError
        If it can't be written.
    """
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{folder} is a file; name a folder that is empty or not there yet")
    if folder.is_dir() and (there := sorted(path.name for path in folder.iterdir())):
        raise InputError(
            f"{folder} is not empty: it has {list_some(there)}. Name one that is empty or not "
            "there yet; nothing was written"
        )
    with storage_errors(folder):
        shutil.copytree(_TEMPLATE, folder, ignore=_ignore, dirs_exist_ok=True)
        (folder / "gitignore").rename(folder / ".gitignore")
        for name in _SHARED:
            shutil.copyfile(_find(name), folder / name)
        text = _find("prefect.yaml").read_text(encoding="utf-8")
        (folder / "prefect.yaml").write_text(_choose_deployments(text), encoding="utf-8")
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def _ignore(folder: str, names: list[str]) -> set[str]:
    """Leave out what is not of every project, and what Python has left."""
    return {
        name
        for name in names
        if name in ("__pycache__", "prefect.yaml")
        or (Path(folder).name == "configs" and name not in ("mine.yaml", "table.yaml"))
    }


def _find(name: str) -> Path:
    """Return a file of the repository's, from the wheel or from the repository itself."""
    shipped = _TEMPLATE / name
    return shipped if shipped.is_file() else ROOT / name


def _choose_deployments(text: str) -> str:
    """Keep those that watch a model, of the project's own config, and those of none."""
    watched = yaml.safe_load(text)["definitions"]["watched"]["config"]
    head, *blocks = text.split(_NEXT)
    # The first one follows its heading at once.
    heading, _, first = head.partition("\ndeployments:\n  - name: ")
    kept = [
        block
        for block, about in zip(
            [first, *blocks], yaml.safe_load(text)["deployments"], strict=True
        )
        if (about.get("parameters") or {}).get("config") in (watched, None)
    ]
    chosen = f"{heading}\ndeployments:\n  - name: {_NEXT.join(kept)}"
    return chosen.replace(watched, _WATCHED).rstrip() + "\n"
