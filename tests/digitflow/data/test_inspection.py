import numpy as np
import pytest

from digitflow.data.inspection import REASONS, find_inverted, inspect_rows
from digitflow.data.sets import LabelledImages
from digitflow.errors import InputError
from digitflow.images.ink import MIN_CONTRAST, read_border

INK = np.zeros((28, 28), np.uint8)
INK[6:22, 10:18] = 200


def inspect(images, labels=None, dtype=np.float32):
    images = np.asarray(images, dtype)
    labels = np.zeros(len(images)) if labels is None else np.asarray(labels)
    return inspect_rows("train", LabelledImages(images, labels))


def reasons_of(inspection):
    return {problem.row: problem.reason for problem in inspection.list_problems()}


def change(place, value):
    image = INK.astype(np.float64)
    image[place] = value
    return image


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int64, np.float32, np.float64])
def test_good_images_of_any_number_type_become_bytes(dtype):
    inspection = inspect([INK, INK + 55], [3, 4], dtype)
    clean = inspection.take_usable()
    assert inspection.list_problems() == []
    assert clean.images.dtype == clean.labels.dtype == np.uint8
    np.testing.assert_array_equal(clean.images, [INK, INK + 55])
    assert clean.labels.tolist() == [3, 4]


def test_clean_bytes_are_not_copied():
    images = np.stack([INK, INK])
    inspection = inspect_rows("train", LabelledImages(images, np.zeros(2, np.uint8)))
    assert inspection.take_usable().images is images


@pytest.mark.parametrize(
    ("image", "reason"),
    [
        (np.full((28, 28), np.nan), "unreadable"),
        (change((0, 0), np.nan), "NaN pixel"),
        (change((27, 27), -1), "out of range"),
        (change((5, 5), 256), "out of range"),
        (change((5, 5), np.inf), "out of range"),
        (change((5, 5), -np.inf), "out of range"),
        (change((5, 5), 0.5), "not a whole number"),
        (INK / 255, "not a whole number"),
        (INK * 0, "blank"),
        (INK * 0 + 255, "blank"),
        (INK // 10, "blank"),
        (255 - INK, "inverted"),
    ],
)
def test_each_fault_of_an_image_is_found(image, reason):
    assert reasons_of(inspect([INK, image, INK])) == {1: reason}


@pytest.mark.parametrize("label", [-1, 10, 255, 3.5, np.nan, np.inf])
def test_an_unknown_label_is_found(label):
    inspection = inspect([INK, INK], [1.0, label])
    assert reasons_of(inspection) == {1: "unknown label"}
    np.testing.assert_equal(inspection.list_problems()[0].label, float(label))


def test_a_row_with_several_faults_has_the_first_in_the_order_of_reasons():
    both = change((0, 0), np.nan)
    both[1, 1], both[2, 2] = 999, 0.5
    assert reasons_of(inspect([both, both], [0, 77])) == {0: "NaN pixel", 1: "NaN pixel"}
    blank = np.zeros((28, 28))
    assert reasons_of(inspect([blank], [77])) == {0: "unknown label"}
    assert REASONS.index("NaN pixel") < REASONS.index("unknown label") < REASONS.index("blank")


def test_agrees_with_looking_at_every_row_beyond_one_chunk():
    generator = np.random.default_rng(0)
    images = np.tile(INK.astype(np.float32), (9000, 1, 1))
    rows = generator.choice(9000, 200, replace=False)
    values = generator.choice([np.nan, -3, 300, 0.5], 200)
    images[rows, 14, 14] = values
    expected = {
        int(row): "NaN pixel"
        if np.isnan(value)
        else {-3: "out of range", 300: "out of range", 0.5: "not a whole number"}[value]
        for row, value in zip(rows, values, strict=True)
    }
    assert reasons_of(inspect(images)) == expected


def test_a_digit_that_touches_the_border_is_not_inverted():
    image = INK.copy()
    image[:, :3] = 255
    image[0, :14] = 255
    assert reasons_of(inspect([image])) == {}


def test_marking_leaves_earlier_reasons_and_takes_masks_and_numbers():
    inspection = inspect([INK, INK * 0, INK, INK])
    inspection.mark("duplicate", np.array([1, 2]))
    inspection.mark("inverted", np.array([False, True, True, True]))
    assert reasons_of(inspection) == {1: "blank", 2: "duplicate", 3: "inverted"}
    assert inspection.find("duplicate").tolist() == [2]
    assert inspection.usable.tolist() == [0]


@pytest.mark.parametrize("shape", [(5, 784), (5, 28, 27), (0, 28, 28), (28, 28)])
def test_images_of_another_shape_are_refused(shape):
    with pytest.raises(InputError, match=r"train: images must have the shape .* got"):
        inspect_rows("train", LabelledImages(np.zeros(shape), np.zeros(shape[0])))


@pytest.mark.parametrize("dtype", [object, bool, complex, "U3"])
def test_what_is_no_real_number_is_refused(dtype):
    good, bad = np.zeros((2, 28, 28)), np.zeros((2, 28, 28), dtype)
    with pytest.raises(InputError, match="images must be real numbers, got"):
        inspect_rows("test", LabelledImages(bad, np.zeros(2)))
    with pytest.raises(InputError, match="test: labels must be real numbers, got"):
        inspect_rows("test", LabelledImages(good, np.zeros(2, dtype)))


def test_labels_and_writers_of_another_length_are_refused():
    images = np.zeros((2, 28, 28))
    with pytest.raises(InputError, match="2 images need as many labels, got \\(3,\\)"):
        inspect_rows("train", LabelledImages(images, np.zeros(3)))
    with pytest.raises(InputError, match="2 images need as many writers, got \\(1,\\)"):
        inspect_rows("train", LabelledImages(images, np.zeros(2), np.zeros(1)))


def test_contrast_below_the_least_is_blank_and_the_least_is_not():
    flat = np.zeros((2, 28, 28), np.uint8)
    flat[0, 9, 9], flat[1, 9, 9] = MIN_CONTRAST - 1, MIN_CONTRAST
    assert reasons_of(inspect(flat)) == {0: "blank"}


def test_more_than_half_of_a_border_brighter_than_the_middle_is_inverted():
    border = read_border(np.zeros((1, 28, 28), np.uint8)).shape[1]
    outside = np.ones((28, 28), bool)
    depth = 0
    while outside.sum() != border:
        depth += 1
        outside = np.ones((28, 28), bool)
        outside[depth:-depth, depth:-depth] = False
    places = np.argwhere(outside)
    for count, level, inverted in (
        (border // 2, 255, False),
        (border // 2 + 1, 255, True),
        (border, 127, False),
        (border, 128, True),
    ):
        image = np.zeros((28, 28), np.uint8)
        image[tuple(places[:count].T)] = level
        assert find_inverted(image[None]).tolist() == [inverted]


def test_pixels_from_0_to_255_are_in_range_and_what_can_not_be_clean_is_0():
    edge = change((0, 0), 255)
    edge[1, 1] = 0
    broken = change((3, 3), 0.5)
    inspection = inspect([edge, broken], [9, 3.5])
    assert reasons_of(inspection) == {1: "not a whole number"}
    np.testing.assert_array_equal(inspection.images[0], edge)
    assert not inspection.images[1].any()
    assert inspection.labels.tolist() == [9, 0]
    assert inspection.faulty.tolist() == [1]


@pytest.mark.parametrize("column", ["series", "sources"])
def test_other_columns_of_another_length_are_refused(column):
    raw = LabelledImages(np.zeros((2, 28, 28)), np.zeros(2), **{column: np.zeros(3)})
    with pytest.raises(InputError, match=f"as many {column}, got"):
        inspect_rows("train", raw)
