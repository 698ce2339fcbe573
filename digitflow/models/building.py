"""From a candidate's words to an unfitted recipe and estimator, checked before any data.

An estimator is a name of the catalogue, or what an import path names: a class, a function
that builds one, or an unfitted estimator or pipeline; of scikit-learn, of another installed
library, or of a module of the user's project.
"""

import inspect
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from pydantic import Field

from digitflow.catalogue import ESTIMATORS, RECIPES
from digitflow.config.training import Candidate, TrainConfig
from digitflow.errors import CandidateFailed, InputError, list_some
from digitflow.project.code import ProjectCode, is_in_project, read_code
from digitflow.project.importing import is_path, load_object, split_name
from digitflow.store.references import Record

# Names that a function of the user's may have among its parameters.
_GIVEN = ("params", "seed", "threads")
_LISTED = 60


class RecipeChoice(Record):
    """What of a candidate shapes its features."""

    # The code counts by its modules, so that `why` names them.
    NOT_IN_KEY: ClassVar[frozenset[str]] = frozenset({"code"})

    name: str
    params: dict[str, Any] = Field(default_factory=dict)
    code: ProjectCode | None = None
    trust: tuple[str, ...] = ()

    @classmethod
    def from_candidate(cls, candidate: Candidate, config: TrainConfig) -> "RecipeChoice":
        """Return the recipe that a config's candidate names, its code read now."""
        code = _read_code(candidate.recipe, config)
        return cls(
            name=candidate.recipe,
            params=candidate.recipe_params,
            code=code,
            trust=_choose_trust(config, code),
        )

    def modules(self) -> tuple[str | ProjectCode, ...]:
        """Return the code that it selects."""
        return _list_modules(RECIPES.module, self.name, self.code)


class EstimatorChoice(Record):
    """What of a candidate shapes its model, and after how many seconds its fit is ended.

    `ends_after` is that limit again where the fit ends by itself, with what it has by then.
    """

    NOT_IN_KEY: ClassVar[frozenset[str]] = frozenset({"time_limit", "code"})

    estimator: str
    params: dict[str, Any]
    calibration: str | None
    seed: int
    time_limit: float | None = None
    ends_after: float | None = None
    max_rows: int | None = None
    code: ProjectCode | None = None
    trust: tuple[str, ...] = ()

    @classmethod
    def from_candidate(cls, candidate: Candidate, config: TrainConfig) -> "EstimatorChoice":
        """Return the choice that a config's candidate is, its code read now."""
        code = _read_code(candidate.estimator, config)
        return cls(
            estimator=candidate.estimator,
            params=candidate.params,
            calibration=candidate.find_calibration(),
            seed=config.seed,
            time_limit=candidate.time_limit,
            ends_after=candidate.time_limit if ends_itself(candidate.estimator) else None,
            max_rows=candidate.max_rows,
            code=code,
            trust=_choose_trust(config, code),
        )

    def modules(self) -> tuple[str | ProjectCode, ...]:
        """Return the code that it selects."""
        return _list_modules(ESTIMATORS.module, self.estimator, self.code)


def list_chosen(config: TrainConfig) -> list[str | ProjectCode]:
    """Return the code of all estimators and recipes that a config names; nothing of it is run.

    Raises
    ------
    InputError
        If there is no such estimator, recipe or module.
    """
    return [
        root
        for each in config.candidates
        for choice in ((EstimatorChoice,) if each.parts else (EstimatorChoice, RecipeChoice))
        for root in choice.from_candidate(each, config).modules()
    ]


def build_estimator(
    name: str,
    params: Mapping[str, Any],
    seed: int,
    threads: int,
    code: ProjectCode | None = None,
) -> Any:
    """Return an unfitted estimator.

    Parameters
    ----------
    name : str
        An estimator of the catalogue, or an import path: "sklearn.svm.SVC",
        "my_models:build".
    params : mapping
        The estimator's own parameters, over the defaults; of one inside a pipeline as
        "step__name". A function that takes `params` gets them as they are.
    seed : int
        Its random state, where it has one and nobody has set it.
    threads : int
        Threads it may use, likewise.
    code : ProjectCode, optional
        Where the import path leads, if into a project.

    Raises
    ------
    InputError
        If there is no such estimator.
    CandidateFailed
        If it has no parameter of a name in `params` (it lists the accepted ones), or can't
        be built of them.
    """
    if not is_path(name):
        return _build_known(name, params, seed, threads)
    estimator = _build_found(name, load_object(name, code), params, seed, threads)
    return _spread(estimator, {"random_state": seed, "n_jobs": threads}, params)


def _read_code(name: str, config: TrainConfig) -> ProjectCode | None:
    if not is_path(name):
        return None
    return read_code(config.project or Path.cwd(), split_name(name)[0])


def _choose_trust(config: TrainConfig, code: ProjectCode | None) -> tuple[str, ...]:
    """Return what the config trusts of this code, and of installed libraries."""
    own = set() if code is None else code.paths().keys()
    folder = config.project or Path.cwd()
    return tuple(
        name
        for name in config.trust
        if name.rpartition(".")[0] in own or not is_in_project(folder, name)
    )


def ends_itself(name: str) -> bool:
    """Tell whether a fit ends by itself in time, and goes on from where one was cut off."""
    return not is_path(name) and ESTIMATORS.defines(name, "end_within")


def _list_modules(
    find: Any, name: str, code: ProjectCode | None
) -> tuple[str | ProjectCode, ...]:
    if not is_path(name):
        return (find(name),)
    return () if code is None else (code,)


def _build_known(name: str, params: Mapping[str, Any], seed: int, threads: int) -> Any:
    build = ESTIMATORS.load(name).build
    _require_known(name, params, build({}, seed, threads).get_params(deep=False))
    return build(dict(params), seed, threads)


def _build_found(
    name: str, found: Any, params: Mapping[str, Any], seed: int, threads: int
) -> Any:
    """Return what a class, a function or an unfitted estimator makes of the parameters."""
    try:
        if inspect.isclass(found) and hasattr(found, "get_params"):
            return _build_class(name, found, params)
        if hasattr(found, "get_params"):
            return _set_params(name, _copy(found), params)
        if callable(found):
            return _call(name, found, params, seed, threads)
    except (InputError, CandidateFailed):
        raise
    except Exception as exc:  # a user's function may raise anything
        raise CandidateFailed(f"{name} can't be built: {type(exc).__name__}: {exc}") from exc
    raise InputError(
        f"{name} is a {type(found).__name__}: neither a scikit-learn estimator nor a function"
    )


def _build_class(name: str, found: Any, params: Mapping[str, Any]) -> Any:
    own = {key: value for key, value in params.items() if "__" not in key}
    _require_known(name, own, inspect.signature(found).parameters)
    nested = {key: value for key, value in params.items() if key not in own}
    return _set_params(name, found(**own), nested)


def _copy(estimator: Any) -> Any:
    from sklearn.base import clone

    return clone(estimator)


def _set_params(name: str, estimator: Any, params: Mapping[str, Any]) -> Any:
    _require_known(name, params, estimator.get_params())
    return estimator.set_params(**params)


def _call(name: str, function: Any, params: Mapping[str, Any], seed: int, threads: int) -> Any:
    """Call `build(params, seed, threads)`, or a function that names its parameters itself."""
    accepted = inspect.signature(function).parameters
    given = {"params": dict(params), "seed": seed, "threads": threads}
    known = {key: value for key, value in given.items() if key in accepted}
    if "params" in known:
        return function(**known)
    if not any(each.kind is each.VAR_KEYWORD for each in accepted.values()):
        _require_known(name, params, [key for key in accepted if key not in _GIVEN])
    return function(**known, **params)


def _require_known(name: str, params: Mapping[str, Any], accepted: Any) -> None:
    unknown = [repr(key) for key in params if key not in accepted]
    if unknown:
        raise CandidateFailed(
            f"the estimator {name} takes no parameter {list_some(unknown)}; "
            f"it takes {list_some(list(accepted), _LISTED) or 'none'}"
        )


def _spread(estimator: Any, values: Mapping[str, Any], params: Mapping[str, Any]) -> Any:
    """Set what is the run's to say, wherever the estimator and those inside have it open."""
    if not hasattr(estimator, "get_params"):
        return estimator
    found = estimator.get_params()
    for key, value in found.items():
        owner, name = found.get(key.rpartition("__")[0], estimator), key.split("__")[-1]
        if key not in params:
            if value is None and name in values and _wants(owner, name):
                estimator.set_params(**{key: values[name]})
            elif value == "auto" and name == "algorithm" and _is_neighbours(owner):
                # It leaves the choice to us, and of trees the arrays can't be checked.
                estimator.set_params(**{key: "brute"})
    return estimator


def _wants(owner: Any, name: str) -> bool:
    """Tell whether an estimator has a use for it; some warn of threads."""
    from sklearn.linear_model import LogisticRegression

    return not (name == "n_jobs" and type(owner) is LogisticRegression)


def _is_neighbours(owner: Any) -> bool:
    from sklearn.neighbors._base import NeighborsBase

    return isinstance(owner, NeighborsBase)
