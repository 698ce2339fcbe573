"""How others write digits is brought to our ways as a whole, and said; faults stay."""

import numpy as np
import pytest

from digitflow.config.data import ArraysSource, BuiltinSource, TableSource
from digitflow.config.reading import parse_config
from digitflow.data.conventions import (
    adopt_conventions,
    name_labels,
    require_labels,
    suggest_meanings,
)
from digitflow.data.sets import LabelledImages
from digitflow.errors import InputError

SOURCE = ArraysSource(file="digits.npz")


@pytest.fixture
def few(handwriting):
    """Three hundred real digits."""
    return LabelledImages(handwriting.images[:300], handwriting.labels[:300])


def adopt(images, targets, **said):
    return adopt_conventions(
        "train", LabelledImages(images, np.asarray(targets)), SOURCE.model_copy(update=said)
    )


def test_what_is_ours_already_passes_as_it_is(few):
    data, notes = adopt(few.images, few.labels)
    assert data.images is few.images
    assert data.labels is few.labels
    assert notes == ()


@pytest.mark.parametrize(
    ("write", "levels"),
    [
        (lambda images: (images / 255).astype(np.float32), "from 0 to 1"),
        (lambda images: images / 255, "from 0 to 1"),
        (lambda images: np.round(images / 255, 6), "from 0 to 1"),
        (lambda images: (images / 127.5 - 1).astype(np.float32), "from -1 to 1"),
        (lambda images: images / 255 - 0.5, "from -0.5 to 0.5"),
        (lambda images: images.astype(np.uint16) * 257, "from 0 to 65535"),
    ],
)
def test_levels_of_another_range_are_read_to_the_bit_and_said(few, write, levels):
    data, (note,) = adopt(write(few.images), few.labels)
    assert data.images.dtype == np.uint8
    np.testing.assert_array_equal(data.images, few.images)
    assert note == f"train: levels {levels} were brought to 0 to 255"


def test_black_and_white_is_read(few):
    data, (note,) = adopt((few.images > 127).astype(np.uint8), few.labels)
    np.testing.assert_array_equal(data.images, np.where(few.images > 127, 255, 0))
    assert "from 0 to 1" in note


def test_levels_between_whole_numbers_are_rounded(few):
    moved = few.images.astype(np.float32) - 0.3
    data, (note,) = adopt(moved.clip(0), few.labels)
    np.testing.assert_array_equal(data.images, few.images)
    assert "rounded" in note


def test_a_few_faulty_rows_stay_faulty_and_change_nothing_for_the_rest(few):
    images = (few.images / 255).astype(np.float32)
    images[3, 0, 0], images[5, 4, 4] = np.nan, 9
    data, _ = adopt(images, few.labels)
    assert np.isnan(data.images[3, 0, 0])
    assert data.images[5, 4, 4] == 9 * 255
    good = np.delete(np.arange(300), [3, 5])
    np.testing.assert_array_equal(data.images[good], few.images[good])


def test_one_fraction_among_whole_numbers_stays_a_fault(few):
    images = few.images.astype(np.float32)
    images[3, 5, 5] = 0.5
    data, notes = adopt(images, few.labels)
    assert data.images[3, 5, 5] == 0.5
    assert notes == ()


def test_standardised_levels_are_called_so(few):
    images = (few.images / 255 - 0.1307) / 0.3081
    data, (note,) = adopt(images, few.labels)
    assert data.images is images
    assert "levels go from -0.4242 to" in note
    assert "standardised" in note


@pytest.mark.parametrize("scale", [1, 1 / 255])
def test_dark_ink_on_bright_is_turned_where_all_images_are_so(few, scale):
    data, notes = adopt((255 - few.images) * scale, few.labels)
    np.testing.assert_array_equal(data.images, few.images)
    assert "dark ink on bright ground" in notes[-1]


def test_some_inverted_images_are_left_to_validation(few):
    images = few.images.copy()
    images[:30] = 255 - images[:30]
    data, _ = adopt(images, few.labels)
    assert data.images is images


@pytest.mark.parametrize(
    "write",
    [
        lambda labels: labels.astype(np.float32),
        lambda labels: labels.astype(np.int64)[:, None],
        lambda labels: np.array([f"{label}.0" for label in labels]),
        lambda labels: np.array([f"b'{label}'" for label in labels], dtype=object),
        lambda labels: np.array([str(label).encode() for label in labels]),
        lambda labels: np.array([f' "{label}" ' for label in labels]),
        lambda labels: np.eye(10, dtype=np.float32)[labels],
        lambda labels: np.eye(10, dtype=bool)[labels],
    ],
    ids=["float", "column", "text", "bytes as text", "bytes", "quoted", "one-hot", "bool"],
)
def test_labels_are_read_however_they_are_written(few, write):
    data, notes = adopt(few.images, write(few.labels))
    assert data.labels.tolist() == few.labels.tolist()
    assert notes == ()


def test_a_label_has_one_name():
    mixed = np.array([5, 5.0, "5", "05", b"5", None, "", "zero", 5.5], dtype=object)
    named = ["5", "5", "5", "5", "5", "", "", "zero", "5.5"]
    assert name_labels(mixed).tolist() == named
    assert name_labels(np.array([1.0, np.nan])).tolist() == ["1", ""]


def test_ten_means_zero_where_its_images_look_like_it(few):
    ten = np.where(few.labels == 0, 10, few.labels)
    _, (note,) = adopt(few.images, ten)
    assert "no digits: 10 (" in note
    assert note.endswith("source.labels: {10: 0}")
    said, notes = adopt(few.images, ten, labels={"10": 0})
    assert said.labels.tolist() == few.labels.tolist()
    assert said.labels.dtype == np.uint8
    assert notes == ()


def test_labels_that_are_one_too_large_are_told_from_those(few):
    _, (note,) = adopt(few.images, few.labels + 1)
    assert "source.labels: {1: 0, 2: 1, 3: 2" in note


def test_any_names_are_matched_by_what_their_images_look_like(few):
    names = np.array(list("abcdefghij"))
    texts = names[few.labels]
    meanings = suggest_meanings(few.images, texts, np.full(300, np.nan))
    assert meanings == {name: digit for digit, name in enumerate(names)}


def test_a_label_that_is_missing_or_none_of_ten_is_only_named(few):
    labels = few.labels.astype(object)
    labels[:2], labels[2] = None, "?"
    data, (note,) = adopt(few.images, labels)
    assert np.flatnonzero(np.isnan(data.labels)).tolist() == [0, 1, 2]
    assert "nothing (2 images), ? (1 images)" in note
    assert "as in source.labels: {10: 0}" in note


def test_meanings_of_labels_that_are_not_there_are_refused(few):
    with pytest.raises(InputError, match=r"source.labels names ten, and there is no such"):
        require_labels({"ten": 0}, few.labels)
    require_labels({"ten": 0, "7": 1}, few.labels)
    require_labels({"10": 0}, few.labels, np.array([10]))
    require_labels({}, few.labels)


def test_exchanged_rows_and_columns_stop_with_the_way_out(few):
    exchanged = few.images.transpose(0, 2, 1)
    with pytest.raises(InputError, match=r"Set source.transpose: true; if .* false"):
        adopt(exchanged, few.labels)
    mended, notes = adopt(exchanged, few.labels, transpose=True)
    np.testing.assert_array_equal(mended.images, few.images)
    assert mended.images.flags.c_contiguous
    assert notes == ()
    left, _ = adopt(exchanged, few.labels, transpose=False)
    assert left.images is exchanged


def test_what_is_exchanged_without_need_stops_too(few):
    with pytest.raises(InputError, match=r"leave source.transpose out"):
        adopt(few.images, few.labels, transpose=True)


def test_mirrored_images_are_noted(few):
    _, (note,) = adopt(few.images[:, :, ::-1], few.labels)
    assert "seem mirrored" in note


def test_a_quarter_turn_stops(few):
    with pytest.raises(InputError, match=r"turned left by a quarter.*Save them upright"):
        adopt(np.rot90(few.images, 1, (1, 2)), few.labels)


def test_sources_without_such_words_are_read_as_they_are(few):
    data, notes = adopt_conventions("train", few, BuiltinSource())
    assert data.images is few.images
    assert notes == ()


@pytest.mark.parametrize("key", [10, "10", 10.0])
def test_a_label_may_be_written_as_a_number_in_a_config(key):
    config = parse_config({"source": {"kind": "table", "file": "a.csv", "labels": {key: 0}}})
    assert isinstance(config.source, TableSource)
    assert config.source.labels == {"10": 0}


def test_a_label_may_mean_a_digit_alone():
    with pytest.raises(InputError, match=r"labels.10"):
        parse_config({"source": {"kind": "table", "file": "a.csv", "labels": {10: 12}}})
