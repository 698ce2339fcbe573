"""Corrections are learnt from where nothing is judged by them, and each is new once."""

import numpy as np
import pytest

from digitflow.data.sets import LabelledImages, Splits, open_set, store_set
from digitflow.feedback.corrections import add_corrections, choose_role
from digitflow.feedback.learning import (
    NOTHING,
    add_training_event,
    choose_judging,
    count_new,
    digest_all,
    find_others,
    join_corrections,
    learn_corrections,
    list_training_events,
    read_corrections,
    record_training,
)
from digitflow.images.frame import digest_image
from digitflow.store.runs import RunLog


@pytest.fixture
def train(images):
    return LabelledImages(
        images[:40],
        np.zeros(40, np.uint8),
        writers=np.arange(40, dtype=np.int32),
        series=np.ones(40, np.int32),
    )


def test_corrections_follow_the_training_images_as_often_as_asked(train, images):
    corrections = LabelledImages(images[50:53], np.array([7, 8, 9], np.uint8))
    joined, used = join_corrections(train, corrections, set(), 4)
    assert used == 3
    assert len(joined) == 40 + 12
    assert (joined.images[:40] == train.images).all()
    assert joined.labels[40:].tolist() == [7] * 4 + [8] * 4 + [9] * 4
    # Who drew them is not known: no writer of the training images gets them.
    assert (joined.writers[40:] == -1).all()
    assert (joined.series[40:] == -1).all()
    assert joined.labels.dtype == np.uint8


def test_what_validates_or_judges_is_never_learnt_from(train, images):
    corrections = LabelledImages(images[50:53], np.array([7, 8, 9], np.uint8))
    joined, used = join_corrections(train, corrections, digest_all(images[51:]), 2)
    assert used == 1
    assert joined.labels[40:].tolist() == [7, 7]


def test_a_corrected_training_image_gives_way_to_what_people_say(train, images):
    corrections = LabelledImages(images[3:4], np.array([5], np.uint8))
    joined, used = join_corrections(train, corrections, set(), 1)
    assert (used, len(joined)) == (1, 40)
    places = (joined.images == images[3]).all(axis=(1, 2))
    assert joined.labels[places].tolist() == [5]


def test_without_writers_there_are_none_afterwards(images):
    train = LabelledImages(images[:5], np.zeros(5, np.uint8))
    joined, _ = join_corrections(
        train, LabelledImages(images[9:10], np.ones(1, np.uint8)), set(), 2
    )
    assert joined.writers is None
    assert joined.series is None


def test_others_are_those_of_no_digest(images):
    assert find_others(images, digest_all(images[10:])).tolist() == list(range(10))


def test_a_correction_is_new_until_a_training_knew_of_it(store, images):
    assert count_new(store, "digits") == (0, 0)
    add_corrections(store, list(images[:30]), [1] * 30, "ann", "a")
    learnt = [i for i in images[:30] if choose_role(digest_image(i)) == "training"]
    assert count_new(store, "digits") == (len(learnt), 30)
    add_training_event(store, "digits", "run-1", "trained", "keep", 30)
    assert count_new(store, "digits") == (0, 30)
    # Another model has not learnt it, and announcing is not learning.
    assert count_new(store, "other")[0] == len(learnt)
    add_training_event(store, "other", "", "announced", "waiting", 30)
    assert count_new(store, "other")[0] == len(learnt)
    assert count_new(store, "other", "announced")[0] == 0
    add_corrections(store, list(images[30:]), [1] * 30, "ann", "a")
    assert count_new(store, "digits")[0] > 0
    assert [event.run for event in list_training_events(store, "digits")] == ["run-1"]


def test_who_disagrees_teaches_nothing(store, images):
    add_corrections(store, list(images), [1] * 60, "ann", "a")
    add_corrections(store, list(images), [2] * 60, "bob", "b")
    assert count_new(store, "digits")[0] == 0


def _store(store, images, digit=0):
    return store_set(store, LabelledImages(images, np.full(len(images), digit, np.uint8)))


@pytest.fixture
def splits(store, images):
    parts = (images[:20], images[20:30], images[30:40], images[40:50])
    return Splits(
        **dict(zip(Splits.model_fields, (_store(store, p) for p in parts), strict=True))
    )


def test_of_stored_corrections_those_that_no_other_part_holds_are_learnt(store, splits, images):
    said = _store(store, images[[3, 25, 35, 45, 55]], 7)
    learnt = open_set(store, learn_corrections(store, splits, said, 2))
    assert digest_all(learnt.images[learnt.labels == 7]) == digest_all(images[[3, 55]])
    assert len(learnt) == 19 + 2 * 2


def test_what_is_in_any_split_does_not_judge(store, splits, images):
    chosen = choose_judging(store, _store(store, images[[3, 25, 35, 45, 55, 58]], 7), splits)
    assert digest_all(open_set(store, chosen).images) == digest_all(images[[55, 58]])
    assert choose_judging(store, _store(store, images[[3, 25]], 7), splits) is None


def test_corrections_are_read_by_their_use_and_known_by_the_last_one(store, images):
    assert read_corrections(store) == NOTHING
    add_corrections(store, list(images[:12]), [3] * 12, "ada", "a test")
    found = read_corrections(store)
    roles = [choose_role(digest_image(image)) for image in images[:12]]
    assert found.training.rows == roles.count("training")
    assert found.judging.rows == roles.count("gate")
    assert found == read_corrections(store)
    assert found.last > 0


def test_a_run_notes_what_it_learnt_from_and_nothing_where_there_was_nothing(store):
    record_training(RunLog(store, "a-run"), "digits", "keep", 0)
    assert list_training_events(store, "digits") == []
    record_training(RunLog(store, "a-run"), "digits", "keep", 4)
    (event,) = list_training_events(store, "digits")
    assert (event.run, event.reason, event.outcome) == ("a-run", "trained", "keep")
    assert event.last_correction == 4
