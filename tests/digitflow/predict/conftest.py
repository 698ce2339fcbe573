"""A champion to ask, and what it is asked."""

import cv2
import numpy as np
import pytest
from sklearn.calibration import CalibratedClassifierCV
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import Pipeline

from digitflow.data.sets import store_set
from digitflow.features.preparing import build_steps
from digitflow.models.building import build_estimator
from digitflow.models.golden import record_golden
from digitflow.models.persistence import dump_model
from digitflow.registry import history
from digitflow.store.artifacts import Store

TRAINED = 1200


@pytest.fixture(scope="session")
def digits(handwriting):
    return handwriting


def fit(images, labels):
    """Fit as training does: a recipe, an SVM, and its calibration on other images."""
    recipe = Pipeline(build_steps("strokes", 0))
    features = recipe.fit_transform(images)
    half = len(images) // 2
    svm = build_estimator("svm", {}, 0, 1).fit(features[:half], labels[:half])
    calibrated = CalibratedClassifierCV(FrozenEstimator(svm), method="temperature")
    calibrated.fit(features[half:], labels[half:])
    return Pipeline([*recipe.steps, ("classifier", calibrated)])


@pytest.fixture(scope="session")
def pipeline(digits):
    return fit(digits.images[:TRAINED], digits.labels[:TRAINED])


@pytest.fixture(scope="session")
def pictures(digits, pipeline):
    """Frames of one right-read digit of each class that no model was trained on."""
    unseen = digits.images[TRAINED:], digits.labels[TRAINED:]
    right = pipeline.predict(unseen[0]) == unseen[1]
    return [unseen[0][right & (unseen[1] == digit)][0] for digit in range(10)]


@pytest.fixture
def store(tmp_path, pipeline, digits, crown_model):
    store = Store(tmp_path / "artifacts")
    ref = dump_model(pipeline, store)
    images = store_set(store, digits.take(np.arange(100)))
    crown_model(store, "digits-sample", ref, record_golden(store, ref, images, 10))
    return store


@pytest.fixture
def crown_again(store, crown_model):
    """Make the store's model a champion once more, of another name or with other reasons."""
    first = history.find_champion(store).bundle

    def again(name, version="1", model=first.model, reject_option=None):
        return crown_model(store, name, model, first.golden, version, reject_option)

    return again


@pytest.fixture
def folder(tmp_path, pictures):
    """Pictures as users have them, named by their digit."""
    for digit, frame in enumerate(pictures):
        page = cv2.resize(frame, (280, 280), interpolation=cv2.INTER_CUBIC)
        cv2.imwrite(str(tmp_path / f"{digit}.png"), 255 - page)
    return tmp_path


@pytest.fixture(scope="session")
def make_page(pictures):
    def make(lines, cell=60):
        """Write digits on paper, line by line; return the page and their boxes."""
        width = max(map(len, lines)) * cell + cell
        page, boxes = np.zeros((len(lines) * 2 * cell, width), np.uint8), []
        for row, digits in enumerate(lines):
            for column, digit in enumerate(digits):
                ink = cv2.resize(pictures[digit], (cell, cell), interpolation=cv2.INTER_CUBIC)
                top, left = row * 2 * cell + cell // 2, column * cell + cell // 2
                page[top : top + cell, left : left + cell] = ink
                boxes.append((left, top, cell, cell))
        noise = np.random.default_rng(0).normal(0, 3, page.shape)
        return (230 - 0.8 * page + noise).clip(0, 255).astype(np.uint8), boxes

    return make
