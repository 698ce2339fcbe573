"""The report holds all it is told, in words that people understand."""

import re
from typing import get_args

import pytest

from digitflow.evaluation.evidence import Share
from digitflow.gate.verdict import Outcome
from digitflow.reports.training import OUTCOMES


def _replace_check(report, check):
    return report.verdict.model_copy(update={"checks": (check,)})


def test_the_headline_says_what_was_promoted_and_why(report, render):
    text = render(report).text.replace("\N{NO-BREAK SPACE}", " ")
    head = text[: text.index("check by check")]
    for expected in (
        "✓ Promoted: a new champion",
        "197 of 200 right (98.50 %), 2 more than the champion",
        "version 7 of digits",
        "98.50 % 95 % interval 95.70 % to 99.50 %, 200 samples",
        "7e57" * 8,
        "svm-strokes svm on strokes, accuracy 98.50 % on the validation samples",
        "The winner was fitted again",
        "took 5 min 12 s",
        "started 2026-11-21 06:41:02 UTC",
    ):
        assert expected in head


@pytest.mark.parametrize("outcome", get_args(Outcome))
def test_every_outcome_has_words_and_a_sign(report, outcome, render):
    page = render(report, verdict=report.verdict.model_copy(update={"outcome": outcome}))
    sign, words, _ = OUTCOMES[outcome]
    assert f"{sign} {words}" in page.text


def test_a_failed_candidate_is_shown_with_its_error(report, render):
    text = render(report).text
    assert "mlp-scaled mlp on scaled ✗ failed ran longer than 120 s and was ended" in text


def test_costs_are_written_for_people(report, render):
    text = render(report).text
    for expected in (
        "1 min 15 s",
        "1.2 ms",
        "3.0 MB",
        "1.3 MB",
        "17 B",
        "uint8 (1797, 28, 28)",
    ):
        assert expected in text


def test_a_cached_fit_is_marked(report, render):
    assert "1 min 15 s 1 min 10 s of CPU, cached" not in render(report).text
    kept = {"task": "train svm-strokes", "state": "cached"}
    assert "1 min 15 s 1 min 10 s of CPU, cached" in render(report, tasks=(kept,)).text


def test_checks_show_their_figures_and_what_they_say(report, render):
    (check,) = report.verdict.checks
    figures = "✓ pass test 200 0.9850 0.9500 to 0.9900 – –"
    assert f"floor.min_accuracy {check.detail} {figures}" in render(report).text
    against = {"champion": 0.98, "delta": 0.005, "interval": (-0.01, 0.02), "p": 0.0321}
    failed = check.model_copy(update=against | {"verdict": "fail"})
    strict = render(report, verdict=_replace_check(report, failed)).text
    assert "✗ fail test 200 0.9850 0.9800 +0.0050 −0.0100 to +0.0200 0.0321 0.9000" in strict


@pytest.mark.parametrize("verdict", ["warn", "insufficient", "error"])
def test_every_verdict_of_a_check_has_a_sign(report, verdict, render):
    check = report.verdict.checks[0].model_copy(update={"verdict": verdict})
    page = render(report, verdict=_replace_check(report, check))
    assert re.search(rf"[!?✗] {verdict}", page.text)


def test_photographs_of_other_hands_are_reported_where_some_were_read(report, render):
    text = render(report).text
    assert "plain dark pen on white paper, from above 97 of 100 97.00 %" in text
    assert "Other hands" not in render(report, details={"photographs": {}}).text


def test_many_looks_at_one_test_set_are_counted(report, render):
    assert "challengers of digits were judged" not in render(report).text
    comparison = report.verdict.comparison.model_copy(update={"looks": 7})
    verdict = report.verdict.model_copy(update={"comparison": comparison})
    assert (
        "7 different challengers of digits were judged" in render(report, verdict=verdict).text
    )


def test_when_the_model_is_unsure_is_said_with_what_that_buys(report, render):
    text = render(report).text
    assert "below 0.6000 is unsure : 99.00 % of the validation images are answered" in text
    assert "than 99.90 % of them do is not a digit" in text
    assert "is unsure" not in render(report, details={"reject_option": None}).text


def test_a_score_that_is_no_number_is_called_so(report, render):
    check = report.verdict.checks[0].model_copy(update={"challenger": float("nan")})
    assert "not a number" in render(report, verdict=_replace_check(report, check)).text


def test_the_data_card_counts_writers_classes_and_problems(report, render):
    text = render(report).text
    assert "1,234 13 101 102" in text
    assert "1,234 unknown 101" in text
    assert "train: duplicate 4" in text
    assert "artifacts/quarantine/55.csv" in text
    assert "images-of-test labels-of-test" in text


def test_a_mix_counts_the_images_of_each_source_and_what_is_read_of_them(report, render):
    parts = [
        part.model_copy(update={"source_counts": counts})
        for part, counts in zip(report.data.splits, [(1000, 234), (1234, 0)], strict=True)
    ]
    update = {
        "sources": ("mnist", "pen"),
        "splits": tuple(parts),
    }
    read = (Share(correct=199, n=200), Share(correct=98, n=100))
    data = report.data.model_copy(update=update)
    text = render(report, details={"read": read}, data=data).text
    assert "part mnist pen train 1,000 234 test 1,234 0" in text
    assert re.search(r"reads right of the validation images 99\.5\d*\s% 98\.0\d*\s%", text)


def test_problems_without_a_quarantine_file_are_still_counted(report, render):
    text = render(report, data=report.data.model_copy(update={"quarantine": None})).text
    assert "train: duplicate 4" in text
    assert "no quarantine file was written" in text


def test_clean_data_is_said_to_be_clean(report, render):
    card = report.data.model_copy(update={"problems": {}, "quarantine": None})
    assert "None: every row could be used." in render(report, data=card).text


def test_digits_name_what_they_are_mostly_taken_for(report, render):
    text = render(report).text
    assert "9 (3 ×)" in text
    assert "197 of 200 images right, 3 wrong" in text


def test_a_perfect_winner_is_reported(report, render, make_entry):
    entry = make_entry("svm-strokes", wrong=0)
    details = {"metrics": entry.evaluation.metrics, "taken_for": {}}
    text = render(report, details, entries=(entry,)).text
    assert "None: every image was read right." in text
    assert "200 of 200 images right, 0 wrong" in text


def test_lineage_says_what_was_computed_cached_or_failed(report, render):
    text = render(report).text
    assert "3 tasks: 1 computed, 1 cached, 1 failed" in text
    assert "ingest builtin = cached –" in text
    assert "train mlp-scaled ✗ failed 2 min 0 s" in text
    assert "feedc0ffeefe" in text


def test_a_run_without_anything_optional_is_reported(report, render):
    changed = {"outcome": "reject", "checks": ()}
    page = render(
        report,
        verdict=report.verdict.model_copy(update=changed),
        champion=None,
        details={"reject_option": None, "photographs": {}},
        tasks=(),
        notes=(),
    )
    assert "none nothing was promoted yet" in page.text
    assert "The gate asked no question." in page.text
