"""Runs as a person follows them: by state, started, watched while they go on."""

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any
from uuid import UUID

import streamlit as st

from digitflow.app.resources import (
    is_admin,
    mending,
    show_missing,
)
from digitflow.formatting import format_moment, format_seconds
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

LATEST, SHOWN = 200, 50
SECONDS_BETWEEN_LOOKS = 2
STARTED = "monitor-started"
# What a person may start here; the others begin by themselves.
STARTABLE = (
    "train-digits",
    "train-housing",
    "retrain-on-drift",
    "study-digits",
    "study-housing",
    "monitor-digits",
)
PLANNED = "Scheduled"
UNFINISHED = ("PENDING", "RUNNING", "PAUSED", "CANCELLING")


def show_runs(store: Store) -> None:
    """Show what Prefect's server knows of runs, and the records that they left."""
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
    os.environ.update(prefect_environment(store, os.environ))
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
    config = st.text_input(
        "Config",
        str(chosen.parameters.get("config", "")),
        help="Path of a config file, from the project's folder.",
        key=f"monitor-config-{name}",
    )
    parameters = {"config": config} | _choose_sections(chosen, config)
    if st.button("Start", type="primary", key="monitor-start"):
        _start(client, chosen, parameters)


def _choose_sections(deployment: "DeploymentResponse", config: str) -> dict[str, Any]:
    if "studies" not in deployment.tags:
        return {}
    from digitflow.registry.training import resolve_studied
    from digitflow.studies.plan import list_sections

    sections = st.multiselect(
        "Sections",
        list_sections(resolve_studied(config).workload),
        key=f"monitor-sections-{deployment.name}",
        help="None of them means all.",
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
