"""An inbox's pictures become corrections, and none is lost."""

import cv2
import numpy as np
import pytest

from digitflow.errors import InputError
from digitflow.feedback.corrections import list_corrections
from digitflow.feedback.inbox import take_pictures


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
    assert [row.target for row in list_corrections(store)] == ["3", "8"]
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
