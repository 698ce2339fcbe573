"""Whether a config's candidates are well, told before any data are read.

Each is built unfitted, and those of scikit-learn and of our own are fitted on a few invented
rows, since some values are refused only then.
"""

import inspect
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from digitflow.config.training import Classifier, TrainConfig
from digitflow.errors import CandidateFailed, InputError
from digitflow.features.preparing import build_steps
from digitflow.images.frame import SIDE
from digitflow.models.building import (
    EstimatorChoice,
    RecipeChoice,
    build_estimator,
    list_chosen,
)
from digitflow.models.persistence import check_storable
from digitflow.project.code import read_code, trace_code
from digitflow.project.importing import is_path, load_object, split_name
from digitflow.store.artifacts import Store
from digitflow.store.references import digest_json

CHECKED = "checked"
"""The folder of a store with an empty file for each set of candidates that is well."""

# Rows that an estimator is tried on, so many and then more: what is wrong with few rows is
# not the same with more; and what it may repeat on them at most.
_TRIED_ROWS, _TRIED_COLUMNS, _TRIED_CLASSES = (60, 120), 20, 3
_REPEATING, _TRIED_REPEATS = ("epochs", "max_iter", "n_estimators"), 5


def check_candidates(config: TrainConfig, store: Store | None = None) -> None:
    """Build each candidate once, unfitted, so that what is wrong shows before data are read.

    Parameters
    ----------
    store : Store, optional
        Where it is noted that they are well: the same ones, of the same code, are not built
        again, for which an unchanged run would import scikit-learn.

    Raises
    ------
    InputError
        It names the candidate and what is wrong with it: an import path, a parameter, a
        value, the kind of estimator.
    """
    known = None if store is None else store.root / CHECKED / _digest_candidates(config)
    if known is not None and known.exists():
        return
    _check_trust(config)
    for each in config.candidates:
        task = "classification" if isinstance(each, Classifier) else "regression"
        try:
            if not each.parts:
                _check_recipe(RecipeChoice.from_candidate(each, config), config.seed)
            _check_estimator(EstimatorChoice.from_candidate(each, config), task)
        except (InputError, CandidateFailed) as exc:
            raise InputError(f"candidate {each.name}: {exc}") from exc
    if store is not None and known is not None:
        store.write_text(f"{CHECKED}/{known.name}", "")


def _digest_candidates(config: TrainConfig) -> str:
    """Return the digest of what candidates are made of, and of the code behind it."""
    candidates = [each.model_dump(mode="json") for each in config.candidates]
    code = trace_code([__name__, *list_chosen(config)])
    return digest_json([candidates, config.trust, config.seed, code.modules, code.libraries])


def _check_recipe(choice: RecipeChoice, seed: int) -> None:
    for _, step in build_steps(choice.name, seed, choice.params, choice.code):
        _check_values(step)
        check_storable(step, choice.trust)


def _check_estimator(choice: EstimatorChoice, task: str) -> None:
    estimator = build_estimator(choice.estimator, choice.params, choice.seed, 1, choice.code)
    _require_kind(choice.estimator, estimator, task)
    _check_values(estimator)
    # What users wrote is not run on anything but their data.
    if choice.params and (not is_path(choice.estimator) or _is_of_sklearn(choice.estimator)):
        _try_parameters(estimator, task)
    check_storable(estimator, choice.trust)


def _check_trust(config: TrainConfig) -> None:
    folder = config.project or Path.cwd()
    for name in config.trust:
        found = load_object(name, read_code(folder, split_name(name)[0]))
        if not (inspect.isclass(found) or callable(found)):
            kind = type(found).__name__
            raise InputError(f"trust: {name} is a {kind}, neither a class nor a function")


def _require_kind(name: str, estimator: Any, task: str) -> None:
    from sklearn.base import is_classifier, is_regressor

    if not all(hasattr(estimator, needed) for needed in ("fit", "get_params", "set_params")):
        kind = type(estimator).__name__
        raise InputError(f"{name} gives a {kind}, which is no scikit-learn estimator")
    fits = {"classification": is_classifier, "regression": is_regressor}
    if not fits[task](estimator):
        is_one = [f"made for {other}" for other, tells in fits.items() if tells(estimator)]
        raise InputError(
            f"{name} is {', '.join(is_one) or 'neither a classifier nor a regressor'}; "
            f"the config's task is {task}"
        )


def _check_values(estimator: Any) -> None:
    """Let scikit-learn check the values of all parameters, as far as it can without data."""
    for part in _iterate_estimators(estimator):
        if hasattr(part, "_parameter_constraints"):
            try:
                part._validate_params()
            except ValueError as exc:
                raise InputError(str(exc)) from exc


def _is_of_sklearn(name: str) -> bool:
    return split_name(name)[0].partition(".")[0] == "sklearn"


def _try_parameters(estimator: Any, task: str) -> None:
    """Fit on a few invented rows: some values, and pairs of them, are refused only then.

    What is said alike of a few rows and of twice as many is not about the rows.

    Raises
    ------
    InputError
        The estimator's own words.
    """
    for part in _iterate_estimators(estimator):
        _shorten(part)
    first, second = (_try_fit(estimator, rows, task) for rows in _TRIED_ROWS)
    if first is not None and str(first) == str(second):
        raise InputError(f"{type(first).__name__}: {first}") from first


def _shorten(estimator: Any) -> None:
    """Let an estimator repeat itself a few times only."""
    found = estimator.get_params(deep=False)
    for name in _REPEATING:
        if isinstance(found.get(name), int) and found[name] > _TRIED_REPEATS:
            estimator.set_params(**{name: _TRIED_REPEATS})


def _try_fit(estimator: Any, rows: int, task: str) -> ValueError | TypeError | None:
    import numpy as np
    from sklearn.base import clone
    from sklearn.utils import get_tags

    generator = np.random.default_rng(0)
    samples = generator.random((rows, _TRIED_COLUMNS), dtype=np.float32)
    if get_tags(estimator).input_tags.three_d_array:
        samples = generator.integers(0, 256, (rows, SIDE, SIDE), np.uint8)
    values = generator.random(rows)
    targets = np.arange(rows) % _TRIED_CLASSES if task == "classification" else values
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            clone(estimator).fit(samples, targets)
        except np.linalg.LinAlgError:
            return None  # it is about the rows
        except (ValueError, TypeError) as exc:
            return exc
    return None


def _iterate_estimators(estimator: Any) -> Iterator[Any]:
    yield estimator
    if hasattr(estimator, "get_params"):
        inside = estimator.get_params().values()
        yield from (each for each in inside if hasattr(each, "get_params"))
