import gzip
import struct
import tracemalloc

import numpy as np
import pytest

from digitflow.data.sources.mnist import list_sets, match_name, read_idx
from digitflow.errors import InputError


def encode_idx(array, shape=None, magic=b"\0\0\x08"):
    shape = array.shape if shape is None else shape
    head = magic + bytes([len(shape)]) + struct.pack(f">{len(shape)}I", *shape)
    return head + array.tobytes()


IMAGES = np.random.default_rng(0).integers(0, 256, (5, 28, 28), dtype=np.uint8)


@pytest.fixture
def write(tmp_path):
    def write_bytes(content, name="some-idx3-ubyte"):
        path = tmp_path / name
        path.write_bytes(content)
        return path

    return write_bytes


@pytest.mark.parametrize("shape", [(7,), (3, 4), (2, 28, 28), (0,), (0, 28, 28)])
def test_plain_and_gzipped_files_give_the_array(write, shape):
    array = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    for content in (encode_idx(array), gzip.compress(encode_idx(array))):
        read = read_idx(write(content))
        assert read.dtype == np.uint8
        np.testing.assert_array_equal(read, array)


def test_the_content_not_the_name_tells_whether_it_is_gzipped(write):
    plain, packed = encode_idx(IMAGES), gzip.compress(encode_idx(IMAGES))
    np.testing.assert_array_equal(read_idx(write(plain, "a.gz")), IMAGES)
    np.testing.assert_array_equal(read_idx(write(packed, "a")), IMAGES)


def test_very_compressible_images_are_no_lie(write):
    zeros = np.zeros((3000, 28, 28), np.uint8)
    np.testing.assert_array_equal(read_idx(write(gzip.compress(encode_idx(zeros)))), zeros)


def test_real_mnist_has_the_known_counts(mnist_folder):
    images = read_idx(mnist_folder / "t10k-images-idx3-ubyte.gz")
    labels = read_idx(mnist_folder / "t10k-labels-idx1-ubyte.gz")
    assert images.shape == (10_000, 28, 28)
    assert labels[:10].tolist() == [7, 2, 1, 0, 4, 1, 4, 9, 5, 9]
    counts = [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
    assert np.bincount(labels).tolist() == counts


@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzipped"])
@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"", "is no IDX file"),
        (b"\0\0", "is no IDX file"),
        (b"hello, I am text", "is no IDX file.* got 68 65 6c 6c"),
        (encode_idx(IMAGES, magic=b"\0\0\x0d"), "promises 15680 bytes"),
        (encode_idx(IMAGES, magic=b"\0\0\x07"), "is no IDX file"),
        (encode_idx(IMAGES, magic=b"\0\1\x08"), "is no IDX file"),
        (encode_idx(IMAGES, shape=()), "is no IDX file"),
        (encode_idx(IMAGES, shape=(5, 28, 28, 1)), "1 to 3 axes"),
        (encode_idx(IMAGES)[:11], "ends inside its header"),
        (encode_idx(IMAGES)[:-1], "promises 3920 bytes .* found 3919"),
        (encode_idx(IMAGES) + b"\0", "promises 3920 bytes .* found more"),
        (encode_idx(IMAGES, shape=(6, 28, 28)), "promises 4704 bytes"),
        (encode_idx(IMAGES, shape=(4, 28, 28)), "promises 3136 bytes .* found more"),
        (encode_idx(IMAGES, shape=(2**32 - 1,) * 3), r"promises \d+ bytes .* can't hold more"),
    ],
)
def test_a_lying_or_cut_file_is_refused_by_name(write, pack, content, complaint):
    path = write(pack(content))
    with pytest.raises(InputError, match=complaint) as caught:
        read_idx(path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("damage", ["cut", "flipped", "wrong sum", "only magic"])
def test_a_damaged_gzip_is_refused_by_name(write, damage):
    good = gzip.compress(encode_idx(IMAGES))
    middle = len(good) // 2
    flipped = good[:middle] + bytes([good[middle] ^ 255]) + good[middle + 1 :]
    contents = {
        "cut": good[:-100],
        "flipped": flipped,
        "wrong sum": good[:-8] + bytes(4) + good[-4:],
        "only magic": good[:2],
    }
    path = write(contents[damage])
    with pytest.raises(InputError, match="can't read the IDX file") as caught:
        read_idx(path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzipped"])
def test_a_giant_claim_takes_no_memory(write, pack):
    content = encode_idx(np.zeros(2_000_000, np.uint8), shape=(2_000_000, 28, 28))
    path = write(pack(content))
    tracemalloc.start()
    with pytest.raises(InputError, match="promises 1568000000"):
        read_idx(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 10e6


def test_a_gzip_that_unpacks_to_far_more_than_it_promises_is_not_unpacked(write):
    path = write(gzip.compress(encode_idx(np.zeros(60_000_000, np.uint8), shape=(100,))))
    tracemalloc.start()
    with pytest.raises(InputError, match="found more"):
        read_idx(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 5e6


def test_a_missing_file_or_a_folder_is_refused_by_name(tmp_path):
    for path in (tmp_path / "nothing", tmp_path):
        with pytest.raises(InputError, match="can't read the IDX file") as caught:
            read_idx(path)
        assert str(path) in str(caught.value)


def test_of_one_file_gzipped_and_not_the_latter_counts(tmp_path):
    for name in (
        "train-images-idx3-ubyte",
        "train-images-idx3-ubyte.gz",
        "t10k-labels-idx1-ubyte.gz",
        "emnist-digits-test-images-idx3-ubyte",
        "notes.txt",
    ):
        (tmp_path / name).write_bytes(b"x")
    (tmp_path / "train-labels-idx1-ubyte").mkdir()
    sets = list_sets(tmp_path)
    named = {
        prefix: {key: path.name for key, path in files.items()}
        for prefix, files in sets.items()
    }
    assert named == {
        "": {
            ("train", "images"): "train-images-idx3-ubyte",
            ("t10k", "labels"): "t10k-labels-idx1-ubyte.gz",
        },
        "emnist-digits-": {("t10k", "images"): "emnist-digits-test-images-idx3-ubyte"},
    }
    assert list_sets(tmp_path / "nosuch") == {}
    assert match_name(tmp_path / "emnist-digits-test-images-idx3-ubyte") == "emnist-digits"
    assert match_name(tmp_path / "train-images-idx3-ubyte") == ""
    assert match_name(tmp_path / "notes.txt") is None
