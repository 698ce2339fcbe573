"""What several pages draw: pictures, probabilities, states, and what people's text becomes."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import streamlit as st

from digitflow.evaluation.metrics import ClassificationMetrics
from digitflow.predict.predictions import Prediction, Status
from digitflow.reports.charts import COLOURS

_SPECIAL = re.compile(r"([\\`*_{}\[\]()#+\-.!|<>~$:])")
_PLAIN = re.compile(r"[\w ,.%()/-]+")
# Streamlit's name of a colour, and a sign that says the same without it.
STATES: dict[Status, tuple[str, str]] = {
    "read": ("green", ":material/check:"),
    "unsure": ("orange", ":material/question_mark:"),
    "not a digit": ("red", ":material/close:"),
}
FRAME_SIDE = 168
_BLANK = np.zeros((28, 28), np.uint8)
# A fall of the logarithm that is drawn in full colour at least: below it nothing decided.
_LEAST_FALL = 0.05


def to_markdown(text: str) -> str:
    """Return text that Streamlit shows as it is: no link, no picture, no HTML.

    What stands between backticks is code, as in our errors.
    """
    parts = text.split("`")
    if len(parts) % 2 == 0:
        parts[-2:] = ["`".join(parts[-2:])]
    shown = [
        f"`{part}`" if place % 2 and part.strip() else _SPECIAL.sub(r"\\\1", part)
        for place, part in enumerate(parts)
    ]
    return "".join(shown).replace("\n", "  \n")


def write_label(text: str) -> str:
    """Return a control's label as `to_markdown` does, but without need for it as it is.

    Labels are read out as they are written, escapes too.
    """
    return text if _PLAIN.fullmatch(text) else to_markdown(text)


def enlarge(image: np.ndarray, side: int = FRAME_SIDE) -> np.ndarray:
    """Return a small image with each pixel as a square, dark ink on white: as reports do.

    Parameters
    ----------
    image : ndarray of shape (height, width), uint8
        Bright ink on 0.
    side : int
        Of the result, about, in pixels.
    """
    return _repeat_pixels(255 - image, side)


def _repeat_pixels(image: np.ndarray, side: int) -> np.ndarray:
    times = max(1, side // max(image.shape[:2]))
    return image.repeat(times, axis=0).repeat(times, axis=1)


def paint_importance(frame: np.ndarray, falls: np.ndarray) -> np.ndarray:
    """Colour the ink of a frame by what it adds: orange for the reading, blue against it.

    Parameters
    ----------
    frame : ndarray of shape (28, 28), uint8
    falls : ndarray of shape (28, 28), float
        As `map_occlusion` gives them.

    Returns
    -------
    ndarray of shape (168, 168, 3), uint8
    """
    blue, orange = (np.array(list(bytes.fromhex(name[1:])), float) for name in COLOURS[:2])
    share = np.clip(falls / max(np.abs(falls).max(), _LEAST_FALL), -1, 1)[..., np.newaxis]
    gray = np.full(3, 150.0)
    ink = np.where(share > 0, orange, blue) * np.abs(share) + gray * (1 - np.abs(share))
    alpha = frame[..., np.newaxis] / 255
    return _repeat_pixels((alpha * ink + (1 - alpha) * 255).astype(np.uint8), FRAME_SIDE)


def show_frame(frame: np.ndarray | None) -> None:
    """Show what the model sees, or an empty frame of the same size."""
    text = "What the model sees" if frame is not None else "Nothing to see yet"
    st.image(
        enlarge(_BLANK if frame is None else frame), caption="What the model sees", alt=text
    )


def show_state(digit: Prediction | None) -> None:
    """Show what was read and how sure that is, in places that keep their height."""
    with st.container(height=150, border=False):
        if digit is None:
            st.markdown("# –")
            st.markdown(":gray[It is read at the end of each stroke.]")
            return
        colour, icon = STATES[digit.status]
        with st.container(horizontal=True, vertical_alignment="center"):
            # What is no digit is not shown as one, however much it resembles it.
            shown = "–" if digit.status == "not a digit" else str(digit.digit)
            st.markdown(f"# {shown}", width="content")
            st.badge(f"{digit.status}, {digit.probability:.1%}", icon=icon, color=colour)  # type: ignore[arg-type]
        others = ", ".join(f"{other} ({share:.1%})" for other, share in digit.runners_up)
        first = f"Most like {digit.digit}, then" if digit.status == "not a digit" else "Then"
        st.markdown(to_markdown(f"{first} {others}."))
        if digit.reasons:
            st.markdown(
                to_markdown(f"{digit.status.capitalize()}: {'; '.join(digit.reasons)}.")
            )


def show_probabilities(shares: Mapping[str, np.ndarray | None], height: int = 290) -> None:
    """Draw the probabilities of all ten digits as bars, beside each other for each version.

    Parameters
    ----------
    shares : mapping of str to ndarray of shape (10,) or None
        By what the version is called; None draws the axes alone.
    """
    several = len(shares) > 1
    rows = [
        {
            "digit": str(digit) if several else f"{digit}: {share:.1%}",
            "version": name,
            "probability": float(share),
        }
        for name, values in shares.items()
        for digit, share in enumerate(np.zeros(10) if values is None else values)
    ]
    said = "; ".join(
        f"{name}: " + ", ".join(f"{digit} {share:.1%}" for digit, share in enumerate(values))
        for name, values in shares.items()
        if values is not None
    )
    encoding: dict[str, Any] = {
        "y": {
            "field": "digit",
            "type": "nominal",
            "title": None,
            "sort": None,
            # As wide as the widest text: nothing moves when one changes.
            "axis": {"minExtent": 62, "labelLimit": 62, "labelOverlap": False},
        },
        "x": {
            "field": "probability",
            "type": "quantitative",
            "title": None,
            "scale": {"domain": [0, 1]},
            "axis": {"format": ".0%", "values": [0, 0.25, 0.5, 0.75, 1]},
        },
        "color": {
            "field": "version",
            "type": "nominal",
            "sort": None,
            "scale": {"range": [COLOURS[5], COLOURS[1]]},
            "legend": {"orient": "top", "title": None} if several else None,
        },
        "tooltip": [
            {"field": "version", "type": "nominal"},
            {"field": "digit", "type": "nominal"},
            {"field": "probability", "type": "quantitative", "format": ".3%"},
        ],
    }
    if several:
        encoding["yOffset"] = {"field": "version", "type": "nominal", "sort": None}
    spec = {"mark": {"type": "bar"}, "encoding": encoding}
    st.vega_lite_chart(rows, spec, height=height, alt=said or "No probabilities yet")


def show_report(
    metrics: ClassificationMetrics, means: bool = False, classes: Sequence[str] = ()
) -> None:
    """Show precision, recall and F1 of each class; with `means`, a last row of their means.

    Parameters
    ----------
    classes : sequence of str
        What they are called; empty: digits.
    """
    kind, samples = ("class", "rows") if classes else ("digit", "images")
    rows = [
        {
            kind: classes[each.label] if classes else str(each.label),
            "precision": each.precision,
            "recall": each.recall,
            "F1": each.f1,
            samples: each.support,
        }
        for each in metrics.per_class
    ]
    mean = {
        kind: "mean",
        "precision": metrics.precision,
        "recall": metrics.recall,
        "F1": metrics.f1,
        samples: metrics.n,
    }
    number = st.column_config.NumberColumn
    st.dataframe(
        [*rows, mean] if means else rows,
        hide_index=True,
        height="content",
        column_config={
            "precision": number(
                format="%.4f", help=f"Of what is taken for this {kind}, the share that is it."
            ),
            "recall": number(
                format="%.4f", help=f"Of the {samples} of this {kind}, the share that is found."
            ),
            "F1": number(format="%.4f", help="The harmonic mean of precision and recall."),
            samples: number(help=f"How many validation {samples} are of this {kind}."),
        },
    )
