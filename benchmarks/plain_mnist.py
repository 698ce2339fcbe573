"""The steps of configs/mnist.yaml in one plain scikit-learn script, for comparison.

No cache, no gate, no registry, no report: read MNIST, set writers aside, compute each
recipe once, fit and calibrate every candidate, compare, score the best on the test images.
One after another, each with all cores where its estimator knows how to use them. Prints
one JSON line.

    python benchmarks/plain_mnist.py FOLDER_OF_IDX_FILES CONFIG
"""

import json
import sys
from pathlib import Path

import numpy as np
from sklearn.calibration import CalibratedClassifierCV
from sklearn.frozen import FrozenEstimator
from sklearn.metrics import accuracy_score, log_loss
from sklearn.model_selection import StratifiedGroupKFold
from sklearn.pipeline import Pipeline

from digitflow.config import load_config
from digitflow.data.sources import mnist
from digitflow.features.catalogue import build_steps
from digitflow.models.catalogue import build_estimator
from digitflow.workers import count_cores


def main(folder: str, config_path: str) -> None:
    """Train every candidate and print the best one's test accuracy."""
    config = load_config(Path(config_path))
    source = config.source.model_copy(update={"folder": Path(folder)})
    digits = mnist.load(source)
    parts = split_by_writer(digits.train, config.split.validation, config.seed)
    features = compute_features(config, digits.train.images, parts)
    scores = {}
    for candidate in config.candidates:
        recipe, (train, calibrate, compare) = features[candidate.recipe]
        labels = [digits.train.labels[rows] for rows in parts]
        estimator = build_estimator(
            candidate.estimator, dict(candidate.params), config.seed, count_cores()
        ).fit(train, labels[0])
        model = CalibratedClassifierCV(FrozenEstimator(estimator), method=candidate.calibration)
        model.fit(calibrate, labels[1])
        probabilities = model.predict_proba(compare)
        accuracy = accuracy_score(labels[2], probabilities.argmax(axis=1))
        scores[candidate.name] = (accuracy, -log_loss(labels[2], probabilities), recipe, model)
    best = max(scores, key=lambda name: scores[name][:2])
    _, _, recipe, model = scores[best]
    pipeline = Pipeline([*recipe.steps, ("classifier", model)])
    test_accuracy = accuracy_score(digits.test.labels, pipeline.predict(digits.test.images))
    validation = {name: score[0] for name, score in scores.items()}
    print(json.dumps({"best": best, "test": test_accuracy, "validation": validation}))


def split_by_writer(train, share, seed):
    """Return the rows that train, calibrate and compare."""
    folds = StratifiedGroupKFold(round(1 / share), shuffle=True, random_state=seed)
    rest, held = next(folds.split(train.images, train.labels, train.writers))
    halves = StratifiedGroupKFold(2, shuffle=True, random_state=seed)
    first, second = next(halves.split(held, train.labels[held], train.writers[held]))
    return rest, held[first], held[second]


def compute_features(config, images, parts):
    """Return {recipe: (fitted steps, features of each part)}."""
    features = {}
    for name in dict.fromkeys(candidate.recipe for candidate in config.candidates):
        recipe = Pipeline(build_steps(name, config.seed))
        train = np.asarray(recipe.fit_transform(images[parts[0]]), np.float32)
        held = [np.asarray(recipe.transform(images[rows]), np.float32) for rows in parts[1:]]
        features[name] = recipe, (train, *held)
    return features


if __name__ == "__main__":
    main(*sys.argv[1:])
