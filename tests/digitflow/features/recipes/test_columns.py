"""Recipe `columns` against pandas, on any table."""

import numpy as np
import pandas as pd
import pytest
from sklearn.pipeline import Pipeline

from digitflow.data.tables.frames import infer_columns, to_frame, to_records
from digitflow.features.recipes import columns


def fit(records, **params):
    pipeline = Pipeline(columns.build_steps(0, **params)).fit(records)
    features = pipeline.transform(records)
    return pd.DataFrame(features, columns=pipeline.get_feature_names_out())


def test_numbers_are_scaled_and_categories_one_hot_gaps_filled(district_records):
    features, frame = fit(district_records), to_frame(district_records)
    numbers = frame.select_dtypes("number")
    numbers = numbers.fillna(numbers.median())
    expected = (numbers - numbers.mean()) / numbers.std(ddof=0)
    np.testing.assert_allclose(features.iloc[:, :8], expected, atol=1e-9)
    onehot = pd.get_dummies(frame["ocean_proximity"]).astype(float)
    np.testing.assert_array_equal(features.iloc[:, 8:], onehot)
    assert features.columns[8:].tolist() == [
        f"categories__ocean_proximity_{name}" for name in onehot
    ]


def test_they_may_be_from_0_to_1_and_numbered(district_records):
    features = fit(district_records, scaling="minmax", encoding="ordinal")
    assert features.shape[1] == 9
    np.testing.assert_allclose(
        features.iloc[:, :8].agg(["min", "max"]).to_numpy(), [[0] * 8, [1] * 8]
    )
    codes = pd.Categorical(to_frame(district_records)["ocean_proximity"]).codes
    np.testing.assert_array_equal(features.iloc[:, 8], codes)


@pytest.mark.parametrize("kept", [["age", "town"], ["age"], ["town"], ["gone"]])
def test_tables_of_one_kind_of_columns_or_of_gaps_will_do(kept):
    frame = pd.DataFrame(
        {
            "age": [1.0, 2.0, np.nan, 4.0],
            "town": ["Oslo", None, "Bern", "Bern"],
            "gone": [None, None, None, None],
        }
    )[kept]
    features = fit(to_records(frame, infer_columns(frame)))
    assert features.shape[0] == 4
    assert np.isfinite(features).all(axis=None)


def test_an_unknown_category_is_none_of_the_known(district_records):
    pipeline = Pipeline(columns.build_steps(0)).fit(district_records)
    row = to_frame(district_records[:1]).assign(ocean_proximity="ON THE MOON")
    assert pipeline.transform(row)[0, 8:].tolist() == [0] * 5
