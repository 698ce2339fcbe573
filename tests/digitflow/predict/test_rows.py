"""Rows of a table through a champion, whatever they come in."""

import io
import sys
from types import SimpleNamespace

import numpy as np
import pytest

from digitflow.data.tables.frames import identify_rows, to_records
from digitflow.errors import InputError
from digitflow.predict import rows as module
from digitflow.predict.predictions import Unread
from digitflow.predict.predictor import Predictor
from digitflow.predict.rows import RowPredictor, list_table_row

PRICE = "median_house_value"


@pytest.fixture
def predictor(store, crown_table):
    crown_table()
    return RowPredictor.load(store, "housing")


@pytest.fixture
def features(districts):
    return districts.drop(columns=PRICE).head(5)


def test_a_row_has_the_pipelines_value_and_its_interval(predictor, features, fitted_districts):
    found = predictor.predict(features)
    records, _, to_price, _ = fitted_districts
    np.testing.assert_allclose(
        [row.value for row in found], to_price.predict(records[:5]), rtol=1e-12
    )
    half = predictor.champion.bundle.intervals.mean_width / 2
    for place, row in enumerate(found):
        assert row.index == place
        assert row.unit == "USD"
        assert row.target == PRICE
        assert row.interval[0] < row.value < row.interval[1]
    assert half > 0
    assert [row.row for row in found] == identify_rows(records[:5]).astype(str).tolist()


def test_rows_are_predicted_alike_in_whatever_form_they_come(
    predictor, features, tmp_path, monkeypatch
):
    columns = predictor.table.columns
    expected = [(row.row, row.value) for row in predictor.predict(features)]
    file = tmp_path / "districts"
    features.to_csv(f"{file}.csv", index=False)
    features.to_parquet(f"{file}.parquet")
    features.to_json(f"{file}.jsonl", orient="records", lines=True, double_precision=15)
    sent = io.BytesIO((tmp_path / "districts.parquet").read_bytes())
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=sent, isatty=lambda: False))
    for rows in (
        features.to_dict("records"),
        to_records(features, columns),
        tmp_path / "districts.csv",
        f"{file}.parquet",
        f"{file}.jsonl",
        "-",
    ):
        assert [(row.row, row.value) for row in predictor.predict(rows)] == expected
    (one,) = predictor.predict(features.iloc[0].to_dict())
    assert (one.row, one.value) == expected[0]


@pytest.mark.parametrize("start", [b"a,b\n1,2\n", b'{"a": 1}\n'])
def test_standard_input_is_what_its_content_looks_like(start, monkeypatch):
    monkeypatch.setattr(
        sys, "stdin", SimpleNamespace(buffer=io.BytesIO(start), isatty=lambda: False)
    )
    assert module.read_frame(module.Path("-")).columns[0] == "a"


def test_each_bad_row_says_what_is_wrong_and_the_others_are_predicted(predictor, features):
    frame = features.astype(object)
    frame.loc[0, "ocean_proximity"] = "MARS"
    frame.loc[1, "median_income"] = "a lot"
    frame.loc[3, "latitude"] = 90
    frame.loc[3, "longitude"] = None
    found = predictor.predict(frame)
    good = predictor.predict(features)
    assert [isinstance(row, Unread) for row in found] == [True, True, False, True, False]
    assert found[2] == good[2]
    assert found[4] == good[4]
    assert [row.index for row in found] == list(range(5))
    assert found[0].error.startswith("row 0: ocean_proximity must be one of <1H OCEAN, INLAND")
    assert found[0].error.endswith("got 'MARS'")
    assert found[1].error == (
        "row 1: median_income must be a number from 0 up to 20, got 'a lot'"
    )
    assert (
        "longitude must be a number from -125 up to -114, the cell is empty" in found[3].error
    )
    assert "latitude must be a number from 32 up to 43, got '90'" in found[3].error


def test_cells_that_may_be_missing_are(predictor, features):
    gaps = features.drop(index=features.index)
    gaps.loc[0] = features.iloc[0]
    gaps["total_bedrooms"] = np.nan
    (row,) = predictor.predict(gaps)
    assert isinstance(row.value, float)


def test_a_file_without_a_column_is_an_error_and_the_next_is_predicted(
    predictor, features, tmp_path
):
    features.drop(columns="latitude").to_csv(tmp_path / "bad.csv", index=False)
    features.to_csv(tmp_path / "good.csv", index=False)
    bad, *good = predictor.read_files([tmp_path / "bad.csv", tmp_path / "good.csv"])
    assert "bad.csv: the table lacks 1 column: latitude" in bad.error
    assert len(good) == len(features)
    with pytest.raises(InputError, match="latitude"):
        predictor.predict(features.drop(columns="latitude"))


def test_batches_count_on(predictor, features, monkeypatch):
    whole = predictor.predict(features)
    monkeypatch.setattr(module, "BATCH", 2)
    assert predictor.predict(features) == whole


def test_classes_come_by_name_with_probabilities(store, crown_table, features):
    crown_table("dear", ("cheap", "dear"))
    for row in RowPredictor.load(store, "dear").predict(features):
        assert row.interval is None
        assert set(row.probabilities) == {"cheap", "dear"}
        assert row.probability == max(row.probabilities.values())
        assert row.probabilities[row.value] == row.probability
        assert sum(row.probabilities.values()) == pytest.approx(1)
        assert list_table_row(row)["value"] == row.value


@pytest.mark.parametrize("rows", [[], 3, np.zeros((2, 3)), "no/such.csv", [1, 2]])
def test_what_is_no_table_is_refused(predictor, rows):
    with pytest.raises(InputError):
        predictor.predict(rows)


def test_each_predictor_refuses_the_other_kind_of_model(store, crown_table):
    crown_table()
    with pytest.raises(InputError, match="takes rows of a table"):
        Predictor.load(store, "housing")
