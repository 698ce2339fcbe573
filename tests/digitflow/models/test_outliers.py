import numpy as np
import pytest
from scipy.stats import multivariate_normal
from sklearn.base import clone
from sklearn.decomposition import PCA

from digitflow.errors import InputError
from digitflow.models.outliers import CHUNK_ROWS, RIDGE, OutlierDetector
from digitflow.models.persistence import dump_model, load_model


def draw(rows=600, width=12, classes=3, seed=0):
    random = np.random.default_rng(seed)
    labels = random.integers(0, classes, rows).astype(np.uint8)
    turns = random.normal(size=(classes, width, width)) / np.sqrt(width)
    noise = np.einsum("nij,nj->ni", turns[labels], random.normal(size=(rows, width)))
    return (4 * random.normal(size=(classes, width))[labels] + noise).astype(np.float32), labels


def rate_naively(rows, features, labels, pooling):
    """-2 log density of the likeliest class, by scipy, without the constant."""
    classes = np.unique(labels)
    own = [np.cov(features[labels == c].astype(float).T, bias=True) for c in classes]
    pooled = sum((labels == c).mean() * cov for c, cov in zip(classes, own, strict=True))
    ridge = RIDGE * np.trace(pooled) / len(pooled) * np.eye(len(pooled))
    found = []
    for c, cov in zip(classes, own, strict=True):
        shrunk = (1 - pooling) * cov + pooling * pooled + ridge
        mean = features[labels == c].astype(float).mean(axis=0)
        found.append(-2 * multivariate_normal(mean, shrunk).logpdf(rows))
    return np.min(found, axis=0) - len(pooled) * np.log(2 * np.pi)


@pytest.mark.parametrize("pooling", [0.0, 0.5, 1.0])
def test_the_score_is_that_of_the_likeliest_gaussian(pooling):
    features, labels = draw()
    detector = OutlierDetector(pooling=pooling).fit(features, labels)
    rows = np.random.default_rng(1).normal(size=(50, 12)) * 3
    expected = rate_naively(rows, features, labels, pooling)
    found = detector.outlier_score(rows) * detector.scale_ + detector.location_
    np.testing.assert_allclose(found, expected, rtol=1e-9)


def test_its_unit_is_the_spread_of_the_training_rows():
    features, labels = draw()
    found = OutlierDetector().fit(features, labels).outlier_score(features)
    assert found.mean() == pytest.approx(0, abs=1e-9)
    assert found.std() == pytest.approx(1)


def test_what_is_far_from_every_class_is_strange_and_also_what_lies_between_two():
    features, labels = draw(width=20, classes=2)
    detector = OutlierDetector().fit(features, labels)
    limit = np.quantile(detector.outlier_score(features), 0.999)
    means = np.stack([features[labels == c].mean(axis=0) for c in (0, 1)])
    assert (detector.outlier_score(means) < 0).all()
    assert detector.outlier_score(means.mean(axis=0)[None])[0] > limit
    assert detector.outlier_score(means[:1] * 100)[0] > limit


def test_of_many_features_the_principal_components_are_rated():
    features, labels = draw(width=40)
    wide = OutlierDetector(components=15).fit(features, labels)
    pca = PCA(15).fit(features.astype(float))
    narrow = OutlierDetector(components=15).fit(pca.transform(features), labels)
    rows = draw(50, 40, seed=5)[0]
    assert wide.axes_.shape == (40, 15)
    np.testing.assert_allclose(
        wide.outlier_score(rows), narrow.outlier_score(pca.transform(rows)), rtol=1e-4
    )


def test_rows_are_rated_alike_alone_and_among_many():
    features, labels = draw(2 * CHUNK_ROWS + 7)
    detector = OutlierDetector().fit(features, labels)
    found = detector.outlier_score(features)
    for row in (0, CHUNK_ROWS, len(features) - 1):
        alone = detector.outlier_score(features[row : row + 1])
        np.testing.assert_allclose(alone, found[row : row + 1], rtol=1e-9)
    assert detector.outlier_score(features[:0]).shape == (0,)


def test_fitting_is_repeatable_and_reads_a_memory_map(store):
    features, labels = draw(3000)
    mapped = store.open_array(store.put_array(features))
    one, other = (OutlierDetector().fit(rows, labels) for rows in (features, mapped))
    assert dump_model(one, store) == dump_model(other, store)


def test_it_is_stored_as_skops(store):
    features, labels = draw(width=30)
    detector = OutlierDetector(components=10).fit(features, labels)
    loaded = load_model(dump_model(detector, store), store)
    np.testing.assert_array_equal(
        loaded.outlier_score(features), detector.outlier_score(features)
    )
    assert clone(loaded).get_params() == {"components": 10, "pooling": 0.5}


@pytest.mark.filterwarnings("error")
def test_features_that_never_change_and_rare_classes_do_no_harm():
    features, labels = draw(200)
    features[:, 3] = 7
    labels[0] = 9  # the only one
    assert np.isfinite(OutlierDetector().fit(features, labels).outlier_score(features)).all()
    same = np.ones((20, 5), np.float32)
    found = OutlierDetector().fit(same, np.arange(20) % 2).outlier_score(same)
    np.testing.assert_allclose(found, 0)


def test_no_rows_or_other_features_are_a_clear_error():
    features, labels = draw()
    with pytest.raises(InputError, match="at least one row"):
        OutlierDetector().fit(features[:0], labels[:0])
    with pytest.raises(InputError, match=r"12 features a row, got \(600, 11\)"):
        OutlierDetector().fit(features, labels).outlier_score(features[:, 1:])
