"""What people say is kept once each, for training or for the gate."""

import numpy as np
import pytest

from digitflow.errors import InputError, StorageError
from digitflow.feedback.corrections import (
    add_corrections,
    add_targets,
    choose_role,
    find_scope,
    list_conflicts,
    list_corrections,
    read_corrected,
    withdraw_correction,
)
from digitflow.feedback.tables import FEEDBACK, Sample, find_sample, open_image
from digitflow.images.frame import digest_image

JUDGING_SHARE = 1 / 3


def test_what_was_said_is_read_again_by_its_role(store, images):
    digits = np.arange(60) % 10
    assert add_corrections(store, list(images), digits.tolist(), "ann", "a test") == 60
    found = {role: read_corrected(store, role) for role in ("training", "gate")}
    assert all(corrected.samples for corrected in found.values())
    seen = set()
    for role, corrected in found.items():
        assert corrected.last == 60
        for sample, target in zip(corrected.samples, corrected.targets, strict=True):
            image = open_image(sample.content)
            assert digest_image(image) == sample.digest
            assert choose_role(sample.digest) == role
            assert digits[(images == image).all(axis=(1, 2)).argmax()] == int(target)
            seen.add(sample.digest)
    assert len(seen) == 60


def test_about_a_third_judges():
    images = np.random.default_rng(1).integers(0, 256, (3000, 28, 28), np.uint8)
    roles = [choose_role(digest_image(image)) for image in images]
    assert roles.count("gate") / 3000 == pytest.approx(JUDGING_SHARE, abs=0.03)


def test_the_same_said_again_by_the_same_person_is_nothing_new(store, images):
    assert add_corrections(store, list(images[:2]), [1, 2], "ann", "a") == 2
    assert add_corrections(store, list(images[:2]), [1, 2], "ann", "b") == 0
    assert add_corrections(store, [images[0], images[0]], [3, 3], "bob", "c") == 1
    assert len(list_corrections(store)) == 3


def test_who_disagrees_holds_a_picture_back_until_they_agree(store, images):
    add_corrections(store, list(images), [7] * 60, "ann", "a")
    add_corrections(store, list(images[:5]), [1] * 5, "bob", "b")
    held = {digest_image(image) for image in images[:5]}
    assert set(list_conflicts(store)) == held
    used = {
        sample.digest
        for role in ("training", "gate")
        for sample in read_corrected(store, role).samples
    }
    assert not used & held
    assert len(used) == 55
    # Only what somebody said last counts.
    add_corrections(store, list(images[:5]), [7] * 5, "bob", "b")
    assert not list_conflicts(store)


def test_a_correction_can_be_neither_changed_nor_removed(store, images):
    add_corrections(store, list(images[:1]), [7], "ann", "a")
    for change in ("UPDATE corrections SET target = 1", "DELETE FROM corrections"):
        with (
            pytest.raises(StorageError, match="append-only"),
            FEEDBACK.connect(store) as connection,
        ):
            connection.exec_driver_sql(change)
    assert list_corrections(store)[0].target == "7"


def test_without_any_there_is_nothing_to_learn_from(store):
    assert list_corrections(store) == []
    assert list_conflicts(store) == {}
    found = read_corrected(store, "training")
    assert (found.samples, found.targets, found.last) == ((), (), 0)


def test_a_picture_is_found_by_the_beginning_of_its_digest(store, images):
    add_corrections(store, list(images[:2]), [1, 2], "ann", "a")
    digest = digest_image(images[0])
    assert find_sample(store, digest[:10].upper()) == digest
    for wrong, message in {
        "0" * 64: "nothing begins",
        digest[:2]: "the first 4 or more",
        "seven": "hexadecimal digits",
    }.items():
        with pytest.raises(InputError, match=message):
            find_sample(store, wrong)


@pytest.mark.parametrize(
    "image", [np.zeros((28, 27), np.uint8), np.zeros((28, 28)), np.zeros((1, 28, 28), np.uint8)]
)
def test_only_what_a_model_can_see_has_a_digest(image):
    with pytest.raises(InputError, match="uint8"):
        digest_image(image)


def test_a_withdrawn_label_counts_no_more_and_the_one_before_it_again(store, images):
    picture = digest_image(images[0])
    assert not withdraw_correction(store, picture, "ann")
    for digit in (3, 5):
        add_corrections(store, [images[0]], [digit], "ann", "a test")
    assert withdraw_correction(store, picture, "ann")
    assert [row.target for row in list_corrections(store)] == ["3"]
    assert withdraw_correction(store, picture, "ann")
    assert list_corrections(store) == []
    assert not withdraw_correction(store, picture, "ann")
    # What was withdrawn may be said again.
    assert add_corrections(store, [images[0]], [5], "ann", "a test") == 1
    assert read_corrected(store, choose_role(picture)).targets == ("5",)


def test_nobody_withdraws_what_others_said(store, images):
    add_corrections(store, [images[0]], [3], "ann", "a test")
    assert not withdraw_correction(store, digest_image(images[0]), "bob")
    assert [row.who for row in list_corrections(store)] == ["ann"]


def test_what_is_said_for_one_model_of_rows_tells_no_other_and_no_digits(store, images):
    rows = [Sample(f"{row:032x}", b'{"a": %d}' % row) for row in range(6)]
    add_corrections(store, list(images[:4]), [1] * 4, "ann", "a")
    assert add_targets(store, "housing", rows, ["7.5"] * 6, "ann", "b") == 6
    assert add_targets(store, "rents", rows[:2], ["3.0"] * 2, "ann", "c") == 2
    assert [row.scope for row in list_corrections(store, "rents")] == ["rents"] * 2
    assert len(list_corrections(store, find_scope("housing", "table"))) == 6
    assert len(list_corrections(store, find_scope("any", "digits"))) == 4
    assert len(list_corrections(store)) == 12
    # The same row is worth something else to another model: nobody disagrees.
    assert list_conflicts(store) == {}
    found = [read_corrected(store, role, "housing") for role in ("training", "gate")]
    assert sorted(s for corrected in found for s in corrected.samples) == rows
    assert withdraw_correction(store, rows[0].digest, "ann", "rents")
    assert len(list_corrections(store, "housing")) == 6
    assert len(list_corrections(store, "rents")) == 1
