"""Fit one candidate: an estimator on features, its probabilities calibrated."""

import time
import warnings
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from digitflow.catalogue import ESTIMATORS
from digitflow.errors import CandidateFailed, list_some
from digitflow.models.persistence import dump_model, load_model
from digitflow.store.artifacts import Store
from digitflow.store.references import ArrayRef, ModelRef, Record

REFIT_FOLDS = 3


class EstimatorChoice(Record):
    """What of a candidate shapes its model: estimator, parameters, calibration, seed."""

    estimator: str
    params: dict[str, Any]
    calibration: str
    seed: int


class FittedModel(Record):
    """A pipeline from uint8 images (n, 28, 28) to probabilities, and what it took."""

    # Not in the key of what follows: two fits of one model differ in nothing else.
    MEASURED: ClassVar[frozenset[str]] = frozenset({"fit_seconds", "warnings"})

    model: ModelRef
    fit_seconds: float
    warnings: tuple[str, ...] = ()


def fit_candidate(
    store: Store,
    choice: EstimatorChoice,
    recipe: ModelRef,
    train: tuple[ArrayRef, ArrayRef],
    calibration: tuple[ArrayRef, ArrayRef],
    threads: int,
) -> FittedModel:
    """Fit on `train`, calibrate on `calibration`, store the whole pipeline.

    Parameters
    ----------
    choice : EstimatorChoice
        What to fit.
    recipe : ModelRef
        The fitted transformers that made the features.
    train, calibration : (features, labels)
        Float32 features (n, d) and uint8 labels (n,); no row is in both.
    threads : int
        Threads that the fit may use.

    Raises
    ------
    CandidateFailed
        If the estimator refuses its parameters or the data.
    """
    features, labels = (store.open_array(ref) for ref in train)
    held_features, held_labels = (store.open_array(ref) for ref in calibration)

    def fit() -> Any:
        estimator = _build(choice, threads).fit(features, labels)
        return _calibrate(estimator, choice.calibration, held_features, held_labels)

    return _fit_and_store(store, recipe, fit, threads)


def refit_winner(
    store: Store,
    choice: EstimatorChoice,
    recipe: ModelRef,
    parts: tuple[tuple[ArrayRef, ArrayRef, ArrayRef], ...],
    threads: int,
) -> FittedModel:
    """Fit on training and validation rows together, calibrated on out-of-fold scores.

    Parameters
    ----------
    parts : tuple of (features, labels, groups)
        The rows to fit on; a group (a writer, or an image and its copies) is never in
        two folds, so that no score comes from a model that saw its like.
    """
    features, labels, groups = (
        np.concatenate([store.open_array(part[i]) for part in parts]) for i in range(3)
    )

    def fit() -> Any:
        from sklearn.calibration import CalibratedClassifierCV
        from sklearn.model_selection import StratifiedGroupKFold

        splitter = StratifiedGroupKFold(REFIT_FOLDS, shuffle=True, random_state=choice.seed)
        folds = list(splitter.split(features, labels, groups))
        estimator = _build(choice, threads)
        calibrated = CalibratedClassifierCV(
            estimator, method=choice.calibration, cv=folds, ensemble=False
        )
        return calibrated.fit(features, labels)

    return _fit_and_store(store, recipe, fit, threads)


def _fit_and_store(store: Store, recipe: ModelRef, fit: Any, threads: int) -> FittedModel:
    from sklearn.pipeline import Pipeline
    from threadpoolctl import threadpool_limits

    with threadpool_limits(threads), warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        began = time.perf_counter()
        try:
            classifier = fit()
        except (ValueError, TypeError, MemoryError) as exc:
            raise CandidateFailed(f"{type(exc).__name__}: {exc}") from exc
        seconds = time.perf_counter() - began
    steps = load_model(recipe, store).steps
    pipeline = Pipeline([*steps, ("classifier", classifier)])
    said = dict.fromkeys(str(warning.message).splitlines()[0] for warning in caught)
    return FittedModel(
        model=dump_model(pipeline, store), fit_seconds=round(seconds, 3), warnings=tuple(said)
    )


def _build(choice: EstimatorChoice, threads: int) -> Any:
    return build_estimator(choice.estimator, dict(choice.params), choice.seed, threads)


def _calibrate(estimator: Any, method: str, features: np.ndarray, labels: np.ndarray) -> Any:
    from sklearn.calibration import CalibratedClassifierCV
    from sklearn.frozen import FrozenEstimator

    # What is fitted already needs no folds: they would only ask for five images a class.
    rows = np.arange(len(labels))
    frozen = FrozenEstimator(estimator)
    calibrated = CalibratedClassifierCV(frozen, method=method, cv=[(rows, rows)])
    return calibrated.fit(features, labels)


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
    build = ESTIMATORS.load(name).build
    accepted = build({}, seed, threads).get_params(deep=False)
    unknown = [repr(key) for key in params if key not in accepted]
    if unknown:
        raise CandidateFailed(
            f"the estimator {name} takes no parameter {list_some(unknown)}; "
            f"it takes {', '.join(accepted)}"
        )
    return build(dict(params), seed, threads)
