"""Page Monitor: what runs, whether what comes in has drifted, what people say, how well."""

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any
from uuid import UUID

import numpy as np
import streamlit as st

from digitflow.app.resources import (
    is_admin,
    list_models,
    mending,
    open_project_store,
    show_missing,
)
from digitflow.feedback.corrections import list_conflicts, list_corrections
from digitflow.feedback.learning import count_new, list_training_events
from digitflow.feedback.tables import read_pictures
from digitflow.formatting import format_count, format_moment, format_seconds
from digitflow.monitoring.attribution import Culprits, find_culprits, find_nearest
from digitflow.monitoring.window import MonitoringReport, list_reports
from digitflow.registry.history import Entry
from digitflow.registry.listing import find_registration, list_history
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
from digitflow.reports.training import OUTCOMES
from digitflow.service.environment import (
    find_running_server,
    is_answering,
    open_client,
    prefect_environment,
)
from digitflow.service.repairs import find_runs
from digitflow.store.artifacts import Store
from digitflow.store.runs import find_run, list_runs, read_events, summarise_tasks

if TYPE_CHECKING:
    from prefect.client.orchestration import SyncPrefectClient
    from prefect.client.schemas.objects import FlowRun
    from prefect.client.schemas.responses import DeploymentResponse

PARTS = ("Runs", "Drift", "Feedback", "Accuracy")
LATEST, SHOWN, CULPRITS = 200, 50, 8
SECONDS_BETWEEN_LOOKS = 2
STARTED = "monitor-started"
# What a person may start here; the others begin by themselves.
STARTABLE = ("train-digits", "retrain-on-drift", "study-digits", "monitor-digits")
PLANNED = "Scheduled"
UNFINISHED = ("PENDING", "RUNNING", "PAUSED", "CANCELLING")
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
            _show_runs(store)
            return
        models = list_models(store)
        if not models:
            show_missing("No model is registered yet: there is nothing to watch.", "make run")
            return
        model = st.selectbox("Registered model", models, key="monitor-model")
        {"Drift": _show_drift, "Feedback": _show_feedback, "Accuracy": _show_accuracy}[part](
            store, model
        )


def _show_runs(store: Store) -> None:
    api = _find_server(store)
    if api is None:
        show_missing(
            "Prefect's server is not running: nothing starts by itself.", "digitflow up"
        )
    else:
        with mending():
            _show_server(store, api)
    st.subheader("Runs that left a record")
    records = list_runs(store)
    if not records:
        show_missing("Nothing has run yet.", "digitflow train")
        return
    st.dataframe([_describe_record(record) for record in records[:SHOWN]], hide_index=True)


def _find_server(store: Store) -> str | None:
    """Return the address of the API of the server that is set or was started; None: none."""
    named = os.environ.get("PREFECT_API_URL")
    if named:
        return named if is_answering(named) else None
    return find_running_server(store)


def _describe_record(record: Mapping[str, Any]) -> dict[str, Any]:
    outcome, seconds = (record.get("verdict") or {}).get("outcome"), record.get("seconds")
    return {
        "run": record["run"],
        "job": record.get("job", "train"),
        "status": record.get("status"),
        "started": format_moment(str(record.get("started"))),
        "took": "" if seconds is None else format_seconds(seconds),
        "verdict": OUTCOMES[outcome][1] if outcome in OUTCOMES else "",
        "error": record.get("error") or "",
    }


def _show_server(store: Store, api: str) -> None:
    # Prefect reads it when it is imported.
    os.environ.update(prefect_environment(store.root, os.environ))
    place = api.removesuffix("/api")
    with open_client(api) as client:
        runs = find_runs(client, {}, order="START_TIME_DESC")[:LATEST]
        st.subheader("Runs by state")
        st.markdown(f"Of the latest {len(runs)}. [All runs in Prefect]({place}/runs)")
        counts = Counter(_name_state(run) for run in runs)
        for column, (state, count) in zip(
            st.columns(max(1, len(counts))), counts.most_common(), strict=False
        ):
            column.metric(state, count)
        _list_flow_runs(place, runs, list(counts))
        _offer_start(client)
    _offer_watching(store, api, runs)


def _name_state(run: "FlowRun") -> str:
    return run.state_name or "Unknown"


def _list_flow_runs(place: str, runs: "Sequence[FlowRun]", states: Sequence[str]) -> None:
    begun = [state for state in states if state != PLANNED]
    chosen = st.multiselect("States", states, default=begun or states, key="monitor-states")
    shown = [run for run in runs if _name_state(run) in chosen][:SHOWN]
    st.dataframe(
        [
            {
                "run": run.name,
                "state": _name_state(run),
                "begins or began": run.start_time or run.expected_start_time,
                "took": format_seconds(run.total_run_time.total_seconds())
                if run.start_time
                else "",
                "said": (run.state.message or "") if run.state else "",
                "in Prefect": f"{place}/runs/flow-run/{run.id}",
            }
            for run in shown
        ],
        hide_index=True,
        column_config={
            "in Prefect": st.column_config.LinkColumn(display_text="open"),
            "begins or began": st.column_config.DatetimeColumn(format="YYYY-MM-DD HH:mm"),
        },
    )


def _offer_start(client: "SyncPrefectClient") -> None:
    st.subheader("Start a retraining or a study")
    if not is_admin():
        st.info("Only an administrator starts runs: `digitflow app --admin`, and the password.")
        return
    known = {each.name: each for each in client.read_deployments() if each.name in STARTABLE}
    if not known:
        show_missing("Nothing is deployed that could be started.", "digitflow up")
        return
    name = st.selectbox(
        "What", [each for each in STARTABLE if each in known], key="monitor-deployment"
    )
    chosen = known[name]
    st.caption(chosen.description or "")
    parameters = {
        "config": st.text_input(
            "Config",
            str(chosen.parameters.get("config", "")),
            help="Path of a config file, from the project's folder.",
            key=f"monitor-config-{name}",
        )
    } | _choose_sections(name)
    if st.button("Start", type="primary", key="monitor-start"):
        _start(client, chosen, parameters)


def _choose_sections(name: str) -> dict[str, Any]:
    if name != "study-digits":
        return {}
    from digitflow.studies.plan import list_sections

    sections = st.multiselect(
        "Sections", list_sections(), key="monitor-sections", help="None of them means all."
    )
    return {"sections": sections}


def _start(
    client: "SyncPrefectClient", deployment: "DeploymentResponse", parameters: dict[str, Any]
) -> None:
    """Start a run; who sends this without being an administrator is refused here too."""
    if not is_admin():
        st.error("Only an administrator may do that.")
        return
    run = client.create_flow_run_from_deployment(deployment.id, parameters=parameters)
    st.session_state[STARTED] = str(run.id)
    st.success("It was asked for; a worker takes it within seconds.")


def _offer_watching(store: Store, api: str, runs: "Sequence[FlowRun]") -> None:
    """Show the progress of a run: the one that was started here first."""
    names = {str(run.id): run.name for run in runs if run.state_type in UNFINISHED}
    started = st.session_state.get(STARTED)
    if started is not None:
        names = {started: names.get(started, "the run that you started")} | names
    st.subheader("Watch a run")
    if not names:
        st.info("Nothing is running or waiting.")
        return
    run = st.selectbox(
        "Run", list(names), format_func=lambda run: names[run], key=f"monitor-watch-{started}"
    )
    _watch(store, api, run)


@st.fragment(run_every=SECONDS_BETWEEN_LOOKS)
@mending()
def _watch(store: Store, api: str, run_id: str) -> None:
    """Say how far a run is; looked at again every few seconds, and nothing else is."""
    with open_client(api) as client:
        run = client.read_flow_run(UUID(run_id))
        percent = _read_progress(client, run)
    # A run that has another name than when it was asked for has begun.
    name = run.name.split()[0]
    st.progress(percent, text=f"{name}: {_name_state(run)}")
    tasks = summarise_tasks(read_events(store, name))
    states = Counter(task["state"] for task in tasks.values())
    said = ", ".join(f"{count} {state}" for state, count in states.most_common())
    st.caption(f"Tasks: {said or 'none yet'}")
    working = [task for task, facts in tasks.items() if facts["state"] == "started"]
    if working:
        st.text("At work: " + ", ".join(working))
    record = find_run(store, name) or {}
    if verdict := record.get("verdict"):
        sign, words, _ = OUTCOMES[verdict["outcome"]]
        st.text(f"{sign} {words}: {verdict['reason']}")
    if record.get("error"):
        st.error(record["error"])


def _read_progress(client: "SyncPrefectClient", run: "FlowRun") -> float:
    """Return the share of a run's tasks that have ended, 0 to 1."""
    from prefect.client.schemas.filters import ArtifactFilter

    if run.state is not None and run.state.is_completed():
        return 1.0
    of_run = {"flow_run_id": {"any_": [run.id]}, "type": {"any_": ["progress"]}}
    found = client.read_artifacts(artifact_filter=ArtifactFilter.model_validate(of_run))
    percents = [each.data for each in found if isinstance(each.data, int | float)]
    return min(1.0, max(percents, default=0.0) / 100)


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
                "of what": MEASURES.get(one.measure, ""),
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
    learnt = sets["train"].images
    key = f"{report.window.images.digest} {measure} {learnt.digest}"
    st.image(
        _draw_causes(key, culprits, store.open_array(learnt)),
        alt="What came in, and the nearest of what was learnt",
    )
    read, about = ", ".join(map(str, culprits.digits)), MEASURES.get(measure, measure)
    st.caption(f"The most unusual in {about}, the worst at the left; they were read as {read}.")


def _name_look(report: MonitoringReport) -> str:
    word = "alarm" if report.drifted else "calm"
    return f"{format_moment(report.at)}, version {report.version}: {word}"


@st.cache_data(max_entries=50, show_spinner="looking for the nearest")
def _draw_causes(key: str, _culprits: Culprits, _learnt: np.ndarray) -> bytes:
    rows, _ = find_nearest(_learnt, _culprits.images, 1)
    return draw_image_rows(
        "What came in, and the nearest of what was learnt",
        {"came in": _culprits.images, "learnt": np.array(_learnt[rows[:, 0]])},
    )


def _show_feedback(store: Store, model: str) -> None:
    reports = list_reports(store, model, SHOWN_REPORTS)
    _show_figures(_draw(store, model, reports), (VOLUME,))
    st.subheader("Corrections")
    corrections = list_corrections(store)
    if not corrections:
        show_missing(
            "Nobody has corrected a picture yet: the page Review asks for labels, and a "
            "command takes them too.",
            "digitflow correct photo.jpg 4213",
        )
    else:
        _show_corrections(store, model)
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


def _show_corrections(store: Store, model: str) -> None:
    corrections, held = list_corrections(store), list_conflicts(store)
    new, _ = count_new(store, model)
    roles = Counter({row.picture: row.role for row in corrections}.values())
    figures = {
        "to learn from": (roles["training"], "Pictures that the next training learns from."),
        "that judge": (roles["gate"], "A third of them judges and is never learnt from."),
        "new": (new, "Pictures to learn from that no training has seen yet."),
        "held back": (len(held), "People disagree about what they show."),
    }
    for column, (name, (count, words)) in zip(st.columns(4), figures.items(), strict=True):
        column.metric(name, count, help=words)
    latest = corrections[::-1][:SHOWN]
    pictures = read_pictures(store, dict.fromkeys(row.picture for row in latest))
    shown = [row for row in latest if row.picture in pictures][:24]
    st.image(
        _draw_corrections(
            [pictures[row.picture] for row in shown],
            [f"is a {row.digit}\n{row.role}" for row in shown],
        ),
        alt="The latest corrections",
    )
    st.dataframe(
        [
            {
                "when": format_moment(row.at),
                "digit": str(row.digit),
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
    st.subheader("Accuracy over time")
    entries = list_history(store, model)
    if entries:
        st.image(
            _draw_history(f"{store.root} {model}", entries[0].id, entries[::-1]),
            alt="Test accuracy of the champions, one after the other",
        )
        st.caption(
            f"{format_count(len(entries), 'entry', 'entries')} of the history, each judged on "
            "the frozen test images of its time."
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
