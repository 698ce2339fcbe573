import numpy as np
import pytest

from digitflow.config.data import ValidationRules
from digitflow.data.sets import Digits, LabelledImages, RawSets, open_set, store_set
from digitflow.data.validation import check_digits, validate_digits
from digitflow.errors import InputError

TOLERANT = ValidationRules(max_quarantined=1, min_per_class=2)


def make_split(count, seed, writers=False):
    """Images that are all different, with ink inside and a dark border."""
    images = np.zeros((count, 28, 28), np.uint8)
    ink = np.random.default_rng(seed).integers(0, 256, (count, 20, 20), dtype=np.uint8)
    images[:, 4:24, 4:24] = ink
    labels = (np.arange(count) % 10).astype(np.uint8)
    ids = np.arange(count, dtype=np.int32) // 3 if writers else None
    return LabelledImages(images, labels, ids)


@pytest.fixture
def digits():
    return Digits(make_split(100, 0, writers=True), make_split(40, 1), "made for a test")


def reasons_of(checked):
    return {(p.split, p.row): p.reason for p in checked.problems}


def test_real_mnist_has_no_problem_and_no_duplicate(mnist):
    checked = check_digits(mnist, ValidationRules())
    assert checked.problems == ()
    assert checked.quarantined is None
    assert checked.notes == ()
    assert checked.train.images is mnist.train.images
    np.testing.assert_array_equal(checked.train.writers, mnist.train.writers)


def test_clean_digits_pass_unchanged(digits):
    checked = check_digits(digits, ValidationRules(min_per_class=10))
    assert checked.problems == ()
    np.testing.assert_array_equal(checked.train.images, digits.train.images)
    np.testing.assert_array_equal(checked.test.labels, digits.test.labels)


def test_digits_without_a_test_set_have_none_afterwards(digits):
    assert check_digits(Digits(digits.train, None, ""), TOLERANT).test is None


def test_every_row_is_either_kept_or_in_quarantine_as_it_came(digits):
    train = digits.train.images.astype(np.float32)
    train[7, 0, 0], train[3] = np.nan, np.nan
    test = digits.test.images.copy()
    test[5] = 255 - test[5]
    raw = Digits(
        LabelledImages(train, digits.train.labels, digits.train.writers),
        LabelledImages(test, digits.test.labels),
        "",
    )
    checked = check_digits(raw, TOLERANT)
    assert reasons_of(checked) == {
        ("train", 3): "unreadable",
        ("train", 7): "NaN pixel",
        ("test", 5): "inverted",
    }
    assert checked.quarantined.dtype == np.float32
    np.testing.assert_array_equal(checked.quarantined, [train[3], train[7], test[5]])
    kept = np.delete(np.arange(100), [3, 7])
    np.testing.assert_array_equal(checked.train.images, digits.train.images[kept])
    np.testing.assert_array_equal(checked.train.labels, digits.train.labels[kept])
    np.testing.assert_array_equal(checked.train.writers, digits.train.writers[kept])
    assert len(checked.test) == 39


def test_later_copies_with_the_same_label_are_duplicates(digits):
    digits.train.images[[34, 64]] = digits.train.images[4]
    assert reasons_of(check_digits(digits, TOLERANT)) == {
        ("train", 34): "duplicate",
        ("train", 64): "duplicate",
    }


def test_all_copies_with_different_labels_conflict(digits):
    digits.train.images[[34, 65]] = digits.train.images[4]
    checked = check_digits(digits, TOLERANT)
    assert set(reasons_of(checked).values()) == {"conflicting duplicate"}
    assert [problem.row for problem in checked.problems] == [4, 34, 65]
    assert [problem.label for problem in checked.problems] == [4.0, 4.0, 5.0]


def test_a_copy_of_a_test_image_is_taken_from_training_and_the_test_set_stays(digits):
    digits.train.images[[8, 9]] = digits.test.images[8]
    checked = check_digits(digits, TOLERANT)
    assert reasons_of(checked) == {
        ("train", 8): "duplicate of a test image",
        ("train", 9): "duplicate of a test image",
    }
    assert len(checked.test) == 40


def test_a_copy_of_a_test_image_that_is_itself_left_out_stays(digits):
    digits.train.images[8] = digits.test.images[8]
    digits.test.labels[8] = 77
    checked = check_digits(digits, TOLERANT)
    assert reasons_of(checked) == {("test", 8): "unknown label"}


def test_copies_inside_the_test_set_are_noted_and_kept(digits):
    digits.test.images[[14, 25]] = digits.test.images[4]
    checked = check_digits(digits, TOLERANT)
    assert checked.problems == ()
    assert len(checked.test) == 40
    first, second = checked.notes
    assert "2 test images are copies of earlier test images: rows 14, 25" in first
    assert "3 test images have a copy with another label: rows 4, 14, 25" in second


def test_faulty_copies_have_their_fault_as_the_reason(digits):
    digits.train.images[[3, 13]] = 0
    assert reasons_of(check_digits(digits, TOLERANT)) == {
        ("train", 3): "blank",
        ("train", 13): "blank",
    }


def test_too_many_bad_rows_stop_with_counts_examples_and_advice(digits):
    digits.train.images[:12] = 255 - digits.train.images[:12]
    digits.train.images[50] = 0
    rules = ValidationRules(max_quarantined=0.1, min_per_class=2)
    with pytest.raises(InputError) as caught:
        check_digits(digits, rules)
    message = str(caught.value)
    assert "train 13 of 100 (13.00%), validation.max_quarantined allows 10.00%" in message
    assert "train: 12 inverted (rows 0, 1, 2, 3, 4 and 7 more)" in message
    assert "train: 1 blank (rows 50)" in message
    assert "dark on bright in all images" in message


def test_the_limit_holds_for_each_split_and_includes_itself(digits):
    digits.test.images[:4] = 0
    assert len(check_digits(digits, ValidationRules(max_quarantined=0.1)).problems) == 4
    with pytest.raises(InputError, match=r"test 4 of 40 \(10.00%\)"):
        check_digits(digits, ValidationRules(max_quarantined=0.09))


def test_a_class_with_too_few_usable_images_is_named_with_its_count(digits):
    digits.train.images[3::10] = 0
    digits.train.images[5] = 0
    rules = ValidationRules(max_quarantined=1, min_per_class=10)
    with pytest.raises(
        InputError, match=r"train: .* at least 10 usable images: 3 has 0, 5 has 9"
    ):
        check_digits(digits, rules)


def test_a_test_set_without_a_class_is_refused(digits):
    test = digits.test.take(digits.test.labels != 6)
    with pytest.raises(InputError, match=r"test: .* at least 1 usable images: 6 has 0"):
        check_digits(Digits(digits.train, test, ""), TOLERANT)


def test_images_that_are_all_bad_are_refused_whatever_the_limit(digits):
    digits.train.images[:] = 0
    with pytest.raises(
        InputError, match="0 has 0, 1 has 0, 2 has 0, 3 has 0, 4 has 0 and 5 more"
    ):
        check_digits(digits, TOLERANT)


def test_memory_mapped_read_only_arrays_are_checked_as_well(digits, store):
    train = LabelledImages(
        store.open_array(store.put_array(digits.train.images)),
        store.open_array(store.put_array(digits.train.labels)),
    )
    assert check_digits(Digits(train, digits.test, ""), TOLERANT).problems == ()


def test_images_that_differ_in_one_pixel_by_one_are_no_copies(digits):
    digits.train.images[1] = digits.train.images[0]
    digits.train.images[1, 27, 27] += 1
    assert check_digits(digits, TOLERANT).problems == ()


def test_bad_rows_of_stored_digits_are_listed_in_a_file_and_kept_as_they_came(store, digits):
    images = digits.train.images.astype(np.float32)
    images[[5, 9]] = np.nan
    broken = LabelledImages(images, digits.train.labels, digits.train.writers)
    raw = RawSets(
        train=store_set(store, broken), test=store_set(store, digits.test), origin="a test"
    )
    checked = validate_digits(store, raw, TOLERANT)
    assert checked.train.rows == 98
    assert open_set(store, checked.test).images.shape == digits.test.images.shape
    lines = store.read_bytes(checked.quarantine).decode().splitlines()
    assert lines[0] == "split,row,label,reason"
    assert [line.split(",")[:2] for line in lines[1:]] == [["train", "5"], ["train", "9"]]
    assert np.isnan(store.open_array(checked.quarantined_images)).all()
    assert sum(checked.problems.values()) == 2


def test_where_nothing_is_wrong_there_is_no_quarantine(store, digits):
    raw = RawSets(train=store_set(store, digits.train), test=None, origin="a test")
    checked = validate_digits(store, raw, TOLERANT)
    assert (checked.quarantine, checked.quarantined_images, checked.test) == (None, None, None)
