"""A source is read into the store, and read again only when it has changed."""

import numpy as np
import pytest

from digitflow.config.data import BuiltinSource, TableSource
from digitflow.data.sets import (
    LabelledImages,
    fingerprint_source,
    ingest_digits,
    load_digits,
    number_writers,
    open_set,
)


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


def test_what_a_source_holds_is_in_the_store_as_it_was_read(store, handwriting):
    raw = ingest_digits(store, BuiltinSource(), "any")
    np.testing.assert_array_equal(open_set(store, raw.train).images, handwriting.images)
    np.testing.assert_array_equal(open_set(store, raw.train).labels, handwriting.labels)
    assert raw.test is None
    assert raw.origin.startswith("1,797 handwritten digits")


@pytest.mark.parametrize("wanted", [10, 100, 5000])
def test_as_many_training_images_are_taken_as_wanted_from_all_of_them(wanted, handwriting):
    labels = handwriting.labels
    taken = load_digits(BuiltinSource(take=wanted)).train
    assert len(taken) == min(wanted, 1797)
    assert taken.labels[0] == labels[0]
    assert taken.labels[-1] == labels[-1]


@pytest.mark.parametrize("edited", [True, False])
def test_a_fingerprint_changes_with_what_is_read(tmp_path, edited):
    table = tmp_path / "digits.csv"
    table.write_text("label,pixel0\n1,0\n")
    source = TableSource(kind="table", file=str(table))
    before = fingerprint_source(source)
    table.write_text("label,pixel0\n7,0\n" if edited else "label,pixel0\n1,0\n")
    assert (fingerprint_source(source) != before) is edited
