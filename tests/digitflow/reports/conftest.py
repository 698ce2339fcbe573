"""What a run's report says, and a reader of its page."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from digitflow.config.digits import DigitsCandidate
from digitflow.evaluation.evidence import Share, TestScore
from digitflow.evaluation.metrics import measure_predictions
from digitflow.evaluation.scoring import Entry, Evaluation
from digitflow.gate.check import Check
from digitflow.gate.verdict import Comparison, Verdict
from digitflow.models.bundle import Golden, ModelBundle, RejectOption
from digitflow.models.fitting import FittedModel
from digitflow.registry.versions import Champion
from digitflow.reports.digits import DISTORTIONS, find_taken_for
from digitflow.reports.figures import draw_confusion, draw_errors
from digitflow.reports.training import (
    DataCard,
    PartCard,
    RunReport,
    render_report,
)
from digitflow.store.references import ArrayRef, ModelRef

ARRAY = ArrayRef(digest="a0", path="arrays/a0.npy", bytes=80, dtype="float64", shape=(1, 10))
MODEL = ModelRef(digest="m0", path="models/m0.skops", bytes=3 << 20)


def _make_entry(name: str, wrong: int) -> Entry:
    """An entry that reads so many of twenty fours as nines, and all of 180 others right."""
    labels = np.repeat(np.arange(10, dtype=np.uint8), 20)
    predicted = labels.copy()
    predicted[80 : 80 + wrong] = 9
    metrics = measure_predictions(labels, np.eye(10)[predicted])
    return Entry(
        candidate=DigitsCandidate(name=name, estimator="svm", recipe="strokes"),
        with_copies=True,
        fitted=FittedModel(model=MODEL, fit_seconds=75.2, processor_seconds=70.1),
        evaluation=Evaluation(metrics=metrics, predictions=ARRAY, latency_ms=1.25),
    )


FAILED = Entry(
    candidate=DigitsCandidate(
        name="mlp-scaled", estimator="mlp", recipe="scaled", augmented=False
    ),
    error="ran longer than 120 s and was ended",
)

CHECK = Check(
    id="floor.min_accuracy",
    slice="test",
    n=200,
    challenger=0.985,
    champion=None,
    limit=0.9,
    interval=(0.95, 0.99),
    verdict="pass",
    detail="197 of 200 right (98.50 %), at or above the floor of 90.00 %",
)

SCORE = TestScore(
    model_digest="m0",
    test_digest="7e57" * 8,
    n=200,
    metric="accuracy",
    value=0.985,
    interval=(0.957, 0.995),
)

VERDICT = Verdict(
    outcome="promote",
    reason="197 of 200 right (98.50 %), 2 more than the champion",
    checks=(CHECK,),
    comparison=Comparison(test_digest="7e57" * 8, n=200, challenger_digest="m0"),
    challenger=SCORE,
)

REJECT_OPTION = RejectOption(
    coverage=0.99, min_probability=0.6, risk=0.004, detector=MODEL, max_outlier_score=1.0
)

GOLDEN = Golden(samples=ARRAY, predictions=ARRAY, libraries={}, machine="x86_64")

CHAMPION = Champion(
    name="digits",
    version="7",
    entry=9,
    bundle=ModelBundle(model=MODEL, reject_option=REJECT_OPTION, golden=GOLDEN),
    score=SCORE,
    run="digits-20261121-064102-9f3c",
    promoted_at="2026-11-21T06:46:00+00:00",
    libraries={},
)

IMAGES = {
    "name": "train.images",
    "digest": "feedc0ffee" * 3,
    "bytes": 1408976,
    "shape": [1797, 28, 28],
    "dtype": "uint8",
}

TASKS = (
    {
        "task": "ingest builtin",
        "state": "cached",
        "key": "0123456789abcdef",
        "outputs": [IMAGES, {"name": "model", "digest": "ab" * 16, "bytes": 17}],
    },
    {"task": "train mlp-scaled", "state": "failed", "seconds": 120.4},
    {"task": "gate", "state": "computed", "seconds": 0.002},
)


def _make_part(name: str, writers: int | None = None) -> PartCard:
    return PartCard(
        name=name,
        rows=1234,
        class_counts=tuple(range(101, 111)),
        writers=writers,
        samples_digest=f"images-of-{name}",
        targets_digest=f"labels-of-{name}",
    )


CARD = DataCard(
    source="builtin",
    origin="1,797 digits that come with scikit-learn.",
    splits=(_make_part("train", writers=13), _make_part("test")),
    problems={"train: duplicate": 4},
    quarantine="artifacts/quarantine/55.csv",
)


def describe_details(winner: Entry) -> dict[str, Any]:
    """What the page of digits says beside, as `digits.describe_page` returns it."""
    metrics = winner.evaluation.metrics
    return {
        "metrics": metrics,
        "taken_for": find_taken_for(metrics),
        "reject_option": REJECT_OPTION,
        "typical": 0.999,
        "photographs": {"plain": Share(correct=97, n=100)},
        "distortions": DISTORTIONS,
        "read": (),
    }


ENTRIES = (_make_entry("svm-strokes", wrong=3), FAILED)


@pytest.fixture(scope="session")
def pictures():
    counts = _make_entry("svm", wrong=3).evaluation.metrics.confusion
    drawn = {"confusion": draw_confusion(counts), "errors": draw_errors(counts)}
    others = dict.fromkeys(("samples", "mistakes", "risk"), drawn["errors"])
    return drawn | others


@pytest.fixture(scope="session")
def report(pictures) -> RunReport:
    """What the report of a run says in which a second champion was promoted."""
    return RunReport(
        run="digits-20261121-064102-9f3c",
        model="digits",
        started="2026-11-21T06:41:02+00:00",
        seconds=312.4,
        cores=2,
        versions={"numpy": "2.4.6"},
        config="model: digits\nseed: 42\n",
        data=CARD,
        entries=ENTRIES,
        verdict=VERDICT,
        champion=CHAMPION,
        pictures=pictures,
        details=describe_details(ENTRIES[0]),
        tasks=TASKS,
        notes=("The winner was fitted again on training and validation images.",),
    )


@pytest.fixture
def render(parse_page):
    """Render a report, some of it changed, and read the page."""

    def render_changed(report: RunReport, details=None, **changes) -> Any:
        told = {**report.details, **(details or {})}
        return parse_page(render_report(replace(report, details=told, **changes), "digits"))

    return render_changed


@pytest.fixture
def make_entry():
    return _make_entry
