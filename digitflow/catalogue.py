"""Find the module behind a name: adding a module to a package is all that registers it.

Modules are recognised by reading their source, so that a name can be resolved without
importing scikit-learn, and one more module changes no other's key in the cache.
"""

import pkgutil
import re
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType

from digitflow.errors import InputError, list_some

LISTED = 30


@dataclass(frozen=True)
class Catalogue:
    """A package whose modules are found by their names.

    Attributes
    ----------
    package : str
        Dotted name of the package, such as "digitflow.features.recipes".
    function : str
        The function that a module must define itself to be one of the kind.
    what : str
        What such a module is called in the error: "recipe", "estimator".
    """

    package: str
    function: str
    what: str

    def names(self) -> list[str]:
        """Return the names of its modules, sorted."""
        found = pkgutil.iter_modules(import_module(self.package).__path__)
        names = sorted(module.name for module in found)
        return [name for name in names if _defines(f"{self.package}.{name}", self.function)]

    def module(self, name: str) -> str:
        """Return the dotted name of the module `name`; nothing but its package is imported.

        Raises
        ------
        InputError
            If there is no such module; it lists those that there are.
        """
        import_module(self.package)
        module = f"{self.package}.{name}"
        if not (name.isidentifier() and _defines(module, self.function)):
            known = list_some(self.names(), LISTED)
            raise InputError(f"there is no {self.what} {name!r}; known: {known}")
        return module

    def defines(self, name: str, function: str) -> bool:
        """Tell whether the module `name` has a function of this name; nothing is imported."""
        return _defines(self.module(name), function)

    def load(self, name: str) -> ModuleType:
        """Import the module `name`; errors as `module`."""
        return import_module(self.module(name))


SOURCES = Catalogue("digitflow.data.sources", "load", "source")
"""`fingerprint(source) -> str` and `load(source) -> Digits`."""

TABLE_SOURCES = Catalogue("digitflow.data.sources", "load_table", "table source")
"""`fingerprint(source) -> str` and `load_table(source) -> Table`."""

PAGES = Catalogue("digitflow.reports", "describe_page", "kind of page")
"""`describe_page(store, config, data, winner, bundle, others) -> dict` for its template."""

BACKENDS = Catalogue("digitflow.augment.backends", "write_copies", "augmentation backend")
"""`count_copies(settings) -> int` and `write_copies(images, settings, seed, out)`."""

RECIPES = Catalogue("digitflow.features.recipes", "build_steps", "recipe")
"""`build_steps(seed)`: named, unfitted transformers from images to features."""

ESTIMATORS = Catalogue("digitflow.models.estimators", "build", "estimator")
"""`build(params, seed, threads)`: an unfitted scikit-learn classifier.

One whose `fit` takes a `FitSession` may define `end_within(time_limit)`: after how many seconds
it ends by itself.
"""

CHECKS = Catalogue("digitflow.gate.checks", "run", "check")
"""`run(evidence, limits, seed) -> list of Check`; what it raises is an error of the gate."""


def find_sections(workload: str) -> Catalogue:
    """Return the sections of the studies about a kind of data: "digits", "table".

    Each has `plan(scope) -> tuple of Experiment`.
    """
    return Catalogue(f"digitflow.studies.{workload}.experiments", "plan", "section")


def find_chapters(workload: str) -> Catalogue:
    """Return the chapters of these sections: `compose(context) -> Chapter`."""
    return Catalogue(f"digitflow.studies.{workload}.chapters", "compose", "chapter")


@cache
def _defines(module: str, function: str) -> bool:
    # Once: a judgement asks for each of its checks.
    spec = find_spec(module)
    if spec is None or spec.origin is None:
        return False
    source = Path(spec.origin).read_text(encoding="utf-8")
    return re.search(rf"^def {function}\(", source, re.MULTILINE) is not None
