"""Fit one candidate: an estimator on features; a classifier's probabilities are calibrated."""

import time
import warnings
from typing import Any, ClassVar

import numpy as np

from digitflow.data.sets import SampleSet, Splits
from digitflow.errors import CandidateFailed
from digitflow.features.preparing import fit_recipe, transform_images
from digitflow.models.building import EstimatorChoice, RecipeChoice, build_estimator
from digitflow.models.persistence import add_code, dump_model, load_model
from digitflow.store.artifacts import Store
from digitflow.store.references import ArrayRef, ModelRef, Record


class PreparedFeatures(Record):
    """A fitted recipe and its float32 features (n, d) for three sets of samples."""

    recipe: ModelRef
    train: ArrayRef
    calibration: ArrayRef
    validation: ArrayRef


def prepare_recipe(
    store: Store,
    recipe: RecipeChoice,
    train: ArrayRef,
    calibration: ArrayRef,
    validation: ArrayRef,
    seed: int,
    threads: int = 1,
) -> PreparedFeatures:
    """Fit a recipe on the training images, uint8 (n, 28, 28), and transform all three sets."""
    samples = store.open_array(train)
    fitted, features = fit_recipe(
        recipe.name, samples, seed, store, threads, recipe.params, recipe.code
    )
    held = (store.open_array(ref) for ref in (calibration, validation))
    calibrating, validating = (transform_images(fitted, part, store, threads) for part in held)
    return PreparedFeatures(
        recipe=dump_model(fitted, store, recipe.trust, recipe.code),
        train=features,
        calibration=calibrating,
        validation=validating,
    )


REFIT_FOLDS = 3


class FittedModel(Record):
    """A pipeline from samples to predictions, and what it took.

    `held_out` are targets and values, float64 (n,), that a regression predicted for rows which
    the fit behind them had not seen; None where it was fitted once, on the training rows.
    """

    # Two fits of one model differ in nothing else.
    NOT_IN_KEY: ClassVar[frozenset[str]] = frozenset({"fit_seconds", "warnings"})

    model: ModelRef
    fit_seconds: float
    warnings: tuple[str, ...] = ()
    held_out: tuple[ArrayRef, ArrayRef] | None = None


def fit_candidate(
    store: Store,
    choice: EstimatorChoice,
    prepared: PreparedFeatures,
    targets: ArrayRef,
    calibration_targets: ArrayRef,
    threads: int = 1,
) -> FittedModel:
    """Fit on the training rows, calibrate a classifier on others, store the whole pipeline.

    Parameters
    ----------
    choice : EstimatorChoice
        What to fit.
    prepared : PreparedFeatures
        The fitted recipe, and its features of the training and calibration rows.
    targets, calibration_targets : ArrayRef
        Classes or values (n,), of those rows.
    threads : int
        Threads that the fit may use.

    Raises
    ------
    CandidateFailed
        If the estimator refuses its parameters or the data.
    """
    features, wanted = store.open_array(prepared.train), store.open_array(targets)
    held = store.open_array(prepared.calibration), store.open_array(calibration_targets)

    def fit() -> Any:
        estimator = _take_best(_build(choice, threads).fit(features, wanted))
        if choice.calibration is None:
            return estimator
        return _calibrate(estimator, choice.calibration, *held)

    return _fit_and_store(store, choice, prepared.recipe, fit, threads)


def refit_winner(
    store: Store,
    choice: EstimatorChoice,
    prepared: PreparedFeatures,
    train: SampleSet,
    splits: Splits,
    threads: int = 1,
) -> FittedModel:
    """Fit on training and validation rows together, calibrated on out-of-fold scores.

    A regression is not calibrated: what it predicts out of fold is kept for its intervals. A
    group (a writer, or an image and its copies) is never in two folds, so that no score comes
    from a model that saw its like.

    Parameters
    ----------
    train : SampleSet
        What `prepared.train` are the features of; with altered copies or without.
    splits : Splits
        The samples of the other features.
    """
    parts = (train, splits.calibration, splits.validation)
    held = (prepared.train, prepared.calibration, prepared.validation)
    features = np.concatenate([store.open_array(ref) for ref in held])
    targets = np.concatenate([store.open_array(part.targets) for part in parts])
    groups = np.concatenate([_group_rows(store, *pair) for pair in enumerate(parts)])
    folds, values = _part_folds(targets, groups, choice), list[np.ndarray]()

    def fit() -> Any:
        estimator = _build(choice, threads)
        if choice.calibration is None:
            from sklearn.model_selection import cross_val_predict

            values.append(cross_val_predict(estimator, features, targets, cv=folds))
            return _take_best(estimator.fit(features, targets))
        from sklearn.calibration import CalibratedClassifierCV

        calibrated = CalibratedClassifierCV(
            estimator, method=choice.calibration, cv=folds, ensemble=False
        )
        calibrated.fit(features, targets)
        for each in calibrated.calibrated_classifiers_:
            each.estimator = _take_best(each.estimator)
        return calibrated

    fitted = _fit_and_store(store, choice, prepared.recipe, fit, threads)
    if not values:
        return fitted
    held_out = store.put_array(targets), store.put_array(np.asarray(values[0], np.float64))
    return fitted.model_copy(update={"held_out": held_out})


def _take_best(estimator: Any) -> Any:
    """Return what a search found, without what it tried; any other estimator as it is."""
    return getattr(estimator, "best_estimator_", estimator)


def _part_folds(
    targets: np.ndarray, groups: np.ndarray, choice: EstimatorChoice
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return the rows of each fold's fit and of its held-out part, classes shared evenly."""
    from sklearn.model_selection import GroupKFold, StratifiedGroupKFold

    kind = GroupKFold if choice.calibration is None else StratifiedGroupKFold
    splitter = kind(REFIT_FOLDS, shuffle=True, random_state=choice.seed)
    return list(splitter.split(targets, targets, groups))


def _group_rows(store: Store, number: int, part: SampleSet) -> np.ndarray:
    """Return a group for each row: its writer, else the image that it is a copy of."""
    if part.writers is not None:
        return np.asarray(store.open_array(part.writers), np.int64)
    rows = np.arange(part.rows) if part.parents is None else store.open_array(part.parents)
    return rows + number * 10**9


def _fit_and_store(
    store: Store, choice: EstimatorChoice, recipe: ModelRef, fit: Any, threads: int
) -> FittedModel:
    import joblib
    from sklearn.pipeline import Pipeline
    from threadpoolctl import threadpool_limits

    # A search or a stack of others fits its parts in threads: this process may be killed, and
    # whatever it had started would go on.
    with (
        threadpool_limits(threads),
        joblib.parallel_config("threading"),
        warnings.catch_warnings(record=True) as caught,
    ):
        warnings.simplefilter("always")
        began = time.perf_counter()
        try:
            estimator = fit()
        except Exception as exc:  # an estimator of others may raise anything
            raise CandidateFailed(f"{type(exc).__name__}: {exc}") from exc
        seconds = time.perf_counter() - began
    steps = load_model(recipe, store).steps
    pipeline = Pipeline([*steps, ("estimator", estimator)])
    said = dict.fromkeys(str(warning.message).splitlines()[0] for warning in caught)
    trusted = {*recipe.trusted, *choice.trust}
    model = dump_model(pipeline, store, trusted, add_code(recipe, store, choice.code))
    return FittedModel(model=model, fit_seconds=round(seconds, 3), warnings=tuple(said))


def _build(choice: EstimatorChoice, threads: int) -> Any:
    return build_estimator(choice.estimator, choice.params, choice.seed, threads, choice.code)


def _calibrate(estimator: Any, method: str, features: np.ndarray, labels: np.ndarray) -> Any:
    from sklearn.calibration import CalibratedClassifierCV
    from sklearn.frozen import FrozenEstimator

    # What is fitted already needs no folds: they would only ask for five rows a class.
    rows = np.arange(len(labels))
    frozen = FrozenEstimator(estimator)
    calibrated = CalibratedClassifierCV(frozen, method=method, cv=[(rows, rows)])
    return calibrated.fit(features, labels)
