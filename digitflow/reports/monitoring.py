"""The monitor's page: drift, known errors, reasons, speed and volume over time."""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from digitflow.feedback.corrections import find_scope, list_conflicts, list_corrections
from digitflow.feedback.learning import list_training_events
from digitflow.feedback.predictions import count_by_day
from digitflow.formatting import format_count
from digitflow.monitoring.window import (
    MonitoringReport,
    PredictionWindow,
    keep_report,
    list_reports,
    open_window,
    read_accuracy,
)
from digitflow.reports.charts import draw_bars, draw_gallery, draw_lines
from digitflow.reports.page import render_page
from digitflow.store.artifacts import Store
from digitflow.store.references import FileRef, Record

# Older looks are in the database, not on the page.
SHOWN_REPORTS = 200
SHOWN_DAYS = 30
SHOWN_IMAGES = 24
LEAST_SHOWN = 1.0
SHOWN_BINS = 12
NOW, PICTURES, HISTORY, VOLUME = "Drift now", "Pictures", "Drift over time", "Volume"
PREDICTED = "Predicted values"


Figure = tuple[str, str, bytes]


class Page(NamedTuple):
    """The name of a page that was written, and (title, what it shows, PNG) of its figures."""

    name: str
    figures: Sequence[Figure]


def write_page(store: Store, model: str) -> Page:
    """Write reports/monitoring-<model>/index.html.

    It has what the monitor saw up to now; without any look it says so.
    """
    name = f"reports/monitoring-{model}/index.html"
    reports = list_reports(store, model, SHOWN_REPORTS)
    scope = reports[0].scope if reports else find_scope(model, "digits")
    corrections = list_corrections(store, scope)
    figures = draw_figures(store, model, reports[::-1])
    page = render_page(
        "reports/monitoring.html.j2",
        model=model,
        reports=reports,
        latest=reports[0] if reports else None,
        accuracy=read_accuracy(reports[0].window) if reports else None,
        figures=figures,
        corrections=corrections,
        roles={
            role: len({row.sample for row in corrections if row.role == role})
            for role in ("training", "gate")
        },
        conflicts=list_conflicts(store, scope),
        training_events=list_training_events(store, model)[::-1][:SHOWN_DAYS],
    )
    store.write_text(name, page)
    return Page(name, figures)


class ShownPage(Record):
    """The monitor's page by its name, and those of its pictures that the UI shows, by title."""

    page: str
    pictures: dict[str, FileRef]


def write_report(store: Store, report: MonitoringReport) -> ShownPage:
    """Add a report to the monitor's history, and write its page."""
    keep_report(store, report)
    page = write_page(store, report.model)
    # Hour by hour the history would fill the UI's database: it is there when it is needed.
    wanted = (PICTURES, PREDICTED, HISTORY) if report.drifted else (PICTURES, PREDICTED)
    pictures = {
        title: store.put_bytes(png, "figures", ".png")
        for title, _, png in page.figures
        if title in wanted
    }
    return ShownPage(page=page.name, pictures=pictures)


def draw_figures(store: Store, model: str, reports: Sequence[MonitoringReport]) -> list[Figure]:
    """Return (title, what it shows, PNG) of each figure, the oldest look at the left."""
    figures = []
    if reports:
        figures += [_draw_latest(reports[-1]), _draw_predicted(store, reports[-1].window)]
    if len(reports) > 1:
        figures += [_draw_history(reports), _draw_errors(reports)]
        if any(report.judged is not None for report in reports):
            figures.append(_draw_accuracy(reports))
        if any(report.window.latency_ms is not None for report in reports):
            figures.append(_draw_latency(reports))
    if days := count_by_day(store, model):
        figures.append(_draw_volume(days))
    return figures


def _draw_latest(report: MonitoringReport) -> Figure:
    found = report.inspection.findings
    worst = max(found, key=lambda finding: finding.value / finding.limit)
    png = draw_bars(
        "The latest look: effects against their limits",
        [finding.measure for finding in found],
        {"share of its limit": [_show(finding.value / finding.limit) for finding in found]},
        "effect (% of its limit; over 100 alarms)",
        0,
        log=True,
    )
    said = (
        f"{worst.measure} is at {worst.value / worst.limit:.0%} of its limit, the others lower."
    )
    return NOW, said, png


def _draw_predicted(store: Store, window: PredictionWindow) -> Figure:
    """Draw what was predicted last: pictures themselves, of rows how often each value."""
    opened = open_window(store, window)
    if opened.samples.dtype.names:
        return _draw_values(window, opened.predicted)
    latest = slice(-SHOWN_IMAGES, None)
    sure = np.ones(window.size) if opened.confidence is None else opened.confidence
    captions = [
        f"{digit:.0f}\n{share:.0%}"
        for digit, share in zip(opened.predicted[latest], sure[latest], strict=True)
    ]
    png = draw_gallery("What was predicted last", np.array(opened.samples[latest]), captions)
    return PICTURES, "What was read, and how surely, the latest at the end.", png


def _draw_values(window: PredictionWindow, predicted: np.ndarray) -> Figure:
    if window.classes:
        names = window.classes
        counts = np.bincount(predicted.astype(int), minlength=len(names))
    else:
        counts, edges = np.histogram(predicted, SHOWN_BINS)
        names = tuple(f"{low:,.4g} to {high:,.4g}" for low, high in pairwise(edges))
    title = f"Predicted in the latest look: {window.target}"
    png = draw_bars(title, names, {"rows": counts.tolist()}, "rows", 0)
    return PREDICTED, f"How many of {window.size} rows have which {window.target}.", png


def _draw_looks(
    title: str, series: Mapping[str, Sequence[float | None]], y_label: str, **style: Any
) -> bytes:
    """Draw a line for each series, which has a value for each look, the oldest first."""
    lines = {
        name: (np.arange(1 - len(values), 1), np.array(values, float))
        for name, values in series.items()
    }
    return draw_lines(title, lines, "look of the monitor (0 = the latest)", y_label, **style)


def _draw_history(reports: Sequence[MonitoringReport]) -> Figure:
    # Those that come nearest to their limits; the table has all of the latest look.
    names = [finding.measure for finding in reports[-1].inspection.findings]
    shares = {name: [_share_of_limit(report, name) for report in reports] for name in names}
    highest = sorted(names, key=lambda name: -float(np.nanmax(shares[name])))[:5]
    png = _draw_looks(
        "Drift over time",
        {name: shares[name] for name in highest},
        "effect (% of its limit; over 100 alarms)",
        log_y=True,
    )
    alarms = sum(report.drifted for report in reports)
    said = f"Of {len(reports)} looks {alarms} alarm: a line is over 100 %, or people object."
    return HISTORY, said, png


def _share_of_limit(report: MonitoringReport, name: str) -> float:
    found = {finding.measure: finding for finding in report.inspection.findings}
    return _show(found[name].value / found[name].limit) if name in found else np.nan


def _show(share: float) -> float:
    """Return a share in percent, at least 1: axes are logarithmic, and less is nothing."""
    return max(LEAST_SHOWN, 100 * share)


def _draw_errors(reports: Sequence[MonitoringReport]) -> Figure:
    wrong = [100 * report.window.wrong / report.window.size for report in reports]
    unsure = [100 * report.window.unsure / report.window.size for report in reports]
    png = _draw_looks(
        "Known errors and rejections",
        {"corrected by people": wrong, "unsure or not a digit": unsure},
        "share of the predictions (%)",
    )
    said = (
        f"In the latest look {wrong[-1]:.1f} % of the predictions are corrected and "
        f"{unsure[-1]:.1f} % were rejected by the model itself."
    )
    return "Known errors and rejections", said, png


def _draw_accuracy(reports: Sequence[MonitoringReport]) -> Figure:
    judged = [report.judged for report in reports]
    last = next(one for one in reversed(judged) if one is not None)
    values = [one.value if one else None for one in judged]
    png = _draw_looks(
        "On corrections that judge", {last.metric: values}, f"{last.metric} {last.unit}".strip()
    )
    said = (
        "Corrections are mostly of what was predicted wrong: it gets better where a model "
        f"learns. Last: {last.metric} {last.written} on {format_count(last.n, 'correction')}."
    )
    return "Accuracy on feedback", said, png


def _draw_latency(reports: Sequence[MonitoringReport]) -> Figure:
    lines = {
        "median": [report.window.latency_ms for report in reports],
        "95 of 100 are quicker": [report.window.latency_p95_ms for report in reports],
    }
    png = _draw_looks("Time of a prediction", lines, "time of a sample (ms)")
    last = reports[-1].window.latency_ms
    said = "How long the model took for a sample, a digit already found in its picture" + (
        f": {last:.2f} ms in the latest look." if last is not None else "."
    )
    return "Speed", said, png


def _draw_volume(days: dict[str, dict[str, int]]) -> Figure:
    shown = list(days)[-SHOWN_DAYS:]
    statuses = sorted({status for day in shown for status in days[day]})
    png = draw_bars(
        "Predictions a day",
        shown,
        {status: [days[day].get(status, 0) for day in shown] for status in statuses},
        "predictions",
        0,
    )
    total = sum(sum(days[day].values()) for day in shown)
    return VOLUME, f"{total:,} predictions on the {len(shown)} days shown.", png
