"""Which digits a study is about."""

import numpy as np
import pytest

from digitflow.config.data import SplitShares
from digitflow.config.digits import StudySettings
from digitflow.data.sets import CheckedSets, LabelledImages, open_set, store_set
from digitflow.data.splits import choose_subset, split_rows
from digitflow.errors import InputError
from digitflow.studies.digits.data import (
    choose_digits,
    describe_scope,
    divide_images,
    open_test,
    open_train,
    prepare_features,
)
from digitflow.studies.plan import ExperimentContext, StudyData

SHARES = SplitShares()


def _make_images(rows, seed=0):
    labels = np.arange(rows, dtype=np.uint8) % 10
    images = np.random.default_rng(seed).integers(0, 256, (rows, 28, 28), np.uint8)
    return LabelledImages(images, labels)


def _check(store, train, test=None):
    return CheckedSets(
        train=store_set(store, train),
        test=None if test is None else store_set(store, test),
        problems={},
        notes=(),
        quarantine=None,
        quarantined_images=None,
    )


def test_the_sources_own_test_images_and_its_order_are_kept(store):
    train, test = _make_images(300), _make_images(100, seed=1)
    data = choose_digits(store, _check(store, train, test), SHARES, None, 42)
    assert (open_set(store, data.train).images == train.images).all()
    assert (open_set(store, data.test).images == test.images).all()


def test_without_them_the_test_images_are_those_of_the_main_job(store):
    train = _make_images(600)
    data = choose_digits(store, _check(store, train), SHARES, None, 42)
    wanted = split_rows(train.labels, None, SHARES, False, 42)["test"]
    assert (open_set(store, data.test).images == train.images[wanted]).all()
    rest = np.setdiff1d(np.arange(600), wanted)
    assert (open_set(store, data.train).images == train.images[rest]).all()


def test_a_subset_has_every_digit_as_often_and_is_alike_for_equal_seeds(store):
    checked = _check(store, _make_images(1000), _make_images(100, seed=1))
    data = choose_digits(store, checked, SHARES, 200, 42)
    assert np.bincount(open_set(store, data.train).labels).tolist() == [20] * 10
    assert choose_digits(store, checked, SHARES, 200, 42) == data
    assert choose_digits(store, checked, SHARES, 200, 43) != data


@pytest.mark.parametrize(
    ("size", "said"),
    [(1001, "1,000 images to choose from"), (5, "choose 10 to 990"), (995, "choose 10 to 990")],
)
def test_an_impossible_size_says_what_is_possible(size, said):
    labels = np.arange(1000) % 10
    with pytest.raises(InputError, match=said):
        choose_subset(labels, size, 42)


def test_all_rows_are_a_subset_too():
    assert choose_subset(np.arange(30) % 10, 30, 42).tolist() == list(range(30))


def test_a_missing_or_rare_digit_is_named(store):
    images = _make_images(300)
    without = images.take(np.flatnonzero(images.labels != 7))
    with pytest.raises(InputError, match="training images of each digit, there are 0 of 7"):
        choose_digits(store, _check(store, without, images), SHARES, None, 42)
    few = images.take(np.arange(40))
    with pytest.raises(InputError, match="test images of each digit, there are 4 of 0"):
        choose_digits(store, _check(store, images, few), SHARES, None, 42)


def test_only_all_images_of_a_source_are_complete(store):
    checked = _check(store, _make_images(300), _make_images(100, seed=1))
    for size, complete in ((None, True), (300, True), (200, False)):
        data = choose_digits(store, checked, SHARES, size, 42)
        scope = describe_scope("mnist", checked, data, 42, StudySettings())
        assert scope.complete is complete
        assert scope.is_published is complete
        assert (scope.train_rows, scope.test_rows) == (size or 300, 100)
    alone = _check(store, _make_images(600))
    data = choose_digits(store, alone, SHARES, None, 42)
    scope = describe_scope("builtin", alone, data, 42, StudySettings())
    assert scope.complete
    assert not scope.is_published
    assert not scope.writers


def test_digits_are_opened_as_they_were_chosen_and_prepared_by_a_recipe(store):
    train, test = _make_images(100), _make_images(50, seed=1)
    data = StudyData(train=store_set(store, train), test=store_set(store, test))
    context = ExperimentContext(store, data, 42, 1)
    for opened, wanted in ((open_train(context), train), (open_test(context), test)):
        np.testing.assert_array_equal(opened.images, wanted.images)
        np.testing.assert_array_equal(opened.labels, wanted.labels)
    own = divide_images(context, "own")
    assert [len(part) for part in own] == [100, 50]
    dealt, held = divide_images(context, "80/20")
    assert np.bincount(held.labels).tolist() == [3] * 10
    assert len(dealt) == 120
    found = prepare_features(context, "pixels", "own")
    assert found.values == {"recipe": "pixels", "split": "own"}
    rows, labels = (store.open_array(found.arrays[name]) for name in ("test", "test_labels"))
    np.testing.assert_allclose(rows, test.images.reshape(50, -1) / 255, rtol=1e-6)
    np.testing.assert_array_equal(labels, test.labels)
    assert store.open_array(found.arrays["train"]).shape == (100, 784)


def test_whether_hands_are_known_is_told_of_either_set(store):
    train = _make_images(300)
    known = LabelledImages(train.images, train.labels, np.arange(300, dtype=np.int32) // 10)
    for first, second in ((known, train), (train, known)):
        checked = _check(store, first, second)
        data = choose_digits(store, checked, SHARES, None, 42)
        scope = describe_scope("mnist", checked, data, 42, StudySettings())
        assert (scope.writers, scope.test_writers) == (first is known, second is known)


def test_five_of_each_digit_are_enough(store):
    images = _make_images(300)
    enough, few = (_check(store, images, images.take(np.arange(n))) for n in (50, 49))
    assert choose_digits(store, enough, SHARES, None, 1).test.rows == 50
    with pytest.raises(InputError, match="there are 4 of 9"):
        choose_digits(store, few, SHARES, None, 1)
