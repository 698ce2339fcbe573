"""The report of a study: a sound page, its tables beside it, and what it says."""

import numpy as np
import pytest

from digitflow.data.sets import LabelledImages, store_set
from digitflow.reports.charts import draw_lines
from digitflow.studies.chapter import Chapter, ChapterContext, Table, Text, check_number
from digitflow.studies.plan import StudyData
from digitflow.studies.report import (
    SectionResult,
    StudyReport,
    write_chapter,
    write_results,
    write_study,
)

TABLE = Table(
    name="scores",
    title="Scores <of> all",
    sentence="The best is 97.1 %.",
    columns=("model", "accuracy (%)", "fit (s)"),
    rows=(("knn & co", 97.123456, None), ("svm", 98.0, 12), ("tree", 88.0, 3)),
    decimals=2,
    shown=2,
)
BEHIND = TABLE.model_copy(update={"name": "curve", "shown": 0})


@pytest.fixture
def study(store, mnist_scope):
    """What a report says of a study of two sections, of which one failed."""
    digits = store_set(store, LabelledImages(np.zeros((1, 28, 28), np.uint8), np.zeros(1)))
    context = ChapterContext(store, mnist_scope, StudyData(train=digits, test=digits), {})
    lines = {"a": (np.arange(3), np.arange(3))}
    chapter = Chapter(
        section="detector",
        title="The detector",
        question="Is it a 5?",
        findings=("It finds 65.1 % of them.",),
        parts=(
            Text(text="A < B & C"),
            context.figure(
                "curve", "Precision", "It rises.", draw_lines, lines, "x (px)", "y (%)"
            ),
            BEHIND,
            check_number("precision", 0.837, 0.8370880, 5e-4),
            check_number("recall", 0.7, 0.6511714, 5e-4),
            TABLE,
        ),
    )
    good = SectionResult(
        section="detector",
        chapter=chapter,
        elapsed=61.0,
        worked=100.0,
        experiments=7,
        computed=2,
    )
    bad = SectionResult(
        section="tuning",
        chapter=None,
        elapsed=1.0,
        worked=0.5,
        experiments=3,
        computed=1,
        errors=("grid: out of <memory>",),
    )
    return StudyReport(
        run="study-digits-1",
        model="digits",
        started="2026-11-24T08:00:00+00:00",
        seconds=62.0,
        cores=2,
        source="mnist",
        origin="MNIST's 70,000 digits",
        scope=mnist_scope,
        versions={"numpy": "2.4"},
        config="model: digits\n",
        champion="",
        sections=(good, bad),
    )


@pytest.fixture
def page(store, study, parse_page):
    """The page, read as a browser would."""
    return parse_page((store.root / write_study(store, study)).read_text(encoding="utf-8"))


def test_the_page_says_what_was_found_and_what_failed(page):
    for said in ("Is it a 5?", "65.1", "A < B & C", "It rises.", "out of <memory>", "1 of 2"):
        assert said in page.text


def test_what_was_published_stands_beside_what_was_measured(page):
    assert page.text.count("0.837 0.837088 ✓ yes") == 2  # at the top, and in the chapter
    assert page.text.count("0.7 0.6511714 ✗ no") == 2


def test_every_picture_says_what_it_shows(page):
    (picture,) = page.find("img")
    assert picture["alt"] == "Precision. It rises."
    assert picture["src"].startswith("data:image/png;base64,")


def test_tables_are_shown_in_part_and_lie_beside_the_page_whole(page, store):
    assert "97.12" in page.text
    assert "the first 2 of 3 rows" in page.text
    folder = store.root / "reports/study-digits-1"
    rows = (folder / "detector/scores.csv").read_text(encoding="utf-8").splitlines()
    assert rows == [
        "model,accuracy (%),fit (s)",
        "knn & co,97.123456,",
        "svm,98.0,12",
        "tree,88.0,3",
    ]
    assert {link["href"] for link in page.find("a") if link["href"].endswith(".csv")} == {
        "detector/scores.csv",
        "detector/curve.csv",
    }


def test_every_link_leads_somewhere_and_nothing_is_loaded(page, store):
    ids = {attributes.get("id") for _, attributes in page.tags}
    for link in page.find("a"):
        target = link["href"]
        beside = (store.root / "reports/study-digits-1" / target).is_file()
        assert target[1:] in ids if target.startswith("#") else beside
    assert not page.find("script")
    assert not page.find("link")


def test_as_markdown_a_chapter_shows_pictures_and_tables_while_there_is_room(study):
    chapter = study.sections[0].chapter
    whole = write_chapter(chapter, lambda figure: f"![{figure.title}]()")
    assert "![Precision]()" in whole
    assert "| knn & co | 97.12 | – |" in whole
    assert "recall: published 0.7, measured 0.6511714: **not reproduced**." in whole
    short = write_chapter(chapter, lambda figure: "x" * 2000, room=1000)
    assert short.endswith("The rest is in the report.")


def test_the_results_have_all_figures_times_and_failures_without_pictures(study):
    page = write_results(study)
    assert "60,000 training and 10,000 test images" in page
    assert "| detector | 1 min 1 s | 1 min 40 s | 7 |" in page
    assert "| recall | 0.7 | 0.6511714 | no |" in page
    assert "- grid: out of <memory>" in page
    assert "![" not in page
