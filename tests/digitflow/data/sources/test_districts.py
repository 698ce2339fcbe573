import numpy as np
import pandas as pd
import pytest

from digitflow.config.table import DistrictsTable, TableRules
from digitflow.data.sources import districts
from digitflow.data.tables.frames import infer_columns
from digitflow.data.tables.validation import check_table


@pytest.fixture(autouse=True)
def no_file(monkeypatch):
    monkeypatch.delenv("DIGITFLOW_HOUSING_FILE", raising=False)


def test_where_no_file_is_named_districts_are_generated_and_it_is_said():
    table = districts.load_table(DistrictsTable(rows=600))
    assert table.generated
    assert "600 generated districts" in table.origin
    assert "not real" in table.origin
    assert "DIGITFLOW_HOUSING_FILE" in table.origin


def test_a_file_is_read_that_the_config_or_the_environment_names(monkeypatch, tmp_path):
    paths = [tmp_path / "config.csv", tmp_path / "environment.csv"]
    for number, path in enumerate(paths):
        districts.generate_districts(500, number).to_csv(path, index=False)
    monkeypatch.setenv("DIGITFLOW_HOUSING_FILE", str(paths[1]))
    for source, path in (
        (DistrictsTable(file=paths[0]), paths[0]),
        (DistrictsTable(), paths[1]),
    ):
        table = districts.load_table(source)
        assert not table.generated
        assert str(path) in table.origin
        expected = pd.read_csv(path)["median_income"]
        np.testing.assert_array_equal(table.frame["median_income"].astype(float), expected)


def test_generated_districts_have_the_columns_of_the_real_ones(housing_file):
    real, generated = pd.read_csv(housing_file), districts.generate_districts(5000, 0)
    assert list(generated.columns) == list(real.columns)
    assert infer_columns(generated) == infer_columns(real)
    assert set(generated.ocean_proximity) == set(real.ocean_proximity)
    assert generated.isna().sum().ne(0).tolist() == real.isna().sum().ne(0).tolist()
    low, high = real.min(numeric_only=True), real.max(numeric_only=True)
    numbers = generated[low.index]
    assert (numbers.quantile(0.05) >= low - 0.5).all()
    assert (numbers.quantile(0.95) <= high + 0.5).all()


def test_they_can_be_learnt_from():
    table = districts.load_table(DistrictsTable())
    checked = check_table(table, {}, "median_house_value", "regression", TableRules())
    assert checked.problems == ()
    income = checked.train.records["median_income"]
    assert np.corrcoef(income, checked.train.targets)[0, 1] > 0.5
    assert (checked.train.targets == districts.MOST_USD).any()


def test_equal_seeds_give_equal_districts():
    first, again, other = (districts.generate_districts(500, seed) for seed in (1, 1, 2))
    pd.testing.assert_frame_equal(first, again)
    assert not first.equals(other)


def test_the_fingerprint_is_that_of_what_would_be_read(tmp_path):
    path = tmp_path / "a.csv"
    districts.generate_districts(500, 0).to_csv(path, index=False)
    sources = [
        DistrictsTable(),
        DistrictsTable(rows=600),
        DistrictsTable(seed=1),
        DistrictsTable(file=path),
    ]
    assert len({districts.fingerprint(source) for source in sources}) == len(sources)


def test_a_seed_draws_what_it_drew_in_other_versions():
    """Figures of two runs can be compared while equal settings draw equal districts."""
    drawn = districts.generate_districts(4000, 0)
    found = drawn.describe().loc[["mean", "std", "min", "50%", "max"]]
    for name, expected in {
        "longitude": (-119.58931, 1.9023805, -123.98, -118.7, -115.29),
        "latitude": (35.717492, 2.1319119, 32.32, 34.96, 41.49),
        "housing_median_age": (28.81925, 12.525466, 1.0, 29.0, 52.0),
        "total_rooms": (2735.9183, 2276.5786, 169.0, 2090.5, 25628.0),
        "total_bedrooms": (541.75663, 440.07201, 38.0, 416.0, 4329.0),
        "population": (1516.207, 1318.5284, 71.0, 1131.0, 19839.0),
        "households": (514.30925, 414.55474, 36.0, 396.0, 4264.0),
        "median_income": (3.8720483, 1.8108248, 0.7205, 3.5281, 15.0001),
        "median_house_value": (194588.31, 92269.35, 33800.0, 177950.0, 500001.0),
    }.items():
        np.testing.assert_allclose(found[name], expected, rtol=1e-7, err_msg=name)
    assert drawn.isna().sum().sum() == drawn["total_bedrooms"].isna().sum() == 39
    assert drawn["ocean_proximity"].value_counts().to_dict() == {
        "INLAND": 1831,
        "<1H OCEAN": 1052,
        "NEAR BAY": 619,
        "NEAR OCEAN": 497,
        "ISLAND": 1,
    }


def test_values_fall_inland_rise_with_income_and_end_where_the_census_cut_them_off():
    drawn = districts.generate_districts(20_000, 1)
    value, income = drawn["median_house_value"], drawn["median_income"]
    assert value.between(14_999, 500_001).all()
    assert income.between(0.4999, 15.0001).all()
    assert drawn["housing_median_age"].between(1, 52).all()
    assert (value % 100).isin([0, 99, 1]).all()
    by_place = value.groupby(drawn["ocean_proximity"]).median()
    assert by_place["INLAND"] < by_place["<1H OCEAN"] < by_place["NEAR BAY"]
    # Nobody lives in the sea: no place lies west of the coast that its latitude has.
    coast = districts._find_coast(drawn["latitude"].to_numpy())
    on_land = drawn["ocean_proximity"] != "ISLAND"
    east = (drawn["longitude"] - coast)[on_land]
    assert -0.02 < east.min() < 0.02
    assert east.max() < 4.02
    assert (~on_land).sum() == round(0.0003 * 20_000)
    assert drawn["total_bedrooms"].isna().mean() == pytest.approx(0.01, abs=0.003)
