"""The steps of configs/mnist.yaml in one plain scikit-learn script, for comparison.

No cache, no registry, no page, and no model is kept but the best one. Read MNIST, check
it, set writers aside, compute each recipe once, fit and calibrate every candidate, measure
it (metrics, and the time of one image), draw what the best one got wrong, score it on the
test images, ask of it what the gate asks, save it. One after another, each with all cores
where its estimator knows how to use them. Prints one JSON line.

    python benchmarks/plain_mnist.py FOLDER_OF_IDX_FILES CONFIG
"""

import json
import os
import sys
import tempfile
import time
from importlib import import_module
from pathlib import Path
from statistics import median

import numpy as np
from measuring import blend_pipelines
from sklearn.calibration import CalibratedClassifierCV
from sklearn.frozen import FrozenEstimator
from sklearn.metrics import accuracy_score
from sklearn.pipeline import Pipeline

from digitflow.catalogue import BACKENDS
from digitflow.config.reading import load_config
from digitflow.data.ingestion import load_digits
from digitflow.data.sets import store_set
from digitflow.data.sources import mnist
from digitflow.data.splits import split_rows
from digitflow.data.validation import check_digits
from digitflow.evaluation.metrics import find_mistakes, measure_predictions
from digitflow.evaluation.robustness import photograph_digits, read_photographs, score_altered
from digitflow.evaluation.scoring import measure_costs
from digitflow.evaluation.selective import choose_thresholds, trace_risk
from digitflow.features.preparing import build_steps
from digitflow.models.building import build_estimator
from digitflow.models.golden import check_golden, record_golden
from digitflow.models.persistence import dump_model
from digitflow.reports import figures
from digitflow.store.artifacts import Store
from digitflow.workers.local import count_cores

PARTS = ("train", "calibration", "validation")


def main(folder: str, config_path: str) -> None:
    """Train every candidate and print the best one's test accuracy."""
    config = load_config(Path(config_path))
    os.environ[mnist.FOLDER_VARIABLE] = folder
    digits = check_digits(load_digits(config.source), config.validation)
    train = digits.train
    rows = split_rows(train.labels, train.writers, config.split, True, config.seed)
    labels = [train.labels[rows[part]] for part in PARTS]
    parts = [train.images[rows[part]] for part in PARTS]
    training = {False: (parts[0], labels[0]), True: augment(config, parts[0], labels[0])}
    wanted = {
        each.name: (part.recipe, part.augmented and bool(config.augment))
        for each in config.candidates
        for part in config.find_parts(each)[:1]
    }
    features = compute_features(config, set(wanted.values()), training, parts[1:])
    scores = {}
    # A blend's parts come before it, and are not fitted again.
    for candidate in sorted(config.candidates, key=lambda each: bool(each.parts)):
        if candidate.parts:
            members = [scores[name][1] for name in candidate.parts]
            fitted, recipe = blend_pipelines(members), Pipeline([])
            calibrated_on, compared_on = parts[1:]
        else:
            recipe, (fitted_on, calibrated_on, compared_on) = features[wanted[candidate.name]]
            fitted_labels = training[wanted[candidate.name][1]][1]
            fitted = build_estimator(
                candidate.estimator, dict(candidate.params), config.seed, count_cores()
            ).fit(fitted_on, fitted_labels)
        model = CalibratedClassifierCV(FrozenEstimator(fitted), method=candidate.calibration)
        model.fit(calibrated_on, labels[1])
        probabilities = model.predict_proba(compared_on)
        pipeline = Pipeline([*recipe.steps, ("classifier", model)])
        metrics = measure_predictions(labels[2], probabilities)
        milliseconds = time_one_sample(pipeline.predict_proba, digits.test.images)
        scores[candidate.name] = metrics, pipeline, probabilities, milliseconds
    best = max(scores, key=lambda name: (scores[name][0].accuracy, -scores[name][0].log_loss))
    metrics, pipeline, probabilities, _ = scores[best]
    draw(train.images[rows["validation"]], labels[2], metrics, probabilities)
    accuracy = accuracy_score(digits.test.labels, pipeline.predict(digits.test.images))
    fitted_on, _, compared_on = features[wanted[best]][1]
    with tempfile.TemporaryDirectory() as folder:
        store = Store(Path(folder))
        sets = (fitted_on, training[wanted[best][1]][1]), (compared_on, labels[2])
        refs = [tuple(store.put_array(array) for array in pair) for pair in sets]
        question(store, config, pipeline, digits.test, refs, probabilities)
    print(json.dumps({"best": best, "validation": metrics.accuracy, "test": accuracy}))


def question(store, config, pipeline, test, refs, probabilities):
    """Ask of the best model what the gate asks, and photographs for the report."""
    threads, images = count_cores(), store_set(store, test)
    model = dump_model(pipeline, store)
    choose_thresholds(store, *refs, store.put_array(probabilities), config.selective, threads)
    check_golden(store, model, record_golden(store, model, images))
    rules = config.gate.robustness
    names = tuple(rules.floors)
    score_altered(store, model, images, names, rules.images, config.seed, threads)
    measure_costs(store, (model,), images)
    if config.photographs:
        series = photograph_digits(store, config.photographs, config.seed)
        read_photographs(store, model, series, threads)


def augment(config, images, labels):
    """Return training images and labels with their altered copies."""
    if config.augment is None:
        return images, labels
    module = import_module(BACKENDS.module(config.augment.backend))
    copies = module.count_copies(config.augment)
    out = np.empty((copies * len(images), *images.shape[1:]), np.uint8)
    module.write_copies(images, config.augment, config.seed, out)
    return out, np.tile(labels, copies)


def compute_features(config, wanted, training, held):
    """Return {(recipe, augmented): (fitted steps, features of each part)}."""
    features = {}
    for name, augmented in sorted(wanted):
        recipe = Pipeline(build_steps(name, config.seed))
        train = np.asarray(recipe.fit_transform(training[augmented][0]), np.float32)
        others = [np.asarray(recipe.transform(images), np.float32) for images in held]
        features[name, augmented] = recipe, (train, *others)
    return features


def time_one_sample(predict, samples):
    """Return the median milliseconds of 30 predictions of one sample."""
    seconds = []
    for row in range(31):
        began = time.perf_counter()
        predict(samples[row : row + 1])
        seconds.append(time.perf_counter() - began)
    return 1000 * median(seconds[1:])


def draw(images, labels, metrics, probabilities):
    """Draw samples, confusions, errors, mistakes and the risk."""
    found = find_mistakes(labels, probabilities)
    figures.draw_samples(images, labels)
    figures.draw_confusion(metrics.confusion)
    figures.draw_errors(metrics.confusion)
    figures.draw_mistakes(
        images[found.rows], labels[found.rows], found.predicted, found.probability
    )
    curve = trace_risk(labels, probabilities)
    figures.draw_risk_coverage(curve.coverage, curve.risk, 0.99)


if __name__ == "__main__":
    main(*sys.argv[1:])
