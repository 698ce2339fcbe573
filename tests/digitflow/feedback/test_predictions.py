"""Every prediction is kept with its picture, and read again in the order it was made."""

import subprocess
import sys

import numpy as np
import pytest

from digitflow.errors import InputError, StorageError
from digitflow.feedback import predictions
from digitflow.feedback.corrections import add_corrections, list_corrections
from digitflow.feedback.predictions import (
    BUFFERED,
    PredictionLog,
    count_by_day,
    forget_predictions,
    read_recent,
)
from digitflow.feedback.tables import FEEDBACK, Sample, name_images, open_image, read_images
from digitflow.images.frame import digest_image

# Keeps images from a process of its own.
KEEPING = """
from pathlib import Path
import numpy as np
from digitflow.store.artifacts import Store
from digitflow.feedback.predictions import PredictionLog
from digitflow.feedback.tables import name_images
images = np.load({images!r})
with PredictionLog(Store(Path({root!r}))) as log:
    said = np.eye(10)[[2] * len(images)]
    log.add(name_images(images), said, ["read"] * len(images), "digits", "1")
"""


def read_as(digits):
    """Probabilities of a model that is fairly sure of these digits."""
    return 0.05 + 0.5 * np.eye(10)[np.asarray(digits)]


def keep(store, images, digits, version="1", model="digits"):
    with PredictionLog(store) as log:
        log.add(
            name_images(images),
            read_as(digits),
            ["read"] * len(images),
            model,
            version,
            "f.png",
            0.002,
        )


def test_the_latest_predictions_of_a_version_come_back_oldest_first(store, images):
    keep(store, images[:40], np.arange(40) % 10)
    keep(store, images[40:], np.full(20, 3), version="2")
    found = read_recent(store, "digits", "1", 15)
    assert found.predicted.tolist() == (np.arange(25, 40) % 10).tolist()
    assert found.samples == tuple(name_images(images[25:40]))
    assert (open_image(found.samples[0].content) == images[25]).all()
    assert np.isnan(found.bounds).all()
    np.testing.assert_allclose(found.probabilities, 0.55)
    np.testing.assert_allclose(found.seconds, 0.002)
    assert found.statuses == ("read",) * 15
    assert len(read_recent(store, "digits", "2", 100).samples) == 20
    assert len(read_recent(store, "other", "1", 100).samples) == 0


def test_a_picture_is_kept_once_however_often_it_is_read(store, images):
    for version in ("1", "2"):
        keep(store, images[[0, 0, 1]], [4, 4, 5], version)
    with FEEDBACK.connect(store) as connection:
        (count,) = connection.exec_driver_sql("SELECT count(*) FROM samples").one()
    assert count == 2
    assert len(read_recent(store, "digits", "1", 10).samples) == 3


def test_many_are_written_as_they_come(store, images):
    log = PredictionLog(store)
    for _ in range(BUFFERED // 60 + 1):
        log.add(name_images(images), read_as([1] * 60), ["read"] * 60, "digits", "1")
    # Nobody has ended it yet.
    assert len(read_recent(store, "digits", "1", 10_000).samples) >= BUFFERED
    log.flush()
    log.flush()
    kept = read_recent(store, "digits", "1", 10_000)
    assert len(kept.samples) == 60 * (BUFFERED // 60 + 1)
    assert np.isnan(kept.seconds).all()


def test_nothing_is_there_before_the_first(store):
    assert read_recent(store, "digits", "1", 10).samples == ()
    assert count_by_day(store, "digits") == {}
    PredictionLog(store).flush()
    assert FEEDBACK.is_missing(store) or not read_recent(store, "digits", "1", 1).at


def test_volumes_are_counted_by_day_and_status(store, images):
    with PredictionLog(store) as log:
        statuses = ["read"] * 50 + ["unsure"] * 8 + ["not a digit"] * 2
        log.add(name_images(images), read_as([1] * 60), statuses, "digits", "1")
    (counts,) = count_by_day(store, "digits").values()
    assert counts == {"read": 50, "unsure": 8, "not a digit": 2}


def test_processes_that_keep_the_same_pictures_at_once_lose_nothing(store, images):
    np.save(store.root.parent / "images.npy", images)
    code = KEEPING.format(root=str(store.root), images=str(store.root.parent / "images.npy"))
    command = [sys.executable, "-c", code]
    workers = [subprocess.Popen(command, stderr=subprocess.PIPE, text=True) for _ in range(4)]
    for worker in workers:
        _, errors = worker.communicate(timeout=120)
        assert worker.returncode == 0, errors
    assert len(read_recent(store, "digits", "1", 1000).samples) == 240


def test_a_database_that_cannot_be_written_is_one_clear_error(tmp_path, images, monkeypatch):
    from digitflow.store.artifacts import Store

    monkeypatch.delenv("DIGITFLOW_DATABASE_URL", raising=False)
    store = Store(tmp_path / "elsewhere")
    store.root.mkdir()
    (store.root / "feedback").write_text("a file where the folder should be")
    log = PredictionLog(store)
    log.add(name_images(images[:1]), read_as([1]), ["read"], "digits", "1")
    with pytest.raises(StorageError):
        log.flush()
    monkeypatch.setattr(predictions, "BUFFERED", 1)
    lenient = PredictionLog(store, strict=False)
    for _ in range(3):
        lenient.add(name_images(images[:1]), read_as([1]), ["read"], "digits", "1")
        assert isinstance(lenient.failure, StorageError)


def test_each_picture_may_have_its_own_file(store, images):
    with PredictionLog(store) as log:
        log.add(
            name_images(images[:2]),
            read_as([1, 2]),
            ["read"] * 2,
            "digits",
            "1",
            ["a.png", None],
        )
    rows = FEEDBACK.read_rows(store, "SELECT file FROM predictions ORDER BY id")
    assert [row["file"] for row in rows] == ["a.png", None]


def keep_forgetting(store, images, monkeypatch, at=None):
    with monkeypatch.context() as patch, PredictionLog(store) as log:
        if at is not None:
            patch.setattr(predictions, "now", lambda: at)
        log.add(
            name_images(images),
            np.eye(10)[[3] * len(images)],
            ["read"] * len(images),
            "digits",
            "1",
        )


@pytest.fixture
def kept(store, images, monkeypatch):
    """Ten old predictions, of which one picture is corrected and one was read again."""
    keep_forgetting(store, images[:10], monkeypatch, at="2020-01-01T00:00:00+00:00")
    keep_forgetting(store, images[9:12], monkeypatch)
    add_corrections(store, [images[0]], [7], "ada", "a test")
    return store


def count_pictures(store):
    with FEEDBACK.connect(store) as connection:
        return connection.exec_driver_sql("SELECT count(*) FROM samples").one()[0]


def remove_and_fail(store):
    with FEEDBACK.removing(store, "predictions") as connection:
        connection.exec_driver_sql("DELETE FROM predictions")
        raise KeyError


def test_only_old_predictions_that_nobody_corrected_are_forgotten(kept, images):
    assert forget_predictions(kept, days=30, dry_run=True) == 9
    assert len(read_recent(kept, "digits", "1", 100).samples) == 13
    assert forget_predictions(kept, days=30) == 9
    left = read_recent(kept, "digits", "1", 100).samples
    assert left == tuple(name_images(images[[0, 9, 10, 11]]))
    assert count_pictures(kept) == 4
    assert len(list_corrections(kept)) == 1
    corrected = digest_image(images[0])
    assert (read_images(kept, [corrected])[corrected] == images[0]).all()
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
    assert len(read_recent(kept, "digits", "1", 100).samples) == 4
    with pytest.raises(StorageError, match="append-only"):
        remove()


def test_without_any_feedback_nothing_is_forgotten(store):
    assert forget_predictions(store, days=30) == 0


def test_values_of_rows_are_kept_with_their_intervals(store):
    rows = [Sample(f"{row:032x}", b'{"a": %d}' % row) for row in range(3)]
    values = np.array([1.5, -2.0, 1e6])
    with PredictionLog(store) as log:
        statuses = ["predicted"] * 3
        log.add(rows, values, statuses, "housing", "1", bounds=(values - 1, values + 2))
    found = read_recent(store, "housing", "1", 10)
    assert found.samples == tuple(rows)
    assert found.predicted.tolist() == values.tolist()
    assert np.isnan(found.probabilities).all()
    np.testing.assert_array_equal(found.bounds, [values - 1, values + 2])


def test_a_database_of_another_making_is_refused_in_one_sentence(store):
    with FEEDBACK.connect(store) if not FEEDBACK.is_missing(store) else _make(store) as found:
        found.exec_driver_sql("CREATE TABLE predictions (id INTEGER)")
        found.commit()
    with pytest.raises(InputError, match="made by another digitflow: it has no"):
        read_recent(store, "digits", "1", 1)


def _make(store):
    (store.root / "feedback").mkdir(parents=True)
    return FEEDBACK.connect(store)
