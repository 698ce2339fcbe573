import os
import shutil

import cv2
import numpy as np
import pytest

from digitflow.config.data import ImagesSource, ValidationRules
from digitflow.data.ingestion import load_digits
from digitflow.data.sources import images
from digitflow.data.validation import check_digits
from digitflow.errors import InputError
from digitflow.images.frame import to_mnist_frame


def write_picture(path, picture):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(cv2.imencode(path.suffix.lower(), picture)[1].tobytes())


@pytest.fixture
def folder(tmp_path, draw_digit):
    """Two pictures a digit: dark on bright PNG, bright on dark JPEG of another size."""
    root = tmp_path / "pictures"
    for label in range(10):
        dark = draw_digit(str(label), side=120, ink=10, ground=240)
        write_picture(root / str(label) / "dark.png", dark)
        write_picture(root / str(label) / "bright.JPG", draw_digit(str(label), side=64))
    return root


@pytest.fixture
def source(folder):
    return ImagesSource(folder=folder)


def test_pictures_come_framed_in_the_order_of_labels_and_names(source, draw_digit):
    digits = images.load(source)
    assert digits.train.images.shape == (20, 28, 28)
    assert digits.train.images.dtype == np.uint8
    assert digits.train.labels.tolist() == [str(label) for label in range(10) for _ in "ab"]
    for label in range(10):
        drawing = to_mnist_frame(draw_digit(str(label), side=120))
        bright, dark = digits.train.images[2 * label : 2 * label + 2]
        assert np.abs(dark.astype(int) - drawing).mean() < 3
        assert np.corrcoef(bright.ravel(), drawing.ravel())[0, 1] > 0.8
    assert digits.test is None
    assert digits.train.writers is None
    assert str(source.folder) in digits.origin


def test_real_mnist_stored_as_png_comes_back_to_the_bit(tmp_path, mnist):
    chosen = mnist.test.take(np.arange(200))
    for row, (image, label) in enumerate(zip(chosen.images, chosen.labels, strict=True)):
        write_picture(
            tmp_path / str(label) / f"{row:03}.png", 255 - image if row % 2 else image
        )
    digits = images.load(ImagesSource(folder=tmp_path))
    order = np.argsort(chosen.labels, kind="stable")
    np.testing.assert_array_equal(digits.train.images, chosen.images[order])
    np.testing.assert_array_equal(digits.train.labels.astype(int), chosen.labels[order])


def test_test_pictures_come_from_their_own_folder(folder, tmp_path):
    test_folder = shutil.copytree(folder / "3", tmp_path / "test" / "3").parent
    digits = images.load(ImagesSource(folder=folder, test_folder=test_folder))
    assert digits.test.labels.tolist() == ["3", "3"]
    np.testing.assert_array_equal(digits.test.images, digits.train.images[6:8])


def test_what_is_no_picture_of_a_digit_folder_is_passed_over(folder, source):
    before = images.load(source).train
    (folder / "3" / "notes.txt").write_text("hello")
    (folder / "3" / "._dark.png").write_bytes(b"resource fork")
    (folder / ".cache").mkdir()
    shutil.copy(folder / "3" / "dark.png", folder / ".cache")
    (folder / "empty").mkdir()
    after = images.load(source)
    np.testing.assert_array_equal(after.train.images, before.images)
    (note,) = after.notes
    assert "1 files in" in note
    assert note.endswith("were passed over (1 .txt): 3/notes.txt")


def test_an_unreadable_picture_becomes_a_problem_row(folder, source, caplog):
    good = images.load(source).train
    (folder / "2" / "broken.png").write_bytes(b"no picture")
    digits = images.load(source)
    assert digits.train.images.dtype == np.float32
    assert np.isnan(digits.train.images[5]).all()
    assert "1 pictures can't be read: 2/broken.png" in caplog.text
    np.testing.assert_array_equal(np.delete(digits.train.images, 5, axis=0), good.images)
    checked = check_digits(
        load_digits(source), ValidationRules(max_quarantined=0.5, min_per_class=2)
    )
    (problem,) = checked.problems
    assert (problem.row, problem.label, problem.reason) == (5, 2.0, "unreadable")
    np.testing.assert_array_equal(checked.train.images, good.images)


def test_a_blank_picture_and_an_unknown_label_become_problem_rows(folder, source):
    write_picture(folder / "4" / "blank.png", np.full((30, 30), 200, np.uint8))
    shutil.copytree(folder / "7", folder / "seven")
    digits = load_digits(source)
    assert np.isnan(digits.train.labels).sum() == 2
    assert "seven (2 images)" in digits.notes[0]
    checked = check_digits(digits, ValidationRules(max_quarantined=0.5, min_per_class=2))
    reasons = [problem.reason for problem in checked.problems]
    assert reasons == ["blank", "unknown label", "unknown label"]
    assert len(checked.train) == 20


def test_writers_are_read_and_those_not_named_are_unknown(folder, tmp_path):
    test_folder = shutil.copytree(folder, tmp_path / "test")
    (folder / "writers.csv").write_text("file,writer\n0/dark.png,bob\n9/dark.png,anna\n")
    (test_folder / "writers.csv").write_text("file,writer\n5/bright.JPG,bob\n")
    digits = images.load(ImagesSource(folder=folder, test_folder=test_folder))
    train, test = digits.train.writers, digits.test.writers
    assert train.dtype == np.int32
    assert train.tolist() == [-1, 1, *[-1] * 17, 0]
    assert test.tolist() == [*[-1] * 10, 1, *[-1] * 9]


def test_writers_of_one_folder_only(folder, tmp_path):
    test_folder = shutil.copytree(folder, tmp_path / "test")
    (folder / "writers.csv").write_text("file,writer\n0/dark.png,7\n")
    digits = images.load(ImagesSource(folder=folder, test_folder=test_folder))
    assert digits.train.writers[1] == 0
    assert digits.test.writers is None


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("name,writer\n0/dark.png,bob\n", "columns file and writer, got name, writer"),
        ("file,writer\n0/dark.png,bob\n0/dark.png,anna\n", "two writers for 0/dark.png"),
        ("file,writer\ndark.png,bob\n", "names none of the pictures; .* as in 0/bright.JPG"),
        ("", "can't read the writers"),
        ("file,writer\na,b,c,d\n1\n\0,2,3,4,5", "writers"),
    ],
)
def test_a_wrong_writers_file_is_named(folder, source, text, complaint):
    (folder / "writers.csv").write_text(text)
    with pytest.raises(InputError, match=complaint) as caught:
        images.load(source)
    assert str(folder / "writers.csv") in str(caught.value)


def test_a_folder_without_pictures_of_digits_is_refused_by_name(tmp_path, folder):
    empty = tmp_path / "empty"
    empty.mkdir()
    flat = tmp_path / "flat"
    write_picture(flat / "3.png", np.zeros((9, 9), np.uint8))
    (tmp_path / "bare" / "3").mkdir(parents=True)
    for root in (empty, flat, tmp_path / "bare"):
        for read in (images.load, images.fingerprint):
            with pytest.raises(InputError, match="holds no pictures of digits") as caught:
                read(ImagesSource(folder=root))
            assert str(root) in str(caught.value)
        with pytest.raises(InputError, match="holds no pictures of digits"):
            images.load(ImagesSource(folder=folder, test_folder=root))


def test_a_missing_folder_is_refused_by_name(tmp_path):
    with pytest.raises(InputError, match=r"no folder of pictures .*gone"):
        images.load(ImagesSource(folder=tmp_path / "gone"))


def test_the_fingerprint_changes_with_names_sizes_times_and_writers(folder, source):
    seen = [images.fingerprint(source)]
    assert images.fingerprint(source) == seen[0]
    path = folder / "3" / "dark.png"
    os.utime(path, ns=(1, path.stat().st_mtime_ns + 1))
    seen.append(images.fingerprint(source))
    path.rename(folder / "3" / "other.png")
    seen.append(images.fingerprint(source))
    (folder / "3" / "other.png").rename(folder / "5" / "other.png")
    seen.append(images.fingerprint(source))
    (folder / "5" / "other.png").unlink()
    seen.append(images.fingerprint(source))
    (folder / "writers.csv").write_text("file,writer\n0/dark.png,bob\n")
    seen.append(images.fingerprint(source))
    seen.append(images.fingerprint(ImagesSource(folder=folder, test_folder=folder)))
    assert len(set(seen)) == len(seen)


def test_the_fingerprint_changes_with_what_is_passed_over_and_named(folder, source):
    before = images.fingerprint(source)
    (folder / "3" / ".hidden").write_text("hello")
    assert images.fingerprint(source) == before
    (folder / "3" / "notes.txt").write_text("hello")
    assert images.fingerprint(source) != before


@pytest.mark.parametrize("suffix", images.SUFFIXES)
def test_every_format_of_pictures_is_read(tmp_path, draw_digit, suffix):
    write_picture(tmp_path / "3" / f"three{suffix}", draw_digit("3", side=64))
    digits = images.load(ImagesSource(folder=tmp_path))
    assert digits.train.labels.tolist() == ["3"]
    assert digits.train.images[0].max() > 250
    assert digits.notes == ()


def test_pictures_in_deeper_folders_have_the_label_of_the_first(folder):
    (folder / "3" / "anna" / "monday").mkdir(parents=True)
    (folder / "3" / "dark.png").rename(folder / "3" / "anna" / "monday" / "dark.png")
    (folder / "3" / "loop").symlink_to(folder)
    digits = images.load(ImagesSource(folder=folder))
    assert digits.train.labels.tolist() == [str(label) for label in range(10) for _ in "ab"]


@pytest.mark.parametrize("wrapped", [False, True])
@pytest.mark.parametrize("names", [("train", "test"), ("Training", "testing")])
def test_a_folder_with_train_and_test_is_read_as_such(folder, tmp_path, names, wrapped):
    root = tmp_path / "set" / "mnist_png" if wrapped else tmp_path / "set"
    train, test = (root / name for name in names)
    shutil.copytree(folder, train)
    shutil.copytree(folder / "3", test / "3")
    shutil.copytree(folder / "3", root / "valid" / "3")
    digits = images.load(ImagesSource(folder=tmp_path / "set"))
    assert (len(digits.train), len(digits.test)) == (20, 2)
    assert digits.notes == (f"folders beside {names[0]} that were passed over: valid",)
    named = images.load(ImagesSource(folder=tmp_path / "set", test_folder=folder))
    assert (len(named.train), len(named.test)) == (20, 20)


def test_folders_named_by_words_are_told_what_to_say(folder, tmp_path):
    words = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]
    for digit, word in enumerate(words):
        shutil.copytree(folder / str(digit), tmp_path / "words" / word)
    source = ImagesSource(folder=tmp_path / "words")
    with pytest.raises(InputError, match=r"source.labels: \{zero: 0, one: 1, two: 2"):
        check_digits(load_digits(source), ValidationRules())
    meanings = {word: digit for digit, word in enumerate(words)}
    said = load_digits(source.model_copy(update={"labels": meanings}))
    assert np.bincount(said.train.labels).tolist() == [2] * 10
