"""A source is read into the store, and read again only when it has changed."""

import numpy as np
import pytest

from digitflow.config.data import BuiltinSource, TableSource
from digitflow.data.ingestion import fingerprint_source, ingest_digits, load_digits
from digitflow.data.sets import open_set


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
