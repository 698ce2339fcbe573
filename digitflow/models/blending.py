"""Make one pipeline of several fitted candidates; none of them is fitted for it.

It computes each recipe once, side by side; then each part, calibrated as it was, says its
probabilities of its own features, and their mean is calibrated as any candidate's scores are.
"""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from digitflow.data.sets import Splits
from digitflow.models.building import EstimatorChoice
from digitflow.models.calibration import apply_calibration, calibrate
from digitflow.models.fitting import (
    FittedModel,
    HeldOutFold,
    PreparedFeatures,
    measure_fit,
    store_pipeline,
    sum_fits,
)
from digitflow.models.persistence import add_code, dump_model, load_model
from digitflow.project.code import ProjectCode
from digitflow.store.artifacts import Store
from digitflow.store.references import ArrayRef, ModelRef, Record

if TYPE_CHECKING:
    from digitflow.models.estimators.blend import Blend


class JoinedFeatures(Record):
    """The features of a blend's parts side by side, those of equal recipes once.

    Attributes
    ----------
    recipe : ModelRef
        From samples to features (n, d) of all parts.
    calibration, validation : ArrayRef
        Those features of the rows that calibrate, and of those that compare.
    columns : tuple of (int, int, str)
        For each part the first of its features, the one after its last, and their dtype; the
        first part's come first.
    """

    recipe: ModelRef
    calibration: ArrayRef
    validation: ArrayRef
    columns: tuple[tuple[int, int, str], ...]


def join_features(store: Store, prepared: Sequence[PreparedFeatures]) -> JoinedFeatures:
    """Put the features of several candidates side by side, and their recipes into one."""
    distinct = list({each.recipe.digest: each for each in prepared}.values())
    widths = [each.calibration.shape[1] for each in distinct]
    ends = dict(zip((each.recipe.digest for each in distinct), np.cumsum(widths), strict=True))
    columns = tuple(
        (int(ends[each.recipe.digest]) - each.calibration.shape[1],
         int(ends[each.recipe.digest]), each.calibration.dtype)
        for each in prepared
    )  # fmt: skip
    if len(distinct) == 1:
        (only,) = distinct
        return JoinedFeatures(
            recipe=only.recipe,
            calibration=only.calibration,
            validation=only.validation,
            columns=columns,
        )
    return JoinedFeatures(
        recipe=_join_recipes(store, [each.recipe for each in distinct]),
        calibration=_join_arrays(store, [each.calibration for each in distinct]),
        validation=_join_arrays(store, [each.validation for each in distinct]),
        columns=columns,
    )


def _join_recipes(store: Store, recipes: Sequence[ModelRef]) -> ModelRef:
    from sklearn.pipeline import FeatureUnion, Pipeline

    code: ProjectCode | None = None
    for recipe in recipes:
        code = add_code(recipe, store, code)
    parts = [(f"recipe-{n}", load_model(recipe, store)) for n, recipe in enumerate(recipes)]
    trusted = {name for recipe in recipes for name in recipe.trusted}
    return dump_model(Pipeline([("recipes", FeatureUnion(parts))]), store, trusted, code)


def _join_arrays(store: Store, arrays: Sequence[ArrayRef]) -> ArrayRef:
    return store.put_array(np.hstack([store.open_array(each) for each in arrays]))


def blend_candidates(
    store: Store,
    choice: EstimatorChoice,
    parts: Sequence[FittedModel],
    joined: JoinedFeatures,
    calibration_targets: ArrayRef,
    threads: int = 1,
) -> FittedModel:
    """Blend fitted candidates, calibrate the blend on rows that none of them was fitted on.

    Parameters
    ----------
    choice : EstimatorChoice
        The blend's: how it is calibrated.
    parts : sequence of FittedModel
        What is blended, each calibrated by itself.
    joined : JoinedFeatures
        Of the same parts, in the same order.
    calibration_targets : ArrayRef
        Classes (n,) of the calibration rows.

    Returns
    -------
    FittedModel
        Its times are those of the parts' fits and its own.

    Raises
    ------
    CandidateRefused
        If the parts don't know the same classes.
    """

    def say(blend: "Blend") -> np.ndarray:
        return blend.decision_function(store.open_array(joined.calibration))

    labels = store.open_array(calibration_targets)
    return _blend(store, choice, parts, joined, (say, labels), threads)


def blend_refits(
    store: Store,
    choice: EstimatorChoice,
    parts: Sequence[FittedModel],
    joined: JoinedFeatures,
    folds: Sequence[Sequence[HeldOutFold]],
    splits: Splits,
    threads: int = 1,
) -> FittedModel:
    """Blend what was fitted again on all rows, calibrate it by what the parts said out of fold.

    Parts may have learnt from different rows, with altered copies or without; what they have in
    common are the calibration and validation rows, the last of each.

    Parameters
    ----------
    parts : sequence of FittedModel
        As `complete_refit` returns them.
    folds : sequence of sequence of HeldOutFold
        Of each part.
    """
    from digitflow.models.estimators.blend import average_logarithms

    held = (splits.calibration, splits.validation)
    labels = np.concatenate([store.open_array(part.targets) for part in held])

    def say(blend: "Blend") -> np.ndarray:
        scores = [_read_last(store, each, len(labels)) for each in folds]
        pairs = zip(blend.members, scores, strict=True)
        return average_logarithms([apply_calibration(*pair) for pair in pairs])

    return _blend(store, choice, parts, joined, (say, labels), threads)


def _read_last(store: Store, folds: Sequence[HeldOutFold], count: int) -> np.ndarray:
    """Return what folds say of the last rows of all, in their order."""
    rows = np.concatenate([store.open_array(fold.rows) for fold in folds])
    values = np.concatenate([store.open_array(fold.values) for fold in folds])
    return values[np.argsort(rows)][-count:]


def _blend(
    store: Store,
    choice: EstimatorChoice,
    parts: Sequence[FittedModel],
    joined: JoinedFeatures,
    held_out: tuple[Callable[["Blend"], np.ndarray], np.ndarray],
    threads: int,
) -> FittedModel:
    """Blend parts, and calibrate by what the blend says of held-out rows, and their labels."""
    from digitflow.models.estimators.blend import Blend

    say, labels = held_out

    def fit() -> Any:
        members = [load_model(part.model, store)[-1] for part in parts]
        blend = Blend(members, list(joined.columns)).fit()
        return calibrate(blend, str(choice.calibration), say(blend), labels)

    estimator, took = measure_fit(fit, threads)
    made_of = [joined.recipe, *(part.model for part in parts)]
    steps = [*load_model(joined.recipe, store).steps, ("estimator", estimator)]
    model = store_pipeline(store, choice, made_of, steps)
    return FittedModel(model=model, **dict(sum_fits((*parts, took))))
