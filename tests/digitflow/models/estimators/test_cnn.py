"""The convolutional network as an estimator: what it takes, repeats, stores and refuses."""

import time

import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning

from digitflow.errors import InputError
from digitflow.models.estimators.cnn import ConvolutionalNetwork
from digitflow.models.persistence import dump_model, load_model
from digitflow.models.session import StoredSession

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


class Session(StoredSession):
    """A session that is over after so many steps, and saves after each."""

    def __init__(self, store, steps=10**6):
        super().__init__(store, "a-fit")
        self.steps, self.said = steps, []

    def is_over(self):
        self.steps -= 1
        return self.steps < 1

    def report(self, text):
        self.said.append(text)

    def save(self, identity, collect, at_once=False):
        super().save(identity, collect, at_once=True)


def go_on(session, rows=300, **params):
    return ConvolutionalNetwork(**QUICK | params).fit(IMAGES[:rows], LABELS[:rows], session)


def test_a_fit_that_was_cut_off_goes_on_as_if_it_had_not_been(store, fitted):
    with pytest.warns(ConvergenceWarning, match="time was up after 3 of 4 steps"):
        cut = go_on(Session(store, 3))
    assert (cut.n_iter_, len(cut.loss_curve_)) == (3, 1)
    assert not np.array_equal(cut.filters_[0], fitted.filters_[0])
    resumed = Session(store)
    again = go_on(resumed)
    assert resumed.steps == 10**6 - 1
    for found, expected in zip(again.filters_, fitted.filters_, strict=True):
        np.testing.assert_array_equal(found, expected)
    assert again.loss_curve_ == fitted.loss_curve_
    assert not list((store.root / "checkpoints").iterdir())


def test_each_epoch_says_how_far_it_is(store, fitted):
    session = Session(store)
    go_on(session)
    first, second = fitted.loss_curve_
    assert session.said == [
        f"epoch 1 of 2, loss {first:.4f}", f"epoch 2 of 2, loss {second:.4f}"
    ]  # fmt: skip


@pytest.mark.parametrize("damage", ["cut short", "of another fit"])
def test_a_checkpoint_that_does_not_fit_is_not_used(store, fitted, damage):
    other = {"momentum": 0.5} if damage == "of another fit" else {}
    with pytest.warns(ConvergenceWarning):
        go_on(Session(store, 2), **other)
    (path,) = (store.root / "checkpoints").iterdir()
    if damage == "cut short":
        path.write_bytes(path.read_bytes()[:-100])
    np.testing.assert_array_equal(go_on(Session(store)).filters_[0], fitted.filters_[0])


def test_a_session_is_over_after_its_processor_seconds(store):
    assert not StoredSession(store, "long", 1000.0).is_over()
    assert not StoredSession(store, "for ever").is_over()
    short = StoredSession(store, "short", 0.015, threads=2)
    assert not short.is_over()
    began = time.process_time()
    while time.process_time() - began < 0.03:
        pass
    assert short.is_over()
