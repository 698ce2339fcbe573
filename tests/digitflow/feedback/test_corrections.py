"""A picture has one use for ever; who disagrees holds it back; nothing is said twice."""

import numpy as np
import pytest

from digitflow.errors import InputError, StorageError
from digitflow.feedback.corrections import (
    add_corrections,
    choose_role,
    list_conflicts,
    list_corrections,
    read_corrected,
)
from digitflow.feedback.pictures import find_picture
from digitflow.feedback.tables import FEEDBACK
from digitflow.images.frame import digest_image

JUDGING_SHARE = 1 / 3


def test_what_was_said_is_read_again_by_its_role(store, images):
    digits = np.arange(60) % 10
    assert add_corrections(store, list(images), digits.tolist(), "ann", "a test") == 60
    found = {role: read_corrected(store, role) for role in ("training", "gate")}
    assert {len(found["training"].labels), len(found["gate"].labels)} != {0}
    seen = set()
    for role, corrected in found.items():
        assert corrected.last == 60
        assert corrected.images.dtype == np.uint8
        for picture, image, label in zip(
            corrected.pictures, corrected.images, corrected.labels, strict=True
        ):
            assert digest_image(image) == picture
            assert choose_role(picture) == role
            assert digits[(images == image).all(axis=(1, 2)).argmax()] == label
            seen.add(picture)
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
        picture
        for role in ("training", "gate")
        for picture in read_corrected(store, role).pictures
    }
    assert not used & held
    assert len(used) == 55
    # Only what somebody said last counts.
    add_corrections(store, list(images[:5]), [7] * 5, "bob", "b")
    assert not list_conflicts(store)


def test_a_correction_can_be_neither_changed_nor_removed(store, images):
    add_corrections(store, list(images[:1]), [7], "ann", "a")
    for change in ("UPDATE corrections SET digit = 1", "DELETE FROM corrections"):
        with (
            pytest.raises(StorageError, match="append-only"),
            FEEDBACK.connect(store) as connection,
        ):
            connection.exec_driver_sql(change)
    assert list_corrections(store)[0].digit == 7


def test_without_any_there_is_nothing_to_learn_from(store):
    assert list_corrections(store) == []
    assert list_conflicts(store) == {}
    found = read_corrected(store, "training")
    assert (len(found.labels), found.images.shape, found.last) == (0, (0, 28, 28), 0)


def test_a_picture_is_found_by_the_beginning_of_its_digest(store, images):
    add_corrections(store, list(images[:2]), [1, 2], "ann", "a")
    digest = digest_image(images[0])
    assert find_picture(store, digest[:10].upper()) == digest
    for wrong, message in {
        "0" * 64: "no picture begins",
        digest[:2]: "the first 4 or more",
        "seven": "hexadecimal digits",
    }.items():
        with pytest.raises(InputError, match=message):
            find_picture(store, wrong)


@pytest.mark.parametrize(
    "image", [np.zeros((28, 27), np.uint8), np.zeros((28, 28)), np.zeros((1, 28, 28), np.uint8)]
)
def test_only_what_a_model_can_see_has_a_digest(image):
    with pytest.raises(InputError, match="uint8"):
        digest_image(image)
