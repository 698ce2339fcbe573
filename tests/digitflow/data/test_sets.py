"""Labelled images in order, and their writers as numbers."""

import numpy as np
import pytest

from digitflow.data.sets import LabelledImages, number_writers, open_set, store_set


def test_take_keeps_what_belongs_to_an_image_together():
    images = np.arange(4, dtype=np.uint8)[:, None, None] * np.ones((28, 28), np.uint8)
    columns = np.arange(4) + 10, np.arange(4) % 2, np.arange(4) // 2
    data = LabelledImages(images, np.arange(4), *columns)
    taken = data.take(np.array([3, 1]))
    assert len(taken) == 2
    assert taken.images[:, 0, 0].tolist() == [3, 1]
    assert taken.labels.tolist() == [3, 1]
    assert taken.writers.tolist() == [13, 11]
    assert taken.series.tolist() == [1, 1]
    assert taken.sources.tolist() == [1, 0]


def test_take_by_mask_of_images_without_writers():
    data = LabelledImages(np.zeros((3, 28, 28), np.uint8), np.arange(3))
    taken = data.take(np.array([True, False, True]))
    assert taken.labels.tolist() == [0, 2]
    assert taken.writers is None


@pytest.mark.parametrize(
    ("column", "expected"),
    [
        (["eve", "bob", "eve"], [1, 0, 1]),
        (["eve", None, " eve ", " ", ""], [0, -1, 0, -1, -1]),
        ([7, 3, 7], [1, 0, 1]),
        ([7.0, np.nan, 3.0, 3.5], [2, -1, 0, 1]),
        ([None, None], [-1, -1]),
        ([], []),
    ],
)
def test_writers_become_numbers_in_the_order_of_their_names(column, expected):
    (numbers,) = number_writers(column)
    assert numbers.dtype == np.int32
    assert numbers.tolist() == expected


def test_the_same_writer_has_the_same_number_in_every_column():
    train, test, none = number_writers([7.0, np.nan, 3.0], ["3", "ann"], None)
    assert test[0] == train[2]
    assert test[1] not in train
    assert train[1] == -1
    assert none is None


def test_a_stored_set_knows_its_rows_and_what_is_equal_to_it(store):
    images = np.arange(3, dtype=np.uint8)[:, None, None] * np.ones((28, 28), np.uint8)
    first, again = (store_set(store, LabelledImages(images, np.arange(3))) for _ in range(2))
    assert first.rows == 3
    assert first.is_equal(again)
    for other in (
        LabelledImages(images[::-1].copy(), np.arange(3)),
        LabelledImages(images, np.arange(3)[::-1].copy()),
    ):
        assert not first.is_equal(store_set(store, other))
    known = store_set(store, LabelledImages(images, np.arange(3), np.array([4, 4, -1])))
    assert known.is_equal(first)
    opened = open_set(store, known)
    assert opened.writers.tolist() == [4, 4, -1]
    assert opened.series is None
