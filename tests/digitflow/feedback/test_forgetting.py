"""Old predictions go where somebody asks for it, and nothing that was corrected."""

import numpy as np
import pytest

from digitflow.errors import StorageError
from digitflow.feedback import predictions
from digitflow.feedback.corrections import add_corrections, list_corrections
from digitflow.feedback.forgetting import forget_predictions
from digitflow.feedback.pictures import digest_picture, read_pictures
from digitflow.feedback.predictions import PredictionLog, read_recent
from digitflow.feedback.tables import FEEDBACK


def keep(store, images, monkeypatch, at=None):
    with monkeypatch.context() as patch, PredictionLog(store) as log:
        if at is not None:
            patch.setattr(predictions, "now", lambda: at)
        log.add(images, np.eye(10)[[3] * len(images)], ["read"] * len(images), "digits", "1")


@pytest.fixture
def kept(store, images, monkeypatch):
    """Ten old predictions, of which one picture is corrected and one was read again."""
    keep(store, images[:10], monkeypatch, at="2020-01-01T00:00:00+00:00")
    keep(store, images[9:12], monkeypatch)
    add_corrections(store, [images[0]], [7], "ada", "a test")
    return store


def count_pictures(store):
    with FEEDBACK.connect(store) as connection:
        return connection.exec_driver_sql("SELECT count(*) FROM pictures").one()[0]


def remove_and_fail(store):
    with FEEDBACK.removing(store, "predictions") as connection:
        connection.exec_driver_sql("DELETE FROM predictions")
        raise KeyError


def test_only_old_predictions_that_nobody_corrected_are_forgotten(kept, images):
    assert forget_predictions(kept, days=30, dry_run=True) == 9
    assert len(read_recent(kept, "digits", "1", 100).digits) == 13
    assert forget_predictions(kept, days=30) == 9
    left = read_recent(kept, "digits", "1", 100).pictures
    assert left == tuple(map(digest_picture, images[[0, 9, 10, 11]]))
    assert count_pictures(kept) == 4
    assert len(list_corrections(kept)) == 1
    corrected = digest_picture(images[0])
    assert (read_pictures(kept, [corrected])[corrected] == images[0]).all()
    assert forget_predictions(kept, days=30) == 0


def test_tables_refuse_again_afterwards_and_after_a_failure(kept, monkeypatch):
    def remove():
        with FEEDBACK.connect(kept) as connection:
            connection.exec_driver_sql("DELETE FROM predictions")

    forget_predictions(kept, days=30)
    with pytest.raises(StorageError, match="append-only"):
        remove()
    with pytest.raises(KeyError):
        remove_and_fail(kept)
    assert len(read_recent(kept, "digits", "1", 100).digits) == 4
    with pytest.raises(StorageError, match="append-only"):
        remove()


def test_without_any_feedback_nothing_is_forgotten(store):
    assert forget_predictions(store, days=30) == 0
