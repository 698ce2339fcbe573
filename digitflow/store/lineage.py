"""What a result depends on: the source of our modules, and the versions of libraries.

Imports are read from the source, those inside functions included, and followed
transitively. So editing a helper changes the digest of exactly what imports it.
"""

import ast
import platform
import threading
from collections.abc import Iterator, Mapping
from contextlib import suppress
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from digitflow.store.references import digest_bytes

ROOT = Path(__file__).resolve().parents[2]
OUR_PACKAGE = "digitflow"

# Configuration enters a key as the values that a task uses, and the store's own machinery
# carries results without shaping them.
NOT_IN_KEYS = frozenset(
    {
        *(
            f"digitflow.store.{name}"
            for name in (
                "blobs",
                "bucket",
                "bucket_blobs",
                "cache",
                "lineage",
                "locks",
                "places",
                "runs",
                "server_locks",
                "sharing",
            )
        )
    }
)

CONFIG = "digitflow.config"

# Import name -> distribution, for the libraries that shape numbers and files.
RESULT_LIBRARIES = {
    "albumentations": ("albumentations", "albucore", "opencv-python-headless"),
    "cv2": ("opencv-python-headless",),
    "keras": ("keras", "jax", "jaxlib"),
    "matplotlib": ("matplotlib",),
    "numpy": ("numpy",),
    "optuna": ("optuna",),
    "pandas": ("pandas", "pyarrow"),
    "pandera": ("pandera",),
    "scipy": ("scipy",),
    "skops": ("skops",),
    "sklearn": ("scikit-learn", "scipy", "numpy"),
}


def digest_modules(*roots: str) -> dict[str, str]:
    """Return {module: digest of its source} of the roots and all of ours they import.

    Parameters
    ----------
    *roots : str
        Dotted names, such as "digitflow.models.fitting".

    Raises
    ------
    ModuleNotFoundError
        If a root is no module of ours.
    """
    for root in roots:
        if _module_path(root) is None:
            raise ModuleNotFoundError(f"{root} is no module of {OUR_PACKAGE}")
    pending = [name for root in roots for name in resolve_name(root)]
    found: dict[str, _Module] = {}
    while pending:
        name = pending.pop()
        if name in found or name in NOT_IN_KEYS or name.startswith(CONFIG):
            continue
        found[name] = _read_module(name)
        pending.extend(found[name].ours)
    return {name: found[name].digest for name in sorted(found)}


def find_libraries(modules: dict[str, str]) -> dict[str, str]:
    """Return {distribution: version} of what the modules import and results depend on."""
    imported = {library for name in modules for library in _read_module(name).libraries}
    distributions = {d for library in imported for d in RESULT_LIBRARIES[library]}
    return {name: installed_version(name) for name in sorted(distributions)}


def list_versions(libraries: Mapping[str, str]) -> dict[str, str]:
    """Return the versions of digitflow, Python and the libraries behind the results."""
    return {
        "digitflow": installed_version("digitflow"),
        "python": platform.python_version(),
        **libraries,
    }


@lru_cache
def installed_version(distribution: str) -> str:
    """Return an installed distribution's version, or "not installed"."""
    return read_version(distribution)


def read_version(distribution: str) -> str:
    """Do as `installed_version`, for what is installed at this moment."""
    try:
        return version(distribution)
    except PackageNotFoundError:
        return "not installed"


def read_digest(module: str) -> str:
    """Return the digest of a module of ours as it lies on the disk, or "no such module"."""
    path = _module_path(module)
    return "no such module" if path is None else digest_bytes(path.read_bytes())


class _Module:
    def __init__(self, name: str) -> None:
        path = _module_path(name)
        assert path is not None, name
        source = path.read_bytes()
        package = name if path.name == "__init__.py" else name.rpartition(".")[0]
        imported = list_imports(source, package)
        self.digest = digest_bytes(source)
        self.ours = {n for full in imported for n in resolve_name(full)} - {name}
        self.libraries = {n.split(".")[0] for n in imported} & RESULT_LIBRARIES.keys()


@lru_cache
def _read_module(name: str) -> _Module:
    # Cached: a process runs the code that it loaded, whatever happens to the file later.
    return _Module(name)


def _module_path(name: str) -> Path | None:
    base = ROOT.joinpath(*name.split("."))
    for path in (base.with_suffix(".py"), base / "__init__.py"):
        if path.is_file():
            return path
    return None


def list_imports(source: bytes, package: str) -> set[str]:
    """Return the full dotted names of all that a module imports, also inside functions.

    Parameters
    ----------
    source : bytes
        The module's text.
    package : str
        Its package, from which relative imports start; empty for none.

    Raises
    ------
    SyntaxError, ValueError
        If it is no Python.
    """
    return set(_iterate_imports(_parse(source), package))


def _iterate_imports(tree: ast.Module, package: str) -> Iterator[str]:
    """Yield full dotted names; `from a import b` gives a.b, which may be a module."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package.rsplit(".", node.level - 1)[0] if node.level else ""
            module = ".".join(part for part in (base, node.module) if part)
            yield from (f"{module}.{alias.name}" for alias in node.names)


def resolve_name(full: str) -> Iterator[str]:
    """Yield the modules of ours that importing a dotted name runs; none if it is not ours."""
    parts = full.split(".")
    if parts[0] != OUR_PACKAGE:
        return
    for length in range(1, len(parts) + 1):
        name = ".".join(parts[:length])
        if _module_path(name) is not None:
            yield name


_PARSING = threading.Lock()
_ATTEMPTS = 20


def _parse(source: bytes) -> ast.Module:
    # CPython 3.11 counts the depth of a tree in one place for all threads (its issue
    # 106905): two that parse at once may raise SystemError. The lock keeps ours apart; a
    # library may parse in another thread.
    with _PARSING:
        for _ in range(_ATTEMPTS):
            with suppress(SystemError):
                return ast.parse(source)
        return ast.parse(source)
