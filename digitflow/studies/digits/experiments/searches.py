"""Searches that decide as they go: halving, and Optuna's, which a kill can't undo."""

import importlib.util
from typing import Any

import numpy as np

from digitflow.store.references import digest_json
from digitflow.studies.digits.experiments.tuning import (
    FEATURES,
    build_model,
    divide,
    open_search_rows,
    score_fold,
)
from digitflow.studies.plan import ExperimentContext, Findings

FACTOR = 3
# So many trials are drawn at random, and ended by nobody.
WARM_TRIALS = 4
# Of a learning curve, whose largest size takes the time of all others together.
LEARNING_IMAGES = 10_000


def search_by_halving(
    context: ExperimentContext, model: str, images: int, folds: int, candidates: int
) -> Findings:
    """Try many combinations on few images, and the better third on three times as many.

    Returns
    -------
    Findings
        values "rounds" ({"images", "candidates", "best"}) and "trials" ({"params", "score"},
        those of the last round, which saw all images).
    """
    from scipy.stats import loguniform
    from sklearn.experimental import enable_halving_search_cv  # noqa: F401
    from sklearn.model_selection import HalvingRandomSearchCV

    rows, labels = open_search_rows(context, model, images)
    search = HalvingRandomSearchCV(
        build_model(model, {}, context.seed, context.threads),
        {"C": loguniform(0.1, 100), "gamma": loguniform(1e-3, 1e-1)},
        n_candidates=candidates,
        factor=FACTOR,
        max_resources=len(rows),
        min_resources="exhaust",
        cv=folds,
        random_state=context.seed,
        error_score=np.nan,
    ).fit(rows, labels)
    results = search.cv_results_
    rounds, trials = [], []
    for number in np.unique(results["iter"]):
        chosen = results["iter"] == number
        scores = results["mean_test_score"][chosen]
        rounds.append(
            {
                "images": int(results["n_resources"][chosen][0]),
                "candidates": int(chosen.sum()),
                "best": float(np.nanmax(scores)),
            }
        )
    for place in np.flatnonzero(results["iter"] == results["iter"].max()):
        score = float(results["mean_test_score"][place])
        params = {key: float(value) for key, value in results["params"][place].items()}
        trials.append({"params": params, "score": None if np.isnan(score) else score})
    return Findings(values={"rounds": rounds, "trials": trials})


def has_optuna() -> bool:
    """Tell whether the extra `tune` is installed."""
    return importlib.util.find_spec("optuna") is not None


def search_by_optuna(
    context: ExperimentContext, model: str, images: int, folds: int, trials: int
) -> Findings:
    """Let Optuna choose each combination by those before; end what lags behind.

    Its trials are kept in a database in the store: after a kill, those that had ended are
    not tried again. Each trial draws from a seed of its own, so that one that was cut off is
    all that makes a resumed search another.

    T. Akiba et al., "Optuna: a next-generation hyperparameter optimization framework", KDD
    2019.

    Returns
    -------
    Findings
        values "trials" ({"params", "score", or None where it was ended early}) or "missing".
    """
    if not has_optuna():
        return Findings(
            values={
                "trials": [],
                "missing": 'Optuna is not installed: pip install "digitflow[tune]"',
            }
        )
    import optuna
    from optuna.trial import TrialState

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    rows, labels = open_search_rows(context, model, images)
    parts = divide(labels, folds)

    def objective(trial: Any) -> float:
        params = {
            "C": trial.suggest_float("C", 0.1, 100, log=True),
            "gamma": trial.suggest_float("gamma", 1e-3, 1e-1, log=True),
        }
        scores = []
        for step, (learnt, held) in enumerate(parts):
            scores.append(score_fold(context, model, params, rows, labels, learnt, held))
            trial.report(float(np.mean(scores)), step)
            if trial.should_prune():
                raise optuna.TrialPruned
        return float(np.mean(scores))

    study = _open_study(context, optuna, [model, images, folds, trials])
    ended = (TrialState.COMPLETE, TrialState.PRUNED)
    while (done := len(study.get_trials(deepcopy=False, states=ended))) < trials:
        study.sampler = optuna.samplers.TPESampler(
            seed=context.seed + done, n_startup_trials=WARM_TRIALS
        )
        study.optimize(objective, n_trials=1)
    return Findings(
        values={
            "trials": [
                {
                    "params": dict(trial.params),
                    "score": trial.value if trial.state == TrialState.COMPLETE else None,
                }
                for trial in study.get_trials(deepcopy=False, states=ended)
            ]
        }
    )


def _open_study(context: ExperimentContext, optuna: Any, asked: list[Any]) -> Any:
    """Open the search's database, or the one that a killed run left."""
    data = context.given[f"features {FEATURES[asked[0]]}"].arrays
    name = digest_json(
        [*asked, context.seed, data["train"].digest, data["train_labels"].digest]
    )
    folder = context.store.root / "searches"
    folder.mkdir(parents=True, exist_ok=True)
    return optuna.create_study(
        storage=f"sqlite:///{folder / name}.db",
        study_name="search",
        direction="maximize",
        pruner=optuna.pruners.MedianPruner(n_startup_trials=WARM_TRIALS),
        load_if_exists=True,
    )


def trace_learning(
    context: ExperimentContext, model: str, params: dict[str, Any], folds: int
) -> Findings:
    """Score a model that learnt from ever more training images, by cross-validation.

    Returns
    -------
    Findings
        values "images", "train" and "held" (a list of accuracies, of each fold, a size).
    """
    from sklearn.model_selection import learning_curve

    rows, labels = context.open(f"features {FEATURES[model]}", "train", "train_labels")
    chosen = np.random.default_rng(context.seed).permutation(len(labels))[:LEARNING_IMAGES]
    sizes, train, held = learning_curve(
        build_model(model, params, context.seed, context.threads),
        rows[chosen],
        labels[chosen],
        train_sizes=np.array([0.1, 0.2, 0.4, 0.7, 1.0]),
        cv=folds,
    )
    return Findings(
        values={"images": sizes.tolist(), "train": train.tolist(), "held": held.tolist()}
    )


def trace_parameter(
    context: ExperimentContext,
    model: str,
    parameter: str,
    values: list[Any],
    images: int,
    folds: int,
) -> Findings:
    """Score a model over the values of one parameter, the others as they are by default.

    Returns
    -------
    Findings
        values "values", "train" and "held" (a list of accuracies, of each fold, a value).
    """
    from sklearn.model_selection import validation_curve

    rows, labels = open_search_rows(context, model, images)
    train, held = validation_curve(
        build_model(model, {}, context.seed, context.threads),
        rows,
        labels,
        param_name=parameter,
        param_range=values,
        cv=folds,
    )
    return Findings(values={"values": values, "train": train.tolist(), "held": held.tolist()})
