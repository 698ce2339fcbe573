"""The report holds all it is told, safely, and needs nothing beside itself."""

import json
import re
import subprocess
import sys
from base64 import b64decode
from html.parser import HTMLParser

import cv2
import numpy as np
import pytest

from digitflow.checks.check import Check
from digitflow.evaluation.intervals import wilson_interval
from digitflow.evaluation.metrics import measure_predictions
from digitflow.plots import draw_confusion, draw_errors
from digitflow.report import (
    OUTCOMES,
    CandidateFacts,
    ChampionFacts,
    DataCard,
    DoubtFacts,
    Headline,
    OutputFacts,
    ReportFacts,
    SeriesFacts,
    SplitFacts,
    TaskFacts,
    WinnerFacts,
    render_report,
)

VOID = {"meta", "img", "br", "hr", "link", "input", "col", "source"}
HOSTILE = "<script>alert('x')</script> & \"quoted\" {{ 7 * 7 }} 中文"


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


def measure_winner(wrong: int = 3):
    labels = np.repeat(np.arange(10, dtype=np.uint8), 20)
    predicted = labels.copy()
    predicted[80 : 80 + wrong] = 9
    return measure_predictions(labels, np.eye(10)[predicted])


@pytest.fixture(scope="session")
def winner() -> WinnerFacts:
    metrics = measure_winner()
    counts = metrics.confusion
    return WinnerFacts(
        metrics=metrics,
        confusion=draw_confusion(counts),
        errors=draw_errors(counts),
        mistakes=draw_errors(counts),
    )


def make_candidate(name: str, correct: int, **others) -> CandidateFacts:
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

DOUBT_FACTS = {
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
        leaderboard=(make_candidate("svm-strokes", 197, winner=True), FAILED),
        evaluation=winner,
        checks=(CHECK,),
        looks=1,
        doubt=DoubtFacts(**DOUBT_FACTS, figure=winner.errors),
        other_hands=(SeriesFacts(series="plain", correct=97, n=100, interval=(0.9, 0.99)),),
        lineage=LINEAGE,
        notes=("The winner was fitted again on training and validation images.",),
    )


def render(facts: ReportFacts, **changes) -> Page:
    return Page(render_report(facts.model_copy(update=changes)))


def test_the_report_is_one_balanced_page(facts):
    html = render_report(facts)
    page = Page(html)
    assert html.startswith("<!DOCTYPE html>")
    assert [len(page.find(tag)) for tag in ("html", "head", "body", "main", "h1")] == [1] * 5
    assert page.find("html")[0]["lang"] == "en"


def test_the_report_fetches_nothing_and_runs_nothing(facts):
    html = render_report(facts)
    page = Page(html)
    for tag, attributes in page.tags:
        assert tag not in ("script", "link", "iframe", "object", "embed", "base", "form")
        assert not any(name.startswith("on") for name in attributes)
        assert (attributes.get("src") or "data:").startswith("data:")
        assert (attributes.get("href") or "#").startswith("#")
    assert not re.search(r"https?://|@import|url\(", html)
    policy = page.find("meta")[2]
    assert "default-src 'none'" in policy["content"]


def test_links_within_the_page_lead_somewhere(facts):
    page = render(facts)
    anchors = {attributes.get("id") for _, attributes in page.tags}
    assert {link["href"].removeprefix("#") for link in page.find("a")} <= anchors


def test_pictures_are_whole_and_described(facts, winner):
    images = render(facts).find("img")
    assert len(images) == 5
    for image in images:
        assert len(image["alt"]) > 20
        png = b64decode(image["src"].removeprefix("data:image/png;base64,"), validate=True)
        assert cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_COLOR) is not None
    assert b64decode(images[1]["src"].split(",")[1]) == winner.confusion


def test_table_headers_say_what_they_head(facts):
    headers = render(facts).find("th")
    assert len(headers) > 30
    assert all(header.get("scope") in ("col", "row") for header in headers)


def test_the_headline_says_what_was_promoted_and_why(facts):
    text = render(facts).text.replace("\N{NO-BREAK SPACE}", " ")
    head = text[: text.index("check by check")]
    for expected in (
        "✓ Promoted: a new champion",
        "197 of 200 right (98.50 %), 2 more than the champion",
        "version 7 of digits",
        "98.50 % 95 % interval 95.70 % to 99.50 %, 200 images",
        "7e57" * 8,
        "svm-strokes svm on strokes, 98.50 % on the comparison images",
        "The winner was fitted again",
        "took 5 min 12 s",
        "started 2026-11-21 06:41:02 UTC",
    ):
        assert expected in head


@pytest.mark.parametrize("outcome", [*OUTCOMES, "postponed"])
def test_every_outcome_has_words_and_a_sign(facts, outcome):
    page = render(facts, headline=HEADLINE.model_copy(update={"outcome": outcome}))
    sign, words, _ = OUTCOMES.get(outcome, ("•", "postponed", ""))
    assert f"{sign} {words}" in page.text


def test_a_failed_candidate_is_shown_with_its_error(facts):
    text = render(facts).text
    assert "mlp-scaled mlp on scaled ✗ failed ran longer than 120 s and was ended" in text


def test_costs_are_written_for_people(facts):
    text = render(facts).text
    for expected in (
        "1 min 15 s",
        "1.2 ms",
        "3.0 MB",
        "1.3 MB",
        "17 B",
        "uint8 (1797, 28, 28)",
    ):
        assert expected in text


def test_a_cached_fit_is_marked(facts):
    fresh, kept = (make_candidate("knn", 190, cached=cached) for cached in (False, True))
    assert "1 min 15 s cached" not in render(facts, leaderboard=(fresh,)).text
    assert "1 min 15 s cached" in render(facts, leaderboard=(kept,)).text


def test_interval_bars_share_one_scale(facts):
    rows = (make_candidate("best", 200, winner=True), make_candidate("worst", 50))
    html = render_report(facts.model_copy(update={"leaderboard": rows}))
    low, high = wilson_interval(50, 200)
    left, right = re.findall(r'<i style="left:([\d.]+)%;right:calc\(100% - ([\d.]+)%\)', html)[
        1
    ]
    assert float(left) == 0
    assert float(right) == pytest.approx(100 * (high - low) / (1 - low), abs=0.01)


def test_checks_show_their_figures_and_what_they_say(facts):
    plain = render(facts).text
    assert (
        f"floor.min_accuracy {CHECK.detail} ✓ pass test 200 0.9850 0.9500 to 0.9900 – –"
        in plain
    )
    against = {"champion": 0.98, "delta": 0.005, "interval": (-0.01, 0.02), "p": 0.0321}
    failed = CHECK.model_copy(update=against | {"verdict": "fail"})
    strict = render(facts, checks=(failed,)).text
    assert "✗ fail test 200 0.9850 0.9800 +0.0050 −0.0100 to +0.0200 0.0321 0.9000" in strict


@pytest.mark.parametrize("verdict", ["warn", "insufficient", "error"])
def test_every_verdict_of_a_check_has_a_sign(facts, verdict):
    page = render(facts, checks=(CHECK.model_copy(update={"verdict": verdict}),))
    assert re.search(rf"[!?✗] {verdict}", page.text)


def test_photographs_of_other_hands_are_reported_where_some_were_read(facts):
    text = render(facts).text
    assert "plain dark pen on white paper, from above 97 of 100 97.00 %" in text
    assert "Other hands" not in render(facts, other_hands=()).text


def test_many_looks_at_one_test_set_are_counted(facts):
    assert "challengers of digits were judged" not in render(facts).text
    assert "7 different challengers of digits were judged" in render(facts, looks=7).text


def test_when_the_model_is_unsure_is_said_with_what_that_buys(facts):
    text = render(facts).text
    assert "below 0.6000 is unsure : 99.00 % of the comparison images are answered" in text
    assert "than 99.90 % of them do is not a digit" in text
    assert "is unsure" not in render(facts, doubt=None).text


def test_a_score_that_is_no_number_is_called_so(facts):
    check = CHECK.model_copy(update={"challenger": float("nan")})
    assert "not a number" in render(facts, checks=(check,)).text


def test_the_data_card_counts_writers_classes_and_problems(facts):
    text = render(facts).text
    assert "1,234 13 101 102" in text
    assert "1,234 unknown 101" in text
    assert "train: duplicate 4" in text
    assert "artifacts/quarantine/55.csv" in text
    assert "images-of-test labels-of-test" in text


def test_problems_without_a_quarantine_file_are_still_counted(facts):
    text = render(facts, data=CARD.model_copy(update={"quarantine": None})).text
    assert "train: duplicate 4" in text
    assert "no quarantine file was written" in text


def test_clean_data_is_said_to_be_clean(facts):
    card = CARD.model_copy(update={"problems": {}, "quarantine": None})
    assert "None: every row could be used." in render(facts, data=card).text


def test_digits_name_what_they_are_mostly_taken_for(facts):
    text = render(facts).text
    assert "9 (3 ×)" in text
    assert "197 of 200 images right, 3 wrong" in text


def test_a_perfect_winner_is_reported(facts, winner):
    perfect = winner.model_copy(update={"metrics": measure_winner(0), "mistakes": None})
    text = render(facts, evaluation=perfect).text
    assert "None: every image was read right." in text
    assert "No picture of mistakes was drawn: there are none." in text


def test_lineage_says_what_was_computed_cached_or_failed(facts):
    text = render(facts).text
    assert "3 tasks: 1 computed, 1 cached, 1 failed" in text
    assert "ingest builtin = cached –" in text
    assert "train mlp-scaled ✗ failed 2 min 0 s" in text
    assert "feedc0ffeefe" in text


def test_a_run_without_anything_optional_is_reported(facts):
    page = render(
        facts,
        seconds=None,
        headline=HEADLINE.model_copy(update={"outcome": "reject", "champion": None}),
        samples=None,
        leaderboard=(FAILED,),
        evaluation=None,
        checks=(),
        doubt=None,
        other_hands=(),
        lineage=(),
        notes=(),
    )
    assert "none nothing was promoted yet" in page.text
    assert "No candidate could be evaluated." in page.text
    assert page.find("img") == []


def strings_replaced(value, by):
    """Return the value with its strings, and keys that are sentences, replaced."""
    kept = {"state", "status", "started", "samples", "evaluation"}
    kept |= {"outcome", "verdict", "doubt"}
    if isinstance(value, dict):
        return {
            by if " " in key else key: item if key in kept else strings_replaced(item, by)
            for key, item in value.items()
        }
    if isinstance(value, list | tuple):
        return [strings_replaced(item, by) for item in value]
    return by if isinstance(value, str) else value


def test_nothing_that_is_told_becomes_markup(facts):
    plain = strings_replaced(facts.model_dump(), HOSTILE)
    hostile = ReportFacts.model_validate(plain)
    html = render_report(hostile)
    page = Page(html)
    assert page.find("script") == []
    assert HOSTILE in page.text
    assert "<script>" not in html
    assert {tag for tag, _ in page.tags} == {tag for tag, _ in render(facts).tags}


def test_facts_survive_json(facts):
    text = facts.model_dump_json()
    json.loads(text)
    assert ReportFacts.model_validate_json(text) == facts


def test_equal_facts_give_equal_pages(facts):
    assert render_report(facts) == render_report(facts)


def test_importing_loads_neither_jinja_nor_matplotlib_nor_scikit_learn():
    code = (
        "import sys, digitflow.report\n"
        "assert not {'jinja2', 'matplotlib', 'sklearn'} & sys.modules.keys()\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
