import cv2
import numpy as np
import pytest
from scipy.io import savemat

from digitflow.config.data import ArraysSource
from digitflow.data.ingestion import load_digits
from digitflow.data.sources import arrays
from digitflow.errors import InputError

TRAIN, TEST = slice(0, 60), slice(60, 100)


@pytest.fixture
def write(tmp_path):
    def write_arrays(name="digits.npz", **content):
        path = tmp_path / name
        if path.suffix == ".mat":
            savemat(path, content)
        else:
            np.savez(path, **content)
        return path

    return write_arrays


@pytest.fixture
def parts(handwriting):
    """Images and labels of the training, then of the test."""
    images, labels = handwriting.images, handwriting.labels
    return images[TRAIN], labels[TRAIN], images[TEST], labels[TEST]


def load(path, **more):
    return arrays.load(ArraysSource(file=path, **more))


NAMES = [
    ("x_train", "y_train", "x_test", "y_test"),
    ("X_train", "Y_train", "X_test", "Y_test"),
    ("train_images", "train_labels", "test_images", "test_labels"),
    ("trainX", "trainY", "testX", "testY"),
    ("images_train", "target_train", "images_test", "target_test"),
]


@pytest.mark.parametrize("suffix", [".npz", ".mat"])
@pytest.mark.parametrize("names", NAMES, ids=[names[0] for names in NAMES])
def test_arrays_are_known_by_their_names(write, parts, names, suffix):
    path = write(f"mnist{suffix}", **dict(zip(names, parts, strict=True)))
    digits = load(path)
    for part, images, labels in ((digits.train, *parts[:2]), (digits.test, *parts[2:])):
        np.testing.assert_array_equal(part.images, images)
        np.testing.assert_array_equal(part.labels, labels)
        assert part.writers is None
    assert str(path) in digits.origin


@pytest.mark.parametrize(
    "lay",
    [
        lambda images: images[..., None],
        lambda images: images[:, None],
        lambda images: images.reshape(-1, 784),
        lambda images: images.reshape(-1, 784).T,
        lambda images: np.moveaxis(images, 0, -1),
    ],
    ids=["channel last", "channel first", "rows", "columns", "last axis"],
)
@pytest.mark.parametrize("suffix", [".npz", ".mat"])
def test_images_lie_as_people_lay_them(write, parts, lay, suffix):
    path = write(f"a{suffix}", X=lay(parts[0]), y=parts[1][:, None])
    digits = load(path)
    np.testing.assert_array_equal(digits.train.images, parts[0])
    np.testing.assert_array_equal(digits.train.labels, parts[1])
    assert digits.test is None


def test_one_hot_labels_are_left_as_they_are_for_who_reads_labels(write, parts):
    path = write(x_train=parts[0], y_train=np.eye(10)[parts[1]])
    assert load(path).train.labels.shape == (60, 10)
    assert load_digits(ArraysSource(file=path)).train.labels.tolist() == parts[1].tolist()


def test_emnists_struct_is_read_with_its_writers(write, parts):
    train_images, train_labels, test_images, test_labels = parts

    def build(images, labels, writers):
        turned = images.transpose(0, 2, 1).reshape(-1, 784)
        return {"images": turned, "labels": labels[:, None], "writers": writers[:, None]}

    path = write(
        "emnist-digits.mat",
        dataset={
            "train": build(train_images, train_labels, np.arange(60) // 10),
            "test": build(test_images, test_labels, 100 + np.arange(40) // 10),
            "mapping": np.stack([np.arange(10), np.arange(48, 58)], 1),
        },
    )
    digits = load_digits(ArraysSource(file=path, transpose=True))
    np.testing.assert_array_equal(digits.train.images, train_images)
    np.testing.assert_array_equal(digits.test.labels, test_labels)
    assert len(np.unique(digits.train.writers)) == 6
    assert not np.intersect1d(digits.train.writers, digits.test.writers).size


def test_svhns_colours_are_brought_to_the_frame(write, parts):
    def build(images, labels):
        large = [cv2.resize(image, (32, 32)) for image in images]
        colours = np.stack([cv2.cvtColor(i, cv2.COLOR_GRAY2RGB) for i in large], -1)
        return {"X": colours, "y": np.where(labels == 0, 10, labels)[:, None]}

    train = write("train_32x32.mat", **build(*parts[:2]))
    test = write("test_32x32.mat", **build(*parts[2:]))
    digits = load_digits(ArraysSource(file=train, test_file=test, labels={"10": 0}))
    assert digits.train.images.shape == (60, 28, 28)
    assert digits.test.labels.tolist() == parts[3].tolist()
    alike = [
        np.corrcoef(mine.ravel(), theirs.ravel())[0, 1]
        for mine, theirs in zip(digits.train.images, parts[0], strict=True)
    ]
    assert np.median(alike) > 0.9


def test_a_part_by_another_name_is_left_out(write, parts):
    validation = {"val_images": parts[0][:5], "val_labels": parts[1][:5]}
    path = write(train_images=parts[0], train_labels=parts[1], **validation)
    digits = load(path)
    assert len(digits.train) == 60
    assert digits.test is None


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (
            {"a": np.zeros((3, 28, 28)), "b": np.zeros(3)},
            r"not clear .* a float64 \(3, 28, 28\)",
        ),
        ({"x_train": np.zeros((3, 28, 28))}, "not clear from their names"),
        ({}, "there are none"),
        ({"x": np.zeros((4, 28, 28)), "y": np.zeros(3)}, r"3 labels need as many images"),
        ({"x": np.zeros((3, 2, 2, 2, 2)), "y": np.zeros(3)}, r"must be an array \(n, height"),
        ({"x": np.array([{}] * 3), "y": np.zeros(3)}, "can't read the arrays"),
    ],
)
def test_what_is_not_clear_is_refused_with_what_is_there(write, content, complaint):
    path = write(**content)
    with pytest.raises(InputError, match=complaint) as caught:
        load(path)
    assert str(path) in str(caught.value)
    assert len(str(caught.value)) < 600


@pytest.mark.parametrize("suffix", [".npz", ".mat"])
@pytest.mark.parametrize("content", [b"", b"hello" * 40, b"PK\3\4 and nothing"])
def test_a_damaged_file_is_refused_by_name(tmp_path, suffix, content):
    path = tmp_path / f"digits{suffix}"
    path.write_bytes(content)
    with pytest.raises(InputError, match="can't read the arrays in"):
        load(path)


def test_a_newer_file_of_matlab_is_told_how_to_be_saved(tmp_path):
    path = tmp_path / "digits.mat"
    head = b"MATLAB 7.3 MAT-file".ljust(124) + b"\x00\x02IM"
    path.write_bytes(head + bytes(400))
    with pytest.raises(InputError, match="save -v7"):
        load(path)


def test_missing_files_and_other_kinds_are_refused(tmp_path):
    with pytest.raises(InputError, match="no file of arrays"):
        load(tmp_path / "gone.npz")
    with pytest.raises(InputError, match=r"one of \.npz, \.mat"):
        load(tmp_path / "a.npy")
    with pytest.raises(InputError, match="can't read the arrays"):
        arrays.fingerprint(ArraysSource(file=tmp_path / "gone.npz"))
