"""The sections of the studies, in the order of the report, found by name.

A section is a module of this package that defines
`plan(scope) -> tuple of Experiment`; what its experiments compute are functions beside it.
"""

from collections.abc import Sequence
from importlib import import_module

from digitflow.catalogue import list_modules
from digitflow.errors import InputError, list_some
from digitflow.studies.plan import Experiment, Scope

PACKAGE = "digitflow.studies.experiments"

# The order of the report; a section that is not named here comes after these.
ORDER = (
    "explore",
    "detector",
    "strategies",
    "algorithms",
    "tuning",
    "augmentation",
    "multilabel",
    "multioutput",
    "ensembles",
    "scratch",
    "errors",
    "robustness",
)


def list_sections() -> list[str]:
    """Return the names of the sections, in the order of the report."""
    known = list_modules(PACKAGE, "plan")
    return sorted(known, key=lambda name: (*ORDER, name).index(name))


def choose_sections(names: Sequence[str]) -> list[str]:
    """Return the named sections in the order of the report, each once; all if none is named.

    Raises
    ------
    InputError
        If there is no such section; it lists the known ones.
    """
    known = list_sections()
    unknown = [name for name in dict.fromkeys(names) if name not in known]
    if unknown:
        raise InputError(
            f"there is no section {list_some(unknown)}; known: {list_some(known, len(known))}"
        )
    return [name for name in known if name in names or not names]


def plan_section(name: str, scope: Scope) -> tuple[Experiment, ...]:
    """Return a section's experiments; one comes after those that it needs.

    Raises
    ------
    InputError
        If there is no such section, or its study can't be made of these digits.
    """
    (section,) = choose_sections((name,))
    experiments: tuple[Experiment, ...] = import_module(f"{PACKAGE}.{section}").plan(scope)
    return experiments
