"""What people say is kept once each, for training or for the gate; an inbox loses nothing."""

import cv2
import numpy as np
import pytest

from digitflow.errors import InputError, StorageError
from digitflow.feedback.corrections import (
    add_corrections,
    choose_role,
    list_conflicts,
    list_corrections,
    read_corrected,
    take_pictures,
    withdraw_correction,
)
from digitflow.feedback.tables import FEEDBACK, find_picture
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


@pytest.fixture
def inbox(tmp_path):
    for digit in range(10):
        (tmp_path / "inbox" / str(digit)).mkdir(parents=True)
    return tmp_path / "inbox"


def draw(path, seed=0):
    """Write a picture with some strokes of its own."""
    picture = np.zeros((80, 80), np.uint8)
    points = np.random.default_rng(seed).integers(10, 70, (4, 2)).astype(np.int32)
    cv2.polylines(picture, [points], False, 255, 6)
    cv2.imwrite(str(path), 255 - picture)


def test_a_picture_becomes_a_correction_of_its_folders_digit(store, inbox):
    draw(inbox / "3" / "a.png", 1)
    draw(inbox / "8" / "b.png", 2)
    taken = take_pictures(store, inbox)
    assert (taken.new, taken.seen, taken.refused) == (2, 2, {})
    assert [row.digit for row in list_corrections(store)] == [3, 8]
    assert (inbox / "taken" / "3" / "a.png").is_file()
    assert take_pictures(store, inbox).seen == 0


def test_the_same_picture_again_is_nothing_new_and_not_lost(store, inbox):
    for _ in range(2):
        draw(inbox / "3" / "a.png", 1)
        taken = take_pictures(store, inbox)
    assert (taken.new, taken.seen) == (0, 1)
    assert len(list_corrections(store)) == 1
    assert (inbox / "taken" / "3" / "a-1.png").is_file()


def test_what_cannot_be_read_is_refused_with_the_reason(store, inbox):
    (inbox / "5" / "note.txt").write_text("five")
    cv2.imwrite(str(inbox / "5" / "blank.png"), np.full((40, 40), 255, np.uint8))
    taken = take_pictures(store, inbox)
    assert taken.new == 0
    assert len(taken.refused) == 2
    assert "blank" in (inbox / "refused" / "5" / "blank.png.why.txt").read_text()
    assert (inbox / "refused" / "5" / "note.txt").read_text() == "five"


def test_what_is_still_being_written_is_left_alone(store, inbox):
    (inbox / "5" / ".a.png").write_bytes(b"half")
    assert take_pictures(store, inbox).seen == 0
    assert (inbox / "5" / ".a.png").is_file()


def test_a_missing_inbox_is_bad_input(store, tmp_path):
    with pytest.raises(InputError, match="folders 0 to 9"):
        take_pictures(store, tmp_path / "nowhere")


def test_a_withdrawn_label_counts_no_more_and_the_one_before_it_again(store, images):
    picture = digest_image(images[0])
    assert not withdraw_correction(store, picture, "ann")
    for digit in (3, 5):
        add_corrections(store, [images[0]], [digit], "ann", "a test")
    assert withdraw_correction(store, picture, "ann")
    assert [row.digit for row in list_corrections(store)] == [3]
    assert withdraw_correction(store, picture, "ann")
    assert list_corrections(store) == []
    assert not withdraw_correction(store, picture, "ann")
    # What was withdrawn may be said again.
    assert add_corrections(store, [images[0]], [5], "ann", "a test") == 1
    assert read_corrected(store, choose_role(picture)).labels.tolist() == [5]


def test_nobody_withdraws_what_others_said(store, images):
    add_corrections(store, [images[0]], [3], "ann", "a test")
    assert not withdraw_correction(store, digest_image(images[0]), "bob")
    assert [row.who for row in list_corrections(store)] == ["ann"]
