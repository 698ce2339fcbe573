"""Fit one candidate: an estimator on features; a classifier's probabilities are calibrated."""

import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, ClassVar, NamedTuple

import numpy as np

from digitflow.catalogue import ESTIMATORS
from digitflow.data.sets import SampleSet, Splits
from digitflow.errors import CandidateFailed, CandidateRefused
from digitflow.features.preparing import fit_recipe, transform_images
from digitflow.models.building import (
    EstimatorChoice,
    RecipeChoice,
    build_estimator,
    ends_itself,
)
from digitflow.models.calibration import calibrate, choose_method
from digitflow.models.persistence import add_code, dump_model, load_model
from digitflow.models.session import StoredSession
from digitflow.project.code import trace_code
from digitflow.store.artifacts import Store
from digitflow.store.references import ArrayRef, ModelRef, Record, digest_json


class PreparedFeatures(Record):
    """A fitted recipe and its features (n, d), float32 or uint8, for three sets of samples."""

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


class Fit(Record):
    """What a fit took, by the clock and of the processors, and what it warned of."""

    # Two fits of one model differ in nothing else.
    NOT_IN_KEY: ClassVar[frozenset[str]] = frozenset(
        {"fit_seconds", "processor_seconds", "warnings"}
    )

    fit_seconds: float
    processor_seconds: float
    warnings: tuple[str, ...] = ()


class FittedModel(Fit):
    """A pipeline from samples to predictions, and what it took.

    `held_out` are targets and values, float64 (n,), that a regression predicted for rows which
    the fit behind them had not seen; None where it was fitted once, on the training rows.
    """

    model: ModelRef
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
    CandidateRefused
        If the estimator refuses its parameters or the data.
    CandidateFailed
        If it fails otherwise.
    """
    features, wanted = store.open_array(prepared.train), store.open_array(targets)

    def fit() -> Any:
        on = prepared.train, targets
        estimator = _take_best(_learn(store, choice, features, wanted, threads, on))
        if choice.calibration is None:
            return estimator
        held, labels = (
            store.open_array(ref) for ref in (prepared.calibration, calibration_targets)
        )
        scores = getattr(estimator, choose_method(estimator))(held)
        return calibrate(estimator, choice.calibration, scores, labels)

    return _fit_and_store(store, choice, prepared.recipe, fit, threads)


def refit_candidate(
    store: Store,
    choice: EstimatorChoice,
    prepared: PreparedFeatures,
    train: SampleSet,
    splits: Splits,
    threads: int = 1,
) -> FittedModel:
    """Fit on training, calibration and validation rows together; `complete_refit` comes next.

    Parameters
    ----------
    train : SampleSet
        What `prepared.train` are the features of; with altered copies or without.
    splits : Splits
        The samples of the other features.
    """
    rows = _join_parts(store, prepared, train, splits)

    def fit() -> Any:
        return _take_best(
            _learn(store, choice, rows.features, rows.targets, threads, (prepared, train))
        )

    return _fit_and_store(store, choice, prepared.recipe, fit, threads)


class HeldOutFold(Fit):
    """What a winner says of one fold of all rows, fitted on the others.

    `rows` are int64 (m,). `values`, float64, are what a regression predicted (m,), or a
    classifier's scores (m, k), (m,) of two classes.
    """

    rows: ArrayRef
    values: ArrayRef


def predict_fold(
    store: Store,
    choice: EstimatorChoice,
    prepared: PreparedFeatures,
    train: SampleSet,
    splits: Splits,
    fold: int,
    threads: int = 1,
) -> HeldOutFold:
    """Fit on the rows of `refit_candidate` but one fold of `REFIT_FOLDS`, and predict that.

    A group (a writer, or an image and its copies) is never in two folds, so that nothing said
    of a row comes from a model that saw its like.
    """
    rows = _join_parts(store, prepared, train, splits)
    fitting, held = _part_folds(rows, choice)[fold]

    def fit() -> Any:
        on = prepared, train, fold
        parts = rows.features[fitting], rows.targets[fitting]
        return _learn(store, choice, *parts, threads, on)

    estimator, took = measure_fit(fit, threads)
    method = "predict" if choice.calibration is None else choose_method(estimator)
    with _limit_threads(threads):
        values = np.asarray(getattr(estimator, method)(rows.features[held]), np.float64)
    if method != "predict":
        values = _place_classes(values, estimator.classes_, np.unique(rows.targets), method)
    return HeldOutFold(
        rows=store.put_array(held),
        values=store.put_array(values),
        **dict(took),
    )


def complete_refit(
    store: Store,
    choice: EstimatorChoice,
    refitted: FittedModel,
    folds: Sequence[HeldOutFold],
    train: SampleSet,
    splits: Splits,
) -> FittedModel:
    """Return the refitted winner with what its folds say of rows they had not seen.

    A classifier's probabilities are calibrated on it; what a regression predicted is kept for
    its intervals.
    """
    parts = (train, splits.calibration, splits.validation)
    targets = np.concatenate([store.open_array(part.targets) for part in parts])
    rows, values = (
        np.concatenate([store.open_array(getattr(fold, name)) for fold in folds])
        for name in ("rows", "values")
    )
    took = dict(sum_fits((refitted, *folds)))
    if choice.calibration is None:
        order = np.argsort(rows)
        held_out = store.put_array(targets), store.put_array(values[order])
        return refitted.model_copy(update=took | {"held_out": held_out})
    *steps, (name, estimator) = load_model(refitted.model, store).steps
    calibrated = calibrate(estimator, choice.calibration, values, targets[rows])
    model = store_pipeline(store, choice, [refitted.model], [*steps, (name, calibrated)])
    return refitted.model_copy(update=took | {"model": model})


def sum_fits(fits: Sequence[Fit]) -> Fit:
    """Return what several fits took together."""
    return Fit(
        fit_seconds=round(sum(fit.fit_seconds for fit in fits), 3),
        processor_seconds=round(sum(fit.processor_seconds for fit in fits), 3),
        warnings=tuple(dict.fromkeys(said for fit in fits for said in fit.warnings)),
    )


class _Rows(NamedTuple):
    """Features (n, d), targets (n,) and groups (n,) of all rows but the test rows."""

    features: np.ndarray
    targets: np.ndarray
    groups: np.ndarray


def _join_parts(
    store: Store, prepared: PreparedFeatures, train: SampleSet, splits: Splits
) -> _Rows:
    parts = (train, splits.calibration, splits.validation)
    held = (prepared.train, prepared.calibration, prepared.validation)
    return _Rows(
        np.concatenate([store.open_array(ref) for ref in held]),
        np.concatenate([store.open_array(part.targets) for part in parts]),
        np.concatenate([_group_rows(store, *pair) for pair in enumerate(parts)]),
    )


def _place_classes(
    scores: np.ndarray, seen: np.ndarray, classes: np.ndarray, method: str
) -> np.ndarray:
    """Return scores (m, k) for all classes; one that a fold's fit never saw is the least."""
    if len(seen) == len(classes):
        return scores
    least = np.finfo(np.float64).min if method == "decision_function" else 0.0
    placed = np.full((len(scores), len(classes)), least)
    placed[:, np.searchsorted(classes, seen)] = scores
    return placed


def _take_best(estimator: Any) -> Any:
    """Return what a search found, without what it tried; any other estimator as it is."""
    return getattr(estimator, "best_estimator_", estimator)


def _part_folds(rows: _Rows, choice: EstimatorChoice) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return the rows of each fold's fit and of its held-out part, classes shared evenly."""
    from sklearn.model_selection import GroupKFold, StratifiedGroupKFold

    kind = GroupKFold if choice.calibration is None else StratifiedGroupKFold
    splitter = kind(REFIT_FOLDS, shuffle=True, random_state=choice.seed)
    return list(splitter.split(rows.targets, rows.targets, rows.groups))


def _group_rows(store: Store, number: int, part: SampleSet) -> np.ndarray:
    """Return a group for each row: its writer, else the image that it is a copy of."""
    if part.writers is not None:
        return np.asarray(store.open_array(part.writers), np.int64)
    rows = np.arange(part.rows) if part.parents is None else store.open_array(part.parents)
    return rows + number * 10**9


def _fit_and_store(
    store: Store, choice: EstimatorChoice, recipe: ModelRef, fit: Any, threads: int
) -> FittedModel:
    estimator, took = measure_fit(fit, threads)
    steps = [*load_model(recipe, store).steps, ("estimator", estimator)]
    model = store_pipeline(store, choice, [recipe], steps)
    return FittedModel(model=model, **dict(took))


def measure_fit(fit: Callable[[], Any], threads: int) -> tuple[Any, Fit]:
    """Return what is fitted, and what that took, with the warnings' first lines."""
    with _limit_threads(threads), warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        began, used = time.perf_counter(), time.process_time()
        try:
            estimator = fit()
        except (ValueError, TypeError) as exc:
            raise CandidateRefused(f"{type(exc).__name__}: {exc}") from exc
        except Exception as exc:  # an estimator of others may raise anything
            raise CandidateFailed(f"{type(exc).__name__}: {exc}") from exc
        seconds, used = time.perf_counter() - began, time.process_time() - used
    said = dict.fromkeys(str(warning.message).splitlines()[0] for warning in caught)
    return estimator, Fit(
        fit_seconds=round(seconds, 3), processor_seconds=round(used, 3), warnings=tuple(said)
    )


@contextmanager
def _limit_threads(threads: int) -> Iterator[None]:
    import joblib
    from threadpoolctl import threadpool_limits

    # A search or a stack of others fits its parts in threads: this process may be killed, and
    # whatever it had started would go on.
    with threadpool_limits(threads), joblib.parallel_config("threading"):
        yield


def store_pipeline(
    store: Store,
    choice: EstimatorChoice,
    parts: Sequence[ModelRef],
    steps: list[tuple[str, Any]],
) -> ModelRef:
    """Store a pipeline; what the stored models it is made of may hold, it may too."""
    from sklearn.pipeline import Pipeline

    trusted, code = {*choice.trust}, choice.code
    for part in parts:
        trusted.update(part.trusted)
        code = add_code(part, store, code)
    return dump_model(Pipeline(steps), store, trusted, code)


def _build(choice: EstimatorChoice, threads: int) -> Any:
    return build_estimator(choice.estimator, choice.params, choice.seed, threads, choice.code)


def draw_rows(targets: np.ndarray, count: int, seed: int, classes: bool) -> np.ndarray:
    """Draw `count` of the rows of targets (n,), in their order, int64 (count,).

    Parameters
    ----------
    classes : bool
        Whether targets are classes, which are drawn in proportion.
    """
    from sklearn.model_selection import train_test_split

    rows, _ = train_test_split(
        np.arange(len(targets)),
        train_size=count,
        random_state=seed,
        stratify=targets if classes else None,
    )
    return np.asarray(np.sort(rows))


def _learn(
    store: Store,
    choice: EstimatorChoice,
    features: np.ndarray,
    targets: np.ndarray,
    threads: int,
    on: tuple[Any, ...],
) -> Any:
    """Fit the chosen estimator; one that takes a session may go on from a killed fit's place.

    Parameters
    ----------
    on : tuple
        What tells these rows from others.
    """
    estimator = _build(choice, threads)
    if choice.max_rows is not None and choice.max_rows < len(targets):
        rows = draw_rows(targets, choice.max_rows, choice.seed, choice.calibration is not None)
        features, targets = features[rows], targets[rows]
    if not ends_itself(choice.estimator):
        return estimator.fit(features, targets)
    code = trace_code([*choice.modules()])
    shaped = choice.model_copy(update={"time_limit": None, "ends_after": None})
    name = digest_json(
        [repr(shaped), [repr(each) for each in on], code.modules, code.libraries]
    )
    seconds = None
    if choice.ends_after is not None:
        seconds = ESTIMATORS.load(choice.estimator).end_within(choice.ends_after)
    session = StoredSession(store, name, seconds, threads)
    return estimator.fit(features, targets, session=session)
