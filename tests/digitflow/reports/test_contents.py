"""The report holds all it is told, in words that people understand."""

import re

import pytest

from digitflow.reports.page import OUTCOMES


def test_the_headline_says_what_was_promoted_and_why(facts, render):
    text = render(facts).text.replace("\N{NO-BREAK SPACE}", " ")
    head = text[: text.index("check by check")]
    for expected in (
        "✓ Promoted: a new champion",
        "197 of 200 right (98.50 %), 2 more than the champion",
        "version 7 of digits",
        "98.50 % 95 % interval 95.70 % to 99.50 %, 200 images",
        "7e57" * 8,
        "svm-strokes svm on strokes, 98.50 % on the validation images",
        "The winner was fitted again",
        "took 5 min 12 s",
        "started 2026-11-21 06:41:02 UTC",
    ):
        assert expected in head


@pytest.mark.parametrize("outcome", [*OUTCOMES, "postponed"])
def test_every_outcome_has_words_and_a_sign(facts, outcome, render):
    page = render(facts, headline=facts.headline.model_copy(update={"outcome": outcome}))
    sign, words, _ = OUTCOMES.get(outcome, ("•", "postponed", ""))
    assert f"{sign} {words}" in page.text


def test_a_failed_candidate_is_shown_with_its_error(facts, render):
    text = render(facts).text
    assert "mlp-scaled mlp on scaled ✗ failed ran longer than 120 s and was ended" in text


def test_costs_are_written_for_people(facts, render):
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


def test_a_cached_fit_is_marked(facts, render, make_candidate):
    fresh, kept = (make_candidate("knn", 190, cached=cached) for cached in (False, True))
    assert "1 min 15 s cached" not in render(facts, leaderboard=(fresh,)).text
    assert "1 min 15 s cached" in render(facts, leaderboard=(kept,)).text


def test_checks_show_their_figures_and_what_they_say(facts, render):
    check = facts.checks[0]
    figures = "✓ pass test 200 0.9850 0.9500 to 0.9900 – –"
    assert f"floor.min_accuracy {check.detail} {figures}" in render(facts).text
    against = {"champion": 0.98, "delta": 0.005, "interval": (-0.01, 0.02), "p": 0.0321}
    failed = check.model_copy(update=against | {"verdict": "fail"})
    strict = render(facts, checks=(failed,)).text
    assert "✗ fail test 200 0.9850 0.9800 +0.0050 −0.0100 to +0.0200 0.0321 0.9000" in strict


@pytest.mark.parametrize("verdict", ["warn", "insufficient", "error"])
def test_every_verdict_of_a_check_has_a_sign(facts, verdict, render):
    page = render(facts, checks=(facts.checks[0].model_copy(update={"verdict": verdict}),))
    assert re.search(rf"[!?✗] {verdict}", page.text)


def test_photographs_of_other_hands_are_reported_where_some_were_read(facts, render):
    text = render(facts).text
    assert "plain dark pen on white paper, from above 97 of 100 97.00 %" in text
    assert "Other hands" not in render(facts, photographs=()).text


def test_many_looks_at_one_test_set_are_counted(facts, render):
    assert "challengers of digits were judged" not in render(facts).text
    assert "7 different challengers of digits were judged" in render(facts, looks=7).text


def test_when_the_model_is_unsure_is_said_with_what_that_buys(facts, render):
    text = render(facts).text
    assert "below 0.6000 is unsure : 99.00 % of the validation images are answered" in text
    assert "than 99.90 % of them do is not a digit" in text
    assert "is unsure" not in render(facts, selective=None).text


def test_a_score_that_is_no_number_is_called_so(facts, render):
    check = facts.checks[0].model_copy(update={"challenger": float("nan")})
    assert "not a number" in render(facts, checks=(check,)).text


def test_the_data_card_counts_writers_classes_and_problems(facts, render):
    text = render(facts).text
    assert "1,234 13 101 102" in text
    assert "1,234 unknown 101" in text
    assert "train: duplicate 4" in text
    assert "artifacts/quarantine/55.csv" in text
    assert "images-of-test labels-of-test" in text


def test_problems_without_a_quarantine_file_are_still_counted(facts, render):
    text = render(facts, data=facts.data.model_copy(update={"quarantine": None})).text
    assert "train: duplicate 4" in text
    assert "no quarantine file was written" in text


def test_clean_data_is_said_to_be_clean(facts, render):
    card = facts.data.model_copy(update={"problems": {}, "quarantine": None})
    assert "None: every row could be used." in render(facts, data=card).text


def test_digits_name_what_they_are_mostly_taken_for(facts, render):
    text = render(facts).text
    assert "9 (3 ×)" in text
    assert "197 of 200 images right, 3 wrong" in text


def test_a_perfect_winner_is_reported(facts, winner, render, measure_winner):
    perfect = winner.model_copy(update={"metrics": measure_winner(0), "mistakes": None})
    text = render(facts, evaluation=perfect).text
    assert "None: every image was read right." in text
    assert "No picture of mistakes was drawn: there are none." in text


def test_lineage_says_what_was_computed_cached_or_failed(facts, render):
    text = render(facts).text
    assert "3 tasks: 1 computed, 1 cached, 1 failed" in text
    assert "ingest builtin = cached –" in text
    assert "train mlp-scaled ✗ failed 2 min 0 s" in text
    assert "feedc0ffeefe" in text


def test_a_run_without_anything_optional_is_reported(facts, render):
    page = render(
        facts,
        seconds=None,
        headline=facts.headline.model_copy(update={"outcome": "reject", "champion": None}),
        samples=None,
        leaderboard=(facts.leaderboard[1],),
        evaluation=None,
        checks=(),
        selective=None,
        photographs=(),
        lineage=(),
        notes=(),
    )
    assert "none nothing was promoted yet" in page.text
    assert "No candidate could be evaluated." in page.text
    assert page.find("img") == []
