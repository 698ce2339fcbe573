"""What is kept of training samples is what can be computed of them by hand."""

import numpy as np
import pytest
from sklearn.decomposition import PCA

from digitflow.config.table import Column
from digitflow.data.facts import TableFacts
from digitflow.data.tables.frames import to_records
from digitflow.images.statistics import measure_images
from digitflow.monitoring import reference
from digitflow.monitoring.reference import (
    COLUMNS,
    OpenReference,
    describe_images,
    describe_samples,
    number_cells,
    open_reference,
    record_images,
    record_rows,
)


@pytest.fixture
def digits(handwriting):
    return handwriting.take(np.arange(60))


def test_images_are_described_by_statistics_places_and_what_is_left(digits):
    pixels = digits.images.reshape(60, -1) / 255
    pca = PCA(20, svd_solver="full").fit(pixels)
    components = np.vstack([pca.mean_, pca.components_]).astype(np.float32)
    statistics, projected = describe_images(digits.images, components)
    np.testing.assert_allclose(projected, pca.transform(pixels), atol=1e-4)
    again = pca.inverse_transform(pca.transform(pixels))
    left = np.sqrt(((pixels - again) ** 2).mean(axis=1))
    np.testing.assert_allclose(statistics[:, -1], left, atol=1e-4)
    np.testing.assert_allclose(statistics[:, :-1], measure_images(digits.images))
    assert statistics.shape == (60, len(COLUMNS))


def test_twenty_components_are_kept_or_as_many_as_there_are(digits, store):
    for rows in (60, 12):
        some = digits.take(np.arange(rows))
        read = np.eye(10, dtype=np.float32)[some.labels] * 0.7
        refs = [store.put_array(each) for each in (some.images, some.labels, read)]
        found = open_reference(store, record_images(store, *refs, 42))
        assert found.components.shape == (21, 784)
        pixels = some.images.reshape(rows, -1) / 255
        np.testing.assert_allclose(found.components[0], pixels.mean(axis=0), atol=1e-6)
        used = np.abs(found.components[1:]).sum(axis=1) > 0
        assert used.sum() == min(20, rows)
        assert found.projected.shape == (rows, 20)
        assert (found.classes, found.columns) == (10, COLUMNS)
        assert found.predicted.tolist() == some.labels.tolist()
        assert found.confidence.tolist() == pytest.approx([0.7] * rows)
        # Statistics stand before components.
        np.testing.assert_array_equal(found.features[:, : len(COLUMNS)], found.statistics)
        np.testing.assert_array_equal(found.features[:, len(COLUMNS) :], found.projected)


def test_of_many_images_or_rows_so_many_are_kept_by_the_seed(digits, store, monkeypatch):
    assert reference.LARGEST == 10_000
    monkeypatch.setattr(reference, "LARGEST", 30)
    refs = [store.put_array(each) for each in (digits.images, digits.labels, np.eye(10))]
    first, again, other = (record_images(store, *refs, seed) for seed in (1, 1, 2))
    assert first == again != other
    assert first.statistics.shape[0] == 30
    records = np.array([(float(n),) for n in range(40)], [("x", "f8")])
    table = TableFacts(columns={"x": Column()}, target="y", holds=Column())
    values = store.put_array(np.arange(5.0))
    found = [record_rows(store, store.put_array(records), table, values, s) for s in (1, 1, 2)]
    assert found[0] == found[1] != found[2]
    kept = store.open_array(found[0].statistics)[:, 0]
    assert len(set(kept.tolist())) == 30
    assert (np.diff(kept) > 0).all()
    few = record_rows(store, store.put_array(records[:30]), table, values, 1)
    assert store.open_array(few.statistics)[:, 0].tolist() == list(range(30))
    assert few.confidence is None
    assert few.classes == 0


def test_a_cell_is_its_number_or_its_categorys_place():
    records = np.array(
        [(1.5, "b"), (np.nan, "a"), (3.0, "other"), (4.0, "")], [("x", "f8"), ("k", "U5")]
    )
    found = number_cells(records, ("k", "x"), (("a", "b"), ()))
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, [[1, 1.5], [0, np.nan], [np.nan, 3], [np.nan, 4]])


def test_rows_of_categories_have_a_column_for_each_one():
    known = OpenReference(
        columns=("k", "x"),
        categories=(("a", "b"), ()),
        classes=0,
        statistics=np.zeros((1, 2)),
        predicted=np.zeros(1),
    )
    records = np.array([(1.5, "b"), (2.0, "a"), (3.0, "?")], [("x", "f8"), ("k", "U1")])
    statistics, features = describe_samples(records, known)
    assert features.tolist() == [[0, 1, 1.5], [1, 0, 2], [0, 0, 3]]
    assert statistics[:2].tolist() == [[1, 1.5], [0, 2]]
    assert features.dtype == np.float32


def test_a_column_of_texts_that_held_none_has_a_category(store):
    table = TableFacts(
        columns={"k": Column(type="category"), "x": Column()}, target="y", holds=Column()
    )
    import pandas as pd

    records = to_records(pd.DataFrame({"k": [None, None], "x": [1.0, 2.0]}), table.columns)
    said = store.put_array(np.array([[0.25, 0.75], [0.9, 0.1]]))
    found = record_rows(store, store.put_array(records), table, said, 0)
    assert found.categories == (("",), ())
    assert store.open_array(found.predicted).tolist() == [1, 0]
    assert store.open_array(found.confidence).tolist() == pytest.approx([0.75, 0.9])
