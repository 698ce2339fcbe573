"""Read and Overview, without a browser: what is offered, said, kept and taken back."""

import numpy as np
import pytest

from digitflow.app.asking import DRAWN, SAMPLE, SIDE, UPLOADED, Picture, is_blank
from digitflow.app.pages.read import read_picture
from digitflow.errors import InputError
from digitflow.predict.predictor import Predictor

LABEL = "label-{}"


def find_button(page, key):
    return next(button for button in page.button if button.key == key)


def test_a_sample_is_read_and_its_label_said(trained, open_page, read_words):
    page = open_page("read", source=SAMPLE, sample=7)
    assert "# 7" in read_words(page)
    # Nobody corrects what has a label already.
    assert find_button(page, LABEL.format(4)).disabled


def test_both_versions_are_compared_on_what_one_of_them_sees(trained, open_page, read_words):
    page = open_page("read", source=SAMPLE, sample=1)
    page.selectbox[-1].select("1").run()
    assert not page.exception
    assert "Version 1 reads" in read_words(page)


def test_without_a_champion_the_page_says_what_makes_one(untrained, read_words):
    testing = pytest.importorskip("streamlit.testing.v1")

    def run():
        from digitflow.app.main import open_page

        open_page("read")()

    page = testing.AppTest.from_function(run, default_timeout=60).run()
    assert not page.exception
    assert "make run" in read_words(page)


def test_everything_is_on_one_page(trained, open_page, read_words):
    page = open_page("overview")
    words = read_words(page)
    for heading in ("Ten samples", "Confusion matrix", "Classification report"):
        assert heading in words
    for heading in ("Class distribution", "Dimensions of the data", "Normalised values"):
        assert heading in words
    assert "Draw a digit" in words
    assert page.metric[0].label == "Test accuracy"
    assert page.metric[0].value.endswith("%")


def test_a_canvas_is_blank_until_something_is_drawn():
    pixels = np.full((SIDE, SIDE, 4), 255, np.uint8)
    assert is_blank(pixels)
    pixels[5, 5, :3] = 0
    assert not is_blank(pixels)


def test_a_drawing_and_a_file_with_the_same_pixels_are_read_alike(trained, handwriting):
    import cv2

    frame = handwriting.images[handwriting.labels == 6][0]
    gray = 255 - cv2.resize(frame, (SIDE, SIDE), interpolation=cv2.INTER_CUBIC)
    predictor = Predictor.load(trained)
    canvas = np.dstack([gray, gray, gray, np.full_like(gray, 255)])
    drawn = read_picture(predictor, Picture(DRAWN, canvas, "the drawing"), one=True)
    content = cv2.imencode(".png", gray)[1].tobytes()
    uploaded = read_picture(predictor, Picture(UPLOADED, content, "a.png"), one=True)
    assert drawn[0].digit == uploaded[0].digit == 6
    np.testing.assert_array_equal(drawn.frames, uploaded.frames)


def test_what_is_no_picture_is_an_error_that_names_the_file(trained):
    with pytest.raises(InputError, match=r"claims\.png"):
        read_picture(
            Predictor.load(trained), Picture(UPLOADED, b"<b>no</b>", "claims.png"), one=True
        )
