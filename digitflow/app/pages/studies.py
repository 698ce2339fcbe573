"""Page Studies: their figures, and some of them live: threshold, components, augmentation."""

from collections.abc import Sequence
from typing import Any, get_args

import numpy as np
import streamlit as st

from digitflow.app.resources import (
    choose_model,
    load_predictor,
    mending,
    open_project_store,
    show_missing,
)
from digitflow.app.widgets import to_markdown
from digitflow.catalogue import BACKENDS
from digitflow.config.data import Augmentation
from digitflow.data.sets import SampleSet
from digitflow.evaluation.scoring import Evaluation
from digitflow.formatting import format_cell, format_count, format_moment, format_share
from digitflow.predict.predictions import Unread
from digitflow.reports.charts import draw_gallery, draw_image_rows, draw_matrix
from digitflow.reports.figures import draw_mistakes
from digitflow.reports.records import Training, find_sets, list_trainings
from digitflow.store.artifacts import Store
from digitflow.store.references import ArrayRef
from digitflow.store.runs import find_outputs, list_runs
from digitflow.studies.chapter import Chapter, Figure, Part, PublishedFigure, Table, Text
from digitflow.studies.digits.chapters.detector import draw_thresholds, span_thresholds
from digitflow.studies.digits.experiments.detector import measure_answers, trace_curves
from digitflow.studies.digits.experiments.explore import Components, find_components
from digitflow.studies.report import StudyReport, group_parts, read_study

PARTS = ("Figures", "Threshold", "Components", "Augmentation", "Examples")
SHOWN, MOST_ROWS, PIXELS = 36, 1000, 784
COPIES = 8
# Dimensions of an array of images; rows of a table have one.
IMAGES = 3
REFILL = "The images of the latest training are not here: a training brings them back."
TERMS = {
    "precision": "Of what the detector says yes to, the share that is the digit.",
    "recall": "Of the images of the digit, the share that the detector finds.",
    "F1": "The harmonic mean of precision and recall: high only where both are.",
}


def show() -> None:
    """Show the page."""
    st.title("Studies")
    with mending():
        store = open_project_store()
        part = st.segmented_control("Show", PARTS, default=PARTS[0], key="studies-part")
        if part in (None, "Figures"):
            _show_figures(store)
        elif part == "Threshold":
            _show_threshold(store)
        elif (training := _choose_training(store)) is not None:
            shown = {
                "Components": _show_components,
                "Augmentation": _show_augmentation,
                "Examples": _show_examples,
            }
            shown[part](store, training)


def _choose_training(store: Store) -> Training | None:
    model = choose_model(store, "studies", "No model was trained yet.", "make run")
    if model is None:
        return None
    for training in list_trainings(store, model):
        sets = find_sets(store, training.run)
        if sets and len(sets["train"].samples.shape) != IMAGES:
            st.info(f"{model} learns from a table: this part is about images of digits.")
            return None
        if sets:
            return training
    show_missing(REFILL, "digitflow train")
    return None


# -- what a study wrote ---------------------------------------------------------------


def _show_figures(store: Store) -> None:
    runs = {run["run"]: run for run in list_runs(store, "study") if "sections" in run}
    if not runs:
        show_missing("No study was made yet: it takes minutes to an hour.", "digitflow study")
        return
    run = st.selectbox(
        "Study",
        list(runs),
        format_func=lambda run: f"{format_moment(runs[run]['started'])} · {run}",
        key="studies-run",
    )
    study = read_study(store, run)
    if study is None:
        show_missing(f"{run} was written by an older digitflow.", "digitflow study")
        return
    _show_section(store, study)


def _show_section(store: Store, study: StudyReport) -> None:
    sections = {one.section: one for one in study.sections}
    section = st.selectbox("Section", list(sections), key=f"studies-section-{study.run}")
    result = sections[section]
    for error in result.errors:
        st.error(to_markdown(error))
    if result.chapter is None:
        show_missing(f"The section {section} has no chapter.", f"digitflow study {section}")
    else:
        _show_chapter(store, result.chapter)


def _show_chapter(store: Store, chapter: Chapter) -> None:
    st.subheader(chapter.title)
    st.text(chapter.question)
    for sentence in chapter.findings:
        st.markdown(f"- {to_markdown(sentence)}")
    for group in group_parts(chapter):
        # A picture that is gone costs itself only.
        with mending():
            _show_group(store, group)


def _show_group(store: Store, group: Sequence[Part]) -> None:
    published = [part for part in group if isinstance(part, PublishedFigure)]
    if published:
        st.markdown("**Published figures, and what was measured here**")
        st.dataframe([_describe_published(part) for part in published], hide_index=True)
    for part in group:
        if isinstance(part, Text):
            st.text(part.text)
        elif isinstance(part, Figure):
            st.image(store.read_bytes(part.png), alt=part.title)
            st.caption(to_markdown(part.sentence))
        elif isinstance(part, Table):
            _show_table(part)


def _describe_published(part: PublishedFigure) -> dict[str, str]:
    return {
        "figure": part.what,
        "published": part.expected,
        "measured": part.measured,
        "reproduced": "✓ yes" if part.met else "✗ no",
    }


def _show_table(table: Table) -> None:
    st.markdown(f"**{to_markdown(table.title)}** {to_markdown(table.sentence)}")
    rows = table.rows[: table.shown or MOST_ROWS]
    st.dataframe(
        [
            {
                column: format_cell(cell, table.decimals)
                for column, cell in zip(table.columns, row, strict=True)
            }
            for row in rows
        ],
        hide_index=True,
    )


# -- the detector's threshold ----------------------------------------------------------


def _show_threshold(store: Store) -> None:
    st.subheader("A detector's threshold, live")
    found = _find_scores(store)
    if found is None:
        show_missing(
            "No study of the detector is here: its scores are what the threshold cuts.",
            "digitflow study detector",
        )
        return
    digit, scores, labels = found
    curve = _trace(f"{store.root} {scores.digest} {digit}", store, scores, labels, digit)
    low, high = span_thresholds(curve["curve"])
    st.caption(
        f"Is it a {digit}? The linear detector says yes where its score reaches the "
        "threshold; each image was scored by one that had not seen it. AUC "
        f"{curve['auc']:.4f}."
    )
    threshold = st.slider(
        "Threshold",
        low,
        high,
        min(max(0.0, low), high),
        format="%.1f",
        help="Higher: fewer false alarms, more digits missed.",
        key=f"studies-threshold-{scores.digest}",
    )
    wanted = store.open_array(labels) == digit
    facts = measure_answers(wanted, store.open_array(scores) >= threshold)
    for column, (name, value) in zip(
        st.columns(3),
        {name: facts[name.lower()] for name in ("precision", "recall", "F1")}.items(),
        strict=True,
    ):
        column.metric(name, format_share(value), help=TERMS[name])
    lines, matrix = st.columns(2)
    lines.image(
        draw_thresholds(
            "Precision and recall against the threshold",
            curve["curve"],
            threshold,
            facts["precision"],
        ),
        alt="Precision and recall against the threshold",
    )
    names = [f"not {digit}", str(digit)]
    matrix.image(
        draw_matrix(
            "Confusion matrix: number of images",
            np.array(facts["confusion"]),
            "said",
            "true",
            names,
            names,
            decimals=0,
        ),
        alt="Confusion matrix of the detector",
    )


def _find_scores(store: Store) -> tuple[int, ArrayRef, ArrayRef] | None:
    """Return the digit of the latest study of the detector, its scores and the labels."""
    for run in list_runs(store, "study"):
        scores = find_outputs(store, run["run"], "detector: scores").get("arrays.scores")
        labels = find_outputs(store, run["run"], "choose digits").get("train.targets")
        if isinstance(scores, ArrayRef) and isinstance(labels, ArrayRef):
            return int(run["config"]["study"]["digit"]), scores, labels
    return None


@st.cache_data(max_entries=10, show_spinner="tracing the curve")
def _trace(
    key: str, _store: Store, _scores: ArrayRef, _labels: ArrayRef, _digit: int
) -> dict[str, Any]:
    return trace_curves(_store.open_array(_labels) == _digit, _store.open_array(_scores))


# -- principal components --------------------------------------------------------------


def _show_components(store: Store, training: Training) -> None:
    st.subheader("A digit from a few components, live")
    images = _choose_images(store, find_sets(store, training.run)["train"], "components")
    train = find_sets(store, training.run)["train"].samples
    found = _find_components(f"{store.root} {train.digest}", store, train)
    count = st.slider(
        "Principal components",
        1,
        PIXELS,
        50,
        help="Directions in which images differ, the widest first; 784 is all of them.",
        key="studies-components",
    )
    rebuilt = found.rebuild(images, count)
    st.image(
        draw_image_rows(
            f"{count} of {PIXELS} components", {"original": images, "rebuilt": rebuilt}
        ),
        alt="Digits, and the same from a few components",
    )
    lost = float((((images / 255) - (rebuilt / 255)) ** 2).mean())
    held, error = st.columns(2)
    held.metric(
        "Variance held",
        format_share(float(found.cumulated[count - 1])),
        help="The share of all differences between images that these components hold.",
    )
    error.metric(
        "Mean squared error",
        f"{lost:.5f}",
        help="Of these images, over pixels of 0 to 1: 0 is a perfect copy.",
    )


@st.cache_resource(max_entries=2, show_spinner="finding the components")
def _find_components(key: str, _store: Store, _images: ArrayRef) -> Components:
    return find_components(_store.open_array(_images))


def _choose_images(store: Store, images: SampleSet, key: str, most: int = 8) -> np.ndarray:
    """Let a person choose a digit and a place; return some images of it from there on."""
    digit = st.segmented_control(
        "Digit", [str(digit) for digit in range(10)], default="4", key=f"studies-{key}-digit"
    )
    rows = np.flatnonzero(store.open_array(images.targets) == int(digit or 4))
    first = st.number_input(
        "From image", 0, max(len(rows) - 1, 0), key=f"studies-{key}-first-{digit}"
    )
    return np.array(store.open_array(images.samples)[rows[first : first + most]])


# -- augmentation ----------------------------------------------------------------------


def _show_augmentation(store: Store, training: Training) -> None:
    st.subheader("Augmentation playground")
    st.caption(
        "What the training images' altered copies look like, and what the champion reads in "
        "them: what it still reads right teaches it little, what nobody can read teaches "
        "nonsense."
    )
    sets = find_sets(store, training.run)
    (image,) = _choose_images(store, sets["validation"], "augmentation", 1)
    kinds = {_name_backend(kind): kind for kind in _list_settings()}
    backend = st.selectbox("Backend", list(kinds), key="studies-backend")
    seed = st.number_input("Seed", 0, 2**31 - 1, 42, help="Another one draws other copies.")
    settings = kinds[backend].model_validate(_ask_settings(backend, kinds[backend]))
    with mending():
        copies = _alter(image, settings, int(seed))
        _show_copies(store, training, image, copies)


def _list_settings() -> tuple[Any, ...]:
    """Return the config section of each backend."""
    union, *_ = get_args(Augmentation)
    return get_args(union)


def _name_backend(kind: Any) -> str:
    return str(kind.model_fields["backend"].default)


def _ask_settings(backend: str, kind: Any) -> dict[str, Any]:
    """Ask for a backend's parameters, each within the limits of its config section."""
    values: dict[str, Any] = {}
    columns = st.columns(3)
    fields = [item for item in kind.model_fields.items() if item[0] != "backend"]
    for place, (name, field) in enumerate(fields):
        key = f"studies-{backend}-{name}"
        with columns[place % 3]:
            if field.annotation not in (int, float):
                choices = get_args(get_args(field.annotation)[0])
                values[name] = st.multiselect(
                    name, choices, default=field.default, help=field.description, key=key
                ) or list(field.default)
                continue
            limits = {type(one).__name__: one for one in field.metadata}
            number = field.annotation
            default = COPIES if name == "copies" else field.default
            values[name] = st.slider(
                name,
                number(limits["Ge"].ge),
                number(limits["Le"].le),
                number(default),
                help=field.description,
                key=key,
            )
    return values


def _alter(image: np.ndarray, settings: Any, seed: int) -> np.ndarray:
    """Return the altered copies of one image, uint8 (k, 28, 28)."""
    backend = BACKENDS.load(settings.backend)
    out = np.empty((backend.count_copies(settings), 28, 28), np.uint8)
    backend.write_copies(image[np.newaxis], settings, seed, out)
    return out[1:]


def _show_copies(
    store: Store, training: Training, image: np.ndarray, copies: np.ndarray
) -> None:
    model = str(training.record["model"])
    read = load_predictor(store, model).predict(np.concatenate([image[np.newaxis], copies]))
    captions = [
        "unread"
        if isinstance(one, Unread)
        else f"{one.digit}, {one.probability:.1%}\n{one.status}"
        for one in read
    ]
    captions[0] = f"original: {captions[0]}"
    st.image(
        draw_gallery(
            "The original and its copies: digit, probability, status",
            np.concatenate([image[np.newaxis], copies]),
            captions,
            columns=5,
        ),
        alt="The original and its copies, with what is read in each",
    )
    first, *rest = [None if isinstance(one, Unread) else one.digit for one in read]
    same = sum(digit == first for digit in rest)
    st.metric("Copies read as the original", f"{same} of {len(rest)}")


# -- true and predicted -----------------------------------------------------------------


def _show_examples(store: Store, training: Training) -> None:
    st.subheader("True and predicted")
    measured: dict[str, Evaluation] = {
        entry.candidate.name: entry.evaluation
        for entry in training.entries
        if entry.evaluation is not None
    }
    name = st.selectbox("Algorithm", list(measured), key="studies-algorithm")
    any_digit = ("any", *(str(digit) for digit in range(10)))
    true = st.segmented_control("True digit", any_digit, default="any", key="studies-true")
    said = st.segmented_control(
        "Predicted digit", any_digit, default="any", key="studies-predicted"
    )
    wrong = st.toggle("Mistakes only", value=True, key="studies-wrong")
    validation = find_sets(store, training.run)["validation"]
    labels = store.open_array(validation.targets)
    probabilities = store.open_array(measured[name].predictions)
    predicted, sure = probabilities.argmax(axis=1), probabilities.max(axis=1)
    chosen = np.ones(len(labels), bool)
    for digits, wanted in ((labels, true), (predicted, said)):
        if wanted not in (None, "any"):
            chosen &= digits == int(wanted or 0)
    if wrong:
        chosen &= predicted != labels
    rows = np.flatnonzero(chosen)
    st.caption(
        f"{format_count(len(rows), 'validation image')} of {len(labels):,}; the surest first."
    )
    if not len(rows):
        st.info("None. Choose others above.")
        return
    shown = rows[np.argsort(-sure[rows], kind="stable")][:SHOWN]
    images = np.array(store.open_array(validation.samples)[shown])
    st.image(
        _draw_examples(images, labels[shown], predicted[shown], sure[shown]),
        alt="True and predicted digits",
    )


@st.cache_data(max_entries=50, show_spinner="drawing")
def _draw_examples(
    images: np.ndarray, labels: np.ndarray, predicted: np.ndarray, sure: np.ndarray
) -> bytes:
    return draw_mistakes(images, labels, predicted, sure)
