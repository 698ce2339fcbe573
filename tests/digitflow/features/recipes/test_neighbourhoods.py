"""Recipe `neighbourhoods`: the order that `neighbour_boosting` counts on."""

import numpy as np
import pandas as pd
from sklearn.pipeline import Pipeline

from digitflow.data.tables.frames import infer_columns, to_frame, to_records
from digitflow.features.recipes import neighbourhoods
from digitflow.models.estimators.neighbour_boosting import NeighbourTargets


def fit(records, **params):
    pipeline = Pipeline(neighbourhoods.build_steps(0, **params)).fit(records)
    features = pipeline.transform(records)
    return pd.DataFrame(features, columns=pipeline.get_feature_names_out())


def test_the_place_in_degrees_comes_first_then_what_districts_are_compared_by(
    district_records,
):
    features, frame = fit(district_records), to_frame(district_records)
    counted = NeighbourTargets()
    place = features.iloc[:, : counted.place]
    np.testing.assert_array_equal(place, frame[["latitude", "longitude"]])
    alike = features.iloc[:, counted.place :][features.columns[2:6]]
    assert alike.shape[1] == counted.alike
    numbers = np.stack(
        [
            np.log(frame.median_income),
            frame.housing_median_age,
            np.log(frame.total_rooms / frame.households),
            np.log(frame.population / frame.households),
        ],
        axis=1,
    )
    expected = (numbers - numbers.mean(axis=0)) / numbers.std(axis=0)
    np.testing.assert_allclose(alike, expected, atol=1e-9)


def test_coordinates_come_at_as_many_angles_as_are_wanted(district_records):
    turned = [name for name in fit(district_records, angles=3) if name.startswith("turned__")]
    assert turned == [f"turned__at {angle} degrees" for angle in (0, 60, 120)]


def test_districts_without_a_proximity_will_do(district_records):
    frame = to_frame(district_records).drop(columns="ocean_proximity")
    features, found = fit(district_records), fit(to_records(frame, infer_columns(frame)))
    pd.testing.assert_frame_equal(found, features[found.columns])
    assert features.columns.difference(found.columns).tolist() == ["proximity__ocean_proximity"]
