"""The monitor's reports on a model: drift, known errors, speed; kept and listed."""

import json

import numpy as np

from digitflow.config.training import MonitoringRule
from digitflow.evaluation.evidence import Share
from digitflow.evaluation.resampling import wilson_interval
from digitflow.feedback.corrections import list_conflicts, list_corrections
from digitflow.feedback.predictions import read_recent
from digitflow.feedback.tables import FEEDBACK, define_tables
from digitflow.models.bundle import Reference
from digitflow.monitoring.drift import DriftResult, Limits, OpenWindow, inspect_window
from digitflow.store.artifacts import Store
from digitflow.store.references import ArrayRef, Record
from digitflow.store.runs import now

SURE = 0.99


class PredictionWindow(Record):
    """The latest predictions, as references, and what is known of them.

    Attributes
    ----------
    images : ArrayRef
        uint8 (n, 28, 28).
    digits, confidence : ArrayRef
        What was read, uint8 (n,), and its probability, float32 (n,).
    first, last : str
        When it was predicted: UTC, ISO 8601.
    labelled : int
        Pictures that people labelled, all with one digit.
    wrong : int
        Those of them that were read otherwise.
    unsure : int
        Predictions that were not simply read.
    latency_ms, latency_p95_ms : float or None
        Of an image; None where it was never measured.
    """

    images: ArrayRef
    digits: ArrayRef
    confidence: ArrayRef
    first: str
    last: str
    labelled: int
    wrong: int
    unsure: int
    latency_ms: float | None
    latency_p95_ms: float | None

    @property
    def size(self) -> int:
        """How many predictions these are."""
        return self.digits.shape[0]


class MonitoringReport(Record):
    """What the monitor found of a model in one window.

    Attributes
    ----------
    judged : Share or None
        How many of the corrections that judge it reads right, predicted lately or not; None
        where there are none.
    alarms : tuple of str
        Sentences, the worst first; without any nothing is to be done.
    """

    model: str
    version: str
    at: str
    window: PredictionWindow
    inspection: DriftResult
    judged: Share | None = None
    alarms: tuple[str, ...]

    @property
    def drifted(self) -> bool:
        """Whether anything alarms."""
        return bool(self.alarms)


def collect_window(
    store: Store, model: str, version: str, rule: MonitoringRule
) -> PredictionWindow | None:
    """Return the latest predictions of a version: a window's, or the least that is enough.

    None where there are fewer than `rule.least`.
    """
    found = read_recent(store, model, version, rule.window)
    if len(found.digits) < rule.least:
        return None
    size = rule.window if len(found.digits) >= rule.window else rule.least
    held = list_conflicts(store)
    said = {
        row.picture: row.digit for row in list_corrections(store) if row.picture not in held
    }
    pictures, digits = found.pictures[-size:], found.digits[-size:]
    right = [
        said[picture] == digit
        for picture, digit in zip(pictures, digits, strict=True)
        if picture in said
    ]
    times = found.seconds[-size:][np.isfinite(found.seconds[-size:])] * 1000
    return PredictionWindow(
        images=store.put_array(found.images[-size:]),
        digits=store.put_array(digits),
        confidence=store.put_array(found.probabilities[-size:]),
        first=found.at[-size],
        last=found.at[-1],
        labelled=len(right),
        wrong=right.count(False),
        unsure=sum(status != "read" for status in found.statuses[-size:]),
        latency_ms=float(np.median(times)) if len(times) else None,
        latency_p95_ms=float(np.quantile(times, 0.95)) if len(times) else None,
    )


def compare_window(
    store: Store, reference: Reference, limits: Limits, window: PredictionWindow, seed: int
) -> DriftResult:
    """Measure how far a window of predictions is from what the model learnt from."""
    opened = OpenWindow(
        images=store.open_array(window.images),
        predicted=store.open_array(window.digits),
        confidence=store.open_array(window.confidence),
    )
    return inspect_window(store, reference, limits, opened, seed)


def assess_window(
    model: str,
    version: str,
    window: PredictionWindow,
    inspection: DriftResult,
    rule: MonitoringRule,
    judged: Share | None = None,
) -> MonitoringReport:
    """Tell what alarms: an effect beyond its limit, or more known errors than the rule allows.

    People correct what is wrong and rarely confirm what is right: the share of a window that
    was corrected is what is surely wrong, and the rest may be either.
    """
    alarms = [
        f"{found.measure} {found.value:.3f}, over its limit {found.limit:.3f} "
        f"(clean windows: {found.clean:.3f})"
        for found in inspection.alarms
    ]
    low, _ = wilson_interval(window.wrong, window.size, SURE)
    if low > rule.known_errors:
        alarms.insert(
            0,
            f"people corrected {window.wrong} of {window.size} predictions, surely over "
            f"{rule.known_errors:.0%}",
        )
    return MonitoringReport(
        model=model,
        version=version,
        at=now(),
        window=window,
        inspection=inspection,
        judged=judged,
        alarms=tuple(alarms),
    )


def read_accuracy(window: PredictionWindow) -> Share | None:
    """Return the accuracy on what people labelled; None where they labelled nothing."""
    if not window.labelled:
        return None
    return Share(correct=window.labelled - window.wrong, n=window.labelled)


def keep_report(store: Store, report: MonitoringReport) -> None:
    """Add a report to the monitor's history."""
    values = {
        "model": report.model,
        "version": report.version,
        "at": report.at,
        "drifted": int(report.drifted),
        "report": report.model_dump_json(),
    }
    FEEDBACK.insert_rows(store, "inspections", [values])


def list_reports(store: Store, model: str, limit: int | None = None) -> list[MonitoringReport]:
    """Return the monitor's reports on a model, the newest first."""
    table = define_tables().tables["inspections"]
    query = table.select().where(table.c.model == model).order_by(table.c.id.desc())
    rows = FEEDBACK.select_rows(store, query.limit(limit))
    return [MonitoringReport.model_validate(json.loads(row["report"])) for row in rows]
