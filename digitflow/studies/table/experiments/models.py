"""Section `models`: eight of them, on what they learnt from and by cross-validation."""

from typing import Any

from digitflow.catalogue import RECIPES
from digitflow.studies.plan import (
    Experiment,
    ExperimentContext,
    Findings,
    Plan,
    plan_experiment,
)
from digitflow.studies.scope import TableScope
from digitflow.studies.table.data import open_train
from digitflow.studies.table.models import (
    MODELS,
    Recipe,
    build_pipeline,
    build_regressor,
    describe_recipe,
    divide,
    measure_rmse,
)

FOREST = "random forest"
REPEATS = 5


def plan(scope: TableScope) -> Plan:
    """Return for each model its fit on all training rows, and each fold; then importances."""
    settings = scope.settings
    given = {"recipe": describe_recipe(settings), "trees": settings.trees}
    planned: list[Experiment] = []
    for model in MODELS:
        planned.append(plan_experiment(f"fit {model}", fit_model, model=model, **given))
        planned += [
            plan_experiment(
                name_fold(model, fold),
                score_fold,
                model=model,
                fold=fold,
                folds=settings.folds,
                **given,
            )
            for fold in range(settings.folds)
        ]
    planned.append(plan_experiment("importances", rank_features, folds=settings.folds, **given))
    return tuple(each.select(RECIPES.module(settings.recipe)) for each in planned)


def name_fold(model: str, fold: int) -> str:
    """Return what the experiment is called that scores a model on a fold, the first is 0."""
    return f"fold {fold + 1} of {model}"


def fit_model(context: ExperimentContext, model: str, recipe: Recipe, trees: int) -> Findings:
    """Fit a model on all training rows, and measure it on these.

    Returns
    -------
    Findings
        values "rmse"; measured "fit_seconds", "predict_seconds".
    """
    rows = open_train(context)
    pipeline = _build(context, model, recipe, trees)
    with context.timed("fit"):
        pipeline.fit(rows.frame, rows.targets)
    with context.timed("predict"):
        rmse = measure_rmse(pipeline, rows)
    return Findings(values={"rmse": rmse})


def score_fold(
    context: ExperimentContext, model: str, recipe: Recipe, trees: int, fold: int, folds: int
) -> Findings:
    """Fit a model without a fold of the training rows, and measure it on that.

    Returns
    -------
    Findings
        values "rmse".
    """
    rows = open_train(context)
    learnt, held = (rows.take(part) for part in divide(len(rows), folds, context.seed)[fold])
    pipeline = _build(context, model, recipe, trees).fit(learnt.frame, learnt.targets)
    return Findings(values={"rmse": measure_rmse(pipeline, held)})


def rank_features(
    context: ExperimentContext, recipe: Recipe, trees: int, folds: int
) -> Findings:
    """Tell what a forest looks at: by its splits, and by what shuffled columns cost.

    L. Breiman, "Random forests", Machine Learning 45 (2001).

    Returns
    -------
    Findings
        values "impurity" ({feature: share, 0 to 1}) and "permutation" ({column: {"mean",
        "deviation"} of the RMSE that shuffling it adds, on held-out rows}).
    """
    from sklearn.inspection import permutation_importance

    rows = open_train(context)
    learnt, held = (rows.take(part) for part in divide(len(rows), folds, context.seed)[0])
    pipeline = _build(context, FOREST, recipe, trees).fit(learnt.frame, learnt.targets)
    shuffled = permutation_importance(
        pipeline,
        held.frame,
        held.targets,
        scoring="neg_root_mean_squared_error",
        n_repeats=REPEATS,
        random_state=context.seed,
    )
    names = [str(name) for name in pipeline[:-1].get_feature_names_out()]
    shares = pipeline[-1].feature_importances_.tolist()
    return Findings(
        values={
            "impurity": dict(zip(names, shares, strict=True)),
            "permutation": {
                str(name): {"mean": float(mean), "deviation": float(deviation)}
                for name, mean, deviation in zip(
                    held.frame.columns,
                    shuffled.importances_mean,
                    shuffled.importances_std,
                    strict=True,
                )
            },
        }
    )


def _build(context: ExperimentContext, model: str, recipe: Recipe, trees: int) -> Any:
    regressor = build_regressor(model, trees, context.seed, context.threads)
    return build_pipeline(recipe, regressor, context.seed)
