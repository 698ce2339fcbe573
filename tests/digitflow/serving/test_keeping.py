"""Predictions are written beside the answers, also when the database comes late."""

import logging

import numpy as np
import pytest

from digitflow.feedback.predictions import read_recent
from digitflow.feedback.tables import FEEDBACK, name_images
from digitflow.serving import keeping
from digitflow.serving.keeping import BackgroundLog


@pytest.fixture
def log(store, monkeypatch):
    """A log that is quick to write, and what it noted."""
    monkeypatch.setattr(keeping, "WRITE_SECONDS", 0.01)
    made = BackgroundLog(store, lambda kept, lost: made.noted.append((kept, lost)))
    made.noted = []
    return made


def add(log, count, first=0):
    frames = np.zeros((count, 28, 28), np.uint8)
    frames[:, 14, 14] = 1 + (first + np.arange(count)) % 255
    probabilities = np.full((count, 10), 0.1)
    log.add(name_images(frames), probabilities, ["read"] * count, "m", "1", "a.png", 0.001)


def count_kept(store):
    return len(read_recent(store, "m", "1", 100_000).samples)


def test_all_is_written_at_the_end(log, store):
    log.start()
    for first in range(5):
        add(log, 3, first)
    log.stop()
    assert count_kept(store) == 15
    assert sum(kept for kept, _ in log.noted) == 15


def test_what_can_not_be_written_is_tried_again_and_told_once(log, store, caplog):
    folder = FEEDBACK.find_file(store).parent
    folder.parent.mkdir(parents=True, exist_ok=True)
    folder.write_text("in the way")
    with caplog.at_level(logging.WARNING):
        add(log, 4)
        log._write_waiting()
        log._write_waiting()
    assert [record.message.partition(":")[0] for record in caplog.records] == [
        "the predictions are not kept"
    ]
    assert log.noted == []
    folder.unlink()
    add(log, 2)
    log._write_waiting()
    assert count_kept(store) == 6
    assert log.noted == [(6, 0)]


def test_so_many_wait_and_what_is_more_is_counted_as_lost(log, store, monkeypatch):
    monkeypatch.setattr(keeping, "MOST_WAITING", 10)
    for _ in range(4):
        add(log, 5)
    assert log.noted == [(0, 5), (0, 5)]
    log.start()
    log.stop()
    assert count_kept(store) == 10
