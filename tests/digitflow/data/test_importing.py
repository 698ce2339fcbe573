"""A path becomes the section of a config, and what it holds is told without training."""

import cv2
import numpy as np
import pandas as pd
import pytest

from digitflow.config.data import ArraysSource, ImagesSource, MnistSource, TableSource
from digitflow.data.importing import (
    average_digits,
    choose_samples,
    count_labels,
    count_problems,
    count_writers,
    find_source,
    understand,
)
from digitflow.data.inspection import inspect_rows
from digitflow.data.orientation import average_classes, describe_digits
from digitflow.data.sets import LabelledImages
from digitflow.errors import InputError

IDX = [
    f"{split}-{part}-ubyte"
    for split in ("train", "t10k")
    for part in ("images-idx3", "labels-idx1")
]


def touch(folder, *names):
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        (folder / name).write_bytes(b"some content")
    return folder


def write_table(path, handwriting, label="label", count=300):
    pixels = handwriting.images[:count].reshape(-1, 784)
    frame = pd.DataFrame(pixels, columns=[f"pixel{number}" for number in range(784)])
    frame.insert(0, label, handwriting.labels[:count])
    frame.to_csv(path, index=False)
    return path


def test_a_folder_of_idx_files_is_mnists(tmp_path):
    folder = touch(tmp_path / "mnist", *IDX)
    assert find_source(str(folder)) == MnistSource(folder=folder)
    assert find_source(str(folder / IDX[0])) == MnistSource(folder=folder)
    touch(folder, *(f"emnist-digits-{name}" for name in IDX))
    named = MnistSource(folder=folder, prefix="emnist-digits")
    assert find_source(str(folder / "emnist-digits")) == named


def test_of_several_sets_one_is_named(tmp_path):
    names = [f"{name}-{file}" for name in ("emnist-digits", "emnist-mnist") for file in IDX]
    folder = touch(tmp_path / "emnist", *names)
    with pytest.raises(InputError, match=r"several sets, name one: .*/emnist/emnist-digits, "):
        find_source(str(folder))


@pytest.mark.parametrize("names", [("train.npz", "test.npz"), ("train_a.mat", "test_a.mat")])
def test_the_test_file_is_the_one_beside(tmp_path, names):
    train, test = (tmp_path / name for name in names)
    touch(tmp_path, train.name)
    assert find_source(str(train)) == ArraysSource(file=train)
    touch(tmp_path, test.name)
    assert find_source(str(train)) == ArraysSource(file=train, test_file=test)
    assert find_source(str(tmp_path)) == ArraysSource(file=train, test_file=test)


def test_a_table_has_its_label_wherever_it_is(tmp_path, handwriting):
    train = write_table(tmp_path / "train.csv", handwriting, "class")
    assert find_source(str(train)) == TableSource(file=train, label="class")
    test = write_table(tmp_path / "test.csv", handwriting, "class")
    both = TableSource(file=train, test_file=test, label="class")
    assert find_source(str(train)) == both
    # As Kaggle's.
    write_table(test, handwriting, "id")
    assert find_source(str(train)).test_file is None


def test_pictures_are_found_among_other_files(tmp_path, draw_digit):
    picture = tmp_path / "train" / "3" / "a.png"
    picture.parent.mkdir(parents=True)
    cv2.imwrite(str(picture), draw_digit("3"))
    touch(tmp_path / "train", "labels.csv")
    assert find_source(str(tmp_path)) == ImagesSource(folder=tmp_path)


@pytest.mark.parametrize("word", ["builtin", "mnist", "pen"])
def test_what_needs_no_path_is_called_by_its_name(word):
    assert find_source(word).kind == word


def test_a_config_is_asked_for_its_source(tmp_path):
    config = tmp_path / "mine.yaml"
    config.write_text("source: {kind: arrays, file: a.npz, transpose: true}\n")
    found = find_source(str(config))
    assert found == ArraysSource(file=tmp_path.resolve() / "a.npz", transpose=True)
    config.write_text("source: {kind: mix, of: [{kind: mnist}, {kind: pen}]}\n")
    with pytest.raises(InputError, match="is a mix: import its parts one by one"):
        find_source(str(config))


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("digits.zip", "PK", "is packed: unpack it"),
        ("digits.xlsx", "PK", "digits are read from IDX files, .csv"),
        ("digits.csv", "<html>", "is a web page"),
        ("housing.csv", "rooms,price\n3,4\n", r"a table of other things.*are rooms, price$"),
        ("bare.csv", "1,2,3\n4,5,6\n", "no header and 3 columns"),
    ],
)
def test_what_holds_no_digits_is_called_what_it_is(tmp_path, name, content, said):
    (tmp_path / name).write_text(content)
    with pytest.raises(InputError, match=said):
        find_source(str(tmp_path / name))


def test_a_path_that_is_not_there_is_said(tmp_path):
    with pytest.raises(InputError, match=r"there is no file or folder .*gone"):
        find_source(str(tmp_path / "gone"))


def test_what_nobody_said_is_guessed_and_named(tmp_path, handwriting):
    file = tmp_path / "digits.npz"
    labels = np.where(handwriting.labels == 0, 10, handwriting.labels)
    x = 255 - handwriting.images.transpose(0, 2, 1)
    np.savez(file, x_train=x, y_train=labels)
    found = understand(find_source(str(file)))
    assert found.source == ArraysSource(file=file, labels={"10": 0}, transpose=True)
    assert len(found.guessed) == 2
    assert found.way == "upright"
    assert found.is_turned
    assert found.stops is None
    assert count_labels(found.splits[0]) == np.bincount(handwriting.labels).tolist()
    again = understand(found.source)
    assert again.guessed == ()
    np.testing.assert_array_equal(again.digits.train.images, handwriting.images)


def test_what_would_stop_a_run_is_told_beside_what_is_there(tmp_path, handwriting):
    file = tmp_path / "digits.npz"
    x, y = handwriting.images[:200].copy(), handwriting.labels[:200].copy()
    x[100:120] = x[100]
    x[3] = 0
    np.savez(file, x_train=x, y_train=y, x_test=x[190:], y_test=y[190:], writers=y)
    found = understand(ArraysSource(file=file))
    assert "too many images can't be used" in found.stops
    train = found.splits[0]
    reasons = {"conflicting duplicate": 20, "duplicate of a test image": 10, "blank": 1}
    assert count_problems(train) == reasons
    assert count_writers(train) == 10
    assert count_writers(found.splits[1]) is None


def test_means_and_samples_are_of_each_digit(handwriting):
    found = understand(find_source("builtin"))
    train = found.splits[0]
    means, samples = average_digits(train), choose_samples(train, 3)
    assert means.shape == (10, 28, 28)
    likeness = average_classes(means, np.arange(10), np.arange(10)) * describe_digits()
    assert likeness.sum(axis=(1, 2)).min() > 0.9
    assert samples.shape == (10, 3, 28, 28)
    for digit in range(10):
        firsts = handwriting.images[handwriting.labels == digit]
        np.testing.assert_array_equal(samples[digit, 0], firsts[0])
        np.testing.assert_array_equal(samples[digit, -1], firsts[-1])


def test_digits_that_are_rare_or_missing_are_shown_as_far_as_they_go(handwriting):
    rows = np.flatnonzero(handwriting.labels == 3)[:2]
    images = np.stack([np.full((28, 28), 9, np.uint8), handwriting.images[rows[0]]])
    split = inspect_rows("train", LabelledImages(handwriting.images[rows], np.array([3, 3])))
    means, samples = average_digits(split), choose_samples(split, 4)
    wanted = np.rint(handwriting.images[rows].mean(axis=0))
    np.testing.assert_array_equal(means[3], wanted)
    np.testing.assert_array_equal(samples[3, :2], handwriting.images[rows])
    assert not samples[3, 2:].any()
    assert not np.delete(means, 3, axis=0).any()
    assert count_labels(split) == [0, 0, 0, 2, 0, 0, 0, 0, 0, 0]
    assert count_writers(split) is None
    # What can't be used counts nowhere.
    blank = inspect_rows("train", LabelledImages(images, np.array([3, 3])))
    assert count_labels(blank)[3] == 1
    assert count_problems(blank) == {"blank": 1}
    known = LabelledImages(images, np.array([3, 3]), np.array([-1, 5]))
    assert count_writers(inspect_rows("train", known)) == 1
