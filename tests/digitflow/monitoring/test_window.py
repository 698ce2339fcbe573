"""The monitor looks at enough or at nothing, and counts what people corrected."""

import numpy as np
import pytest

from digitflow.config.training import MonitoringRule
from digitflow.evaluation.evidence import TestScore
from digitflow.evaluation.resampling import wilson_interval
from digitflow.feedback.corrections import DIGITS, add_corrections, add_targets
from digitflow.feedback.predictions import PredictionLog, read_recent
from digitflow.feedback.tables import FEEDBACK, name_images
from digitflow.monitoring.drift import DriftResult, Finding
from digitflow.monitoring.window import (
    assess_window,
    collect_window,
    keep_report,
    list_reports,
    read_accuracy,
)
from digitflow.predict.rows import RowPredictor
from digitflow.reports.monitoring import write_page

RULE = MonitoringRule(window=80, least=60)
JUDGED = TestScore(
    model_digest="m", test_digest="t", metric="accuracy", value=7 / 9, n=9, interval=(0.4, 1)
)


@pytest.fixture
def images():
    return np.random.default_rng(0).integers(0, 256, (90, 28, 28), np.uint8)


@pytest.fixture
def predict(store, images):
    """Keep predictions of the first images, all read as a 4."""

    def predict(count, seconds=0.002):
        with PredictionLog(store) as log:
            said = 0.01 + 0.9 * np.eye(10)[np.full(count, 4)]
            statuses = ["read"] * (count - 2) + ["unsure"] * 2
            log.add(name_images(images[:count]), said, statuses, "digits", "3", None, seconds)

    return predict


def inspect(window, value=0.05):
    return DriftResult(
        size=window.size,
        findings=tuple(
            Finding(
                measure=name,
                unit="index",
                value=value,
                limit=0.2,
                clean=0.05,
                alarm=value > 0.2,
            )
            for name in ("psi.ink", "domain", "predictions")
        ),
    )


@pytest.mark.parametrize(("kept", "looked_at"), [(59, None), (60, 60), (79, 60), (90, 80)])
def test_a_window_or_the_least_or_nothing_is_looked_at(store, predict, kept, looked_at):
    predict(kept)
    window = collect_window(store, "digits", "3", RULE)
    assert (window and window.size) == looked_at
    assert collect_window(store, "digits", "2", RULE) is None


def test_what_people_said_of_the_window_is_counted(store, predict, images):
    predict(80)
    add_corrections(store, list(images[:10]), [4] * 6 + [9] * 4, "ann", "a")
    # Nobody knows what these two are.
    add_corrections(store, list(images[6:8]), [1] * 2, "bob", "b")
    window = collect_window(store, "digits", "3", RULE)
    assert (window.labelled, window.wrong, window.unsure) == (8, 2, 2)
    assert window.latency_ms == pytest.approx(2)
    share = read_accuracy(window)
    assert (share.correct, share.n) == (6, 8)
    assert not assess_window("digits", "3", DIGITS, window, inspect(window), RULE).drifted


def test_many_known_errors_alarm_without_any_drift(store, predict, images):
    predict(80)
    add_corrections(store, list(images[:20]), [9] * 20, "ann", "a")
    window = collect_window(store, "digits", "3", RULE)
    report = assess_window("digits", "3", DIGITS, window, inspect(window), RULE)
    assert report.alarms == ("people corrected 20 of 80 predictions, surely over 5%",)


def test_without_labels_there_is_no_accuracy_and_no_latency_where_none_was_measured(
    store, predict
):
    predict(60, seconds=None)
    window = collect_window(store, "digits", "3", RULE)
    assert read_accuracy(window) is None
    assert window.latency_ms is window.latency_p95_ms is None


def test_reports_are_kept_and_the_page_shows_them(store, predict):
    page = store.root / write_page(store, "digits").name
    assert "Nothing to look at yet" in page.read_text()
    predict(80)
    window = collect_window(store, "digits", "3", RULE)
    for value, judged in ((0.05, None), (0.3, JUDGED)):
        found = inspect(window, value)
        keep_report(store, assess_window("digits", "3", DIGITS, window, found, RULE, judged))
    newest, oldest = list_reports(store, "digits")
    assert newest.drifted
    assert not oldest.drifted
    assert len(newest.alarms) == 3
    text = (store.root / write_page(store, "digits").name).read_text()
    assert "What comes in has changed" in text
    assert "psi.ink 0.300, over its limit 0.200" in text
    assert "accuracy 77.78 % (9)" in text
    assert text.count("data:image/png") == 7
    assert "http://" not in text.replace("http://www.w3.org", "")


def test_true_values_outside_of_their_intervals_are_errors_beyond_those_expected(
    store, crown_table, districts
):
    bundle = crown_table().bundle
    with PredictionLog(store) as log:
        rows = RowPredictor.load(store, "housing", log).predict(districts[:80])
    found = read_recent(store, "housing", "1", 80)

    def look(outside):
        """Say of all rows what they are worth: of so many something outside."""
        targets = [
            row.interval[1] + 1 if n < outside else row.value for n, row in enumerate(rows)
        ]
        told = [repr(target) for target in targets]
        add_targets(store, "housing", found.samples, told, "ann", "a test")
        window = collect_window(store, "housing", "1", RULE, bundle.table, bundle.intervals)
        return window, assess_window("housing", "1", "housing", window, inspect(window), RULE)

    window, report = look(12)
    assert (window.labelled, window.wrong, window.unsure) == (80, 12, 0)
    assert window.may_be_wrong == pytest.approx(0.1)
    assert window.confidence is None
    assert store.open_array(window.samples)["ocean_proximity"].tolist() == (
        districts["ocean_proximity"][:80].tolist()
    )
    # 10 % are expected to be outside, and rule.known_errors more are tolerated.
    assert not report.drifted
    window, report = look(30)
    assert report.alarms == ("people corrected 30 of 80 predictions, surely over 15%",)
    keep_report(store, report)
    text = (store.root / write_page(store, "housing").name).read_text()
    assert "How many of 80 rows have which median_house_value (USD)" in text
    assert "not a digit" not in text


def test_a_window_is_the_latest_and_says_from_when_to_when(store, predict):
    predict(90)
    window = collect_window(store, "digits", "3", RULE)
    found = read_recent(store, "digits", "3", 90)
    assert (window.first, window.last) == (found.at[10], found.at[-1])
    np.testing.assert_array_equal(store.open_array(window.predicted), found.predicted[10:])
    np.testing.assert_array_equal(store.open_array(window.confidence), np.float32([0.91] * 80))
    assert (window.target, window.classes) == ("", ())
    assert window.may_be_wrong == 0


def test_latencies_are_milliseconds_their_median_and_their_slowest_twentieth(store, images):
    with PredictionLog(store) as log:
        for row in range(80):
            said = 0.01 + 0.9 * np.eye(10)[[4]]
            seconds = None if row < 20 else (row - 20) / 1000
            log.add(
                name_images(images[row : row + 1]), said, ["read"], "digits", "3", None, seconds
            )
    window = collect_window(store, "digits", "3", RULE)
    assert window.latency_ms == pytest.approx(29.5)
    assert window.latency_p95_ms == pytest.approx(np.quantile(np.arange(60), 0.95))


@pytest.mark.parametrize(("wrong", "alarms"), [(16, 1), (15, 1), (14, 0)])
def test_more_than_the_rule_allows_is_surely_so_before_it_alarms(store, predict, wrong, alarms):
    predict(80)
    window = collect_window(store, "digits", "3", RULE)
    told = window.model_copy(update={"labelled": wrong, "wrong": wrong})
    # 15 of 80 is more than 9.5 % beyond a doubt of one in a hundred, 14 is not.
    rule = RULE.model_copy(update={"known_errors": 0.095})
    report = assess_window("digits", "3", DIGITS, told, inspect(told), rule)
    low, _ = wilson_interval(wrong, 80, 0.99)
    assert (low > 0.095) is bool(alarms)
    assert len(report.alarms) == alarms
    # Where some may be wrong, as many more are needed.
    told = told.model_copy(update={"may_be_wrong": 0.2})
    assert not assess_window("digits", "3", DIGITS, told, inspect(told), rule).drifted


def test_known_errors_stand_before_what_drifted(store, predict, images):
    predict(80)
    add_corrections(store, list(images[:20]), [9] * 20, "ann", "a")
    window = collect_window(store, "digits", "3", RULE)
    report = assess_window("digits", "3", DIGITS, window, inspect(window, 0.3), RULE)
    assert report.alarms[0].startswith("people corrected 20 of 80")
    assert report.alarms[1] == "psi.ink 0.300, over its limit 0.200 (clean windows: 0.050)"
    assert len(report.alarms) == 4


def test_so_many_reports_are_listed_as_are_asked_for(store, predict):
    predict(80)
    window = collect_window(store, "digits", "3", RULE)
    for version in ("1", "2", "3"):
        found = inspect(window, 0.3 if version == "2" else 0.05)
        keep_report(store, assess_window("digits", version, DIGITS, window, found, RULE))
    assert [each.version for each in list_reports(store, "digits", 2)] == ["3", "2"]
    assert list_reports(store, "other") == []
    rows = FEEDBACK.read_rows(store, "SELECT drifted FROM inspections ORDER BY id")
    assert [row["drifted"] for row in rows] == [0, 1, 0]


def test_a_value_at_the_end_of_its_interval_is_in_it(store, crown_table, districts):
    bundle = crown_table().bundle
    with PredictionLog(store) as log:
        rows = RowPredictor.load(store, "housing", log).predict(districts[:60])
    found = read_recent(store, "housing", "1", 60)
    ends = [row.interval[n % 2] for n, row in enumerate(rows)]
    add_targets(store, "housing", found.samples, [repr(end) for end in ends], "ann", "a test")
    window = collect_window(store, "housing", "1", RULE, bundle.table, bundle.intervals)
    assert (window.labelled, window.wrong) == (60, 0)
    assert window.target == "median_house_value (USD)"
