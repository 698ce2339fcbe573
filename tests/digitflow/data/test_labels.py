"""Labels as others write them, and which digits they stand for."""

import numpy as np
import pytest

from digitflow.config.data import TableSource
from digitflow.config.reading import parse_config
from digitflow.data.labels import name_labels, require_labels, suggest_meanings
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
