"""`digitflow correct` and `digitflow corrections`, as people type them."""

import json

import cv2
import numpy as np
import pytest
from typer.testing import CliRunner

from digitflow.cli.main import app
from digitflow.config.data import BuiltinSource
from digitflow.data.sources import builtin


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.setenv("DIGITFLOW_ARTIFACTS", str(tmp_path / "artifacts"))
    monkeypatch.delenv("DIGITFLOW_DATABASE_URL", raising=False)
    return lambda *arguments: CliRunner().invoke(app, [str(each) for each in arguments])


@pytest.fixture
def page(tmp_path):
    """A picture with the digits 0 to 3 in a line, dark on white."""
    images = builtin.load(BuiltinSource()).train.images[:4]
    line = np.hstack(
        [np.pad(np.kron(image, np.ones((3, 3), np.uint8)), 20) for image in images]
    )
    cv2.imwrite(str(tmp_path / "page.png"), 255 - line)
    return tmp_path / "page.png"


def test_the_digits_of_a_page_are_said_in_reading_order(run, page):
    result = run("correct", page, "0 123", "--who", "ada", "--json")
    assert result.exit_code == 0, result.output
    kept = json.loads(result.output)
    assert [row["digit"] for row in kept] == [0, 1, 2, 3]
    assert {row["who"] for row in kept} == {"ada"}
    assert {row["role"] for row in kept} <= {"training", "gate"}
    listed = run("corrections")
    assert "4 corrections; 0 pictures held back" in listed.output


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
    result = run("correct", kept[2]["picture"][:12], "8", "--who", "bob")
    assert "is a 8, says bob" in result.output
    listed = run("corrections")
    assert "held back: people disagree" in listed.output
    assert "5 corrections; 1 pictures held back" in listed.output


def test_a_picture_that_is_nowhere_is_bad_input(run):
    assert "hexadecimal digits" in str(run("correct", "nowhere.png", "7").exception)
    assert "no picture begins" in str(run("correct", "abcdef", "7").exception)
