"""When drift leads to a training: with something new to learn from, and not all night."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from digitflow.config.digits import DigitsConfig
from digitflow.config.training import MonitoringRule
from digitflow.feedback.corrections import add_corrections, choose_role
from digitflow.feedback.learning import add_training_event
from digitflow.images.frame import digest_image
from flows.retrain import REASON, find_refusal, list_begun

MODEL = "digits-sample"
NOW = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
CONFIG = DigitsConfig(model=MODEL, monitoring=MonitoringRule(cool_down_hours=2))


@pytest.fixture
def to_learn():
    """Pictures that are learnt from."""
    images = np.random.default_rng(0).integers(0, 256, (30, 28, 28), np.uint8)
    return [image for image in images if choose_role(digest_image(image)) == "training"]


def refuse(store, moment=NOW, begun=None):
    return find_refusal(store, CONFIG, moment, begun or {})


def test_without_a_correction_there_is_nothing_to_learn(store):
    assert "no corrections that were not learnt from" in refuse(store)


def test_what_is_new_is_learnt_once(store, to_learn):
    add_corrections(store, to_learn[:3], [7] * 3, "ada", "a test")
    assert refuse(store) is None
    add_training_event(store, MODEL, "a-run", "trained", "promote", 3)
    assert "no corrections" in refuse(store)
    add_corrections(store, to_learn[3:4], [7], "ada", "a test")
    assert refuse(store) is None


def test_what_people_disagree_on_is_nothing_new(store, to_learn):
    for who, digit in (("ada", 7), ("bob", 1)):
        add_corrections(store, to_learn[:1], [digit], who, "a test")
    assert "no corrections" in refuse(store)


def test_a_stuck_alarm_does_not_train_all_night(store, to_learn):
    add_corrections(store, to_learn[:3], [7] * 3, "ada", "a test")
    begun = {"first": NOW - timedelta(hours=9), "second": NOW - timedelta(minutes=119)}
    assert "cool_down_hours is 2" in refuse(store, begun=begun)
    assert refuse(store, NOW + timedelta(minutes=1), begun) is None


def test_only_trainings_for_drift_begin_the_pause(store):
    for run, reason in (("one", "trained"), ("two", REASON), ("", "announced")):
        add_training_event(store, MODEL, run, reason, "keep", 1)
    assert list(list_begun(store, MODEL)) == ["two"]
