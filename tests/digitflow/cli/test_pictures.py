"""`digitflow predict`, `correct` and `corrections`, as people type them."""

import csv
import io
import json
import sys
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
from typer.testing import CliRunner

from digitflow.cli.main import app
from digitflow.cli.pictures import MOST_REASONS, describe_file
from digitflow.cli.results import MANY, Progress
from digitflow.images.pages import PassedOver
from digitflow.predict.predictions import Prediction, Reading, Unread
from digitflow.predict.predictor import Predictor
from digitflow.registry import history


def make_digit(digit, status="read", line=0, reasons=("why",), box=(10, 20, 30, 40), page=None):
    return Prediction(
        picture="0" * 64,
        file="page.png" if page is None else "two.pdf",
        box=box,
        line=line,
        digit=digit,
        probability=0.9,
        runners_up=((1, 0.06), (2, 0.03), (3, 0.01)),
        status=status,
        reasons=() if status == "read" else reasons,
        model="digits",
        version="7",
        page=page,
    )


PASSED = [
    PassedOver((0, 70, 90, 2), "line"),
    PassedOver((0, 75, 90, 2), "line"),
    PassedOver((5, 5, 3, 3), "too small"),
]


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
def predict(monkeypatch):
    """Run `digitflow predict` with a predictor that reads 4 and 2 in any file but bad.png."""

    def read_files(files, one, keep, turn):
        for file in files:
            if file == "bad.png":
                yield Reading([Unread(file=file, error=f"{file} is no picture")])
            elif file == "two.pdf":
                yield Reading([make_digit(4, page=1)])
                yield Reading([make_digit(2, page=2), make_digit(3, page=2)])
            elif file == "ruled.png":
                picture = np.full((80, 90), 255, np.uint8) if keep else None
                yield Reading([make_digit(4)], PASSED, picture)
            else:
                yield Reading([make_digit(4)] if one else [make_digit(4), make_digit(2)])

    bundle = SimpleNamespace(table=None)
    champion = SimpleNamespace(name="digits", version="7", bundle=bundle)
    monkeypatch.setattr(history, "find_champion", lambda store, model: champion)
    predictor = SimpleNamespace(champion=champion, read_files=read_files)
    monkeypatch.setattr(Predictor, "load", lambda store, model, log=None: predictor)
    return lambda *arguments: CliRunner().invoke(app, ["predict", *arguments])


def test_the_model_is_named_once_and_each_file_is_read(predict):
    result = predict("page.png", "page.png")
    assert result.exit_code == 0
    assert result.output.count("model: digits, version 7") == 1
    assert result.output.count("page.png: 2 digits on 1 line") == 2


def test_one_digit_is_read_where_one_is_said(predict):
    assert "page.png: 4 (90.00%" in predict("--one", "page.png").output


def test_a_bad_file_sets_the_exit_code_and_the_others_are_read(predict):
    result = predict("bad.png", "page.png", "--json")
    assert result.exit_code == 2
    bad, *digits = json.loads(result.output)
    assert bad == {"file": "bad.png", "error": "bad.png is no picture"}
    assert [digit["digit"] for digit in digits] == [4, 2]
    assert digits[0]["box"] == [10, 20, 30, 40]
    assert "error: bad.png is no picture" in predict("bad.png").output


def test_the_dash_reaches_the_predictor_as_a_file(predict, monkeypatch):
    seen = []
    predictor = Predictor.load(None, None)
    monkeypatch.setattr(
        predictor, "read_files", lambda files, one, keep, turn: [seen.extend(files)][1:]
    )
    assert predict("-").exit_code == 0
    assert seen == ["-"]


def test_a_page_is_named_only_where_a_file_has_pages(predict):
    lines = predict("two.pdf").output.splitlines()
    assert lines[1].startswith("two.pdf, page 1: 4 (90.00%")
    assert lines[2] == "two.pdf, page 2: 2 digits on 1 line"
    rows = json.loads(predict("two.pdf", "page.png", "--json").output)
    assert [row.get("page") for row in rows] == [1, 2, 2, None, None]
    assert "page" not in rows[-1]


def test_what_was_passed_over_is_said_in_every_form(predict):
    assert predict("ruled.png").output.splitlines()[-1] == (
        "  passed over 3 marks: 2 lines, 1 too small"
    )
    digit, rest = json.loads(predict("ruled.png", "--json").output)
    assert digit["digit"] == 4
    assert rest["file"] == "page.png"
    assert rest["passed_over"][2] == {"box": [5, 5, 3, 3], "reason": "too small"}
    rows = list(csv.DictReader(predict("ruled.png", "--csv").output.splitlines()))
    assert [row["status"] for row in rows] == ["read", *["passed over"] * 3]
    assert [row["reasons"] for row in rows] == ["", "line", "line", "too small"]


def test_a_picture_shows_what_was_read_and_passed_over(predict, tmp_path):
    file = tmp_path / "shown.png"
    assert predict("ruled.png", "ruled.png", "--show", str(file)).exit_code == 0
    shown = cv2.imread(str(file))
    assert shown.shape == (80, 90, 3)
    read, passed = shown[40, 10].astype(int), shown[70, 45].astype(int)
    assert read[1] > read[[0, 2]].max()  # green
    assert passed[0] > passed[1:].max()  # blue
    assert (tmp_path / "shown-2.png").exists()


def test_a_picture_that_cannot_be_written_is_bad_input(predict, tmp_path):
    result = predict("ruled.png", "--show", str(tmp_path / "nowhere" / "shown.png"))
    assert "can't be written" in str(result.exception)


def test_a_list_of_nothing_is_json_too(predict, tmp_path):
    result = predict(str(tmp_path), "--json", "--one")
    assert result.exit_code == 2
    (row,) = json.loads(result.output)
    assert "no file there that ends in .png" in row["error"]


def test_a_table_has_a_row_for_each_digit_and_each_error(predict):
    result = predict("two.pdf", "bad.png", "page.png", "--csv")
    assert result.exit_code == 2
    rows = list(csv.DictReader(result.output.splitlines()))
    assert [row["digit"] for row in rows] == ["4", "2", "3", "", "4", "2"]
    assert [row["page"] for row in rows] == ["1", "2", "2", "", "", ""]
    assert [rows[0][side] for side in ("left", "top", "width", "height")] == [
        "10",
        "20",
        "30",
        "40",
    ]
    assert rows[3]["error"] == "bad.png is no picture"
    assert rows[0]["probability"] == "0.9"


def test_two_forms_at_once_are_refused(predict):
    result = predict("page.png", "--csv", "--json")
    assert "choose one" in str(result.exception)


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_of_many_files_a_terminal_shows_how_far_it_is(monkeypatch):
    monkeypatch.setattr("sys.stderr", Terminal())
    monkeypatch.setattr("digitflow.cli.results.PROGRESS_SECONDS", 0)
    progress = Progress(MANY)
    pages = progress.clear_before([file] for file in progress.count(["a"] * MANY))
    assert sum(map(len, pages)) == MANY
    shown = sys.stderr.getvalue().split("\r\x1b[K")
    assert shown[1] == f"0 of {MANY} files"
    assert shown[-2:] == [f"{MANY - 1} of {MANY} files", ""]


@pytest.mark.parametrize("terminal", [Terminal(), io.StringIO(), None])
def test_of_few_files_or_elsewhere_nothing_is_shown(monkeypatch, terminal):
    monkeypatch.setattr("sys.stderr", terminal)
    total = MANY - 1 if isinstance(terminal, Terminal) else MANY
    assert len(list(Progress(total).count(["a"] * total))) == total
    assert terminal is None or terminal.getvalue() == ""


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.setenv("DIGITFLOW_ARTIFACTS", str(tmp_path / "artifacts"))
    monkeypatch.delenv("DIGITFLOW_DATABASE_URL", raising=False)
    return lambda *arguments: CliRunner().invoke(app, [str(each) for each in arguments])


@pytest.fixture
def page(tmp_path, handwriting):
    """A picture with the digits 0 to 3 in a line, dark on white."""
    images = handwriting.images[:4]
    line = np.hstack(
        [np.pad(np.kron(image, np.ones((3, 3), np.uint8)), 20) for image in images]
    )
    cv2.imwrite(str(tmp_path / "page.png"), 255 - line)
    return tmp_path / "page.png"


def test_the_digits_of_a_page_are_said_in_reading_order(run, page):
    result = run("correct", page, "0 123", "--who", "ada", "--json")
    assert result.exit_code == 0, result.output
    kept = json.loads(result.output)
    assert [row["target"] for row in kept] == ["0", "1", "2", "3"]
    assert {row["who"] for row in kept} == {"ada"}
    assert {row["role"] for row in kept} <= {"training", "gate"}
    listed = run("corrections")
    assert "4 corrections; 0 held back" in listed.output


def test_another_number_of_digits_is_bad_input_and_keeps_nothing(run, page):
    result = run("correct", page, "012")
    assert result.exit_code != 0
    assert "shows 4 digits" in str(result.exception)
    assert "no corrections yet" in run("corrections").output


@pytest.mark.parametrize("said", ["seven", "", "1O2"])
def test_what_is_no_digit_is_bad_input(run, page, said):
    result = run("correct", page, said)
    assert "digits 0 to 9" in str(result.exception)


def test_a_picture_is_corrected_again_by_its_digest(run, page):
    kept = json.loads(run("correct", page, "0123", "--who", "ada", "--json").output)
    result = run("correct", kept[2]["sample"][:12], "8", "--who", "bob")
    assert "is 8, says bob" in result.output
    listed = run("corrections")
    assert "held back: people disagree" in listed.output
    assert "5 corrections; 1 held back" in listed.output


def test_a_picture_that_is_nowhere_is_bad_input(run):
    assert "hexadecimal digits" in str(run("correct", "nowhere.png", "7").exception)
    assert "nothing begins" in str(run("correct", "abcdef", "7").exception)
