"""The estimators, found by name.

An estimator is a module of `digitflow.models.estimators` that defines
`build(params, seed, threads) -> unfitted scikit-learn classifier`.
"""

from collections.abc import Mapping
from importlib import import_module
from typing import Any

from digitflow.catalogue import find_module, list_modules
from digitflow.errors import CandidateFailed, list_some

PACKAGE = "digitflow.models.estimators"


def estimator_module(name: str) -> str:
    """Return the dotted name of an estimator's module, "digitflow.models.estimators.svm".

    Raises
    ------
    InputError
        If there is no such estimator; it lists the known ones.
    """
    return find_module(PACKAGE, name, "build", "estimator")


def list_estimators() -> list[str]:
    """Return the names of the estimators, sorted."""
    return list_modules(PACKAGE, "build")


def build_estimator(name: str, params: Mapping[str, Any], seed: int, threads: int) -> Any:
    """Return an unfitted classifier: the module's defaults, overridden by `params`.

    Parameters
    ----------
    name : str
        An estimator of the catalogue.
    params : mapping
        The estimator's own parameters; their values are checked when it is fitted.
    seed : int
        Its random state, where it has one.
    threads : int
        Threads it may use, where it can use several.

    Raises
    ------
    InputError
        If there is no such estimator.
    CandidateFailed
        If it has no parameter of a name in `params`; it lists the accepted ones.
    """
    build = import_module(estimator_module(name)).build
    accepted = build({}, seed, threads).get_params(deep=False)
    unknown = [repr(key) for key in params if key not in accepted]
    if unknown:
        raise CandidateFailed(
            f"the estimator {name} takes no parameter {list_some(unknown)}; "
            f"it takes {', '.join(accepted)}"
        )
    return build(dict(params), seed, threads)
