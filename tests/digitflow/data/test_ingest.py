"""A source is read into the store, and read again only when it has changed."""

import numpy as np
import pytest

from digitflow.config.data import BuiltinSource, TableSource
from digitflow.data.ingest import fingerprint_source, ingest_digits
from digitflow.data.sets import open_set
from digitflow.data.sources import builtin


def test_what_a_source_holds_is_in_the_store_as_it_was_read(store):
    raw = ingest_digits(store, BuiltinSource(), "any")
    read = builtin.load(BuiltinSource())
    np.testing.assert_array_equal(open_set(store, raw.train).images, read.train.images)
    np.testing.assert_array_equal(open_set(store, raw.train).labels, read.train.labels)
    assert raw.test is None
    assert raw.origin == read.origin


@pytest.mark.parametrize("edited", [True, False])
def test_a_fingerprint_changes_with_what_is_read(tmp_path, edited):
    table = tmp_path / "digits.csv"
    table.write_text("label,pixel0\n1,0\n")
    source = TableSource(kind="table", file=str(table))
    before = fingerprint_source(source)
    table.write_text("label,pixel0\n7,0\n" if edited else "label,pixel0\n1,0\n")
    assert (fingerprint_source(source) != before) is edited
