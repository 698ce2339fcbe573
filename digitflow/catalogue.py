"""Find the module behind a name: adding a module to a package is all that registers it.

Modules are recognised by reading their source, so that a name can be resolved without
importing scikit-learn.
"""

import ast
import pkgutil
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

from digitflow.errors import InputError, list_some

LISTED = 30


def find_module(package: str, name: str, function: str, what: str) -> str:
    """Return the dotted name of a package's module `name`.

    Parameters
    ----------
    package : str
        Dotted name of the package, such as "digitflow.features".
    name : str
        The module's own name, such as "strokes".
    function : str
        The function that makes a module one of the kind, see `list_modules`.
    what : str
        What such a module is called in the error: "recipe", "estimator".

    Raises
    ------
    InputError
        If the package has no such module; it lists those that there are.
    """
    known = list_modules(package, function)
    if name not in known:
        raise InputError(f"there is no {what} {name!r}; known: {list_some(known, LISTED)}")
    return f"{package}.{name}"


def list_modules(package: str, function: str) -> list[str]:
    """Return the names, sorted, of a package's modules that define `function` themselves.

    A module called "catalogue" is never among them: it is where they are looked up.
    """
    found = pkgutil.iter_modules(import_module(package).__path__)
    names = sorted(module.name for module in found if module.name != "catalogue")
    return [name for name in names if _defines(f"{package}.{name}", function)]


def _defines(module: str, function: str) -> bool:
    spec = find_spec(module)
    if spec is None or spec.origin is None:
        return False
    tree = ast.parse(Path(spec.origin).read_bytes())
    return any(isinstance(n, ast.FunctionDef) and n.name == function for n in tree.body)
