"""The monitor's reports on a model: drift, known errors, speed; kept and listed."""

import json
from collections.abc import Sequence

import numpy as np

from digitflow.config.training import MonitoringRule
from digitflow.data.facts import TableFacts
from digitflow.evaluation.evidence import Share, TestScore
from digitflow.evaluation.resampling import wilson_interval
from digitflow.feedback.corrections import DIGITS, list_conflicts, list_corrections
from digitflow.feedback.learning import number_targets, open_rows
from digitflow.feedback.predictions import ANSWERED, read_recent
from digitflow.feedback.tables import FEEDBACK, Sample, define_tables, open_image
from digitflow.models.bundle import PredictionIntervals, Reference
from digitflow.monitoring.drift import DriftResult, Limits, OpenWindow, inspect_window
from digitflow.store.artifacts import Store
from digitflow.store.references import ArrayRef, Record
from digitflow.store.runs import now

SURE = 0.99


class PredictionWindow(Record):
    """The latest predictions, as references, and what is known of them.

    Attributes
    ----------
    samples : ArrayRef
        Images uint8 (n, 28, 28), or records (n,).
    predicted : ArrayRef
        float64 (n,): numbers of classes, or values.
    confidence : ArrayRef or None
        The probability of a class, float32 (n,); None for values.
    first, last : str
        When it was predicted: UTC, ISO 8601.
    labelled : int
        Samples that people gave a target, all the same.
    wrong : int
        Those of them whose class is another, or whose value is outside of the interval.
    may_be_wrong : float
        The share of them of which that is to be expected, by the intervals' coverage.
    unsure : int
        Predictions that were not simply answered.
    latency_ms, latency_p95_ms : float or None
        Of a sample; None where it was never measured.
    target : str
        What was predicted, with its unit; empty for digits.
    classes : tuple of str
        What the classes are called; empty for digits and values.
    """

    samples: ArrayRef
    predicted: ArrayRef
    confidence: ArrayRef | None
    first: str
    last: str
    labelled: int
    wrong: int
    may_be_wrong: float = 0.0
    unsure: int
    latency_ms: float | None
    latency_p95_ms: float | None
    target: str = ""
    classes: tuple[str, ...] = ()

    @property
    def size(self) -> int:
        """How many predictions these are."""
        return self.predicted.shape[0]


class MonitoringReport(Record):
    """What the monitor found of a model in one window.

    Attributes
    ----------
    scope : str
        Which corrections are about it, see `find_scope`.
    judged : TestScore or None
        Its figure on the corrections that judge, predicted lately or not; None where there
        are none.
    alarms : tuple of str
        Sentences, the worst first; without any nothing is to be done.
    """

    model: str
    version: str
    scope: str
    at: str
    window: PredictionWindow
    inspection: DriftResult
    judged: TestScore | None = None
    alarms: tuple[str, ...]

    @property
    def drifted(self) -> bool:
        """Whether anything alarms."""
        return bool(self.alarms)


def collect_window(
    store: Store,
    model: str,
    version: str,
    rule: MonitoringRule,
    table: TableFacts | None = None,
    intervals: PredictionIntervals | None = None,
) -> PredictionWindow | None:
    """Return the latest predictions of a version: a window's, or the least that is enough.

    None where there are fewer than `rule.least`.

    Parameters
    ----------
    table, intervals
        Of the version's bundle.
    """
    found = read_recent(store, model, version, rule.window)
    if len(found.samples) < rule.least:
        return None
    size = rule.window if len(found.samples) >= rule.window else rule.least
    samples, predicted = found.samples[-size:], found.predicted[-size:]
    right = _compare_targets(store, model, table, samples, predicted, found.bounds[:, -size:])
    times = found.seconds[-size:][np.isfinite(found.seconds[-size:])] * 1000
    confidence = found.probabilities[-size:]
    return PredictionWindow(
        samples=store.put_array(_open_samples(samples, table)),
        predicted=store.put_array(predicted),
        confidence=None if np.isnan(confidence).any() else store.put_array(confidence),
        first=found.at[-size],
        last=found.at[-1],
        labelled=len(right),
        wrong=right.count(False),
        may_be_wrong=0.0 if intervals is None else 1 - intervals.coverage,
        unsure=sum(status not in ANSWERED for status in found.statuses[-size:]),
        latency_ms=float(np.median(times)) if len(times) else None,
        latency_p95_ms=float(np.quantile(times, 0.95)) if len(times) else None,
        target="" if table is None else f"{table.target} ({table.unit or 'no unit'})",
        classes=() if table is None else table.classes,
    )


def _open_samples(samples: Sequence[Sample], table: TableFacts | None) -> np.ndarray:
    if table is None:
        return np.stack([open_image(sample.content) for sample in samples])
    return open_rows([sample.content for sample in samples], table)[0]


def _compare_targets(
    store: Store,
    model: str,
    table: TableFacts | None,
    samples: Sequence[Sample],
    predicted: np.ndarray,
    bounds: np.ndarray,
) -> list[bool]:
    """Return of each sample with a target whether it was predicted."""
    scope = DIGITS if table is None else model
    held = list_conflicts(store, scope)
    said = {
        row.sample: row.target
        for row in list_corrections(store, scope)
        if row.sample not in held
    }
    rows = [row for row, sample in enumerate(samples) if sample.digest in said]
    targets = [said[samples[row].digest] for row in rows]
    numbers = np.array(targets, np.float64) if table is None else number_targets(targets, table)
    low, high = np.where(np.isnan(bounds), predicted, bounds)[:, rows]
    return ((low <= numbers) & (numbers <= high)).tolist()


def compare_window(
    store: Store, reference: Reference, limits: Limits, window: PredictionWindow, seed: int
) -> DriftResult:
    """Measure how far a window of predictions is from what the model learnt from."""
    return inspect_window(store, reference, limits, open_window(store, window), seed)


def open_window(store: Store, window: PredictionWindow) -> OpenWindow:
    """Open the arrays of a window."""
    confidence = window.confidence
    return OpenWindow(
        samples=store.open_array(window.samples),
        predicted=store.open_array(window.predicted),
        confidence=None if confidence is None else store.open_array(confidence),
    )


def assess_window(
    model: str,
    version: str,
    scope: str,
    window: PredictionWindow,
    inspection: DriftResult,
    rule: MonitoringRule,
    judged: TestScore | None = None,
) -> MonitoringReport:
    """Tell what alarms: an effect beyond its limit, or more known errors than the rule allows.

    People correct what is wrong and rarely confirm what is right: the share of a window that
    was corrected is what is surely wrong, and the rest may be either. Of values, so many
    more may be outside of their intervals as the coverage leaves.
    """
    alarms = [
        f"{found.measure} {found.value:.3f}, over its limit {found.limit:.3f} "
        f"(clean windows: {found.clean:.3f})"
        for found in inspection.alarms
    ]
    low, _ = wilson_interval(window.wrong, window.size, SURE)
    allowed = rule.known_errors + window.may_be_wrong
    if low > allowed:
        alarms.insert(
            0,
            f"people corrected {window.wrong} of {window.size} predictions, surely over "
            f"{allowed:.0%}",
        )
    return MonitoringReport(
        model=model,
        version=version,
        scope=scope,
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
