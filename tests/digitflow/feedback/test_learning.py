"""Corrections are learnt from where nothing is judged by them, and each is new once."""

import numpy as np
import pytest

from digitflow.config.table import Column
from digitflow.data.facts import TableFacts
from digitflow.data.sets import LabelledImages, SampleSet, Splits, open_set, store_set
from digitflow.data.tables.frames import write_cells
from digitflow.feedback.corrections import add_corrections, add_targets, choose_role
from digitflow.feedback.learning import (
    NOTHING,
    add_training_event,
    choose_judging,
    choose_rows,
    count_new,
    digest_samples,
    learn_corrections,
    list_training_events,
    read_corrections,
    record_training,
)
from digitflow.feedback.tables import Sample
from digitflow.images.frame import digest_image
from digitflow.store.runs import RunLog


def digest_all(images):
    return set(digest_samples(images).tolist())


def test_what_validates_or_judges_is_never_learnt_from():
    train, said = np.array(["a", "b", "c"]), np.array(["b", "d", "e"])
    remaining, chosen = choose_rows(train, said, {"e"})
    # A training sample that is corrected gives way to what people say.
    assert remaining.tolist() == [0, 2]
    assert chosen.tolist() == [0, 1]


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
    assert count_new(store, "other", reason="announced")[0] == 0
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
    assert learnt.labels.dtype == np.uint8
    assert learnt.writers is None


def test_nobody_is_known_to_have_drawn_a_correction(store, splits, images):
    known = store.put_array(np.arange(20, dtype=np.int32))
    train = splits.train.model_copy(update={"writers": known, "series": known})
    told = splits.model_copy(update={"train": train})
    learnt = open_set(store, learn_corrections(store, told, _store(store, images[55:57], 7), 3))
    for column in (learnt.writers, learnt.series):
        assert column.tolist() == [*range(20), *[-1] * 6]


def test_what_is_in_any_split_does_not_judge(store, splits, images):
    chosen = choose_judging(store, _store(store, images[[3, 25, 35, 45, 55, 58]], 7), splits)
    assert digest_all(open_set(store, chosen).images) == digest_all(images[[55, 58]])
    assert choose_judging(store, _store(store, images[[3, 25]], 7), splits) is None


def test_corrections_are_read_by_their_use_and_known_by_the_last_one(store, images):
    assert read_corrections(store, "digits", None) == NOTHING
    add_corrections(store, list(images[:12]), [3] * 12, "ada", "a test")
    found = read_corrections(store, "digits", None)
    roles = [choose_role(digest_image(image)) for image in images[:12]]
    assert found.training.rows == roles.count("training")
    assert found.judging.rows == roles.count("gate")
    assert found == read_corrections(store, "digits", None)
    assert found.last > 0


def test_a_run_notes_what_it_learnt_from_and_nothing_where_there_was_nothing(store):
    record_training(RunLog(store, "a-run"), "digits", "keep", 0)
    assert list_training_events(store, "digits") == []
    record_training(RunLog(store, "a-run"), "digits", "keep", 4)
    (event,) = list_training_events(store, "digits")
    assert (event.run, event.reason, event.outcome) == ("a-run", "trained", "keep")
    assert event.last_correction == 4


TABLE = TableFacts(
    columns={
        "area": Column(min=0),
        "town": Column(type="category", values=("Bern", "Oslo")),
    },
    target="rent",
    holds=Column(unit="USD"),
)


def make_rows(*cells):
    records = np.array(list(cells), [("area", "f8"), ("town", "U9")])
    return records, [
        Sample(digest, content)
        for digest, content in zip(
            digest_samples(records).tolist(), write_cells(records), strict=True
        )
    ]


def read_rows(store, table=TABLE):
    found = read_corrections(store, "rents", table)
    parts = [part for part in (found.training, found.judging) if part is not None]
    return {
        tuple(row): target
        for part in parts
        for row, target in zip(
            store.open_array(part.samples).tolist(),
            store.open_array(part.targets).tolist(),
            strict=True,
        )
    }


def test_rows_come_back_as_records_with_their_values(store):
    _, rows = make_rows((1.5, "Bern"), (2.0, "Oslo"), (3.0, ""))
    add_targets(store, "rents", rows, ["10.5", "20.0", "30.0"], "ann", "a")
    assert read_rows(store) == {(1.5, "Bern"): 10.5, (2.0, "Oslo"): 20.0, (3.0, ""): 30.0}
    assert read_corrections(store, "digits", None).training is None


def test_rows_that_the_columns_have_no_more_place_for_are_passed_over(store, caplog):
    _, rows = make_rows((1.5, "Bern"), (-1.0, "Oslo"), (2.0, "Rome"), (4.0, "Oslo"))
    add_targets(store, "rents", rows, ["1.0", "2.0", "3.0", "much"], "ann", "a")
    assert read_rows(store) == {(1.5, "Bern"): 1.0}
    assert "passed over" in caplog.text


def test_classes_are_numbered_as_the_table_does(store):
    _, rows = make_rows((1.5, "Bern"), (2.0, "Oslo"), (3.0, "Oslo"))
    table = TABLE.model_copy(update={"classes": ("cheap", "dear")})
    add_targets(store, "rents", rows, ["dear", "cheap", "free"], "ann", "a")
    assert read_rows(store, table) == {(1.5, "Bern"): 1, (2.0, "Oslo"): 0}


def test_rows_are_learnt_by_their_identity_and_never_from_those_that_judge(store):
    records, _ = make_rows(*((float(area), "Oslo") for area in range(8)))
    said, _ = make_rows((0.0, "Bern"), (2.0, "Bern"), (9.0, "Bern"))

    def keep(rows, targets):
        return SampleSet(samples=store.put_array(rows), targets=store.put_array(targets))

    parts = [keep(records[part::4], np.zeros(2)) for part in range(4)]
    splits = Splits(**dict(zip(Splits.model_fields, parts, strict=True)))
    corrections = keep(said, np.ones(3))
    learnt = learn_corrections(store, splits, corrections, 2, ("area",))
    rows = store.open_array(learnt.samples)
    # 0 was a training row, 2 validates, 9 is new.
    assert rows["area"].tolist() == [4, 0, 0, 9, 9]
    assert rows["town"].tolist() == ["Oslo", *["Bern"] * 4]
    assert store.open_array(learnt.targets).tolist() == [0, 1, 1, 1, 1]
    judging = choose_judging(store, corrections, splits, ("area",))
    assert store.open_array(judging.samples)["area"].tolist() == [9]
    # By all their cells they are other rows.
    assert learn_corrections(store, splits, corrections, 1).rows == 2 + 3
