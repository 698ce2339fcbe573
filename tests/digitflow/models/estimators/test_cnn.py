"""The convolutional network as an estimator: what it takes, repeats, stores and refuses."""

import numpy as np
import pytest
from sklearn.datasets import load_digits

from digitflow.errors import InputError
from digitflow.models.estimators.cnn import ConvolutionalNetwork
from digitflow.models.persistence import dump_model, load_model

IMAGES, LABELS = load_digits(return_X_y=True)
IMAGES = (IMAGES.reshape(-1, 8, 8) * 15).astype(np.uint8)
QUICK = {"blocks": ((4,), (4,)), "epochs": 2, "random_state": 3}


def fit(n_jobs=1, rows=300, **params):
    return ConvolutionalNetwork(**QUICK | params, n_jobs=n_jobs).fit(
        IMAGES[:rows], LABELS[:rows]
    )


@pytest.fixture(scope="module")
def fitted():
    return fit()


def test_threads_change_no_bit(fitted):
    for found, expected in zip(fit(2).filters_, fitted.filters_, strict=True):
        np.testing.assert_array_equal(found, expected)


def test_another_seed_is_another_network(fitted):
    assert not np.array_equal(fit(random_state=4).filters_[0], fitted.filters_[0])


def test_rows_are_square_images(fitted):
    others = IMAGES[300:400]
    rows = ConvolutionalNetwork(**QUICK).fit(IMAGES[:300].reshape(300, -1), LABELS[:300])
    expected = fitted.decision_function(others)
    np.testing.assert_array_equal(rows.decision_function(others.reshape(100, -1)), expected)
    np.testing.assert_array_equal(rows.decision_function(others), expected)


def test_a_memory_map_is_not_copied_and_not_changed(tmp_path, fitted):
    np.save(tmp_path / "images.npy", IMAGES[:300])
    mapped = np.load(tmp_path / "images.npy", mmap_mode="r")
    again = ConvolutionalNetwork(**QUICK).fit(mapped, LABELS[:300])
    np.testing.assert_array_equal(again.filters_[0], fitted.filters_[0])


@pytest.mark.parametrize(
    ("images", "said"),
    [
        (IMAGES.astype(np.float32), "takes uint8 images .* `raw` .* got float32"),
        (IMAGES[:, 0, :7], "rows of 7 pixels are no square images"),
        (IMAGES[..., np.newaxis], "got uint8 \\(1797, 8, 8, 1\\)"),
    ],
)
def test_what_are_no_images_is_refused(images, said):
    with pytest.raises(ValueError, match=said):
        ConvolutionalNetwork(**QUICK).fit(images, LABELS)


def test_two_classes_have_one_score():
    rows = np.isin(LABELS, (3, 8))
    network = ConvolutionalNetwork(**QUICK | {"epochs": 20}).fit(IMAGES[rows], LABELS[rows])
    scores = network.decision_function(IMAGES[rows])
    assert scores.shape == (rows.sum(),)
    np.testing.assert_array_equal(network.predict(IMAGES[rows]), np.where(scores > 0, 8, 3))
    assert (network.predict(IMAGES[rows]) == LABELS[rows]).mean() > 0.9
    np.testing.assert_allclose(
        network.predict_proba(IMAGES[rows])[:, 1], 1 / (1 + np.exp(-scores)), atol=1e-6
    )


@pytest.mark.parametrize(
    "damage",
    [
        lambda network: network.filters_.pop(),
        lambda network: network.filters_.__setitem__(0, network.filters_[0][:5]),
        lambda network: network.biases_.__setitem__(1, network.biases_[1].astype(np.float64)),
        lambda network: network.biases_[0].__setitem__(0, np.nan),
        lambda network: setattr(network, "image_shape_", (4000, 4000)),
        lambda network: setattr(network, "blocks", ((4,), (-4,))),
    ],
)
def test_arrays_that_no_fit_leaves_are_refused(damage, store):
    network = fit(rows=64, epochs=1)
    damage(network)
    with pytest.raises(InputError, match="a network whose arrays don't fit its images"):
        load_model(dump_model(network, store), store)
