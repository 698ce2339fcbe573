"""`digitflow predict` and `correct` of rows, as people type them."""

import csv
import io
import json

import pytest
from typer.testing import CliRunner

from digitflow.cli.main import app
from digitflow.feedback.predictions import read_recent


@pytest.fixture
def run(store, crown_table, monkeypatch):
    crown_table()
    monkeypatch.setenv("DIGITFLOW_ARTIFACTS", str(store.root))
    return lambda *arguments: CliRunner().invoke(app, [*map(str, arguments)])


@pytest.fixture
def file(tmp_path, districts):
    districts.drop(columns="median_house_value").head(3).to_csv(
        tmp_path / "districts.csv", index=False
    )
    return tmp_path / "districts.csv"


def test_each_row_is_a_line_with_its_value_unit_and_interval(run, file):
    result = run("predict", "--model", "housing", file)
    assert result.exit_code == 0
    head, coverage, *lines = result.output.splitlines()
    assert head == "model: housing, version 1"
    assert coverage == "in brackets: 90.00 % of true values are within"
    assert len(lines) == 3
    for place, line in enumerate(lines):
        assert line.startswith(f"{file}, row {place}: median_house_value ")
        assert " USD (" in line
        assert " to " in line


def test_a_model_of_invented_rows_says_so_before_it_predicts(run, crown_table, file):
    assert "it learnt from" not in run("predict", "--model", "housing", file).output
    crown_table("made-up", generated=True)
    head, warning, *_ = run("predict", "--model", "made-up", file).output.splitlines()
    assert head == "model: made-up, version 1"
    assert "it learnt from invented rows" in warning


def test_scripts_get_json_and_tables_of_the_same(run, file):
    rows = json.loads(run("predict", "--model", "housing", "--json", file).output)
    table = csv.DictReader(
        io.StringIO(run("predict", "--model", "housing", "--csv", file).output)
    )
    for row, line in zip(rows, table, strict=True):
        assert float(line["value"]) == row["value"]
        assert [float(line["low"]), float(line["high"])] == row["interval"]
        assert line["row"] == row["row"]
        assert line["unit"] == row["unit"] == "USD"


def test_a_bad_row_and_a_bad_file_set_the_exit_code_and_the_rest_is_predicted(run, file):
    lines = file.read_text().splitlines()
    lines[2] = lines[2].replace(lines[2].split(",")[0], "west", 1)
    file.write_text("\n".join(lines))
    result = run("predict", "--model", "housing", "--json", file, "nowhere.csv")
    assert result.exit_code == 2
    rows = json.loads(result.output)
    assert ["error" in row for row in rows] == [False, True, False, True]
    assert rows[1]["index"] == 1
    assert "longitude must be a number" in rows[1]["error"]
    assert "there is no table nowhere.csv" in rows[3]["error"]


def test_options_of_pictures_are_refused(run, file):
    result = run("predict", "--model", "housing", "--one", "--turn", "auto", file)
    assert "--one, --turn: only of pictures" in str(result.exception)


def test_predictions_are_kept_for_the_monitor_and_corrections(run, store, file):
    run("predict", "--model", "housing", "--no-log", file)
    assert read_recent(store, "housing", "1", 10).samples == ()
    rows = json.loads(run("predict", "--model", "housing", "--json", file).output)
    found = read_recent(store, "housing", "1", 10)
    assert [sample.digest for sample in found.samples] == [row["row"] for row in rows]
    assert found.predicted.tolist() == [row["value"] for row in rows]
    assert found.bounds.T.tolist() == [row["interval"] for row in rows]
    assert set(found.statuses) == {"predicted"}


def test_a_row_that_was_predicted_is_corrected_by_its_digest(run, file):
    rows = json.loads(run("predict", "--model", "housing", "--json", file).output)
    digest = rows[1]["row"]
    result = run("correct", "--model", "housing", digest[:12], "452600", "--who", "ada")
    assert f"{digest[:12]}  is 452600.0, says ada: used for" in result.output
    (listed,) = json.loads(run("corrections", "--model", "housing", "--json").output)[
        "corrections"
    ]
    assert (listed["sample"], listed["target"], listed["scope"]) == (
        digest, "452600.0", "housing",
    )  # fmt: skip
    for said, message in {"much": "must be a number", "-5": "must be a number from 0"}.items():
        wrong = run("correct", "--model", "housing", digest, "--", said)
        assert message in str(wrong.exception)
    assert "say its digest and its true value" in str(
        run("correct", "--model", "housing", digest).exception
    )
    # A picture has digits, and this is none.
    assert "name its model by --model" in str(run("correct", digest, "4").exception)


def test_a_file_with_the_true_values_corrects_its_rows(run, tmp_path, districts):
    told = districts.head(4).astype(object)
    told.loc[2, "median_house_value"] = "unknown"
    told.to_csv(tmp_path / "told.csv", index=False)
    result = run("correct", "--model", "housing", tmp_path / "told.csv")
    assert result.exit_code == 2
    assert "told.csv, row 2: median_house_value must be a number" in result.output
    assert result.output.count("is ") == 3
    found = json.loads(run("corrections", "--json").output)["corrections"]
    assert [float(row["target"]) for row in found] == [
        float(value) for value in told["median_house_value"].drop(2)
    ]
    assert "leave out '7'" in str(
        run("correct", "--model", "housing", tmp_path / "told.csv", "7").exception
    )
