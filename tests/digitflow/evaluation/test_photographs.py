import numpy as np
import pytest
from sklearn.pipeline import Pipeline

from digitflow.augment.photographs import SERIES
from digitflow.config.data import BuiltinSource
from digitflow.data.sources import builtin
from digitflow.evaluation.photographs import photograph_digits, read_photographs
from digitflow.features.catalogue import build_steps
from digitflow.models.catalogue import build_estimator
from digitflow.models.persistence import dump_model
from digitflow.store.artifacts import Store

EACH = 8


@pytest.fixture(scope="module")
def taken(tmp_path_factory):
    root = tmp_path_factory.mktemp("photographs")
    return root, photograph_digits(root, EACH, seed=3)


def test_every_series_is_of_the_same_digits(taken):
    root, series = taken
    assert list(series) == list(SERIES)
    assert {part.taken for part in series.values()} == {EACH}
    plain = series["plain"].digits
    assert plain.rows == EACH
    assert plain.images.shape == (EACH, 28, 28)
    labels = Store(root).open_array(plain.labels)
    assert len(np.unique(labels)) > 3


def test_the_same_seed_takes_the_same_photographs(taken):
    root, _ = taken
    first, again, other = (photograph_digits(root, 2, seed)["plain"] for seed in (3, 3, 4))
    assert first == again
    assert first != other


def test_a_model_that_knows_these_hands_reads_them(taken):
    root, series = taken
    digits = builtin.load(BuiltinSource()).train
    steps = [*build_steps("pixels", 0), ("knn", build_estimator("knn", {}, 0, 1))]
    ref = dump_model(Pipeline(steps).fit(digits.images, digits.labels), Store(root))
    plain = read_photographs(root, ref, {"plain": series["plain"]}, threads=1)["plain"]
    assert plain.n == EACH
    assert plain.correct >= EACH - 1


def test_photographs_without_a_digit_count_as_wrong(taken):
    root, series = taken
    empty = Store(root).put_array(np.zeros((0, 28, 28), np.uint8))
    none = Store(root).put_array(np.zeros(0, np.uint8))
    digits = series["plain"].digits.model_copy(update={"images": empty, "labels": none})
    lost = series["plain"].model_copy(update={"digits": digits})
    blank = Pipeline(build_steps("pixels", 0)).fit(np.zeros((2, 28, 28), np.uint8))
    ref = dump_model(blank, Store(root))
    found = read_photographs(root, ref, {"plain": lost}, threads=1)["plain"]
    assert (found.correct, found.n) == (0, EACH)
