"""TrainingFacts of a run for the tests of its report, and a reader of the page."""

from html.parser import HTMLParser

import numpy as np
import pytest

from digitflow.evaluation.metrics import measure_predictions
from digitflow.evaluation.resampling import wilson_interval
from digitflow.gate.check import Check
from digitflow.reports.figures import draw_confusion, draw_errors
from digitflow.reports.page import (
    CandidateFacts,
    ChampionFacts,
    DataCard,
    Headline,
    OutputFacts,
    ReportFacts,
    SelectiveFacts,
    SeriesFacts,
    SplitFacts,
    TaskFacts,
    WinnerFacts,
    render_report,
)

VOID = {"meta", "img", "br", "hr", "link", "input", "col", "source"}


class Page(HTMLParser):
    """Checks that tags balance, and keeps what a browser would show and load."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(html)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] not in ("style", "title"):
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())

    def find(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


def _measure_winner(wrong: int = 3):
    labels = np.repeat(np.arange(10, dtype=np.uint8), 20)
    predicted = labels.copy()
    predicted[80 : 80 + wrong] = 9
    return measure_predictions(labels, np.eye(10)[predicted])


@pytest.fixture(scope="session")
def winner() -> WinnerFacts:
    metrics = _measure_winner()
    counts = metrics.confusion
    return WinnerFacts(
        metrics=metrics,
        confusion=draw_confusion(counts),
        errors=draw_errors(counts),
        mistakes=draw_errors(counts),
    )


def _make_candidate(name: str, correct: int, **others) -> CandidateFacts:
    return CandidateFacts(
        name=name,
        estimator="svm",
        recipe="strokes",
        augmented=True,
        status="ok",
        accuracy=correct / 200,
        interval=wilson_interval(correct, 200),
        f1=correct / 200,
        log_loss=0.1,
        brier=0.02,
        ece=0.003,
        fit_seconds=75.2,
        latency_ms=1.25,
        bytes=3 << 20,
        **others,
    )


FAILED = CandidateFacts(
    name="mlp-scaled",
    estimator="mlp",
    recipe="scaled",
    augmented=False,
    status="failed",
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

SELECTIVE_FACTS = {
    "coverage": 0.99,
    "min_probability": 0.6,
    "risk": 0.004,
    "typical": 0.999,
    "screened": True,
}

LINEAGE = (
    TaskFacts(
        task="ingest builtin",
        state="cached",
        seconds=None,
        key="0123456789abcdef",
        outputs=(
            OutputFacts(
                name="train.images",
                digest="feedc0ffee" * 3,
                bytes=1408976,
                shape=(1797, 28, 28),
                dtype="uint8",
            ),
            OutputFacts(name="model", digest="ab" * 16, bytes=17, path="models/ab.skops"),
        ),
    ),
    TaskFacts(task="train mlp-scaled", state="failed", seconds=120.4, key=None),
    TaskFacts(task="gate", state="computed", seconds=0.002, key=None),
)


def make_split(name: str, writers: int | None = None) -> SplitFacts:
    return SplitFacts(
        name=name,
        rows=1234,
        class_counts=tuple(range(101, 111)),
        writers=writers,
        images_digest=f"images-of-{name}",
        labels_digest=f"labels-of-{name}",
    )


CARD = DataCard(
    source="builtin",
    origin="1,797 digits that come with scikit-learn.",
    splits=(make_split("train", writers=13), make_split("test")),
    problems={"train: duplicate": 4},
    quarantine="artifacts/quarantine/55.csv",
)

HEADLINE = Headline(
    outcome="promote",
    reason="197 of 200 right (98.50 %), 2 more than the champion",
    champion=ChampionFacts(version="7", accuracy=0.985, interval=(0.957, 0.995), n=200),
    test_digest="7e57" * 8,
)


@pytest.fixture
def facts(winner) -> ReportFacts:
    return ReportFacts(
        run="digits-20261121-064102-9f3c",
        model="digits",
        started="2026-11-21T06:41:02+00:00",
        seconds=312.4,
        cores=2,
        versions={"numpy": "2.4.6"},
        config="model: digits\nseed: 42\n",
        headline=HEADLINE,
        data=CARD,
        samples=winner.confusion,
        leaderboard=(_make_candidate("svm-strokes", 197, winner=True), FAILED),
        evaluation=winner,
        checks=(CHECK,),
        looks=1,
        selective=SelectiveFacts(**SELECTIVE_FACTS, figure=winner.errors),
        photographs=(SeriesFacts(series="plain", correct=97, n=100, interval=(0.9, 0.99)),),
        lineage=LINEAGE,
        notes=("The winner was fitted again on training and validation images.",),
    )


@pytest.fixture
def parse_page():
    """Read HTML as a browser would; the tags must balance."""
    return Page


@pytest.fixture
def render():
    """Render facts, some of them changed, and read the page."""

    def render_changed(facts: ReportFacts, **changes) -> Page:
        return Page(render_report(facts.model_copy(update=changes)))

    return render_changed


@pytest.fixture
def make_candidate():
    return _make_candidate


@pytest.fixture
def measure_winner():
    return _measure_winner


@pytest.fixture
def make_page():
    """Read a page as a browser would."""
    return Page
