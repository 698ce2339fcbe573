"""Run a project's modules, each state of them apart from all others.

They are not in `sys.modules`, where one name is one module for the whole process: a champion
keeps the code that it was trained with beside a challenger's newer one, and two projects may
each have a `my_models`. Their own import statements find their own modules first, then
whatever is installed.
"""

import builtins
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import lru_cache
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

from digitflow.errors import InputError, list_some
from digitflow.project.code import ProjectCode

_IMPORTING = threading.RLock()


def load_object(name: str, code: ProjectCode | None) -> Any:
    """Import what "my_models:build" or "sklearn.svm.SVC" names.

    Parameters
    ----------
    name : str
        Module and attribute, with a colon or a dot between them.
    code : ProjectCode or None
        Where the module is; None for an installed one.

    Raises
    ------
    InputError
        If the module can't be imported or has no such attribute; it lists those it has.
    """
    module, attribute = split_name(name)
    try:
        found = import_module(module) if code is None else open_namespace(code).load(module)
    except Exception as exc:  # a module may raise anything while it is imported
        raise InputError(f"{module} can't be imported: {_describe(exc)}") from exc
    try:
        return getattr(found, attribute)
    except AttributeError as exc:
        public = [each for each in vars(found) if not each.startswith("_")]
        raise InputError(
            f"{module} has no {attribute!r}; it has {list_some(sorted(public), 30)}"
        ) from exc


def split_name(name: str) -> tuple[str, str]:
    """Return module and attribute of "module:attribute" or "module.attribute"."""
    module, _, attribute = name.partition(":") if ":" in name else name.rpartition(".")
    return module, attribute


def is_path(name: str) -> bool:
    """Tell whether a name is one of something to import, not one of a catalogue."""
    return ":" in name or "." in name


@lru_cache(maxsize=64)
def _open_namespace(folder: str, sources: tuple[tuple[str, str], ...]) -> "Namespace":
    return Namespace(ProjectCode(sources=dict(sources), folder=folder))


def open_namespace(code: ProjectCode) -> "Namespace":
    """Return the modules of a state of a project; the same ones each time."""
    return _open_namespace(code.folder, tuple(code.sources.items()))


class Namespace:
    """The modules of one state of a project, run when they are first imported."""

    def __init__(self, code: ProjectCode) -> None:
        self._code = code
        self._paths = code.paths()
        self._modules: dict[str, ModuleType] = {}
        # Python looks there for what an import statement does.
        self._builtins = vars(builtins) | {"__import__": self._import}

    def load(self, name: str) -> ModuleType:
        """Return a module, its packages imported first.

        Raises
        ------
        ModuleNotFoundError
            If the project has none of this name.
        Exception
            Whatever the module raises while it runs.
        """
        with _IMPORTING:
            if name not in self._modules:
                self._run(name)
            return self._modules[name]

    @contextmanager
    def visible(self) -> Iterator[None]:
        """Let other code find the modules in `sys.modules`, for as long as this lasts."""
        with _IMPORTING:
            for name in self._paths:
                self.load(name)
            with _replace_modules(self._modules):
                yield

    def _has(self, name: str) -> bool:
        inside = f"{name}."
        return name in self._paths or any(path.startswith(inside) for path in self._paths)

    def _run(self, name: str) -> None:
        package, _, short = name.rpartition(".")
        if not self._has(name):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
        parent = self.load(package) if package else None
        module = self._modules[name] = self._make(name)
        if parent is not None:
            setattr(parent, short, module)
        try:
            # dataclasses, for one, look for a class's module by its name.
            with _replace_modules({name: module}):
                self._execute(name, module)
        except BaseException:
            del self._modules[name]
            raise

    def _make(self, name: str) -> ModuleType:
        module, path = ModuleType(name), self._paths.get(name)
        is_package = path is None or path.endswith("__init__.py")
        module.__package__ = name if is_package else name.rpartition(".")[0]
        if is_package:
            module.__path__ = []
        if path is not None:
            module.__file__ = str(Path(self._code.folder) / path)
        vars(module)["__builtins__"] = self._builtins
        return module

    def _execute(self, name: str, module: ModuleType) -> None:
        if (path := self._paths.get(name)) is not None:
            source = self._code.sources[path]
            exec(compile(source, str(module.__file__), "exec"), vars(module))  # noqa: S102

    def _import(
        self,
        name: str,
        within: Mapping[str, Any] | None = None,
        local: Mapping[str, Any] | None = None,
        wanted: Sequence[str] | None = (),
        level: int = 0,
    ) -> ModuleType:
        """Do what an import statement does, the project's own modules first."""
        full = _resolve(name, within or {}, level)
        if not self._has(full.partition(".")[0]) or not (level or self._has(full)):
            return __import__(name, within, local, wanted or (), level)
        found = self.load(full)
        for each in wanted or ():
            if not hasattr(found, each) and self._has(f"{full}.{each}"):
                self.load(f"{full}.{each}")
        return found if wanted else self._modules[full.partition(".")[0]]


def _resolve(name: str, within: Mapping[str, Any], level: int) -> str:
    if not level:
        return name
    package = str(within["__package__"]).rsplit(".", level - 1)[0]
    return f"{package}.{name}" if name else package


@contextmanager
def _replace_modules(modules: Mapping[str, ModuleType]) -> Iterator[None]:
    before = {name: sys.modules.get(name) for name in modules}
    sys.modules.update(modules)
    try:
        yield
    finally:
        for name, module in before.items():
            if module is None:
                sys.modules.pop(name, None)
            else:
                sys.modules[name] = module


def _describe(exc: Exception) -> str:
    said = str(exc)
    return f"{type(exc).__name__}: {said}" if said else type(exc).__name__
