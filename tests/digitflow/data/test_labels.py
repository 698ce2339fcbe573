"""Labels as others write them, and which digits they stand for."""

import numpy as np
import pytest

from digitflow.config.data import TableSource
from digitflow.config.reading import parse_config
from digitflow.data import labels as others
from digitflow.data.labels import (
    describe_unknown,
    name_labels,
    require_labels,
    suggest_meanings,
    translate_labels,
    write_meanings,
)
from digitflow.errors import InputError


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
def test_labels_are_read_however_they_are_written(adopt, few, write):
    data, notes = adopt(few.images, write(few.labels))
    assert data.labels.tolist() == few.labels.tolist()
    assert notes == ()


def test_a_label_has_one_name():
    mixed = np.array([5, 5.0, "5", "05", b"5", None, "", "zero", 5.5], dtype=object)
    named = ["5", "5", "5", "5", "5", "", "", "zero", "5.5"]
    assert name_labels(mixed).tolist() == named
    assert name_labels(np.array([1.0, np.nan])).tolist() == ["1", ""]


def test_ten_means_zero_where_its_images_look_like_it(adopt, few):
    ten = np.where(few.labels == 0, 10, few.labels)
    _, (note,) = adopt(few.images, ten)
    assert "no digits: 10 (" in note
    assert note.endswith("source.labels: {10: 0}")
    said, notes = adopt(few.images, ten, labels={"10": 0})
    assert said.labels.tolist() == few.labels.tolist()
    assert said.labels.dtype == np.uint8
    assert notes == ()


def test_labels_that_are_one_too_large_are_told_from_those(adopt, few):
    _, (note,) = adopt(few.images, few.labels + 1)
    assert "source.labels: {1: 0, 2: 1, 3: 2" in note


def test_any_names_are_matched_by_what_their_images_look_like(few):
    names = np.array(list("abcdefghij"))
    texts = names[few.labels]
    meanings = suggest_meanings(few.images, texts, np.full(300, np.nan))
    assert meanings == {name: digit for digit, name in enumerate(names)}


def test_a_label_that_is_missing_or_none_of_ten_is_only_named(adopt, few):
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


@pytest.mark.parametrize("key", [10, "10", 10.0])
def test_a_label_may_be_written_as_a_number_in_a_config(key):
    config = parse_config({"source": {"kind": "table", "file": "a.csv", "labels": {key: 0}}})
    assert isinstance(config.source, TableSource)
    assert config.source.labels == {"10": 0}


def test_a_label_may_mean_a_digit_alone():
    with pytest.raises(InputError, match=r"labels.10"):
        parse_config({"source": {"kind": "table", "file": "a.csv", "labels": {10: 12}}})


@pytest.mark.parametrize(
    ("change", "one_hot"),
    [
        (lambda rows: rows, True),
        (lambda rows: rows[:, :9], False),
        (lambda rows: 2 * rows, False),
        (lambda rows: np.maximum(rows, np.roll(rows, 1, axis=1)), False),
        (lambda rows: rows + 0.5 * np.roll(rows, 1, axis=1), False),
        (lambda rows: rows.astype(str), False),
        (lambda rows: rows * np.arange(2)[:, None], False),
    ],
    ids=["one", "nine columns", "twos", "two ones", "a half", "texts", "none"],
)
def test_only_a_single_one_in_ten_columns_is_a_digit(change, one_hot):
    assert others._is_one_hot(change(np.eye(10)[[3, 8]])) is one_hot
    assert not others._is_one_hot(np.arange(10))


def test_no_labels_are_no_names_and_none_has_no_meaning():
    assert name_labels(np.array([], object)).tolist() == []
    raw = np.array([], "U1")
    assert translate_labels(raw, {"a": 1}, raw).tolist() == []
    numbers = np.array([3, 11])
    assert translate_labels(np.array(["3", "11"]), {}, numbers) is numbers
    told = translate_labels(np.array(["3", "11"]), {"11": 0}, numbers)
    assert (told.tolist(), told.dtype) == ([3, 0], np.uint8)
    partly = translate_labels(np.array(["3", "x"]), {"11": 0}, numbers)
    assert partly.dtype == np.float32
    assert partly[0] == 3
    assert np.isnan(partly[1])


def test_words_mean_their_digits_whatever_their_case(few):
    words = np.array(["Zero", "ONE", "two", "three", "four", "five", "six", "seven", "eight",
                      "nine"])  # fmt: skip
    texts = words[few.labels]
    meanings = suggest_meanings(few.images, texts, np.full(300, np.nan))
    assert list(meanings.items()) == [(word, digit) for digit, word in enumerate(words)]
    assert write_meanings({"a": 3, "b": 0}) == "{a: 3, b: 0}"


def test_only_as_many_names_as_there_are_free_digits_are_matched(few):
    texts = few.labels.astype(str).astype(object)
    texts[few.labels == 4] = "four"
    known = np.where(few.labels == 4, np.nan, few.labels)
    assert suggest_meanings(few.images, texts.astype(str), known) == {"four": 4}
    # Two names for one digit, or a name too few.
    texts[np.flatnonzero(few.labels == 4)[::2]] = "IV"
    assert suggest_meanings(few.images, texts.astype(str), known) == {}
    right = few.labels.astype(str)
    assert suggest_meanings(few.images, right, few.labels) == {}


@pytest.mark.parametrize(("kept", "told"), [(5, True), (4, False)])
def test_of_fewer_than_five_images_no_digit_is_told(few, kept, told):
    texts = few.labels.astype(str).astype(object)
    texts[few.labels == 4] = "four"
    fours = np.flatnonzero(few.labels == 4)
    rows = np.setdiff1d(np.arange(300), fours[kept:])
    known = np.where(few.labels == 4, np.nan, few.labels)
    found = suggest_meanings(few.images[rows], texts[rows].astype(str), known[rows])
    assert found == ({"four": 4} if told else {})


def test_what_looks_like_nothing_is_given_no_digit(few):
    texts = few.labels.astype(str).astype(object)
    texts[few.labels == 4] = "four"
    images = few.images.copy()
    noise = np.random.default_rng(0).integers(0, 256, images[few.labels == 4].shape)
    images[few.labels == 4] = noise
    known = np.where(few.labels == 4, np.nan, few.labels)
    assert suggest_meanings(images, texts.astype(str), known) == {}


def test_unknown_labels_are_listed_the_short_ones_first_and_counted(few):
    texts = np.array(["10", "ten", "7", "10", ""])
    labels = np.array([10, np.nan, 7, 10, np.nan])
    (said,) = describe_unknown(few.images[:5], texts, labels)
    assert said.startswith(
        "labels that are no digits: nothing (1 images), 10 (2 images), ten (1 images); "
    )
    assert list(describe_unknown(few.images[:1], np.array(["7"]), np.array([7]))) == []
