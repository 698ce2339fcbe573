"""The modules of a user's project, beside a config: found, read once, counted in keys.

What a run needs of them is read when it begins and travels as text, to other processes and
into model files. So nobody has to find the folder again, two folders may have modules of one
name, and what was read is what runs, whatever happens to the files meanwhile.
"""

import sys
from collections.abc import Sequence
from functools import lru_cache
from importlib.machinery import ModuleSpec, PathFinder
from importlib.metadata import packages_distributions
from importlib.util import find_spec
from itertools import accumulate
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from digitflow.errors import InputError
from digitflow.store.lineage import (
    OUR_PACKAGE,
    digest_modules,
    find_libraries,
    installed_version,
    list_imports,
    resolve_name,
)
from digitflow.store.references import Record, digest_bytes, digest_json

_PACKAGE_FILE = "__init__.py"


class ProjectCode(Record):
    """A module of a project and all those of the project that it imports, transitively.

    Attributes
    ----------
    sources : dict of str to str
        Their text, by their paths in the project's folder: "my_models.py".
    folder : str
        Where that was, for tracebacks; empty where the code came with a model.
    """

    sources: dict[str, str]
    folder: str = ""

    @property
    def digest(self) -> str:
        """The digest of all sources."""
        return digest_json(self.sources)

    def paths(self) -> dict[str, str]:
        """Return {dotted name of a module: its path}."""
        return {_name_module(path): path for path in self.sources}

    def digests(self) -> dict[str, str]:
        """Return {dotted name of a module: digest of its source}."""
        texts = {name: self.sources[path] for name, path in self.paths().items()}
        return {name: digest_bytes(text.encode()) for name, text in texts.items()}

    def imports(self) -> set[str]:
        """Return the full names of all that these modules import."""
        return {
            name
            for path, text in self.sources.items()
            for name in list_imports(text.encode(), _name_package(path))
        }


class Code(NamedTuple):
    """The code behind a result: {module: digest}, and {distribution: version} of libraries."""

    modules: dict[str, str]
    libraries: dict[str, str]


def trace_code(roots: Sequence[str | ProjectCode]) -> Code:
    """Return what modules of ours, by their names, and of projects depend on."""
    projects = [root for root in roots if isinstance(root, ProjectCode)]
    imported = {name for project in projects for name in project.imports()}
    names = [root for root in roots if isinstance(root, str)]
    ours = digest_modules(*names, *(each for name in imported for each in resolve_name(name)))
    foreign = {name.partition(".")[0] for name in imported}
    libraries = find_libraries(ours) | _find_versions(foreign)
    for project in projects:
        ours |= project.digests()
    return Code(ours, libraries)


def merge_code(first: ProjectCode | None, second: ProjectCode | None) -> ProjectCode | None:
    """Return the modules of both, as they were read in one run."""
    if first is None or second is None:
        return first or second
    sources = dict(sorted((first.sources | second.sources).items()))
    return ProjectCode(sources=sources, folder=second.folder)


def is_in_project(folder: Path, name: str) -> bool:
    """Tell whether "my_models.Wrapper" is of a module in the project's folder."""
    return _find_file(folder, name.rpartition(".")[0]) is not None


def read_code(folder: Path, module: str) -> ProjectCode | None:
    """Read a module of a project, and all of the project that it imports.

    Parameters
    ----------
    folder : Path
        The project's.
    module : str
        Dotted name.

    Returns
    -------
    ProjectCode or None
        None where the folder has no such module: then an installed one is meant.

    Raises
    ------
    InputError
        If a file is no Python, or can't be read; or if there is no such module at all.
    """
    if _find_file(folder, module) is None:
        _require_installed(folder, module)
        return None
    sources: dict[str, str] = {}
    pending = [module]
    while pending:
        for name in _list_prefixes(pending.pop()):
            path = _find_file(folder, name)
            if path is not None and path not in sources:
                sources[path] = _read_text(folder / path)
                pending += _list_imports(folder / path, sources[path], path)
    return ProjectCode(sources=dict(sorted(sources.items())), folder=str(folder))


def _find_file(folder: Path, module: str) -> str | None:
    """Return a module's path in the folder; never of this package, wherever it lies."""
    if _is_ours(module) or not all(part.isidentifier() for part in module.split(".")):
        return None
    base = module.replace(".", "/")
    for path in (f"{base}.py", f"{base}/{_PACKAGE_FILE}"):
        if (folder / path).is_file():
            return path
    return None


def _is_ours(name: str) -> bool:
    return name.partition(".")[0] == OUR_PACKAGE


def _find_file_of(module: str) -> ModuleSpec | None:
    """Find an installed module without importing the packages that it is in."""
    spec, path = None, None
    for name in accumulate(module.split("."), "{}.{}".format):
        spec = PathFinder.find_spec(name, path)
        if spec is None:
            return None
        path = spec.submodule_search_locations or []
    return spec


def _require_installed(folder: Path, module: str) -> None:
    try:
        # Some packages make modules of their own, that only they can tell of.
        found = _find_file_of(module) or find_spec(module)
    except (ImportError, ValueError):  # a package on the way to it is none
        found = None
    if found is None:
        raise InputError(
            f"there is no module {module}: neither {folder / module.replace('.', '/')}.py, "
            "nor is one installed. `project` in the config names the folder of your modules"
        )


def _read_text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as exc:
        raise InputError(f"can't read the module {path}: {exc}") from exc


def _list_imports(file: Path, text: str, path: str) -> list[str]:
    try:
        return sorted(list_imports(text.encode(), _name_package(path)))
    except (SyntaxError, ValueError) as exc:
        raise InputError(f"{file} is no valid Python: {exc}") from exc


def _list_prefixes(module: str) -> list[str]:
    """Return the packages of a module, from the outermost, and the module."""
    parts = module.split(".")
    return [".".join(parts[:length]) for length in range(1, len(parts) + 1)]


def _name_module(path: str) -> str:
    pure = PurePosixPath(path)
    return ".".join((pure.parent if pure.name == _PACKAGE_FILE else pure.with_suffix("")).parts)


def _name_package(path: str) -> str:
    return ".".join(PurePosixPath(path).parent.parts)


def _find_versions(packages: set[str]) -> dict[str, str]:
    """Return {distribution: version} of installed packages, by the names they import by."""
    known = _list_distributions() if packages - sys.stdlib_module_names else {}
    found = {name for package in packages for name in known.get(package, ())}
    return {name: installed_version(name) for name in sorted(found - {OUR_PACKAGE})}


@lru_cache
def _list_distributions() -> dict[str, list[str]]:
    return dict(packages_distributions())
