import numpy as np
import pytest
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import Pipeline

from digitflow.data.sets import LabelledImages, store_set
from digitflow.evaluation.resampling import wilson_interval
from digitflow.evaluation.scoring import (
    digest_test_set,
    evaluate_candidate,
    score_on_test,
)
from digitflow.features.preparing import build_steps
from digitflow.models.fitting import FittedModel, PreparedFeatures
from digitflow.models.persistence import dump_model


@pytest.fixture
def scored(store):
    """A model from raw images, images that it reads mostly right, and its features."""
    random = np.random.default_rng(1)
    labels = np.arange(200, dtype=np.uint8) % 10
    images = random.integers(0, 90, (200, 28, 28)).astype(np.uint8)
    images[np.arange(200), labels * 2 + 3, :] = 200
    pipeline = Pipeline([*build_steps("pixels", 0), ("classifier", GaussianNB())])
    pipeline.fit(images, labels)
    labels[:20] = (labels[:20] + 1) % 10
    refs = store_set(store, LabelledImages(images, labels))
    return pipeline, dump_model(pipeline, store), refs, images, labels


def test_the_score_is_counted_on_raw_images(store, scored):
    pipeline, model, refs, images, labels = scored
    result = score_on_test(store, model, refs, threads=1)
    correct = int((pipeline.predict(images) == labels).sum())
    assert 0 < correct < 200
    assert (result.score.value, result.score.n) == (correct / 200, 200)
    assert result.score.interval == wilson_interval(correct, 200)
    assert result.score.test_digest == digest_test_set(refs)


def test_an_evaluation_of_features_is_that_of_the_whole_pipeline(store, scored):
    pipeline, model, refs, images, labels = scored
    features = store.put_array(pipeline[:-1].transform(images))
    fitted = FittedModel(model=model, fit_seconds=1.0, processor_seconds=1.0)
    prepared = PreparedFeatures(
        recipe=model, train=features, calibration=features, validation=features
    )
    evaluation = evaluate_candidate(store, fitted, prepared, refs)
    assert evaluation.metrics.accuracy == (pipeline.predict(images) == labels).mean()
    assert evaluation.latency_ms > 0
    np.testing.assert_array_equal(
        store.open_array(evaluation.predictions), pipeline.predict_proba(images)
    )


def test_other_labels_make_another_test_set(store, scored):
    _, _, refs, images, labels = scored
    other = store_set(store, LabelledImages(images, labels[::-1].copy()))
    assert digest_test_set(other) != digest_test_set(refs)
