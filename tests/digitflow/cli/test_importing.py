"""`digitflow import` as one types it."""

import json

import cv2
import numpy as np
import pytest
from typer.testing import CliRunner

from digitflow.cli.main import app
from digitflow.cli.understood import draw_digits
from digitflow.config.reading import load_config
from digitflow.errors import InputError


@pytest.fixture
def run():
    def invoke(*words, code=0):
        result = CliRunner().invoke(app, ["import", *map(str, words)])
        if isinstance(result.exception, InputError):
            raise result.exception
        assert result.exit_code == code, result.output
        return result.output

    return invoke


@pytest.fixture
def emnist(tmp_path, handwriting):
    """A file whose rows and columns are exchanged."""
    file = tmp_path / "emnist.npz"
    exchanged = handwriting.images[:400].transpose(0, 2, 1)
    np.savez(file, x_train=exchanged, y_train=handwriting.labels[:400])
    return file


def test_it_shows_what_it_understands_and_writes_what_train_reads(run, emnist, tmp_path):
    config, picture = tmp_path / "mine.yaml", tmp_path / "mine.png"
    said = run(emnist, "--write", config, "--picture", picture)
    assert "400 train" in said
    assert "upright, after rows and columns were exchanged" in said
    assert "transpose: true" in said
    assert f"Next: digitflow train --config {config}" in said
    assert load_config(config).source.transpose is True
    drawn = cv2.imread(str(picture), cv2.IMREAD_GRAYSCALE)
    assert min(drawn.shape) > 300
    assert 0.02 < (drawn < 128).mean() < 0.3
    with pytest.raises(InputError, match="has a source already"):
        run(emnist, "--write", config)
    run(emnist, "--write", config, "--replace")


def test_what_would_stop_a_run_is_said_and_no_training_is_offered(run, handwriting, tmp_path):
    file, config = tmp_path / "twice.npz", tmp_path / "mine.yaml"
    twice = np.repeat(np.arange(100), 2)
    np.savez(file, x=handwriting.images[twice], y=handwriting.labels[twice])
    said = run(file, "--write", config)
    assert "100 duplicate" in said
    assert "A run would stop: " in said
    assert f"Written into {config}." in said
    assert "Next:" not in said


def test_scripts_get_the_same_as_json(run, emnist):
    found = json.loads(run(emnist, "--json"))
    assert found["source"] == {"kind": "arrays", "file": str(emnist), "transpose": True}
    assert sum(found["splits"]["train"]["digits"]) == 400
    assert found["way"] == "upright"
    assert found["stops"] is None


def test_a_picture_of_another_kind_is_refused_before_anything_is_read(run, tmp_path):
    with pytest.raises(InputError, match=r"ends in \.png, got"):
        run(tmp_path / "gone", "--picture", "a.jpg")


@pytest.mark.parametrize(
    ("encoding", "letters"),
    [("utf-8", "⠀⣿"), ("ascii", " @"), ("latin-1", " @"), ("odd", " @")],
)
def test_digits_are_drawn_in_letters_that_the_terminal_has(encoding, letters):
    image = np.zeros((28, 28), np.uint8)
    image[4:, 2:14] = 255
    lines = draw_digits(np.stack([image] * 6), encoding)
    blank, full = letters
    drawn = blank + full * 6 + blank * 7
    assert lines[1].startswith(drawn + " " + drawn)
    assert len(lines) == 14
    assert set("".join(lines)) <= {blank, full, " "}


def test_dots_stand_where_the_ink_is():
    image = np.zeros((28, 28), np.uint8)
    image[0, 0], image[3, 1], image[27, 27] = 255, 255, 255
    lines = draw_digits(image[np.newaxis], "utf-8")
    assert lines[0][0] == "⢁"
    assert lines[-1][-1] == "⢀"
