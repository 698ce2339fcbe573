"""The page Review: a key labels, skips or takes back, and the database says the same."""

import sqlite3
from contextlib import closing

import numpy as np
import pytest

from digitflow.feedback.corrections import choose_role, list_corrections
from digitflow.feedback.learning import count_new
from digitflow.feedback.predictions import PredictionLog
from digitflow.feedback.tables import FILE, name_images
from digitflow.images.frame import digest_image
from digitflow.store.databases import PATIENCE_VARIABLE

MODEL = "digits-sample"
# From the least known to the best known.
SHARES = (0.3, 0.5, 0.6, 0.7, 0.8)


@pytest.fixture
def asked(trained, handwriting):
    """Five pictures that the champion was unsure of: their digests in the queue's order."""
    images = handwriting.images[: len(SHARES)]
    rows = np.stack([np.r_[share, np.full(9, (1 - share) / 9)] for share in SHARES])
    with PredictionLog(trained) as log:
        log.add(
            name_images(images), rows, ["unsure"] * len(images), MODEL, "2", "<b>scan</b>.png"
        )
    return [digest_image(image) for image in images]


def press(page, key):
    """Press the button whose key begins so; there is one."""
    (button,) = [each for each in page.button if each.key and each.key.startswith(f"{key}-")]
    button.click().run()
    assert not page.exception
    return page


def name_asked(page):
    """Return the digest of the picture that is asked about."""
    (button,) = [each for each in page.button if each.key and each.key.startswith("skip-")]
    return button.key.removeprefix("skip-")


def test_a_key_labels_the_picture_and_the_next_one_is_asked(trained, asked, open_page):
    page = open_page("review")
    for place, digit in enumerate((7, 0, 9, 1, 3)):
        assert name_asked(page) == asked[place]
        press(page, f"digit-{digit}")
    found = list_corrections(trained)
    assert [row.sample for row in found] == asked
    assert "".join(row.target for row in found) == "70913"
    assert name_asked(page) == "none"


def test_every_answer_has_its_key(trained, asked, open_page):
    shortcuts = {button.label: button.proto.shortcut for button in open_page("review").button}
    keys = {str(digit): str(digit) for digit in range(10)}
    assert shortcuts == keys | {"Skip": "s", "Undo": "u"}


def test_undo_takes_back_labels_and_skips_one_by_one(trained, asked, open_page):
    page = open_page("review")
    press(press(page, "digit-5"), "skip")
    assert name_asked(page) == asked[2]
    press(page, "undo")
    assert name_asked(page) == asked[1]
    press(page, "undo")
    assert name_asked(page) == asked[0]
    assert list_corrections(trained) == []
    assert [each.disabled for each in page.button if each.label == "Undo"] == [True]


def test_what_a_label_is_for_and_how_many_are_missing_is_said(
    trained, asked, open_page, read_words
):
    page = open_page("review")
    for picture in asked:
        word = "learnt from" if choose_role(picture) == "training" else "judge"
        assert f"**{word}**" in read_words(page)
        press(page, "digit-4")
    new, _ = count_new(trained, MODEL)
    assert f"{new} of 30 new labels" in page.get("progress")[0].proto.text
    assert f"{30 - new} are missing" in page.get("progress")[0].proto.text


def test_a_label_that_cannot_be_kept_is_said_and_asked_again(
    trained, asked, open_page, read_words, monkeypatch
):
    monkeypatch.setenv(PATIENCE_VARIABLE, "0.1")
    page = open_page("review")
    with closing(sqlite3.connect(trained.root / FILE, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        press(page, "digit-4")
        assert "locked" in read_words(page)
        assert name_asked(page) == asked[0]
        other.execute("ROLLBACK")
    press(page, "digit-4")
    assert "locked" not in read_words(page)
    assert [row.sample for row in list_corrections(trained)] == asked[:1]


def test_what_somebody_else_labelled_meanwhile_is_asked_no_more(trained, asked, open_page):
    first, second = open_page("review"), open_page("review")
    press(first, "digit-4")
    second.run()
    assert name_asked(second) == asked[1]


def test_a_files_name_is_shown_as_it_is(trained, asked, open_page):
    words = [each.value for each in open_page("review").caption]
    assert any("\\<b\\>scan" in word for word in words)


def test_without_a_prediction_it_says_what_to_do(trained, open_page, read_words):
    page = open_page("review")
    assert "digitflow predict" in read_words(page)
    assert all(each.disabled for each in page.button if each.label != "Look again")
