import gzip

import cv2
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from digitflow.config.data import TableSource, ValidationRules
from digitflow.data.sources import table
from digitflow.data.validation import check_digits
from digitflow.errors import InputError

NAMES = {
    "from 0": [f"pixel{number}" for number in range(784)],
    "from 1": [f"pixel{number}" for number in range(1, 785)],
    "by row": [f"{row}x{column}" for row in range(1, 29) for column in range(1, 29)],
}
PIXELS = np.random.default_rng(0).integers(0, 256, (30, 784), dtype=np.uint8)
LABELS = np.arange(30) % 10
SUFFIXES = [".csv", ".csv.gz", ".parquet"]


def make_frame(names="from 0", pixels=PIXELS):
    frame = pd.DataFrame(pixels, columns=NAMES[names])
    frame.insert(0, "label", LABELS)
    return frame


@pytest.fixture
def write(tmp_path):
    def write_frame(frame, suffix=".csv", name="digits"):
        path = tmp_path / f"{name}{suffix}"
        if suffix == ".parquet":
            frame.to_parquet(path, index=False)
        else:
            frame.to_csv(path, index=False)
        return path

    return write_frame


def load(path, **more):
    return table.load(TableSource(file=path, **more))


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("names", NAMES)
def test_every_format_and_naming_gives_the_same_digits(write, suffix, names):
    path = write(make_frame(names), suffix)
    digits = load(path)
    assert digits.train.images.dtype == np.uint8
    np.testing.assert_array_equal(digits.train.images, PIXELS.reshape(-1, 28, 28))
    np.testing.assert_array_equal(digits.train.labels, LABELS)
    assert digits.train.writers is None
    assert digits.test is None
    assert str(path) in digits.origin


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_columns_may_stand_in_any_order_beside_others(write, suffix):
    frame = make_frame()[[*NAMES["from 0"][::-1], "label"]]
    frame.insert(5, "id", "some text")
    digits = load(write(frame, suffix))
    np.testing.assert_array_equal(digits.train.images, PIXELS.reshape(-1, 28, 28))


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("dtype", ["int64", "uint16", "float64", "float32"])
def test_other_number_types_hold_the_same_values(write, suffix, dtype):
    digits = load(write(make_frame(pixels=PIXELS.astype(dtype)), suffix))
    np.testing.assert_array_equal(digits.train.images, PIXELS.reshape(-1, 28, 28))


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_gap_is_nan_and_never_zero(write, suffix):
    frame = make_frame().astype("Int64")
    frame.loc[3, "pixel5"] = pd.NA
    frame.loc[4, "label"] = pd.NA
    digits = load(write(frame, suffix))
    images, labels = digits.train.images, digits.train.labels
    assert np.argwhere(np.isnan(images)).tolist() == [[3, 0, 5]]
    assert np.flatnonzero(np.isnan(labels)).tolist() == [4]
    expected = PIXELS.reshape(-1, 28, 28).astype(np.float32)
    expected[3, 0, 5] = np.nan
    np.testing.assert_array_equal(images, expected)


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("value", [-1, 256, 70_000, 0.5, np.inf])
def test_numbers_that_are_no_bytes_are_kept_as_they_are(write, suffix, value):
    frame = make_frame(pixels=PIXELS.astype(np.float64))
    frame.loc[3, "pixel5"] = value
    digits = load(write(frame, suffix))
    assert digits.train.images.dtype == np.float32
    assert digits.train.images[3, 0, 5] == value


def test_whole_numbers_beyond_bytes_in_parquet_are_kept_as_they_are(write):
    frame = make_frame(pixels=PIXELS.astype(np.int64))
    frame.loc[3, "pixel5"] = 300
    frame.loc[4, "pixel5"] = -7
    images = load(write(frame, ".parquet")).train.images
    assert images[3:5, 0, 5].tolist() == [300, -7]


def test_bad_rows_of_a_table_end_in_quarantine(write):
    frame = make_frame(pixels=np.repeat(PIXELS.astype(np.float64), 1, axis=0))
    frame.loc[3, "pixel5"] = np.nan
    frame.loc[4, "pixel6"] = 999
    frame.loc[5, "label"] = 11
    rules = ValidationRules(max_quarantined=1, min_per_class=2)
    digits = load(write(frame))
    digits.train.images[:, [0, -1]] = digits.train.images[:, :, [0, -1]] = 0  # dark border
    digits.train.images[3, 0, 5], digits.train.images[4, 0, 6] = np.nan, 999
    reasons = {p.row: p.reason for p in check_digits(digits, rules).problems}
    assert reasons == {3: "NaN pixel", 4: "out of range", 5: "unknown label"}


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_pixel_that_is_no_number_is_named_with_its_row(write, suffix):
    frame = make_frame().astype({"pixel5": "object"})
    frame["pixel5"] = frame["pixel5"].astype(str)
    frame.loc[[3, 7], "pixel5"] = ["seven", "1O"]
    expected = "column pixel5 must hold numbers, row 3 has 'seven', row 7 has '1O'"
    path = write(frame, suffix)
    with pytest.raises(InputError, match=expected) as caught:
        load(path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_labels_that_are_no_numbers_come_as_they_are(write, suffix):
    frame = make_frame().assign(label=[f"b'{label}'" for label in LABELS])
    frame.loc[3, "label"] = None
    labels = load(write(frame, suffix)).train.labels.tolist()
    assert labels[:5] == ["b'0'", "b'1'", "b'2'", "", "b'4'"]


def test_numbers_stored_as_text_in_parquet_are_read(write):
    frame = make_frame().astype(dict.fromkeys(NAMES["from 0"], "str"))
    images = load(write(frame, ".parquet")).train.images
    np.testing.assert_array_equal(images, PIXELS.reshape(-1, 28, 28))


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_missing_columns_are_counted_and_at_most_five_named(write, suffix):
    frame = make_frame().drop(columns=["label", *NAMES["from 0"][100:110]])
    path = write(frame, suffix)
    expected = (
        "lacks 11 columns: label, pixel100, pixel101, pixel102, pixel103 and 6 more. "
        r"Expected are the label \('label'\) and 784 pixels named pixel0 to pixel783"
    )
    with pytest.raises(InputError, match=expected) as caught:
        load(path)
    assert str(path) in str(caught.value)


def real_frame(handwriting):
    """Digits as people have them in CSVs: ground in the corners."""
    pixels = handwriting.images[:40].reshape(40, 784)
    frame = pd.DataFrame(pixels, columns=NAMES["from 0"])
    frame.insert(0, "label", handwriting.labels[:40])
    return frame


@pytest.mark.parametrize("order", [1, -1], ids=["label first", "label last"])
@pytest.mark.parametrize("suffix", [".csv", ".csv.gz"])
def test_a_csv_without_a_header_is_a_label_and_784_pixels(tmp_path, handwriting, order, suffix):
    frame, path = real_frame(handwriting), tmp_path / f"bare{suffix}"
    frame[frame.columns if order == 1 else [*NAMES["from 0"], "label"]].to_csv(
        path, index=False, header=False
    )
    digits = load(path, label="digit").train
    np.testing.assert_array_equal(digits.images, handwriting.images[:40])
    np.testing.assert_array_equal(digits.labels, handwriting.labels[:40])


def test_a_csv_without_a_header_and_other_columns_is_refused_in_one_line(tmp_path):
    path = tmp_path / "bare.csv"
    pd.DataFrame(PIXELS).to_csv(path, index=False, header=False)
    with pytest.raises(InputError, match="no header and 784 columns: expected are"):
        load(path)


@pytest.mark.parametrize(
    ("delimiter", "suffix"), [(";", ".csv"), ("\t", ".tsv"), ("|", ".txt")]
)
def test_cells_may_be_parted_by_other_signs(tmp_path, delimiter, suffix):
    path = tmp_path / f"digits{suffix}"
    make_frame().to_csv(path, index=False, sep=delimiter)
    digits = load(path).train
    np.testing.assert_array_equal(digits.images, PIXELS.reshape(-1, 28, 28))
    np.testing.assert_array_equal(digits.labels, LABELS)


def test_names_as_long_as_a_file_are_cut_in_the_error(tmp_path):
    path = tmp_path / "odd.csv"
    path.write_text("~".join(["label", *NAMES["from 0"]]) + "\n1~2\n")
    with pytest.raises(InputError, match="lacks 785 columns") as caught:
        load(path)
    assert len(str(caught.value)) < 600


@pytest.mark.parametrize("cells", ["structs", "bytes"])
def test_a_column_of_pictures_is_read_as_hugging_face_writes_it(tmp_path, handwriting, cells):
    files = [cv2.imencode(".png", image)[1].tobytes() for image in handwriting.images[:12]]
    files[3] = b"no picture"
    pictures = (
        [{"bytes": file, "path": None} for file in files] if cells == "structs" else files
    )
    path = tmp_path / "train-00000-of-00001.parquet"
    table_of = {"image": pictures, "label": handwriting.labels[:12].astype("int64")}
    pq.write_table(pa.table(table_of), path)
    digits = load(path).train
    assert digits.labels.tolist() == handwriting.labels[:12].tolist()
    assert np.isnan(digits.images[3]).all()
    kept = np.delete(np.arange(12), 3)
    np.testing.assert_array_equal(digits.images[kept], handwriting.images[kept])


def test_columns_of_the_same_name_are_refused(tmp_path):
    frame = make_frame()
    frame.columns = [name if name != "pixel7" else "pixel6" for name in frame.columns]
    frame.insert(0, "pixel7", 0)
    path = tmp_path / "twice.csv"
    frame.to_csv(path, index=False)
    with pytest.raises(InputError, match="columns of the same name: pixel6"):
        load(path)


def test_the_label_column_has_the_name_of_the_config(write):
    frame = make_frame().rename(columns={"label": "digit"})
    np.testing.assert_array_equal(load(write(frame), label="digit").train.labels, LABELS)
    with pytest.raises(InputError, match=r"source.label names .* hold no pixels are digit$"):
        load(write(frame))


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_writers_are_numbered_alike_in_both_tables(write, suffix):
    train = make_frame().assign(writer=["anna", "bob", None] * 10)
    test = make_frame().assign(who="x", writer=["carl", "bob", "anna"] * 10)
    digits = load(write(train, suffix), test_file=write(test, suffix, "test"))
    assert digits.train.writers.dtype == np.int32
    assert digits.train.writers.tolist() == [0, 1, -1] * 10
    assert digits.test.writers.tolist() == [2, 1, 0] * 10


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_writers_may_be_numbers_and_in_one_table_only(write, suffix):
    train = make_frame().assign(hand=[7.0, np.nan, 3.0] * 10)
    digits = load(
        write(train, suffix), test_file=write(make_frame(), suffix, "test"), writer="hand"
    )
    assert digits.train.writers.tolist() == [1, -1, 0] * 10
    assert digits.test.writers is None


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.csv", b""),
        ("a.csv", b"\0\1\2" * 50),
        ("a.csv", ",".join(make_frame().columns).encode() + b"\n1,2,3\n"),
        ("a.csv", b"l\xe4bel,pixel0\n1,2\n"),
        ("a.csv.gz", make_frame().to_csv(index=False).encode()),
        ("a.csv.gz", gzip.compress(make_frame().to_csv(index=False).encode())[:-50]),
        ("a.parquet", b""),
        ("a.parquet", b"PAR1 and then nothing of the kind"),
    ],
    # Not by their bytes: gzip's hold the second at which a process collects its tests.
    ids=["empty", "binary", "too few", "latin", "no gzip", "cut off", "nothing", "no end"],
)
def test_a_damaged_table_is_refused_by_name(tmp_path, name, content):
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(InputError, match="can't read the table") as caught:
        load(path)
    assert str(path) in str(caught.value)
    assert len(str(caught.value)) < 600


def test_a_damaged_page_of_a_parquet_file_is_refused(write):
    path = write(make_frame(), ".parquet")
    content = bytearray(path.read_bytes())
    content[4:3000] = bytes(2996)
    path.write_bytes(content)
    with pytest.raises(InputError, match="can't read the table"):
        load(path)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_table_of_no_rows_is_refused(write, suffix):
    with pytest.raises(InputError, match="has no rows"):
        load(write(make_frame().iloc[:0], suffix))


def test_a_missing_file_and_an_unknown_suffix_are_refused_by_name(tmp_path):
    with pytest.raises(InputError, match=r"no table .*gone\.csv"):
        load(tmp_path / "gone.csv")
    with pytest.raises(InputError, match=r"one of \.csv, .*\.parquet, got .*\.xlsx"):
        load(tmp_path / "digits.xlsx")
    with pytest.raises(InputError, match="can't read the table"):
        table.fingerprint(TableSource(file=tmp_path / "gone.csv"))


def test_a_byte_order_mark_and_windows_lines_are_no_matter(tmp_path):
    text = make_frame().to_csv(index=False, lineterminator="\r\n")
    path = tmp_path / "excel.csv"
    path.write_bytes(b"\xef\xbb\xbf" + text.encode())
    frame_first = make_frame()[[*NAMES["from 0"], "label"]]
    np.testing.assert_array_equal(load(path).train.labels, LABELS)
    path.write_bytes(b"\xef\xbb\xbf" + frame_first.to_csv(index=False).encode())
    np.testing.assert_array_equal(load(path).train.images[:, 0, 0], PIXELS[:, 0])


def test_the_fingerprint_changes_with_the_contents_and_the_columns(write):
    path = write(make_frame())
    seen = [table.fingerprint(TableSource(file=path))]
    assert table.fingerprint(TableSource(file=path)) == seen[0]
    seen.append(table.fingerprint(TableSource(file=path, label="digit")))
    seen.append(table.fingerprint(TableSource(file=path, test_file=path)))
    path.write_text(path.read_text() + "\n")
    seen.append(table.fingerprint(TableSource(file=path)))
    assert len(set(seen)) == len(seen)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_columns_that_are_no_images_are_told_apart_from_those_that_are(write, suffix):
    frame = make_frame("from 1").assign(writer="ann")
    found = table.inspect_table(write(frame, suffix))
    assert found == (True, ("label", "writer"))
    found = table.inspect_table(write(frame.drop(columns="pixel784"), suffix, "fewer"))
    assert not found.has_images
    assert found.others == ("label", "writer")
    other = pd.DataFrame({"rooms": [1, 2], "price": [3, 4]})
    assert table.inspect_table(write(other, suffix, "other")) == (False, ("rooms", "price"))


def test_a_column_of_pictures_is_one_of_images(tmp_path):
    for name, cells in (
        ("struct", pa.array([{"bytes": b"x", "path": "a"}])),
        ("binary", pa.array([b"x"])),
    ):
        path = tmp_path / f"{name}.parquet"
        pq.write_table(pa.table({"id": pa.array([1]), "image": cells}), path)
        assert table.inspect_table(path) == (True, ("id",))
    path = tmp_path / "none.parquet"
    pq.write_table(pa.table({"id": pa.array([{"a": 1}])}), path)
    assert table.inspect_table(path) == (False, ("id",))
