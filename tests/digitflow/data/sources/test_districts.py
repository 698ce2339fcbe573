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
