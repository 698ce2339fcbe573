"""What people see of a run: its report, and tables, pictures and progress in the Prefect UI."""

import base64
import time
from collections.abc import Mapping, Sequence
from threading import Lock
from typing import Any, Literal, cast
from uuid import UUID

import prefect.runtime
from prefect import get_client
from prefect.artifacts import (
    create_link_artifact,
    create_markdown_artifact,
    create_progress_artifact,
    create_table_artifact,
    update_progress_artifact,
)
from prefect.events import emit_event

from digitflow.evaluation.scoring import Entry
from digitflow.formatting import format_number, format_signed
from digitflow.gate.verdict import Verdict
from digitflow.monitoring.window import MonitoringReport
from digitflow.registry import promotion
from digitflow.reports import training
from digitflow.reports.monitoring import ShownPage
from digitflow.reports.pictures import Figures
from digitflow.store.artifacts import Store
from digitflow.store.runs import RunLog, summarise_tasks
from digitflow.studies.chapter import Chapter
from digitflow.studies.report import write_chapter
from tasks.wiring import plain_task

SECONDS_BETWEEN_UPDATES = 0.5
# Characters; the server refuses the event of an artifact that is several times larger.
LARGEST_ARTIFACT = 900_000
DECIMALS = 5
# A tag of every flow run of ours, also of one without a deployment.
OURS = "digitflow"
VERDICT_COLUMNS = (
    "check", "on", "verdict", "challenger", "champion", "difference", "p", "limit", "why"
)  # fmt: skip


class ProgressArtifact:
    """The share of a run's tasks that have ended, in the UI.

    Parameters
    ----------
    model : str
        The registered model's name; part of the artifact's key.
    total : int
        How many tasks the run has.
    """

    def __init__(self, model: str, total: int) -> None:
        made = create_progress_artifact(
            progress=0.0, key=f"progress-{model}", description="tasks that have ended"
        )
        self._id = cast("UUID", made)  # a coroutine only where one is awaited
        self._counting = Lock()
        self._total = total
        self._ended = 0
        self._updated = time.monotonic()

    def advance(self) -> None:
        """Count one more task; the server hears of it now and then, not each time."""
        with self._counting:
            self._ended += 1
            if time.monotonic() - self._updated > SECONDS_BETWEEN_UPDATES:
                self._send(min(99.0, 100.0 * self._ended / self._total))

    def expect(self, tasks: int) -> None:
        """Count on so many tasks more than was thought."""
        self._total += tasks

    def finish(self) -> None:
        """Say that the run is through."""
        self._send(100.0)

    def _send(self, percent: float) -> None:
        update_progress_artifact(self._id, progress=round(percent, 1))
        self._updated = time.monotonic()


def show_run(
    log: RunLog, model: str, verdict: Verdict, version: str | None, drawn: Figures
) -> None:
    """Show the run's leaderboard, verdict, report, arrays and pictures in the Prefect UI."""
    label_flow_run(
        verdict.outcome if version is None else f"{verdict.outcome} v{version}",
        model,
        verdict.outcome,
    )
    link_page(log.store, f"reports/{log.run}/index.html", f"report-{model}", "The run's report")
    rows = log.record["leaderboard"]
    publish_leaderboard(model, [Entry.model_validate(row) for row in rows])
    publish_verdict(model, verdict)
    publish_arrays(model, list(summarise_tasks(log.events).values()))
    for name, picture in drawn.pictures.items():
        publish_picture(model, name, picture.title, log.store.read_bytes(picture.png))


def publish_leaderboard(model: str, entries: Sequence[Entry]) -> None:
    """Show the leaderboard as a table."""
    create_table_artifact(
        table=[_describe_entry(entry) for entry in entries],
        key=f"leaderboard-{model}",
        description="Candidates on the validation samples, best first.",
    )


def _describe_entry(entry: Entry) -> dict[str, Any]:
    evaluation, fitted = entry.evaluation, entry.fitted
    figures = evaluation.metrics.list_figures() if evaluation else {}
    return {
        "candidate": entry.candidate.name,
        "recipe": entry.candidate.describe_making(),
        **{name: _round(value) for name, value in figures.items()},
        "fit (s)": fitted and fitted.fit_seconds,
        "fit, CPU (s)": fitted and fitted.processor_seconds,
        "one sample (ms)": evaluation and evaluation.latency_ms,
        "bytes": fitted and fitted.model.bytes,
        "error": entry.error,
    }


def publish_verdict(model: str, verdict: Verdict) -> None:
    """Show the gate's verdict and its checks."""
    create_markdown_artifact(markdown=describe_verdict(verdict), key=f"verdict-{model}")


def describe_verdict(verdict: Verdict) -> str:
    """Write a verdict and its checks as markdown, for the UI."""
    lines = [
        f"## {verdict.outcome}",
        "",
        _escape(verdict.reason),
        "",
        f"| {' | '.join(VERDICT_COLUMNS)} |",
        "|---" * len(VERDICT_COLUMNS) + "|",
    ]
    for check in verdict.checks:
        figures = (check.challenger, check.champion)
        cells = [
            check.id,
            check.slice,
            f"**{check.verdict}**" if check.verdict != "pass" else "pass",
            *("" if value is None else format_number(value) for value in figures),
            "" if check.delta is None else format_signed(check.delta),
            "" if check.p is None else format_number(check.p),
            "" if check.limit is None else format_number(check.limit),
            check.detail,
        ]
        lines.append("| " + " | ".join(_escape(cell) for cell in cells) + " |")
    return "\n".join(lines)


def publish_arrays(model: str, tasks: Sequence[Mapping[str, Any]]) -> None:
    """Show every array that the run made or used again."""
    rows = [
        {
            "task": task["task"],
            "array": output["name"],
            "shape": " x ".join(map(str, output["shape"])),
            "dtype": output["dtype"],
            "bytes": output["bytes"],
            "state": task["state"],
            "digest": output["digest"],
        }
        for task in tasks
        for output in task.get("outputs") or ()
        if "dtype" in output
    ]
    create_table_artifact(
        table=rows, key=f"arrays-{model}", description="The run's arrays, computed or cached."
    )


def label_flow_run(words: str, *tags: str) -> None:
    """Add to the flow run's name what it did; its record keeps the name it began with.

    Parameters
    ----------
    *tags
        Added to those of its deployment, so that the UI can filter by them.
    """
    flow_run = prefect.runtime.flow_run
    with get_client(sync_client=True) as client:
        client.update_flow_run(
            UUID(flow_run.id),
            name=f"{flow_run.name} {words}",
            tags=sorted({OURS, *flow_run.tags, *tags}),
        )


def link_page(store: Store, page: str, key: str, title: str) -> None:
    """Link a page of the store in the Prefect UI.

    A browser opens it where the UI runs on the same machine; elsewhere its path says where
    it is.
    """
    path = store.root.resolve() / page
    create_link_artifact(
        link=path.as_uri(), link_text=title, key=key, description=f"{title}: {path}"
    )


def show_drift(store: Store, report: MonitoringReport, shown: ShownPage) -> None:
    """Show a look of the monitor in the Prefect UI: alarms, drift table, pictures, page."""
    found = "drift" if report.drifted else "calm"
    label_flow_run(found, report.model, found)
    link_page(store, shown.page, f"monitoring-{report.model}", "The monitor's report")
    for title, picture in shown.pictures.items():
        name = f"monitor-{title.lower().replace(' ', '-')}"
        publish_picture(report.model, name, title, store.read_bytes(picture))
    table = [
        {
            "measure": found.measure,
            "effect": _round(found.value),
            "limit": _round(found.limit),
            "clean windows": _round(found.clean),
            "alarms": "yes" if found.alarm else "no",
        }
        for found in report.inspection.findings
    ]
    said = "; ".join(report.alarms) or "nothing alarms"
    create_table_artifact(
        table=table,
        key=f"drift-{report.model}",
        description=f"Version {report.version}, {report.window.size} predictions: {said}",
    )


def show_study(log: RunLog, model: str, done: int, asked: int) -> None:
    """Link a study's report in the Prefect UI, and say in the run's name how it went."""
    words = f"{done} sections" if done == asked else f"{done} of {asked} sections"
    label_flow_run(words, model)
    page = f"reports/{log.run}/index.html"
    link_page(log.store, page, f"study-report-{model}", "The study's report")


def show_chapter(store: Store, model: str, chapter: Chapter) -> None:
    """Show a chapter of a study in the Prefect UI: its sentences, tables and pictures."""
    markdown = write_chapter(
        chapter,
        lambda figure: _embed(figure.title, store.read_bytes(figure.png)),
        LARGEST_ARTIFACT,
    )
    create_markdown_artifact(
        markdown=markdown, key=f"study-{model}-{chapter.section}", description=chapter.question
    )


write_report = plain_task(training.write_report, run_name="report")
file_report = plain_task(promotion.attach_report, run_name="file the report")
publish_run = plain_task(show_run, run_name="publish")
publish_drift = plain_task(show_drift, run_name="publish drift")
publish_study = plain_task(show_study, run_name="publish the study")
publish_chapter = plain_task(show_chapter, run_name="publish {chapter.section}")


def publish_picture(model: str, name: str, title: str, png: bytes) -> None:
    """Show a picture; it is kept inside the markdown, so no file server is needed."""
    markdown = f"## {title}\n\n{_embed(title, png)}"
    create_markdown_artifact(markdown=markdown, key=f"{name}-{model}", description=title)


def _embed(title: str, png: bytes) -> str:
    return f"![{title}](data:image/png;base64,{base64.b64encode(png).decode()})"


def _round(value: Any) -> Any:
    return round(value, DECIMALS) if isinstance(value, float) else value


def _escape(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


Event = Literal[
    "digitflow.dataset.updated",
    "digitflow.drift.detected",
    "digitflow.model.promoted",
    "digitflow.model.rejected",
]


def announce(event: Event, model: str, **payload: object) -> None:
    """Emit an event about a registered model; deployments in prefect.yaml wait for some.

    Parameters
    ----------
    **payload
        Plain JSON values.
    """
    resource = {
        "prefect.resource.id": f"digitflow.model.{model}",
        "prefect.resource.name": model,
    }
    emit_event(event=event, resource=resource, payload=payload)
