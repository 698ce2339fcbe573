"""Several sources in one: writers apart, the first one's test, counts by source."""

import numpy as np
import pytest

from digitflow.config.data import (
    BuiltinSource,
    ImagesSource,
    MixSource,
    PenSource,
    TableSource,
    list_parts,
    name_parts,
)
from digitflow.data.ingestion import ingest_digits
from digitflow.data.sets import Digits, LabelledImages, open_set
from digitflow.data.sources.mix import fingerprint, load, mix_digits, mix_stored

PENS = PenSource(writers=3, each=1)
OTHERS = PenSource(writers=2, each=2, seed=1)


def make_part(rows, writers=None, test_writers=None, series=None):
    def make(count, people, group):
        images = np.full((count, 28, 28), count, np.uint8)
        labels = np.arange(count, dtype=np.uint8) % 10
        columns = [None if c is None else np.array(c, np.int32) for c in (people, group)]
        return LabelledImages(images, labels, *columns)

    test = None if test_writers is None else make(len(test_writers), test_writers, None)
    return Digits(make(rows, writers, series), test, origin=f"{rows} rows")


def test_rows_follow_one_another_and_say_where_they_are_from():
    mixed = mix_digits([make_part(3), make_part(2)])
    assert mixed.train.sources.tolist() == [0, 0, 0, 1, 1]
    assert mixed.train.images[:, 0, 0].tolist() == [3, 3, 3, 2, 2]
    assert mixed.train.writers is None
    assert mixed.origin == "3 rows; 2 rows"


def test_no_two_sources_share_a_writer_nor_a_tests_and_unknown_stays_unknown():
    first = make_part(3, writers=[4, 0, -1], test_writers=[7, 2])
    parts = [first, make_part(2), make_part(2, writers=[0, -1]), make_part(1, writers=[0])]
    writers = mix_digits(parts).train.writers
    assert writers[:3].tolist() == [4, 0, -1]
    assert writers[3:5].tolist() == [-1, -1]
    assert writers[6] == -1
    assert len({*writers.tolist(), 7, 2}) == len([4, 0, -1, writers[5], writers[7], 7, 2])


def test_series_are_kept_apart_as_writers_are():
    parts = [make_part(2, series=[0, 4]), make_part(2), make_part(1, series=[0])]
    assert mix_digits(parts).train.series.tolist() == [0, 4, -1, -1, 5]


def test_only_the_first_ones_test_images_are_used():
    first, second = make_part(2, test_writers=[1]), make_part(3, test_writers=[1, 2])
    assert mix_digits([first, second]).test is first.test
    assert mix_digits([make_part(3), first]).test is None
    assert len(mix_digits([first, second]).train) == 5


def test_it_reads_what_its_parts_read_and_as_many_as_are_wanted():
    mixed = load(MixSource(of=(PENS, OTHERS.model_copy(update={"take": 10}))))
    assert np.bincount(mixed.train.sources).tolist() == [30, 10]
    assert "10 of 40" in mixed.origin


def test_parts_that_were_stored_one_by_one_give_the_same(store):
    source = MixSource(of=(PENS, OTHERS))
    raw = mix_stored(store, [ingest_digits(store, part, "any") for part in source.of])
    stored, loaded = open_set(store, raw.train), load(source).train
    for name in ("images", "labels", "writers", "sources"):
        np.testing.assert_array_equal(getattr(stored, name), getattr(loaded, name))
    assert raw.test is None


def test_the_fingerprint_changes_with_that_of_any_part(tmp_path):
    table = tmp_path / "digits.csv"
    table.write_text("label,pixel0\n1,0\n")
    source = MixSource(of=(BuiltinSource(), TableSource(file=table)))
    before = fingerprint(source)
    assert fingerprint(source) == before
    table.write_text("label,pixel0\n2,0\n")
    assert fingerprint(source) != before


def test_parts_are_known_by_their_kinds_and_numbered_where_a_kind_is_there_twice():
    folder = ImagesSource(folder="somewhere")
    assert name_parts(MixSource(of=(folder, PENS, OTHERS))) == ("images", "pen 1", "pen 2")
    assert name_parts(PENS) == ("pen",)
    assert list_parts(PENS) == (PENS,)


def test_a_mix_has_parts():
    with pytest.raises(ValueError, match="at least 2"):
        MixSource(of=(PENS,))
