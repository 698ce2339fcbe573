"""Overview, everything on one page: how good the champion is, its data, and a canvas."""

import numpy as np
import streamlit as st

from digitflow.app.pages.read import Choice, read_pictures
from digitflow.app.resources import (
    find_default,
    find_version,
    list_models,
    load_predictor,
    mending,
    open_project_store,
    open_tested,
)
from digitflow.app.tabledata import show_columns, show_fit, show_sets
from digitflow.app.widgets import show_report, to_markdown
from digitflow.data.facts import TableFacts
from digitflow.data.sets import CLASSES, LabelledImages
from digitflow.evaluation.metrics import ClassificationMetrics
from digitflow.formatting import format_cell
from digitflow.predict.predictions import SIGNS, Prediction
from digitflow.predict.predictor import Predictor
from digitflow.registry.versions import Champion
from digitflow.reports.charts import draw_gallery
from digitflow.reports.figures import draw_classes, draw_confusion
from digitflow.reports.records import Training, find_sets, find_training
from digitflow.reports.training import PURPOSES, DataCard
from digitflow.store.artifacts import Store
from digitflow.studies.digits.experiments.explore import summarise_stages

SIDE = 28
GONE = "The record of the training that made it is not in the store any more."


def show() -> None:
    """Show the page."""
    st.title("Everything on one page")
    store = open_project_store()
    champion = find_default(store, "digits")
    models = list_models(store, "digits")
    if len(models) > 1:
        place = models.index(champion.name)
        champion = find_version(store, st.selectbox("Registered model", models, place))
    training = find_training(store, champion.run)
    if champion.bundle.table is not None:
        _show_table(store, champion, champion.bundle.table, training)
        return
    _show_figures(champion, training)
    read_pictures(Choice(champion.name), full=False)
    with mending():
        _show_samples(store, load_predictor(store, champion.name))
    if training is None:
        st.info(GONE)
        return
    _show_evaluation(training)
    with mending():
        _show_data(store, training)


def _show_table(
    store: Store, champion: Champion, table: TableFacts, training: Training | None
) -> None:
    """Show how good a champion of a table is, what it learnt from, and where to ask it."""
    score = champion.score
    sizes = {} if training is None else {part.name: part.rows for part in training.data.splits}
    row = st.container(horizontal=True, gap="large")
    row.metric(
        f"Test {score.metric}",
        score.written,
        help=f"Of the champion, {champion.name} version {champion.version}. With 95 % "
        f"confidence between {score.written_interval}.",
        width="content",
    )
    row.metric("Test rows", f"{score.n:,}", width="content")
    row.metric("Training rows", f"{sizes['train']:,}" if sizes else "unknown", width="content")
    row.metric("Columns", len(table.columns), width="content")
    st.info(
        to_markdown(f"It predicts {table.target}: the page Predict asks it about any row."),
        icon=":material/tune:",
    )
    if training is None:
        st.info(GONE)
        return
    with mending():
        winner = training.entries[0]
        st.subheader("Predicted and true")
        st.caption(to_markdown(f"{winner.candidate.name} on the validation rows."))
        show_fit(store, training, winner)
    with mending():
        show_columns(store, training, table)
    with mending():
        show_sets(training)


def _show_figures(champion: Champion, training: Training | None) -> None:
    """Show how good the champion is, and how large its data are."""
    low, high = champion.score.interval
    sizes = {} if training is None else {part.name: part.rows for part in training.data.splits}
    row = st.container(horizontal=True, gap="large")
    row.metric(
        "Test accuracy",
        f"{champion.score.value:.2%}",
        help=(
            f"Of the champion, {champion.name} version {champion.version}. With 95 % "
            f"confidence between {low:.2%} and {high:.2%}."
        ),
        width="content",
    )
    row.metric(
        "Test images",
        f"{champion.score.n:,}",
        help="It learnt nothing from them: only the last check looks at them.",
        width="content",
    )
    row.metric(
        "Training images",
        f"{sizes['train']:,}" if "train" in sizes else "unknown",
        width="content",
    )
    row.metric(
        "Pixels of an image",
        f"{SIDE} × {SIDE}",
        help="Each from 0 to 255, one byte.",
        width="content",
    )


def _show_samples(store: Store, predictor: Predictor) -> None:
    """Show ten test images, one of each digit, with what is read in them."""
    tested = open_tested(store, predictor.champion)
    if tested is None:
        return
    heading, button = st.columns([3, 1], vertical_alignment="bottom")
    heading.subheader("Ten samples")
    number = st.session_state.get("overview_ten", 0)
    if button.button("Another ten", icon=":material/refresh:"):
        number = st.session_state["overview_ten"] = number + 1
    digest = predictor.champion.model.digest
    st.image(
        _draw_ten(digest, number, predictor, tested),
        width="stretch",
        alt="Ten test images with their labels and what the champion reads",
    )


@st.cache_data(max_entries=30, show_spinner=False)
def _draw_ten(
    digest: str, number: int, _predictor: Predictor, _tested: LabelledImages
) -> bytes:
    places = (np.flatnonzero(_tested.labels == digit) for digit in range(CLASSES))
    rows = [int(found[number % len(found)]) for found in places if len(found)]
    images = np.array(_tested.images[rows])
    captions = [
        f"{_tested.labels[row]} → {digit.digit}{SIGNS[digit.status]}\n{digit.probability:.1%}"
        for row, digit in zip(rows, _predictor.predict(images), strict=True)
        if isinstance(digit, Prediction)
    ]
    return draw_gallery("Label → what is read, and how surely", images, captions, columns=10)


def _show_evaluation(training: Training) -> None:
    """Show the confusion matrix and the classification report of the run's winner."""
    winner = training.entries[0]
    if winner.evaluation is None:
        return
    metrics = winner.evaluation.metrics
    if not isinstance(metrics, ClassificationMetrics):
        return
    matrix, report = st.columns(2, gap="large")
    with matrix:
        st.subheader("Confusion matrix")
        st.caption(f"{winner.candidate.name} on {metrics.n:,} validation images.")
        st.image(
            _draw_confusion(metrics.confusion),
            width="stretch",
            alt="How often each digit was taken for each",
        )
    with report:
        st.subheader("Classification report")
        st.caption(f"Accuracy {metrics.accuracy:.2%} on the same images.")
        show_report(metrics, means=True)


@st.cache_data(max_entries=20, show_spinner=False)
def _draw_confusion(counts: tuple[tuple[int, ...], ...]) -> bytes:
    return draw_confusion(counts)


def _show_data(store: Store, training: Training) -> None:
    """Show dimensions, class distribution and values of the data."""
    classes, values = st.columns(2, gap="large")
    counts = {part.name: part.class_counts for part in training.data.splits}
    with classes:
        st.subheader("Class distribution")
        names: tuple[str, ...] = ("train", "test")
        shown = {name: counts[name] for name in names if name in counts}
        st.image(_draw_classes(shown), width="stretch", alt="Which share each digit has")
    with values:
        st.subheader("Dimensions of the data")
        _show_dimensions(training.data)
        st.subheader("Normalised values")
        train = find_sets(store, training.run).get("train")
        if train is None:
            st.info("The training images are not in the store any more.")
            return
        images = store.open_array(train.samples)
        stages = _summarise(train.samples.digest, images)
        st.dataframe(
            [
                {"values": name}
                | {what: format_cell(value, 4) for what, value in found.items()}
                for name, found in stages.items()
            ],
            hide_index=True,
        )


def _show_dimensions(card: DataCard) -> None:
    st.dataframe(
        [
            {
                "set": part.name,
                "shape": f"{part.rows:,} × {SIDE} × {SIDE}",
                "what for": PURPOSES.get(part.name, ""),
            }
            for part in card.splits
        ],
        hide_index=True,
    )


@st.cache_data(max_entries=20, show_spinner=False)
def _draw_classes(counts: dict[str, tuple[int, ...]]) -> bytes:
    return draw_classes("How often each digit occurs", counts)


@st.cache_data(max_entries=10, show_spinner="Measuring all pixels …")
def _summarise(digest: str, _images: np.ndarray) -> dict[str, dict[str, float | None]]:
    return summarise_stages(_images)
