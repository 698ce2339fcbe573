import json
from pathlib import Path
from types import SimpleNamespace

import pytest
from typer.testing import CliRunner

from digitflow.cli.main import app
from digitflow.cli.pictures import MOST_REASONS, describe_file
from digitflow.predict.predictions import Prediction, Unread
from digitflow.predict.predictor import Predictor


def make_digit(digit, status="read", line=0, reasons=("why",), box=(10, 20, 30, 40)):
    return Prediction(
        picture="0" * 64,
        file="page.png",
        box=box,
        line=line,
        digit=digit,
        probability=0.9,
        runners_up=((1, 0.06), (2, 0.03), (3, 0.01)),
        status=status,
        reasons=() if status == "read" else reasons,
        model="digits",
        version="7",
    )


def test_a_single_digit_is_one_line():
    (line,) = describe_file([make_digit(4)])
    assert line == "page.png: 4 (90.00%; then 1 6.00%, 2 3.00%, 3 1.00%)"


def test_a_doubtful_one_says_why():
    (line,) = describe_file([make_digit(4, "unsure", reasons=("it is pale", "it is odd"))])
    assert line.endswith("1.00%) unsure: it is pale; it is odd")


def test_a_page_is_shown_line_by_line_with_its_doubts():
    page = [make_digit(4), make_digit(2, "unsure"), make_digit(8, "not a digit", line=1)]
    head, *lines, first, second = describe_file(page)
    assert head == "page.png: 3 digits on 2 lines (? unsure, # not a digit)"
    assert lines == ["  4 2?", "  #"]
    assert first.startswith("  line 1, digit 2 (30 x 40 at 10, 20): 2 (90.00%")
    assert second.startswith("  line 2, digit 1 (30 x 40 at 10, 20): 8 (90.00%")


def test_many_doubts_are_counted():
    *_, last = describe_file([make_digit(4, "unsure")] * (MOST_REASONS + 3))
    assert last == "  and 3 more unsure ones; --json shows all"


@pytest.fixture
def run(monkeypatch):
    """Run `digitflow predict` with a predictor that reads 4 and 2 in any file but bad.png."""

    def read_file(file, one):
        if file.name == "bad.png":
            return [Unread(file=str(file), error=f"{file} is no picture")]
        return [make_digit(4)] if one else [make_digit(4), make_digit(2)]

    champion = SimpleNamespace(name="digits", version="7")
    predictor = SimpleNamespace(champion=champion, read_file=read_file)
    monkeypatch.setattr(Predictor, "load", lambda store, model, log=None: predictor)
    return lambda *arguments: CliRunner().invoke(app, ["predict", *arguments])


def test_the_model_is_named_once_and_each_file_is_read(run):
    result = run("page.png", "page.png")
    assert result.exit_code == 0
    assert result.output.count("model: digits, version 7") == 1
    assert result.output.count("page.png: 2 digits on 1 line") == 2


def test_one_digit_is_read_where_one_is_said(run):
    assert "page.png: 4 (90.00%" in run("--one", "page.png").output


def test_a_bad_file_sets_the_exit_code_and_the_others_are_read(run):
    result = run("bad.png", "page.png", "--json")
    assert result.exit_code == 2
    bad, *digits = json.loads(result.output)
    assert bad == {"file": "bad.png", "error": "bad.png is no picture"}
    assert [digit["digit"] for digit in digits] == [4, 2]
    assert digits[0]["box"] == [10, 20, 30, 40]
    assert "error: bad.png is no picture" in run("bad.png").output


def test_the_dash_reaches_the_predictor_as_a_file(run, monkeypatch):
    seen = []
    predictor = Predictor.load(None, None)
    monkeypatch.setattr(
        predictor, "read_file", lambda file, one: seen.append(file) or [make_digit(1)]
    )
    assert run("-").exit_code == 0
    assert seen == [Path("-")]
