"""Every route, asked over HTTP, and every reason not to answer, in the command line's words."""

import http.client
import json
import re
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from prometheus_client.parser import text_string_to_metric_families
from typer.testing import CliRunner

from digitflow.cli.main import app
from digitflow.errors import InputError
from digitflow.feedback.predictions import read_recent
from digitflow.predict.predictor import Predictor
from digitflow.predict.rows import require_table
from digitflow.registry.history import find_champion
from digitflow.store.artifacts import ARTIFACTS_VARIABLE

CONCURRENT = 50
BOUNDARY = "a-boundary"


@pytest.fixture
def predict(served_store, tmp_path, monkeypatch):
    """Run `digitflow predict` on a file of this name and content; return what it prints."""
    monkeypatch.setenv(ARTIFACTS_VARIABLE, str(served_store.root))
    monkeypatch.chdir(tmp_path)

    def run(name, content, *options):
        (tmp_path / name).write_bytes(content)
        return CliRunner().invoke(app, ["predict", name, "--no-log", *options])

    return run


@pytest.fixture(scope="module")
def drawn(unseen, png):
    """A digit as people draw it, ten times as large, dark on white."""
    return png(255 - np.kron(unseen[0][0], np.ones((10, 10), np.uint8)))


def write_form(files):
    parts = [
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n'
        "Content-Type: image/png\r\n\r\n".encode()
        + content
        for name, content in files.items()
    ]
    return b"\r\n".join([*parts, f"--{BOUNDARY}--\r\n".encode()])


FORM = f"multipart/form-data; boundary={BOUNDARY}"


def test_a_picture_is_read_as_the_command_line_reads_it(server, predict, drawn, unseen):
    status, found = server.post("/predict?file=page.png", drawn, content_type="image/png")
    assert status == 200
    assert found == json.loads(predict("page.png", drawn, "--json").stdout)
    assert found[0]["digit"] == unseen[1][0]


def test_options_are_those_of_the_command_line(server, predict, drawn):
    _, found = server.post("/predict?file=page.png&one=true&turn=auto", drawn)
    printed = predict("page.png", drawn, "--one", "--turn", "auto", "--json")
    assert found == json.loads(printed.stdout)
    assert found[0]["box"] is None


@pytest.mark.parametrize(
    ("name", "content"),
    [("blank.png", None), ("text.png", b"no picture"), ("empty.png", b"")],
)
def test_what_can_not_be_read_is_refused_in_the_same_words(server, predict, png, name, content):
    content = png(np.full((90, 90), 255, np.uint8)) if content is None else content
    status, found = server.post(f"/predict?file={name}", content)
    assert status == 422
    assert predict(name, content).stderr == f"digitflow: error: {found['error']}\n"
    assert found["message"] == found["error"]


def test_a_body_without_a_name_is_called_one(server):
    assert server.post("/predict", b"no picture")[1]["error"].startswith("the request's body")


def test_a_form_may_hold_several_pictures(server, png, unseen):
    pytest.importorskip("python_multipart")
    files = {f"{n}.png": png(unseen[0][n]) for n in range(3)} | {"bad.png": b"bad"}
    status, found = server.post("/predict", write_form(files), content_type=FORM)
    assert status == 200
    assert [row["file"] for row in found] == list(files)
    assert [row.get("digit") for row in found] == [*unseen[1][:3], None]
    assert found[3]["error"].startswith("bad.png")


def test_a_form_without_a_file_is_refused(server):
    pytest.importorskip("python_multipart")
    status, found = server.post("/predict", write_form({}), content_type=FORM)
    assert (status, found["error"]) == (400, "the form has no file: curl -F file=@FILE")


def test_a_model_of_digits_takes_no_rows(server, served_store):
    status, found = server.post_json("/predict", [{"median_income": 3.5}])
    with pytest.raises(InputError) as error:
        require_table(find_champion(served_store))
    assert (status, found["error"]) == (400, str(error.value))


@pytest.fixture(scope="module")
def asked(unseen):
    """Two pictures in each of MLflow's forms."""
    pixels = unseen[0][:2].reshape(2, -1).tolist()
    columns = [f"p{n}" for n in range(784)]
    records = [dict(zip(columns, row, strict=True)) for row in pixels]
    return {
        "instances": unseen[0][:2].tolist(),
        "inputs": pixels,
        "dataframe_split": {"columns": columns, "data": pixels},
        "dataframe_records": records,
    }


@pytest.mark.parametrize(
    "form", ["instances", "inputs", "dataframe_split", "dataframe_records"]
)
def test_mlflows_forms_are_understood(server, asked, unseen, form):
    status, found = server.post_json("/invocations", {form: asked[form], "params": None})
    assert (status, found) == (200, {"predictions": unseen[1][:2]})


def test_a_csv_is_understood(server, asked, unseen):
    split = asked["dataframe_split"]
    lines = [split["columns"], *split["data"]]
    csv = "\n".join(",".join(map(str, line)) for line in lines)
    status, found = server.post("/invocations", csv, content_type="text/csv; charset=utf-8")
    assert (status, found) == (200, {"predictions": unseen[1][:2]})


def test_nan_is_refused_in_the_same_words(server, served_store, unseen):
    pixels = unseen[0][:2].astype(float)
    pixels[1, 3, 4] = np.nan
    status, found = server.post_json("/invocations", {"instances": pixels.tolist()})
    refused = Predictor.load(served_store).predict(pixels)[1]
    assert (status, found["error"]) == (422, refused.error)


def test_a_text_names_no_file_of_the_server(server, tmp_path, png, unseen):
    (tmp_path / "secret.png").write_bytes(png(unseen[0][0]))
    for given in ([str(tmp_path / "secret.png")], [[str(tmp_path / "secret.png")]]):
        status, found = server.post_json("/invocations", {"instances": given})
        assert (status, found["error"].partition(",")[0]) == (400, "pictures are numbers")


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("{", "no JSON"),
        ("[1]", "exactly one of dataframe_split"),
        ('{"instances": [], "inputs": []}', "exactly one of dataframe_split"),
        ('{"dataframe_split": [1]}', "lists columns and data"),
        ('{"dataframe_split": {"columns": ["a"], "data": [[1, 2]]}}', "do not fit"),
        ('{"dataframe_records": 3}', "a list of objects"),
        ('{"inputs": {"a": [1], "b": [1, 2]}}', "not of one length"),
        ('{"instances": [[1, 2], [3]]}', "different sizes"),
        ('{"instances": [{"a": "x"}]}', "no numbers"),
        ('{"instances": 3}', "a list of objects"),
        ('{"inputs": "a.png"}', "pictures are numbers"),
        ("[" * 100_000, "no JSON"),
        ('{"dataframe_split": {"columns": ["a", "b"], "data": [[100, 200]]}}', "784"),
    ],
)
def test_what_is_no_form_of_mlflows_is_refused(server, body, said):
    status, found = server.post("/invocations", body, content_type="application/json")
    assert status == 400
    assert said in found["error"]
    assert found["error_code"] == "BAD_REQUEST"


def test_what_is_of_another_kind_is_refused(server, png, unseen):
    body = png(unseen[0][0])
    status, found = server.post("/invocations", body, content_type="image/png")
    assert (status, "image/png" in found["error"]) == (415, True)
    status, found = server.post("/predict?turn=left", body)
    assert (status, "turn" in found["error"]) == (400, True)
    status, found = server.ask("GET", "/nothing")
    assert (status, "/docs" in found["error"]) == (404, True)
    assert server.ask("GET", "/predict")[0] == 405


def test_another_sites_page_may_not_ask(server, png, unseen):
    headers = {"sec_fetch_site": "cross-site"}
    assert server.post("/predict", png(unseen[0][0]), **headers)[0] == 403


def test_it_says_that_it_is_alive_and_who_answers(server):
    assert server.ask("GET", "/health") == (200, {"status": "alive"})
    assert server.ask("GET", "/ready") == (200, {"model": "digits-sample", "version": "1"})
    assert server.ask("HEAD", "/health")[0] == 200


def test_the_page_of_the_routes_loads_nothing_from_afar(server, parse_page):
    status, html = server.ask("GET", "/docs")
    page = parse_page(html)
    assert status == 200
    assert [tag["href"] for tag in page.find("a")] == ["openapi.json"]
    assert not page.find("script") + page.find("link") + page.find("img")
    assert not re.search(r"url\(|@import|https?://", html)
    _, described = server.ask("GET", "/openapi.json")
    assert all(f"{path}" in page.text for path in described["paths"])
    assert {"/predict", "/invocations", "/health", "/ready", "/metrics"} == set(
        described["paths"]
    )


def test_fifty_ask_at_once_and_each_gets_its_own_answer(server, png, unseen):
    def ask(number):
        file = f"{number}.png"
        status, found = server.post(f"/predict?file={file}", png(unseen[0][number]))
        return status, found[0]["file"], found[0]["digit"]

    with ThreadPoolExecutor(CONCURRENT) as pool:
        answers = list(pool.map(ask, range(CONCURRENT)))
    assert answers == [(200, f"{n}.png", unseen[1][n]) for n in range(CONCURRENT)]


def test_one_connection_asks_again_and_again_also_after_a_refusal(server, png, unseen):
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
    statuses = []
    for body in (png(unseen[0][0]), b"bad", png(unseen[0][1])):
        connection.request("POST", "/predict", body)
        answer = connection.getresponse()
        answer.read()
        statuses.append(answer.status)
    connection.close()
    assert statuses == [200, 422, 200]


def test_what_was_predicted_is_kept_for_the_monitor(server, served_store, png, unseen):
    before = server.count("digitflow_predictions_kept_total")
    _, found = server.post("/predict?file=kept.png", png(unseen[0][7]))
    server.wait_until(lambda _: server.count("digitflow_predictions_kept_total") > before)
    kept = read_recent(served_store, "digits-sample", "1", 1)
    assert kept.samples[0].digest == found[0]["picture"]
    assert kept.predicted.tolist() == [unseen[1][7]]


def test_its_metrics_are_prometheuss(server, png, unseen):
    server.post("/predict", png(unseen[0][0]))
    status, text = server.ask("GET", "/metrics")
    families = {each.name: each for each in text_string_to_metric_families(text)}
    assert status == 200
    (champion,) = families["digitflow_champion_info"].samples
    assert champion.labels == {"model": "digits-sample", "version": "1"}
    counted = {
        tuple(sample.labels.values()): sample.value
        for sample in families["digitflow_requests"].samples
        if sample.name.endswith("_total")
    }
    asked = sum(value for labels, value in counted.items() if "/predict" in labels)
    seconds = families["digitflow_request_seconds"].samples
    (observed,) = [
        each.value
        for each in seconds
        if each.name.endswith("_count") and each.labels["route"] == "/predict"
    ]
    assert asked == observed > 0
    assert families["digitflow_requests_in_flight"].samples[0].value == 1
    assert families["digitflow_batch_requests"].samples
