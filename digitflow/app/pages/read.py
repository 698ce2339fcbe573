"""Read: draw a digit, upload or photograph one, and see what the champion makes of it."""

from typing import Any

import numpy as np
import streamlit as st

from digitflow.app.resources import load_predictor, mending, open_project_store
from digitflow.app.widgets import enlarge, to_markdown
from digitflow.errors import InputError
from digitflow.predict.predictions import Prediction, Reading
from digitflow.predict.predictor import Predictor

SIDE = 320
PEN = 22


def show() -> None:
    """Show the page."""
    st.title("Read")
    with mending():
        predictor = load_predictor(open_project_store())
        _draw_and_read(predictor)


@st.fragment
def _draw_and_read(predictor: Predictor) -> None:
    from streamlit_drawable_canvas import st_canvas

    drawing, outcome = st.columns(2)
    with drawing:
        drawn = st_canvas(
            stroke_width=PEN,
            stroke_color="#000000",
            background_color="#ffffff",
            height=SIDE,
            width=SIDE,
            return_image_data=True,
            key="drawing",
        )
    with outcome, mending():
        reading = read_drawing(predictor, drawn.image_data)
        if reading is None:
            st.markdown("Draw a digit.")
        else:
            _show_reading(reading)


def read_drawing(predictor: Predictor, pixels: Any) -> Reading | None:
    """Return what is read in a canvas's pixels; None while nothing is drawn."""
    if pixels is None or not np.ptp(pixels):
        return None
    try:
        return predictor.read_one(pixels)
    except InputError:
        return None


def _show_reading(reading: Reading) -> None:
    digit = reading[0]
    if isinstance(digit, Prediction) and reading.frames is not None:
        st.markdown(f"## {digit.digit}")
        st.markdown(to_markdown("; ".join((digit.status, *digit.reasons))))
        st.image(enlarge(reading.frames[0]), caption="What the model sees")
