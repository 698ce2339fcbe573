"""Recipe `districts` against its definition, and the study's figures on the real ones."""

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LinearRegression
from sklearn.metrics import root_mean_squared_error
from sklearn.model_selection import train_test_split
from sklearn.pipeline import Pipeline

from digitflow.data.tables.frames import infer_columns, to_frame, to_records
from digitflow.errors import InputError
from digitflow.features.preparing import fit_recipe
from digitflow.features.recipes import districts


def fit(records, **params):
    pipeline = Pipeline(districts.build_steps(0, **params)).fit(records)
    features = pipeline.transform(records)
    return pd.DataFrame(features, columns=pipeline.get_feature_names_out())


@pytest.fixture(scope="module")
def features(district_records):
    return fit(district_records)


def test_ratios_and_logarithms_are_those_of_the_filled_columns(features, district_records):
    frame = to_frame(district_records)
    frame["total_bedrooms"] = frame["total_bedrooms"].fillna(frame["total_bedrooms"].median())
    expected = {
        "bedrooms_per_room__ratio": frame.total_bedrooms / frame.total_rooms,
        "rooms_per_house__ratio": frame.total_rooms / frame.households,
        "people_per_house__ratio": frame.population / frame.households,
        "log__total_bedrooms": np.log(frame.total_bedrooms),
        "log__median_income": np.log(frame.median_income),
        "age__housing_median_age": frame.housing_median_age,
    }
    for name, numbers in expected.items():
        scaled = (numbers - numbers.mean()) / numbers.std(ddof=0)
        np.testing.assert_allclose(features[name], scaled, atol=1e-9)


def test_there_are_as_many_clusters_as_are_wanted_and_gamma_is_how_near_they_reach(
    district_records,
):
    wide, near = (fit(district_records, clusters=4, gamma=g) for g in (0.1, 10))
    places = [name for name in wide if name.startswith("place__")]
    assert len(places) == 4
    np.testing.assert_allclose(wide[places] ** 100, near[places], atol=1e-9)


def test_scaling_and_encoding_may_be_others(district_records):
    features = fit(district_records, scaling="minmax", encoding="ordinal")
    numbers = features.iloc[:, :9]
    np.testing.assert_allclose([numbers.min(), numbers.max()], [[0] * 9, [1] * 9], atol=1e-9)
    assert set(features["proximity__ocean_proximity"]) == {0, 1, 2, 3, 4}


def test_districts_without_a_proximity_will_do(features, district_records):
    frame = to_frame(district_records).drop(columns="ocean_proximity")
    found = fit(to_records(frame, infer_columns(frame)))
    pd.testing.assert_frame_equal(found, features[found.columns])
    assert features.shape[1] - found.shape[1] == 5


def test_another_table_is_a_clear_error(store):
    records = np.zeros(20, [("x", "f8"), ("y", "f8")])
    with pytest.raises(InputError, match="recipe districts can't be fitted on 20"):
        fit_recipe("districts", records, 0, store, threads=1)


def test_linear_regression_on_the_real_districts_is_the_studys(housing_file):
    frame = pd.read_csv(housing_file)
    category = pd.cut(frame.median_income, [0, 1.5, 3, 4.5, 6, np.inf], labels=False)
    train, _ = train_test_split(frame, test_size=0.2, stratify=category, random_state=42)
    target = train.pop("median_house_value")
    steps = [*districts.build_steps(42), ("linear", LinearRegression())]
    predicted = Pipeline(steps).fit(train, target).predict(train)
    # Published: 68,688.
    assert root_mean_squared_error(target, predicted) == pytest.approx(68_688, rel=0.001)
