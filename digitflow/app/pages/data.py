"""Page Data: what the models learn from, and what was set aside; of images or of rows."""

import streamlit as st

from digitflow.app.imagedata import PARTS, show_images
from digitflow.app.resources import (
    choose_model,
    choose_training,
    find_table,
    mending,
    open_project_store,
)
from digitflow.app.tabledata import show_columns, show_quarantine, show_sets
from digitflow.data.facts import TableFacts
from digitflow.reports.records import Training
from digitflow.store.artifacts import Store

TABLE_PARTS = ("Sets", "Columns", "Quarantine")


def show() -> None:
    """Show the page."""
    st.title("Data")
    with mending():
        store = open_project_store()
        lack = "No model was trained yet: the data is read by a training."
        if (model := choose_model(store, "data", lack, "make run")) is None:
            return
        lack = f"No training of {model} left its record here."
        training = choose_training(store, "data", model, "As read by the training", lack)
        if training is None:
            return
        table = find_table(store, model)
        parts = PARTS if table is None else TABLE_PARTS
        part = st.segmented_control("Show", parts, default=parts[0], key=f"data-part-{model}")
        if table is None:
            show_images(store, training, part or parts[0])
        else:
            _show_table(store, training, table, part or parts[0])


def _show_table(store: Store, training: Training, table: TableFacts, part: str) -> None:
    if part == "Sets":
        show_sets(training)
    elif part == "Columns":
        show_columns(store, training, table)
    else:
        show_quarantine(store, training)
