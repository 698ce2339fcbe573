import numpy as np
import pandas as pd
import pytest
from sklearn import datasets
from sklearn.utils import Bunch

from digitflow.config.table import SklearnTable
from digitflow.data.sources import sklearn as source
from digitflow.data.sources.districts import generate_districts
from digitflow.errors import InputError


@pytest.mark.parametrize("name", ["diabetes", "breast_cancer", "wine", "iris"])
def test_a_bundled_table_is_scikit_learns_with_its_classes_by_name(name):
    table = source.load_table(SklearnTable(name=name))
    bunch = getattr(datasets, f"load_{name}")()
    np.testing.assert_array_equal(table.frame[bunch.feature_names].to_numpy(), bunch.data)
    named = bunch.target if name == "diabetes" else bunch.target_names[bunch.target]
    assert table.frame["target"].tolist() == named.tolist()
    assert f"{len(bunch.data):,} rows" in table.origin


def test_fingerprints_tell_tables_apart():
    assert len({source.fingerprint(SklearnTable(name=n)) for n in ("wine", "iris")}) == 2


@pytest.fixture
def california(monkeypatch):
    """Districts in the columns of scikit-learn's table, as its function would give them."""
    frame = generate_districts(500, 0)
    averages = pd.DataFrame(
        {
            "MedInc": frame.median_income,
            "HouseAge": frame.housing_median_age,
            "AveRooms": frame.total_rooms / frame.households,
            "AveBedrms": frame.total_bedrooms.fillna(100) / frame.households,
            "Population": frame.population,
            "AveOccup": frame.population / frame.households,
            "Latitude": frame.latitude,
            "Longitude": frame.longitude,
            "MedHouseVal": frame.median_house_value / 100_000,
        }
    )
    answer = Bunch(frame=averages)
    monkeypatch.setattr(datasets, "fetch_california_housing", lambda **options: answer)
    return frame.fillna({"total_bedrooms": 100}).drop(columns="ocean_proximity")


def test_californias_averages_are_totals_again(california):
    table = source.load_table(SklearnTable(name="california_housing"))
    found = table.frame[california.columns].astype(float)
    pd.testing.assert_frame_equal(found, california.astype(float))
    assert "ocean_proximity" not in table.frame


def test_without_a_network_california_is_a_clear_error(monkeypatch, tmp_path):
    # A port that nothing listens on: no request leaves the machine.
    monkeypatch.setenv("SCIKIT_LEARN_DATA", str(tmp_path))
    for scheme in ("http", "https"):
        monkeypatch.setenv(f"{scheme}_proxy", "http://127.0.0.1:9")
    with pytest.raises(InputError, match=r"no copy of california_housing on disk.*districts"):
        source.load_table(SklearnTable(name="california_housing"))
