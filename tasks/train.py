"""Fit the candidates, each in a process that can be ended."""

import numpy as np

from digitflow.catalogue import ESTIMATORS
from digitflow.config.training import Candidate
from digitflow.data.sets import ImageSet, Splits
from digitflow.models import fitting
from digitflow.models.fitting import EstimatorChoice, FittedModel
from digitflow.store.references import ArrayRef
from tasks.caching import cached_task
from tasks.context import current_run
from tasks.prepare import PreparedFeatures


def choose_estimator(candidate: Candidate, seed: int) -> EstimatorChoice:
    """Return what of a candidate shapes its model; its name and time limit do not."""
    return EstimatorChoice(
        estimator=candidate.estimator,
        params=candidate.params,
        calibration=candidate.calibration,
        seed=seed,
    )


@cached_task(
    run_name="train {name}",
    modules=lambda inputs: (ESTIMATORS.module(inputs["choice"].estimator),),
    ignore=("name", "time_limit"),
)
def train_candidate(
    name: str,
    choice: EstimatorChoice,
    prepared: PreparedFeatures,
    labels: ArrayRef,
    calibration_labels: ArrayRef,
    time_limit: float,
) -> FittedModel:
    """Fit one candidate on a recipe's features and calibrate its probabilities."""
    run = current_run()
    return run.workers.run(
        fitting.fit_candidate,
        run.store,
        choice,
        prepared.recipe,
        (prepared.train, labels),
        (prepared.calibration, calibration_labels),
        run.workers.threads_each,
        time_limit=time_limit,
    )


@cached_task(
    run_name="refit {name}",
    modules=lambda inputs: (ESTIMATORS.module(inputs["choice"].estimator),),
    ignore=("name", "time_limit"),
)
def refit_winner(
    name: str,
    choice: EstimatorChoice,
    prepared: PreparedFeatures,
    train: ImageSet,
    splits: Splits,
    time_limit: float,
) -> FittedModel:
    """Fit the winner again on training and validation images together."""
    run = current_run()
    sets = (
        (prepared.train, train),
        (prepared.calibration, splits.calibration),
        (prepared.validation, splits.validation),
    )
    parts = tuple(
        (features, part.labels, _group_rows(part, number))
        for number, (features, part) in enumerate(sets)
    )
    return run.workers.run(
        fitting.refit_winner,
        run.store,
        choice,
        prepared.recipe,
        parts,
        run.workers.threads_each,
        time_limit=time_limit,
    )


def _group_rows(part: ImageSet, number: int) -> ArrayRef:
    """Return a group for each row: its writer, else the image that it is a copy of."""
    store = current_run().store
    if part.writers is not None:
        return store.put_array(np.asarray(store.open_array(part.writers), np.int64))
    rows = np.arange(part.rows) if part.parents is None else store.open_array(part.parents)
    return store.put_array(rows + number * 10**9)
