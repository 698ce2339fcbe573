"""Rows of a table, asked over HTTP and on the command line."""

import json

import pytest
from typer.testing import CliRunner

from digitflow.cli.main import app
from digitflow.feedback.predictions import read_recent
from digitflow.store.artifacts import ARTIFACTS_VARIABLE, Store


@pytest.fixture(scope="module")
def housing(tmp_path_factory, crown_table_in):
    store = Store(tmp_path_factory.mktemp("housing") / "artifacts")
    crown_table_in(store)
    return store


@pytest.fixture(scope="module")
def server(housing, start_server):
    return start_server(housing.root, "--model", "housing").wait()


@pytest.fixture(scope="module")
def rows(districts):
    """Three districts as a client writes them, without their prices."""
    frame = districts.drop(columns="median_house_value").dropna().head(3)
    return json.loads(frame.to_json(orient="records"))


def write_csv(rows):
    lines = [list(rows[0]), *(list(row.values()) for row in rows)]
    return "\n".join(",".join(map(str, line)) for line in lines) + "\n"


@pytest.fixture
def predict(housing, tmp_path, monkeypatch):
    """Run `digitflow predict` on a file of this name and content."""
    monkeypatch.setenv(ARTIFACTS_VARIABLE, str(housing.root))
    monkeypatch.chdir(tmp_path)

    def run(name, content, *options):
        (tmp_path / name).write_text(content)
        arguments = ["predict", name, "--no-log", "--model", "housing", *options]
        return CliRunner().invoke(app, arguments)

    return run


def test_a_csv_is_predicted_as_the_command_line_predicts_it(server, predict, rows):
    content = write_csv(rows)
    status, found = server.post("/predict?file=d.csv", content, content_type="text/csv")
    assert status == 200
    assert found == json.loads(predict("d.csv", content, "--json").stdout)
    assert len(found) == 3
    # Of a body that doesn't say what it is, the model knows.
    assert server.post("/predict?file=d.csv", content) == (status, found)


def test_rows_come_as_json_one_or_several_or_line_by_line(server, rows):
    _, listed = server.post_json("/predict", rows)
    _, alone = server.post_json("/predict", rows[0])
    lines = "\n".join(map(json.dumps, rows))
    _, by_line = server.post("/predict", lines, content_type="application/x-ndjson")
    values = [row["value"] for row in listed]
    assert [row["value"] for row in by_line] == values
    assert alone[0]["value"] == values[0]
    assert listed[0]["interval"][0] < values[0] < listed[0]["interval"][1]


def test_a_wrong_cell_is_told_beside_the_other_rows(server, predict, rows):
    wrong = [rows[0], rows[1] | {"median_income": "much"}]
    content = write_csv(wrong)
    status, found = server.post("/predict?file=d.csv", content, content_type="text/csv")
    assert status == 200
    assert predict("d.csv", content).stderr == f"digitflow: error: {found[1]['error']}\n"


def test_where_no_row_can_be_predicted_the_request_is_refused(server, rows):
    wrong = [rows[0] | {"median_income": float("nan"), "latitude": 700}]
    status, found = server.post_json("/predict", wrong)
    assert status == 422
    assert found["error"].startswith("row 0: ")


def test_a_lacking_column_is_refused_in_the_same_words(server, predict, rows):
    lacking = [{k: v for k, v in rows[0].items() if k != "latitude"}]
    content = write_csv(lacking)
    status, found = server.post("/predict?file=d.csv", content, content_type="text/csv")
    assert status == 400
    assert predict("d.csv", content).stderr.endswith(f"{found['error']}\n")


def test_a_picture_is_refused_in_the_same_words(server, png, unseen, predict):
    status, found = server.post("/predict", png(unseen[0][0]), content_type="image/png")
    said = "housing takes rows of a table, no pictures of digits"
    assert (status, found["error"]) == (400, said)
    status, found = server.post("/predict?one=true", "a\n1\n", content_type="text/csv")
    assert status == 400
    printed = predict("a.csv", "a\n1\n", "--one")
    assert str(printed.exception) == f"--{found['error']}"


@pytest.mark.parametrize(
    ("body", "code"),
    [(b"\x1f\x8b\x08", 415), (b"PAR1", 415), (b"[1, 2]", 400), (b"[]", 400), (b"{", 400)],
)
def test_what_is_no_table_is_refused(server, body, code):
    status, found = server.post("/predict", body, content_type="application/json")
    assert (status, bool(found["error"])) == (code, True)


@pytest.mark.parametrize(
    "form", ["dataframe_split", "dataframe_records", "instances", "inputs"]
)
def test_mlflows_forms_are_understood(server, rows, form):
    given = {
        "dataframe_split": {
            "columns": list(rows[0]),
            "data": [[*row.values()] for row in rows],
        },
        "dataframe_records": rows,
        "instances": rows,
        "inputs": {name: [row[name] for row in rows] for name in rows[0]},
    }
    _, expected = server.post_json("/predict", rows)
    status, found = server.post_json("/invocations", {form: given[form]})
    assert (status, found) == (200, {"predictions": [row["value"] for row in expected]})


def test_rows_are_kept_for_the_monitor(server, housing, rows):
    before = server.count("digitflow_predictions_kept_total")
    server.post_json("/predict", rows[:1])
    server.wait_until(lambda _: server.count("digitflow_predictions_kept_total") > before)
    assert read_recent(housing, "housing", "1", 1).samples
