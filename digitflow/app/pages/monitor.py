"""Page Monitor: what runs, whether what comes in has drifted, what people say, how well."""

from collections import Counter
from collections.abc import Sequence

import numpy as np
import streamlit as st

from digitflow.app.resources import (
    choose_model,
    mending,
    open_project_store,
    show_missing,
)
from digitflow.app.runs import show_runs
from digitflow.data.tables.frames import to_frame
from digitflow.feedback.corrections import (
    DIGITS,
    Correction,
    find_scope,
    list_conflicts,
    list_corrections,
)
from digitflow.feedback.learning import count_new, list_training_events
from digitflow.feedback.tables import read_images
from digitflow.formatting import format_count, format_moment
from digitflow.monitoring.attribution import Culprits, find_culprits, find_nearest
from digitflow.monitoring.window import MonitoringReport, list_reports
from digitflow.registry.history import Entry
from digitflow.registry.listing import find_registration, list_history, list_versions
from digitflow.reports.charts import draw_gallery, draw_image_rows
from digitflow.reports.figures import draw_champions
from digitflow.reports.monitoring import (
    HISTORY,
    NOW,
    PICTURES,
    SHOWN_REPORTS,
    VOLUME,
    Figure,
    draw_figures,
)
from digitflow.reports.records import find_sets
from digitflow.store.artifacts import Store

PARTS = ("Runs", "Drift", "Feedback", "Accuracy")
SHOWN, CULPRITS = 50, 8
ASKING = {
    "digits": ("Review", "digitflow correct photo.jpg 4213"),
    "table": ("Predict", "digitflow correct --model NAME rows.csv"),
}
OF_DRIFT = (NOW, HISTORY, PICTURES)
EFFECT = (
    "How far the latest predictions are from what was learnt: 0 is not at all. Over its "
    "limit it alarms."
)

MEASURES = {
    "psi.ink": "how much ink there is",
    "psi.centre_x": "how far left or right the ink's centre is",
    "psi.centre_y": "how high the ink's centre is",
    "psi.stroke_width": "how wide the strokes are",
    "psi.slant": "how far the digits lean",
    "psi.size": "how far the ink is from its centre",
    "psi.residual": "how unlike the images are to mixtures of those that were learnt",
    "domain": "how well a classifier tells what comes in from what was learnt",
    "predictions": "how often each digit is read",
    "confidence": "how surely the digits are read",
}


def show() -> None:
    """Show the page."""
    st.title("Monitor")
    with mending():
        store = open_project_store()
        part = st.segmented_control("Show", PARTS, default=PARTS[0], key="monitor-part")
        if part in (None, "Runs"):
            show_runs(store)
            return
        lack = "No model is registered yet: there is nothing to watch."
        model = choose_model(store, "monitor", lack, "make run")
        if model is None:
            return
        {"Drift": _show_drift, "Feedback": _show_feedback, "Accuracy": _show_accuracy}[part](
            store, model
        )


def _show_drift(store: Store, model: str) -> None:
    reports = list_reports(store, model, SHOWN_REPORTS)
    if not reports:
        show_missing(
            f"The monitor has not looked at {model} yet: it does so every hour where the "
            "service runs, once there are enough predictions.",
            "digitflow up",
        )
        return
    latest = reports[0]
    if latest.drifted:
        st.error("What comes in has changed", icon=":material/warning:")
        for alarm in latest.alarms:
            st.text(alarm)
    else:
        st.success("Nothing has changed: what comes in looks like what was learnt.")
    _show_figures(_draw(store, model, reports), OF_DRIFT)
    _show_causes(store, model, reports)


def _draw(store: Store, model: str, reports: Sequence[MonitoringReport]) -> Sequence[Figure]:
    at = reports[0].at if reports else ""
    return _draw_figures(f"{store.root} {model} {at}", store, model, reports[::-1])


@st.cache_data(max_entries=20, ttl=60, show_spinner="drawing")
def _draw_figures(
    key: str, _store: Store, _model: str, _reports: Sequence[MonitoringReport]
) -> list[Figure]:
    return draw_figures(_store, _model, _reports)


def _show_figures(figures: Sequence[Figure], titles: Sequence[str]) -> None:
    for title, said, png in figures:
        if title in titles:
            st.markdown(f"**{title}.** {said}")
            st.image(png, alt=title)


def _show_causes(store: Store, model: str, reports: Sequence[MonitoringReport]) -> None:
    """Show the pictures behind a measure, and the nearest of what was learnt."""
    st.subheader("The pictures behind it")
    looks = {str(place): report for place, report in enumerate(reports)}
    place = st.selectbox(
        "Look of the monitor",
        list(looks),
        format_func=lambda place: _name_look(looks[place]),
        key=f"monitor-look-{model}",
    )
    report = looks[place]
    findings = sorted(report.inspection.findings, key=lambda one: -one.value / one.limit)
    st.dataframe(
        [
            {
                "measure": one.measure,
                "of what": describe_measure(one.measure),
                "effect": one.value,
                "limit": one.limit,
                "clean windows": one.clean,
                "alarms": "✗ yes" if one.alarm else "✓ no",
            }
            for one in findings
        ],
        hide_index=True,
        column_config={
            name: st.column_config.NumberColumn(format="%.3f", help=words)
            for name, words in {
                "effect": EFFECT,
                "limit": "Chosen so that what has not changed hardly ever alarms.",
                "clean windows": "What is usual where nothing has changed: the median.",
            }.items()
        },
    )
    measure = st.selectbox(
        "Measure",
        [one.measure for one in findings],
        help="The one that is farthest beyond its limit comes first.",
        key=f"monitor-measure-{model}-{place}",
    )
    found = find_registration(store, model, report.version)
    sets = find_sets(store, found.facts.run)
    if found.bundle.reference is None or "train" not in sets:
        show_missing(
            f"What version {report.version} learnt from is not here any more.",
            "digitflow train",
        )
        return
    culprits = find_culprits(store, found.bundle.reference, report, measure, CULPRITS)
    learnt = sets["train"].samples
    about = describe_measure(measure)
    if found.bundle.table is not None:
        st.dataframe(to_frame(culprits.samples).assign(predicted=culprits.predicted))
        st.caption(f"The rows most unusual in {about}, the worst first.")
        return
    key = f"{report.window.samples.digest} {measure} {learnt.digest}"
    st.image(
        _draw_causes(key, culprits, store.open_array(learnt)),
        alt="What came in, and the nearest of what was learnt",
    )
    read = ", ".join(f"{digit:.0f}" for digit in culprits.predicted)
    st.caption(f"The most unusual in {about}, the worst at the left; they were read as {read}.")


def describe_measure(measure: str) -> str:
    """Say what a measure is of: of a table's columns, how their cells are spread."""
    return MEASURES.get(measure, f"how {measure.removeprefix('psi.')} is spread")


def _name_look(report: MonitoringReport) -> str:
    word = "alarm" if report.drifted else "calm"
    return f"{format_moment(report.at)}, version {report.version}: {word}"


@st.cache_data(max_entries=50, show_spinner="looking for the nearest")
def _draw_causes(key: str, _culprits: Culprits, _learnt: np.ndarray) -> bytes:
    rows, _ = find_nearest(_learnt, _culprits.samples, 1)
    return draw_image_rows(
        "What came in, and the nearest of what was learnt",
        {"came in": _culprits.samples, "learnt": np.array(_learnt[rows[:, 0]])},
    )


def _show_feedback(store: Store, model: str) -> None:
    reports = list_reports(store, model, SHOWN_REPORTS)
    _show_figures(_draw(store, model, reports), (VOLUME,))
    st.subheader("Corrections")
    workload = list_versions(store, model)[0].bundle.workload
    scope = find_scope(model, workload)
    corrections = list_corrections(store, scope)
    if not corrections:
        page, command = ASKING[workload]
        show_missing(
            f"Nobody has corrected a prediction yet: the page {page} asks for what is true, "
            "and a command takes it too.",
            command,
        )
    else:
        _show_corrections(store, model, scope, corrections)
    events = list_training_events(store, model)[::-1][:SHOWN]
    if events:
        st.subheader("What was learnt from corrections")
        st.dataframe(
            [
                {
                    "when": format_moment(event.at),
                    "what": event.reason,
                    "run": event.run,
                    "outcome": event.outcome,
                    "corrections up to": event.last_correction,
                }
                for event in events
            ],
            hide_index=True,
        )


def _show_corrections(
    store: Store, model: str, scope: str, corrections: Sequence[Correction]
) -> None:
    held = list_conflicts(store, scope)
    new, _ = count_new(store, model, scope)
    roles = Counter({row.sample: row.role for row in corrections}.values())
    figures = {
        "to learn from": (roles["training"], "What the next training learns from."),
        "that judge": (roles["gate"], "A third of them judges and is never learnt from."),
        "new": (new, "To learn from, and no training has seen it yet."),
        "held back": (len(held), "People disagree about it."),
    }
    for column, (name, (count, words)) in zip(st.columns(4), figures.items(), strict=True):
        column.metric(name, count, help=words)
    latest = corrections[::-1][:SHOWN]
    if scope == DIGITS:
        pictures = read_images(store, dict.fromkeys(row.sample for row in latest))
        shown = [row for row in latest if row.sample in pictures][:24]
        st.image(
            _draw_corrections(
                [pictures[row.sample] for row in shown],
                [f"is a {row.target}\n{row.role}" for row in shown],
            ),
            alt="The latest corrections",
        )
    st.dataframe(
        [
            {
                "when": format_moment(row.at),
                "is": row.target,
                "used for": row.role,
                "who": row.who,
                "from": row.source,
            }
            for row in latest
        ],
        hide_index=True,
    )


@st.cache_data(max_entries=20, show_spinner="drawing")
def _draw_corrections(images: Sequence[np.ndarray], captions: Sequence[str]) -> bytes:
    return draw_gallery("The latest corrections", np.array(images), captions)


def _show_accuracy(store: Store, model: str) -> None:
    st.subheader("How well, over time")
    entries = list_history(store, model)
    if entries:
        st.image(
            _draw_history(f"{store.root} {model}", entries[0].id, entries[::-1]),
            alt="Test scores of the champions, one after the other",
        )
        st.caption(
            f"{format_count(len(entries), 'entry', 'entries')} of the history, each judged on "
            "the frozen test samples of its time."
        )
    reports = list_reports(store, model, SHOWN_REPORTS)
    figures = _draw(store, model, reports)
    others = [title for title, _, _ in figures if title not in (*OF_DRIFT, VOLUME)]
    if not others:
        show_missing(
            "What happens between two champions is drawn once the monitor has looked twice.",
            "digitflow up",
        )
    _show_figures(figures, others)


@st.cache_data(max_entries=20, show_spinner="drawing")
def _draw_history(key: str, last: int, _entries: Sequence[Entry]) -> bytes:
    return draw_champions(_entries)
