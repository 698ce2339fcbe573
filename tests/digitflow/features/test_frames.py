"""Transformers of tables against their definitions, and what rows they take."""

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics.pairwise import rbf_kernel
from sklearn.pipeline import Pipeline

from digitflow.data.tables.frames import to_frame
from digitflow.errors import InputError
from digitflow.features.frames import (
    ClusterSimilarity,
    Logarithm,
    PresentColumns,
    Ratio,
    RotatedCoordinates,
    prepare_categories,
    prepare_numbers,
)
from digitflow.features.recipes import columns


@pytest.fixture(scope="module")
def fitted(district_records):
    return Pipeline(columns.build_steps(0)).fit(district_records)


@pytest.mark.parametrize("kind", [float, object, "text", "other order and more"])
def test_a_frame_has_the_features_of_its_records(fitted, district_records, kind):
    frame = to_frame(district_records)
    if kind == "text":
        frame = frame.map(lambda cell: None if cell != cell else str(cell))
    elif kind == "other order and more":
        frame = frame[frame.columns[::-1]].assign(more=1)
    elif kind is object:
        frame = frame.astype(object)
    np.testing.assert_array_equal(fitted.transform(frame), fitted.transform(district_records))


def test_a_frame_may_be_fitted_on(fitted, district_records):
    frame = to_frame(district_records)
    other = Pipeline(columns.build_steps(0)).fit(frame)
    np.testing.assert_array_equal(
        other.transform(district_records), fitted.transform(district_records)
    )


def test_rows_without_a_column_or_without_names_are_a_clear_error(fitted, district_records):
    frame = to_frame(district_records)
    with pytest.raises(InputError, match="rows lack latitude; the recipe was fitted on"):
        fitted.transform(frame.drop(columns="latitude"))
    with pytest.raises(
        InputError, match=r"records with named fields or a frame, got .*float64"
    ):
        fitted.transform(np.zeros((3, 9)))


def test_a_ratio_is_a_quotient_and_0_over_nothing():
    found = Ratio().fit_transform(np.array([[6.0, 3.0], [1.0, 4.0], [5.0, 0.0]]))
    assert found.tolist() == [[2.0], [0.25], [0.0]]


def test_logarithms_are_those_of_numpy_and_finite_for_what_was_never_seen():
    seen = np.array([[1.0, 0.0], [np.e, 3.0], [5.0, 7.0]])
    transformer = Logarithm().fit(seen)
    np.testing.assert_allclose(transformer.transform(seen[1:]), np.log(seen[1:]))
    np.testing.assert_allclose(transformer.transform([[-1.0, 0.0]]), [[0.0, np.log(3)]])
    assert np.isfinite(Logarithm().fit(np.zeros((2, 1))).transform([[-5.0]])).all()


def test_similarities_are_the_kernel_to_the_centres_of_the_clusters():
    points = np.random.default_rng(0).normal(size=(300, 2)) + np.repeat(
        [[0, 0], [9, 9], [0, 9]], 100, 0
    )
    transformer = ClusterSimilarity(3, 0.5, 0).fit(points)
    means = [points[start : start + 100].mean(axis=0) for start in (0, 100, 200)]
    order = np.argsort([np.abs(transformer.centres_ - mean).sum(1).argmin() for mean in means])
    np.testing.assert_allclose(transformer.centres_, np.array(means)[order], atol=1e-9)
    expected = rbf_kernel(points, np.array(means)[order], gamma=0.5)
    np.testing.assert_allclose(transformer.transform(points), expected, atol=1e-9)


def test_there_are_no_more_clusters_than_different_rows():
    points = np.repeat([[0.0, 1.0], [2.0, 3.0]], 5, axis=0)
    assert ClusterSimilarity(10).fit(points).transform(points).shape == (10, 2)


def test_turned_coordinates_are_those_of_a_rotation_by_each_angle():
    points = np.random.default_rng(0).normal(size=(20, 2))
    transformer = RotatedCoordinates(6).fit(points)
    complex_points = points[:, 0] + 1j * points[:, 1]
    expected = np.stack(
        [(complex_points * np.exp(-1j * np.pi * k / 6)).real for k in range(6)], 1
    )
    np.testing.assert_allclose(transformer.transform(points), expected, atol=1e-12)
    assert transformer.get_feature_names_out()[:2].tolist() == ["at 0 degrees", "at 30 degrees"]


def test_columns_that_a_frame_lacks_are_not_chosen():
    frame = pd.DataFrame({"a": [1], "b": [2]})
    assert PresentColumns(["b", "c", "a"])(frame) == ["b", "a"]


@pytest.mark.parametrize(
    ("prepare", "message"),
    [
        (lambda: prepare_numbers(scaling="robust"), "one of standard, minmax, got 'robust'"),
        (lambda: prepare_categories("hash"), "one of onehot, ordinal, got 'hash'"),
    ],
)
def test_an_unknown_way_lists_the_known_ones(prepare, message):
    with pytest.raises(InputError, match=message):
        prepare()
