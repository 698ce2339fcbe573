import gzip
import hashlib
import json
import shutil
import struct

import numpy as np
import pytest

from digitflow.config.data import MnistSource
from digitflow.data.sources import mnist
from digitflow.errors import InputError

GENERATOR = np.random.default_rng(0)
IMAGES = {"train": 30, "t10k": 20}
PARTS = [
    (split, part) for split in ("train", "t10k") for part in ("images-idx3", "labels-idx1")
]


def encode_idx(array):
    head = b"\0\0\x08" + bytes([array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape)
    return head + array.tobytes()


def write_mnist(folder, name="{split}-{part}-ubyte", pack=bytes):
    folder.mkdir(exist_ok=True)
    for split, count in IMAGES.items():
        images = GENERATOR.integers(0, 256, (count, 28, 28), dtype=np.uint8)
        labels = (np.arange(count) % 10).astype(np.uint8)
        for part, array in (("images-idx3", images), ("labels-idx1", labels)):
            (folder / name.format(split=split, part=part)).write_bytes(pack(encode_idx(array)))
    return folder


def write_writers(folder, split, lines):
    text = "\n".join(["label,series,writer", *lines]) + "\n"
    (folder / f"{split}-writers.csv.gz").write_bytes(gzip.compress(text.encode()))


@pytest.fixture(autouse=True)
def no_folder_named(monkeypatch):
    monkeypatch.delenv("DIGITFLOW_MNIST_DIR", raising=False)


@pytest.fixture
def folder(tmp_path):
    return write_mnist(tmp_path / "mnist")


@pytest.fixture
def source(folder):
    return MnistSource(folder=folder)


def test_real_mnist_is_read_with_its_writers(mnist_folder):
    digits = mnist.load(MnistSource(folder=mnist_folder))
    train, test = digits.train, digits.test
    assert train.images.shape == (60_000, 28, 28)
    assert test.images.shape == (10_000, 28, 28)
    assert train.labels[:10].tolist() == [5, 0, 4, 1, 9, 2, 1, 3, 1, 4]
    assert np.bincount(train.labels).tolist() == [
        5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949,
    ]  # fmt: skip
    assert train.writers.dtype == np.int32
    assert len(np.unique(train.writers)) == 539
    assert len(np.unique(test.writers)) == 297
    assert not np.intersect1d(train.writers, test.writers).size
    assert np.unique(test.series, return_counts=True)[1].tolist() == [4999, 5001]


@pytest.mark.parametrize("joint", ["-", "."])
@pytest.mark.parametrize(("suffix", "pack"), [("", bytes), (".gz", gzip.compress)])
def test_every_usual_file_name_is_found(tmp_path, joint, suffix, pack):
    name = "{split}-{part}-ubyte".replace("{part}", "{part}" + suffix).replace(suffix, "", 1)
    folder = write_mnist(tmp_path / "mnist", name + suffix, pack)
    for path in list(folder.iterdir()):
        path.rename(folder / path.name.replace("-idx", f"{joint}idx"))
    digits = mnist.load(MnistSource(folder=folder))
    assert len(digits.train) == 30
    assert len(digits.test) == 20
    assert digits.train.writers is None
    assert str(folder) in digits.origin


def test_the_environment_names_the_folder_when_the_config_does_not(folder, monkeypatch):
    monkeypatch.setenv("DIGITFLOW_MNIST_DIR", str(folder))
    assert len(mnist.load(MnistSource()).train) == 30
    named = mnist.fingerprint(MnistSource())
    assert named == mnist.fingerprint(MnistSource(folder=folder))


def test_the_config_goes_before_the_environment(source, monkeypatch):
    monkeypatch.setenv("DIGITFLOW_MNIST_DIR", "/nowhere")
    assert len(mnist.load(source).train) == 30


def test_the_fingerprint_changes_with_what_would_be_read(folder, source):
    before = mnist.fingerprint(source)
    copy = shutil.copytree(folder, folder.with_name("copy"))
    assert mnist.fingerprint(MnistSource(folder=copy)) == before
    write_writers(folder, "train", [f"{row % 10},0,7" for row in range(30)])
    with_writers = mnist.fingerprint(source)
    assert with_writers != before
    path = folder / "t10k-images-idx3-ubyte"
    path.write_bytes(path.read_bytes()[:-1] + b"\x07")
    assert mnist.fingerprint(source) not in {before, with_writers}


@pytest.mark.parametrize(("split", "part"), PARTS)
def test_a_missing_file_is_named(source, folder, split, part):
    (folder / f"{split}-{part}-ubyte").unlink()
    for read in (mnist.load, mnist.fingerprint):
        with pytest.raises(InputError, match=f"{split}-{part}-ubyte") as caught:
            read(source)
        assert str(folder) in str(caught.value)


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(InputError, match="gone: there is no such folder"):
        mnist.load(MnistSource(folder=tmp_path / "gone"))


@pytest.mark.parametrize(("split", "part"), PARTS)
@pytest.mark.parametrize("damage", [lambda c: c[:-3], lambda c: b"\1" + c[1:], gzip.compress])
def test_a_damaged_file_is_named(source, folder, split, part, damage):
    path = folder / f"{split}-{part}-ubyte"
    content = damage(path.read_bytes())
    path.write_bytes(content[: max(len(content) // 2, 6)])
    with pytest.raises(InputError) as caught:
        mnist.load(source)
    assert str(path) in str(caught.value)


def test_images_and_labels_of_different_length_are_refused(source, folder):
    labels = np.zeros(29, np.uint8)
    (folder / "train-labels-idx1-ubyte").write_bytes(encode_idx(labels))
    with pytest.raises(InputError, match=r"one label for each of the 30 images .* got \(29,\)"):
        mnist.load(source)


@pytest.mark.parametrize("shape", [(30, 28, 27), (0, 28, 28), (30,)])
def test_images_of_another_shape_are_refused(source, folder, shape):
    path = folder / "train-images-idx3-ubyte"
    path.write_bytes(encode_idx(np.zeros(shape, np.uint8)))
    with pytest.raises(InputError, match="must hold images of 28x28 pixels, got"):
        mnist.load(source)


def test_writers_are_read_and_gaps_are_unknown(source, folder):
    lines = [f"{row % 10},4,{row + 100}" for row in range(30)]
    write_writers(folder, "train", [*lines[:-1], "9,,"])
    digits = mnist.load(source)
    assert digits.train.writers.tolist() == [*range(100, 129), -1]
    assert digits.train.series.tolist() == [4] * 29 + [-1]
    assert digits.train.writers.dtype == digits.train.series.dtype == np.int32
    assert digits.test.writers is None
    assert digits.test.series is None


@pytest.mark.parametrize(
    ("lines", "complaint"),
    [
        ([f"{row % 10},0,7" for row in range(29)], "a row for each of 30 images, got 29"),
        (
            [f"{(row + (row == 4)) % 10},0,7" for row in range(30)],
            "labels differ from the IDX labels in 1 rows, such as 4",
        ),
        ([f"{row % 10},0,anna" for row in range(30)], "must be a whole number"),
        ([f"{row % 10},0,7.5" for row in range(30)], "must be a whole number"),
        ([f"{row % 10},old,7" for row in range(30)], "a series must be a whole number"),
        ([f"{row % 10},0,-7" for row in range(30)], "must be a whole number"),
        ([f"{row % 10},0,99999999999" for row in range(30)], "must be a whole number"),
    ],
)
def test_writers_that_do_not_fit_are_refused(source, folder, lines, complaint):
    write_writers(folder, "train", lines)
    with pytest.raises(InputError, match=complaint) as caught:
        mnist.load(source)
    assert "train-writers.csv.gz" in str(caught.value)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"label,writer\n5,1\n",
        gzip.compress(b"label,series,writer\n" * 9)[:-9],
        b"\0\xff\xfe",
    ],
    # Not by their bytes: gzip's hold the second at which a process collects its tests.
    ids=["empty", "no series", "cut off", "no text"],
)
def test_a_damaged_writers_file_is_named(source, folder, content):
    path = folder / ("train-writers.csv.gz" if content[:1] == b"\x1f" else "train-writers.csv")
    path.write_bytes(content)
    with pytest.raises(InputError) as caught:
        mnist.load(source)
    assert str(path) in str(caught.value)


def write_openml_cache(home, arff, rows=70_000):
    """Lay out scikit-learn's disk cache the way fetch_openml leaves it."""
    api = "openml/openml.org/api/v1/json/data"
    pixels = [f"pixel{number}" for number in range(1, 785)]
    features = [
        {
            "index": str(index),
            "name": name,
            "data_type": "nominal" if name == "class" else "numeric",
            "is_target": str(name == "class").lower(),
            "is_ignore": "false",
            "is_row_identifier": "false",
            "number_of_missing_values": "0",
        }
        for index, name in enumerate([*pixels, "class"])
    ]
    description = {
        "id": "554", "name": "mnist_784", "version": "1", "format": "ARFF",
        "status": "active", "description": "digits",
        "url": "https://api.openml.org/data/v1/download/52667/mnist_784.arff",
        "md5_checksum": hashlib.md5(arff).hexdigest(),
    }  # fmt: skip
    quality = [{"name": "NumberOfInstances", "value": str(float(rows))}]
    found = {"did": 554, "name": "mnist_784", "version": 1, "status": "active"}
    answers = {
        f"{api}/list/data_name/mnist_784/limit/2/data_version/1": {
            "data": {"dataset": [found]}
        },
        f"{api}/554": {"data_set_description": description},
        f"{api}/features/554": {"data_features": {"feature": features}},
        f"{api}/qualities/554": {"data_qualities": {"quality": quality}},
    }
    contents = {path: json.dumps(answer).encode() for path, answer in answers.items()}
    contents["openml/openml.org/data/v1/download/52667/mnist_784.arff"] = arff
    for path, content in contents.items():
        file = home / f"{path}.gz"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(gzip.compress(content, compresslevel=1))


def write_arff(blocks):
    """ARFF text of (repetitions, images (n, 784), labels) blocks."""
    head = ["@RELATION mnist_784"]
    head += [f"@ATTRIBUTE pixel{number} real" for number in range(1, 785)]
    head += ["@ATTRIBUTE class {0,1,2,3,4,5,6,7,8,9}", "@DATA", ""]
    texts = [
        "".join(
            ",".join(map(str, [*image, label])) + "\n"
            for image, label in zip(images.tolist(), labels.tolist(), strict=True)
        )
        * repetitions
        for repetitions, images, labels in blocks
    ]
    return ("\n".join(head) + "".join(texts)).encode()


@pytest.fixture
def data_home(tmp_path, monkeypatch):
    monkeypatch.setenv("SCIKIT_LEARN_DATA", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.mark.slow
def test_openml_is_read_from_scikit_learns_cache_without_network(data_home):
    ink = GENERATOR.integers(0, 256, (1000, 784), dtype=np.uint8)
    images = ink * (GENERATOR.random(ink.shape) < 0.1)
    labels = GENERATOR.integers(0, 10, 1000).astype(np.uint8)
    write_openml_cache(
        data_home, write_arff([(60, images, labels), (10, 255 - images, labels)])
    )
    digits = mnist.load(MnistSource())
    train, test = digits.train, digits.test
    assert train.images.dtype == test.images.dtype == train.labels.dtype == np.uint8
    expected = images.reshape(-1, 28, 28)
    np.testing.assert_array_equal(train.images, np.tile(expected, (60, 1, 1)))
    np.testing.assert_array_equal(test.images, np.tile(255 - expected, (10, 1, 1)))
    np.testing.assert_array_equal(train.labels, np.tile(labels, 60))
    np.testing.assert_array_equal(test.labels, np.tile(labels, 10))
    assert train.writers is None
    assert "OpenML" in digits.origin


def test_openml_with_another_number_of_rows_is_refused(data_home):
    images, labels = np.zeros((20, 784), np.uint8), np.zeros(20, np.uint8)
    write_openml_cache(data_home, write_arff([(1, images, labels)]), rows=20)
    with pytest.raises(InputError, match=r"must have 70000 rows .* got \(20, 784\)"):
        mnist.load(MnistSource())


def assert_both_ways_out(message):
    assert "IDX files in a folder" in message
    assert "source.folder" in message
    assert "DIGITFLOW_MNIST_DIR" in message
    assert "connect to the network once" in message


@pytest.fixture
def offline(monkeypatch):
    """Send what asks the network to a port where nobody listens."""
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.usefixtures("offline")
def test_offline_with_nothing_cached_one_error_names_both_ways_out(data_home):
    with pytest.raises(InputError) as caught:
        mnist.load(MnistSource())
    assert_both_ways_out(str(caught.value))
    assert "\n" not in str(caught.value)


@pytest.mark.usefixtures("offline")
def test_offline_with_a_damaged_cache_the_same_error_is_raised(data_home):
    write_openml_cache(data_home, b"@DATA\n")
    for path in (data_home / "openml").rglob("mnist_784.arff.gz"):
        path.write_bytes(path.read_bytes()[:-4])
    with pytest.raises(InputError) as caught:
        mnist.load(MnistSource())
    assert_both_ways_out(str(caught.value))


def test_openml_has_a_constant_fingerprint_and_is_not_asked_for_it(data_home):
    assert mnist.fingerprint(MnistSource()) == mnist.fingerprint(MnistSource())
    assert not data_home.exists()


def rename(folder, prefix, test="test"):
    """Name the files as EMNIST and QMNIST do."""
    for path in list(folder.iterdir()):
        path.rename(folder / f"{prefix}{path.name.replace('t10k', test)}")


@pytest.mark.parametrize("prefix", ["emnist-digits-", "qmnist-", "my digits "])
def test_files_of_its_kin_are_known_by_the_end_of_their_names(folder, source, prefix):
    rename(folder, prefix)
    digits = mnist.load(source)
    assert (len(digits.train), len(digits.test)) == (30, 20)
    assert digits.origin.startswith(prefix.rstrip("-"))


def test_of_several_sets_the_config_names_one(tmp_path, folder):
    rename(folder, "emnist-digits-")
    other = write_mnist(tmp_path / "other")
    rename(other, "emnist-mnist-")
    for path in other.iterdir():
        shutil.copy(path, folder)
    with pytest.raises(InputError, match=r"several sets: emnist-digits, emnist-mnist\. Name"):
        mnist.load(MnistSource(folder=folder))
    read = mnist.load(MnistSource(folder=folder, prefix="emnist-mnist"))
    expected = mnist.load(MnistSource(folder=other))
    np.testing.assert_array_equal(read.train.images, expected.train.images)
    with pytest.raises(InputError, match=r"no set emnist-letters, source.prefix; there: e"):
        mnist.load(MnistSource(folder=folder, prefix="emnist-letters"))


def test_mnists_own_names_go_before_others(folder, tmp_path):
    other = write_mnist(tmp_path / "other")
    rename(other, "emnist-digits-")
    before = mnist.load(MnistSource(folder=folder)).train.images
    for path in other.iterdir():
        shutil.copy(path, folder)
    np.testing.assert_array_equal(mnist.load(MnistSource(folder=folder)).train.images, before)


def test_qmnists_labels_of_eight_columns_name_the_writers(folder, source):
    for split, count in IMAGES.items():
        rows = np.arange(count)
        columns = [rows % 10, rows % 5, 100 + rows // 3, rows, rows % 10 + 48, rows, 0 * rows]
        labels = np.stack([*columns, 0 * rows], axis=1).astype(">i4")
        head = b"\0\0\x0c\2" + struct.pack(">2I", *labels.shape)
        (folder / f"{split}-labels-idx1-ubyte").unlink()
        path = folder / f"{split}-labels-idx2-int.gz"
        path.write_bytes(gzip.compress(head + labels.tobytes()))
    rename(folder, "qmnist-")
    train = mnist.load(source).train
    assert train.labels.tolist() == [row % 10 for row in range(30)]
    assert train.writers.tolist() == [100 + row // 3 for row in range(30)]
    assert train.series.tolist() == [row % 5 for row in range(30)]
    assert train.writers.dtype == train.series.dtype == np.int32


def test_a_web_page_in_place_of_a_file_is_called_one(folder, source):
    path = folder / "train-images-idx3-ubyte"
    path.unlink()
    path.with_name(f"{path.name}.gz").write_bytes(b"<html><title>Access denied</title></html>")
    with pytest.raises(InputError, match=r'web page \("Access denied"\).*Download.*https://'):
        mnist.load(source)
