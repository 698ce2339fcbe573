"""The page Monitor where Prefect is down: drift with its pictures, corrections, accuracy."""

import numpy as np
import pytest

from digitflow.augment.distortions import alter_images
from digitflow.config.training import MonitoringRule
from digitflow.feedback.corrections import DIGITS, add_corrections
from digitflow.feedback.predictions import PredictionLog
from digitflow.monitoring import drift
from digitflow.monitoring.drift import calibrate_limits
from digitflow.monitoring.window import (
    assess_window,
    collect_window,
    compare_window,
    keep_report,
    list_reports,
)
from digitflow.predict.predictor import Predictor
from digitflow.reports.records import find_sets, list_trainings

MODEL = "digits-sample"
RULE = MonitoringRule(window=60, least=60)


@pytest.fixture
def watched(trained, monkeypatch):
    """The trained store after two looks of the monitor: a calm one, then thicker strokes."""
    monkeypatch.setattr(drift, "DRAWS", 200)
    test = find_sets(trained, list_trainings(trained, MODEL)[0].run)["test"].samples
    images = np.array(trained.open_array(test)[::5][:60])
    reference = Predictor.load(trained, MODEL).champion.bundle.reference
    limits = calibrate_limits(trained, reference, 60, 0.01, 0.1, 0.6, 42)
    for seen in (images, alter_images("thicker", images, 0)):
        look(trained, reference, limits, seen)
    return trained


def look(store, reference, limits, images):
    with PredictionLog(store) as log:
        champion = Predictor.load(store, MODEL, log)
        champion.predict(images)
    version = champion.champion.version
    window = collect_window(store, MODEL, version, RULE)
    found = compare_window(store, reference, limits, window, 42)
    keep_report(store, assess_window(MODEL, version, DIGITS, window, found, RULE))


def open_part(open_page, part, **session):
    return open_page("monitor", **{"monitor-part": part} | session)


def test_runs_are_listed_though_prefect_is_down(trained, open_page, read_words, monkeypatch):
    monkeypatch.delenv("PREFECT_API_URL", raising=False)
    page = open_part(open_page, "Runs")
    assert "digitflow up" in read_words(page)
    (table,) = page.dataframe
    assert table.value["status"].tolist() == ["completed"]


def test_a_server_that_does_not_answer_is_one_that_is_down(
    trained, open_page, read_words, monkeypatch
):
    monkeypatch.setenv("PREFECT_API_URL", "http://127.0.0.1:9/api")
    page = open_part(open_page, "Runs")
    assert "digitflow up" in read_words(page)
    assert page.dataframe


def test_drift_is_shown_with_the_pictures_that_caused_it(watched, open_page, read_words):
    newest, oldest = list_reports(watched, MODEL)
    assert newest.drifted
    assert not oldest.drifted
    page = open_part(open_page, "Drift")
    words = read_words(page)
    for alarm in newest.alarms:
        assert alarm in words
    # Drift now, the latest pictures, drift over time; what caused it beside what was learnt.
    assert len(page.get("image")) == 4
    (table,) = page.dataframe
    assert table.value["measure"].tolist()[0] == newest.inspection.alarms[0].measure


@pytest.mark.parametrize("measure", ["domain", "predictions", "confidence", "psi.residual"])
def test_every_measure_can_be_looked_into(watched, open_page, measure):
    page = open_part(open_page, "Drift", **{f"monitor-measure-{MODEL}-0": measure})
    assert len(page.get("image")) == 4


def test_corrections_are_counted_by_what_they_are_for(
    trained, open_page, read_words, handwriting
):
    add_corrections(trained, list(handwriting.images[:9]), [4] * 9, "ann", "a photo")
    page = open_part(open_page, "Feedback")
    counts = {each.label: int(each.value) for each in page.metric}
    assert counts["to learn from"] + counts["that judge"] == 9
    assert counts["new"] == counts["to learn from"]
    (table,) = page.dataframe
    assert table.value["from"].tolist() == ["a photo"] * 9


def test_what_people_write_is_shown_as_it_is(trained, open_page, handwriting):
    add_corrections(trained, [handwriting.images[0]], [4], "<b>ann</b>", "[x](http://a)")
    page = open_part(open_page, "Feedback")
    assert page.dataframe[0].value["who"].tolist() == ["<b>ann</b>"]
    assert not any("http://a" in each.value for each in page.markdown)


def test_accuracy_over_time_is_that_of_the_history(watched, open_page, read_words):
    page = open_part(open_page, "Accuracy")
    assert "2 entries of the history" in read_words(page)
    assert len(page.get("image")) >= 2


@pytest.mark.parametrize("part", ["Drift", "Feedback", "Accuracy"])
def test_what_is_not_there_yet_is_said_with_what_makes_it(trained, open_page, part):
    page = open_part(open_page, part)
    assert page.warning
    assert page.code


def test_without_a_model_the_page_says_what_makes_one(untrained, open_page, read_words):
    assert "make run" in read_words(open_part(open_page, "Drift"))
    assert "digitflow train" in read_words(open_part(open_page, "Runs"))
