import numpy as np
import pytest
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import Pipeline

from digitflow.augment.distortions import alter_images
from digitflow.augment.photographs import SERIES
from digitflow.data.sets import LabelledImages, store_set
from digitflow.data.splits import choose_rows
from digitflow.errors import InputError
from digitflow.evaluation.robustness import (
    photograph_digits,
    read_photographs,
    score_altered,
)
from digitflow.features.preparing import build_steps
from digitflow.images.frame import frame_pictures
from digitflow.models.building import build_estimator
from digitflow.models.persistence import dump_model
from digitflow.store.artifacts import Store


@pytest.fixture(scope="module")
def data(handwriting):
    return handwriting.take(np.arange(300))


@pytest.fixture(scope="module")
def pipeline(data):
    steps = build_steps("pixels", 0)
    return Pipeline([*steps, ("classifier", GaussianNB())]).fit(data.images, data.labels)


def test_right_answers_are_counted_on_chosen_images(store, pipeline, data):
    model, test = dump_model(pipeline, store), store_set(store, data)
    found = score_altered(store, model, test, ("inverted", "shift-2"), 100, 7, 1)
    rows = choose_rows(data.labels, 100, 7)
    frames, _ = frame_pictures(alter_images("shift-2", data.images[rows], 7))
    right = int((pipeline.predict(frames) == data.labels[rows]).sum())
    assert (found["shift-2"].correct, found["shift-2"].n) == (right, 100)
    frames, _ = frame_pictures(data.images[rows])
    assert found["inverted"].correct == int(
        (pipeline.predict(frames) == data.labels[rows]).sum()
    )
    assert list(found) == ["inverted", "shift-2"]


def test_a_figure_does_not_depend_on_what_else_is_asked(store, pipeline, data):
    model, test = dump_model(pipeline, store), store_set(store, data)
    alone = score_altered(store, model, test, ("noise",), 50, 3, 1)
    among = score_altered(store, model, test, ("blur", "noise"), 50, 3, 1)
    assert among["noise"] == alone["noise"]
    assert score_altered(store, model, test, ("noise",), 50, 3, 1) == alone


def test_what_cannot_be_framed_counts_as_wrong_and_the_others_as_before(store, pipeline, data):
    images = data.images[:40].copy()
    images[::3] = 0
    some = LabelledImages(images, data.labels[:40])
    model, test = dump_model(pipeline, store), store_set(store, some)
    found = score_altered(store, model, test, ("inverted",), 40, 0, 1)
    hits = pipeline.predict(images) == data.labels[:40]
    hits[::3] = False
    assert (found["inverted"].correct, found["inverted"].n) == (int(hits.sum()), 40)
    nothing = store_set(store, LabelledImages(np.zeros_like(images), data.labels[:40]))
    blank = score_altered(store, model, nothing, ("inverted",), 40, 0, 1)
    assert (blank["inverted"].correct, blank["inverted"].n) == (0, 40)


def test_an_unknown_name_is_refused_with_the_known_ones(store, pipeline, data):
    model, test = dump_model(pipeline, store), store_set(store, data)
    with pytest.raises(InputError, match=r"no alteration tilt; there are shift-1, .*inverted"):
        score_altered(store, model, test, ("shift-1", "tilt"), 10, 0, 1)


EACH = 8


@pytest.fixture(scope="module")
def taken(tmp_path_factory):
    store = Store(tmp_path_factory.mktemp("photographs"))
    return store, photograph_digits(store, EACH, seed=3)


def test_every_series_is_of_the_same_digits(taken):
    store, series = taken
    assert list(series) == list(SERIES)
    assert {part.taken for part in series.values()} == {EACH}
    plain = series["plain"].digits
    assert plain.rows == EACH
    assert plain.samples.shape == (EACH, 28, 28)
    labels = store.open_array(plain.targets)
    assert len(np.unique(labels)) > 3


def test_the_same_seed_takes_the_same_photographs(taken):
    store, _ = taken
    first, again, other = (photograph_digits(store, 2, seed)["plain"] for seed in (3, 3, 4))
    assert first == again
    assert first != other


def test_a_model_that_knows_these_hands_reads_them(taken, handwriting):
    store, series = taken
    digits = handwriting
    steps = [*build_steps("pixels", 0), ("knn", build_estimator("knn", {}, 0, 1))]
    ref = dump_model(Pipeline(steps).fit(digits.images, digits.labels), store)
    plain = read_photographs(store, ref, {"plain": series["plain"]}, threads=1)["plain"]
    assert plain.n == EACH
    assert plain.correct >= EACH - 1


def test_photographs_without_a_digit_count_as_wrong(taken):
    store, series = taken
    empty = store.put_array(np.zeros((0, 28, 28), np.uint8))
    none = store.put_array(np.zeros(0, np.uint8))
    digits = series["plain"].digits.model_copy(update={"samples": empty, "targets": none})
    lost = series["plain"].model_copy(update={"digits": digits})
    blank = Pipeline(build_steps("pixels", 0)).fit(np.zeros((2, 28, 28), np.uint8))
    ref = dump_model(blank, store)
    found = read_photographs(store, ref, {"plain": lost}, threads=1)["plain"]
    assert (found.correct, found.n) == (0, EACH)
