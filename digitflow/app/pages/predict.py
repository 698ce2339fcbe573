"""Predict: set the cells of a row, or click a place, and see what is predicted, and why."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import streamlit as st

from digitflow.app.resources import (
    choose_model,
    find_version,
    fits_page,
    load_row_predictor,
    mending,
    open_project_store,
)
from digitflow.app.rowcharts import draw_classes, draw_effects, draw_place, draw_values
from digitflow.app.widgets import to_markdown, write_label
from digitflow.config.table import PLACE, Column
from digitflow.errors import DamagedArtifact, DigitflowError
from digitflow.feedback.corrections import choose_role, withdraw_correction
from digitflow.feedback.predictions import PredictionLog
from digitflow.formatting import format_share, format_value
from digitflow.predict.correcting_rows import correct_row
from digitflow.predict.explaining_rows import Span, find_near, measure_effects, measure_spans
from digitflow.predict.predictions import Unread
from digitflow.predict.rows import RowPrediction, RowPredictor
from digitflow.registry.versions import Champion
from digitflow.reports.records import find_sets
from digitflow.store.artifacts import Store
from digitflow.store.runs import name_user

# Dots of the map: enough to show the land, few enough to be drawn at once.
DOTS, NEAR = 2000, 20
# How far sliders go beyond the training rows, and how many steps they have, at least.
BEYOND, STEPS = 0.1, 1000
ANSWER_HEIGHT = 190


def show() -> None:
    """Show the page."""
    st.title("Predict")
    store = open_project_store()
    model = choose_model(
        store, "predict", "No model is registered yet.", "digitflow train", "table"
    )
    if model is None:
        return
    champion = find_version(store, model)
    if fits_page(champion, "table"):
        predict_row(model)


@dataclass(frozen=True)
class Learnt:
    """Rows that a champion learnt from, as records (n,), with their targets (n,).

    Without targets, where those rows are gone: the few that are kept with the model.
    """

    records: np.ndarray
    targets: np.ndarray | None

    @classmethod
    def open(cls, store: Store, champion: Champion) -> "Learnt":
        """Open what is in the store of them."""
        try:
            train = find_sets(store, champion.run)["train"]
            return cls(store.open_array(train.samples), store.open_array(train.targets))
        except (KeyError, DamagedArtifact):
            return cls(store.open_array(champion.bundle.golden.samples), None)


@st.fragment
@mending()
def predict_row(model: str) -> None:
    """Let somebody set a row's cells, and show what is predicted for them.

    A fragment: it asks at each change who is champion, and nothing else of the page runs.
    """
    with mending():
        store = open_project_store()
        _predict_row(store, load_row_predictor(store, find_version(store, model)))


def _predict_row(store: Store, predictor: RowPredictor) -> None:
    champion = predictor.champion
    learnt = Learnt.open(store, champion)
    spans = _measure_spans(champion.model.digest, learnt.records)
    # Its place is first, on a phone too; what it says is known once the cells are set.
    answer = st.container(height=ANSWER_HEIGHT, border=False)
    cells, rest = st.columns(2, gap="large")
    with cells:
        st.subheader("The row")
        row = _ask_cells(predictor, spans)
    (found,) = predictor.predict(row)
    with answer:
        _show_answer(champion, found)
    if isinstance(found, Unread):
        return
    with cells:
        _hint_at_unusual(predictor, row, spans)
        _offer_keeping(store, predictor, row, found)
    with rest:
        if set(PLACE) <= row.keys() and learnt.targets is not None:
            _show_map(predictor, row, learnt, spans)
        _compare(predictor, found, row, learnt)
        _explain(predictor, row, found, spans)


@st.cache_data(max_entries=20, show_spinner=False)
def _measure_spans(digest: str, _records: np.ndarray) -> dict[str, Span]:
    return measure_spans(_records)


def _name_cell(champion: Champion, name: str) -> str:
    """Return the key of a cell's control; another version has other ranges."""
    return f"cell-{champion.name}-{champion.version}-{name}"


def _ask_cells(predictor: RowPredictor, spans: Mapping[str, Span]) -> dict[str, Any]:
    """Return the row that the controls show, at first the usual one."""
    row: dict[str, Any] = {}
    for name, column in predictor.table.columns.items():
        key, span = _name_cell(predictor.champion, name), spans[name]
        if column.type == "category":
            row[name] = _ask_category(name, column, span, key)
        else:
            row[name] = _ask_number(name, column, span, key)
    return row


def _ask_category(name: str, column: Column, span: Span, key: str) -> str | None:
    known = column.values or span.values
    st.session_state.setdefault(key, span.usual)
    return st.selectbox(write_label(name), known, key=key)


def _ask_number(name: str, column: Column, span: Span, key: str) -> float:
    low, high, step = choose_range(column, span)
    st.session_state.setdefault(key, _write_usual(span, low))
    decimals = max(0, -math.floor(math.log10(step)))
    unit = f" ({column.unit})" if column.unit else ""
    label = write_label(f"{name}{unit}")
    return st.slider(label, low, high, step=step, format=f"%.{decimals}f", key=key)


def _write_usual(span: Span, low: float) -> float:
    return low if span.usual is None else float(span.usual)


def choose_range(column: Column, span: Span) -> tuple[float, float, float]:
    """Return from where to where a slider goes, and its step.

    A little beyond the training rows, but not beyond what the column holds.
    """
    low, high = (0.0, 1.0) if span.usual is None else (span.low, span.high)
    width = (high - low) or 1.0
    step = 10.0 ** math.floor(math.log10(width / STEPS))
    if column.type == "integer" or span.whole:
        step = 1.0
    # What is never below 0 in so many rows is an amount.
    floor = 0.0 if low >= 0 else -math.inf
    least = floor if column.min is None else column.min
    most = math.inf if column.max is None else column.max
    first = step * math.floor((low - BEYOND * width) / step)
    last = step * math.ceil((high + BEYOND * width) / step)
    return max(least, first), min(most, last), step


def _show_answer(champion: Champion, found: RowPrediction | Unread) -> None:
    if isinstance(found, Unread):
        st.warning(to_markdown(found.error))
        return
    if isinstance(found.value, str):
        st.markdown(f"# {to_markdown(found.value)}")
        share = format_share(found.probability or 0)
        st.markdown(to_markdown(f"{found.target}, with a probability of {share}."))
    else:
        st.markdown(f"# {to_markdown(format_value(found.value, found.unit))}")
        st.markdown(to_markdown(f"{found.target}. {_describe_interval(champion, found)}"))
    table = champion.bundle.table
    invented = " It learnt from invented rows." if table and table.generated else ""
    st.caption(to_markdown(f"By {found.model}, version {found.version}.{invented}"))


def _describe_interval(champion: Champion, found: RowPrediction) -> str:
    intervals = champion.bundle.intervals
    if found.interval is None or intervals is None:
        return "This version has no intervals."
    low, high = (format_value(bound, found.unit) for bound in found.interval)
    promise = f"{100 * intervals.coverage:g} %"
    return f"Between {low} and {high}: {promise} of true values are within their interval."


def _hint_at_unusual(
    predictor: RowPredictor, row: Mapping[str, Any], spans: Mapping[str, Span]
) -> None:
    for text in list_unusual(row, spans):
        st.info(to_markdown(text), icon=":material/info:")


def list_unusual(row: Mapping[str, Any], spans: Mapping[str, Span]) -> list[str]:
    """Say which cells are beyond what the model learnt from."""
    said = []
    for name, cell in row.items():
        span = spans[name]
        if isinstance(cell, str) and cell not in span.values:
            said.append(f"{name}: the model never learnt from a row with {cell}.")
        elif not isinstance(cell, str) and not span.low <= cell <= span.high:
            said.append(
                f"{name}: the model learnt from {span.low:,g} to {span.high:,g}, and "
                f"{cell:,g} is beyond. Beyond, models guess."
            )
    return said


def _show_map(
    predictor: RowPredictor, row: Mapping[str, Any], learnt: Learnt, spans: Mapping[str, Span]
) -> None:
    """Show the training rows at their places; a click takes the cells of one."""
    st.subheader("Where")
    champion, table = predictor.champion, predictor.table
    places = np.linspace(0, len(learnt.records) - 1, min(len(learnt.records), DOTS)).astype(int)
    key = f"map-{champion.name}-{champion.version}"

    def take() -> None:
        # Nothing, by a click beside the dots, comes as an empty mapping.
        for picked in list(st.session_state[key]["selection"].get("place") or ())[:1]:
            # The last dot is where the row is now.
            if 0 <= (number := int(picked["row"])) < len(learnt.records):
                _take_cells(champion, learnt.records[number], spans)

    draw_place(key, learnt.records[places], places, _name_targets(table, learnt, places),
               row, table, take)  # fmt: skip
    st.caption("Click on a dot to take the cells of that row; the cross is where you are.")


def _name_targets(table: Any, learnt: Learnt, places: np.ndarray) -> np.ndarray:
    assert learnt.targets is not None
    targets = np.asarray(learnt.targets[places])
    return np.array(table.classes)[targets] if table.classes else targets


def _take_cells(champion: Champion, record: Any, spans: Mapping[str, Span]) -> None:
    for name, span in spans.items():
        cell = record[name].item()
        is_gap = cell == "" if isinstance(cell, str) else math.isnan(cell)
        st.session_state[_name_cell(champion, name)] = span.usual if is_gap else cell


def _compare(
    predictor: RowPredictor, found: RowPrediction, row: Mapping[str, Any], learnt: Learnt
) -> None:
    """Show the prediction among the training rows, and what the nearest ones are worth."""
    if isinstance(found.value, str):
        st.subheader("All classes")
        draw_classes(found.probabilities, _share_classes(predictor, learnt))
        return
    if learnt.targets is None:
        st.info("What it learnt from is not in the store any more: nothing to compare with.")
        return
    st.subheader("Among the training rows")
    if set(PLACE) <= row.keys():
        near = learnt.targets[find_near(learnt.records, row, NEAR)]
        low, middle, high = (
            format_value(float(value), found.unit) for value in np.quantile(near, [0, 0.5, 1])
        )
        st.markdown(
            to_markdown(f"The {len(near)} nearest rows: {low} to {high}, median {middle}.")
        )
    draw_values(np.asarray(learnt.targets), found)


def _share_classes(predictor: RowPredictor, learnt: Learnt) -> dict[str, float]:
    if learnt.targets is None:
        return {}
    counts = np.bincount(learnt.targets, minlength=len(predictor.table.classes))
    shares = (counts / len(learnt.targets)).tolist()
    return dict(zip(predictor.table.classes, shares, strict=True))


def _explain(
    predictor: RowPredictor,
    row: Mapping[str, Any],
    found: RowPrediction,
    spans: Mapping[str, Span],
) -> None:
    usual = {name: span.usual for name, span in spans.items()}
    effects = measure_effects(predictor, row, usual)
    st.subheader(
        "What moved it",
        help="Each cell by itself is set back to the median of the training rows (a category "
        "to the most frequent one) and the row is predicted again: the bar is what that takes "
        "away. Cells that act together share no bar, so the bars don't add up.",
    )
    if not any(effects.values()):
        st.caption("Nothing: what is predicted is the same with the usual cells.")
        return
    draw_effects(effects, row, found.unit, is_share=isinstance(found.value, str))


def _offer_keeping(
    store: Store, predictor: RowPredictor, row: Mapping[str, Any], found: RowPrediction
) -> None:
    """Offer to keep the prediction, and what is true, if somebody knows it."""
    table = predictor.table
    with st.form("keep", border=True):
        if table.classes:
            label = f"True {table.target}, if you know it"
            said = st.selectbox(write_label(label), table.classes, index=None, key="truth")
        else:
            unit = f" ({table.unit})" if table.unit else ""
            label = f"True {table.target}{unit}, if you know it"
            said = st.text_input(write_label(label), key="truth", max_chars=40)
        if st.form_submit_button("Keep", help="Tries are not kept; what you keep here is."):
            _keep(store, predictor, row, found, said or "")
    kept = st.session_state.get("kept_row")
    if kept is not None and kept[0] == (predictor.champion.name, found.row):
        with st.container(horizontal=True, vertical_alignment="center"):
            st.markdown(to_markdown(kept[1]), width="content")
            if kept[2]:
                undo = (store, predictor.champion.name, found.row)
                st.button("Undo", icon=":material/undo:", on_click=_take_back, args=undo)


def _keep(
    store: Store,
    predictor: RowPredictor,
    row: Mapping[str, Any],
    found: RowPrediction,
    said: str,
) -> None:
    champion = predictor.champion
    text = "Kept among the predictions."
    try:
        # Once, however often its true value is said.
        if st.session_state.get("kept_prediction") != found:
            with PredictionLog(store) as log:
                RowPredictor(champion, predictor.pipeline, log).predict(dict(row))
            st.session_state["kept_prediction"] = found
        if said:
            correct_row(store, champion, found.row, said, name_user())
            use = "training" if choose_role(found.row) == "training" else "the gate"
            text = f"Kept as {said}: used for {use}."
    except DigitflowError as exc:
        said, text = "", f"Not kept: {exc}"
    st.session_state["kept_row"] = ((champion.name, found.row), text, bool(said))


def _take_back(store: Store, model: str, digest: str) -> None:
    text = "Taken back."
    try:
        withdraw_correction(store, digest, name_user(), model)
    except DigitflowError as exc:
        text = f"Not taken back: {exc}"
    st.session_state["kept_row"] = ((model, digest), text, False)
