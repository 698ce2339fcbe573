"""The steps of configs/housing.yaml in one plain scikit-learn script, for comparison.

No cache, no registry, no page, and no model is kept but the best one. Read the table, check
it, set rows aside, compute each recipe once, fit every candidate, measure it (metrics, and the
time of one row), fit the best one again on all rows but the test rows with its errors out of
fold for the intervals, draw what the report shows, score it on the test rows, ask of it what
the gate asks, save it. One after another, each with all cores where its estimator knows how to
use them. Prints one JSON line.

    python benchmarks/plain_housing.py HOUSING.csv CONFIG
"""

import json
import os
import sys
import tempfile
from pathlib import Path

import numpy as np
from plain_mnist import time_one_sample
from sklearn.model_selection import KFold, cross_val_predict
from sklearn.pipeline import Pipeline

from digitflow.config.reading import load_config
from digitflow.data.sets import SampleSet
from digitflow.data.sources import districts
from digitflow.data.tables.frames import identify_rows, to_frame
from digitflow.data.tables.splits import number_strata, split_rows
from digitflow.data.tables.validation import check_table
from digitflow.evaluation.regression import measure_values
from digitflow.evaluation.scoring import measure_costs
from digitflow.features.preparing import build_steps
from digitflow.models.building import EstimatorChoice, RecipeChoice, build_estimator
from digitflow.models.fitting import REFIT_FOLDS
from digitflow.models.golden import check_golden, record_golden
from digitflow.models.intervals import choose_intervals
from digitflow.models.persistence import dump_model
from digitflow.reports import table as pages
from digitflow.reports.columns import draw_columns
from digitflow.store.artifacts import Store
from digitflow.workers.local import count_cores

PARTS = ("train", "calibration", "validation")


def main(file: str, config_path: str) -> None:
    """Train every candidate and print the best one's RMSE on the test rows."""
    config = load_config(Path(config_path))
    os.environ[districts.FILE_VARIABLE] = file
    rows = read_rows(config)
    parts, test = split(config, rows)
    features, fitted = {}, {}
    for candidate in config.candidates:
        recipe = RecipeChoice.from_candidate(candidate, config)
        if (key := str(recipe)) not in features:
            features[key] = prepare(config, recipe, parts)
        fitted[candidate.name] = fit(config, candidate, features[key], parts, test)
    best = min(fitted, key=lambda name: fitted[name][0].rmse)
    metrics, values, choice, steps, columns = fitted[best]
    draw_columns(pages.TITLES["columns"], to_frame(parts["train"][0]))
    pages.draw_errors(*parts["validation"], values, "USD")
    everything = np.concatenate(columns)
    targets = np.concatenate([parts[part][1] for part in PARTS])
    estimator = build(choice).fit(everything, targets)
    folds = KFold(REFIT_FOLDS, shuffle=True, random_state=config.seed)
    out = cross_val_predict(build(choice), everything, targets, cv=folds)
    choose_intervals(targets, out, config.intervals.coverage)
    pipeline = Pipeline([*steps, ("estimator", estimator)])
    found = measure_values(test[1], pipeline.predict(test[0]))
    question(pipeline, test)
    print(json.dumps({"best": best, "validation": metrics.rmse, "test": found.rmse}))


def read_rows(config):
    """Return the checked rows of the config's table."""
    table = districts.load_table(config.source)
    rules = config.validation, config.split.identity
    checked = check_table(table, config.columns, config.target, config.task, *rules)
    return checked.train


def split(config, rows):
    """Return (records, targets) by part, and of the test rows."""
    keys = identify_rows(rows.records, config.split.identity, rows.targets)
    strata = number_strata(rows.records, rows.targets, config.split.stratify, False)
    places = split_rows(keys, strata, config.split, False, config.seed)
    parts = {name: (rows.records[at], rows.targets[at]) for name, at in places.items()}
    return parts, parts.pop("test")


def prepare(config, recipe, parts):
    """Return a recipe's fitted steps, and the features of each part."""
    steps = build_steps(recipe.name, config.seed, recipe.params, recipe.code)
    pipeline = Pipeline(steps).fit(parts["train"][0])
    columns = [np.asarray(pipeline.transform(parts[part][0]), np.float32) for part in PARTS]
    return pipeline.steps, columns


def fit(config, candidate, prepared, parts, test):
    """Return metrics and values on the validation rows, and what they are of."""
    steps, columns = prepared
    choice = EstimatorChoice.from_candidate(candidate, config)
    estimator = build(choice).fit(columns[0], parts["train"][1])
    values = estimator.predict(columns[2])
    metrics = measure_values(parts["validation"][1], values)
    time_one_sample(Pipeline([*steps, ("estimator", estimator)]).predict, test[0])
    return metrics, values, choice, steps, columns


def build(choice):
    """Return the unfitted estimator, with all cores."""
    threads = count_cores()
    return build_estimator(choice.estimator, choice.params, choice.seed, threads, choice.code)


def question(pipeline, test):
    """Ask of the best model what the gate asks."""
    with tempfile.TemporaryDirectory() as folder:
        store = Store(Path(folder))
        arrays = [store.put_array(np.array(array)) for array in test]
        rows = SampleSet(samples=arrays[0], targets=arrays[1])
        model = dump_model(pipeline, store)
        check_golden(store, model, record_golden(store, model, rows))
        measure_costs(store, (model,), rows)


if __name__ == "__main__":
    main(*sys.argv[1:])
