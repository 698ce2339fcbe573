"""How others write digits is brought to our ways as a whole, and said; faults stay."""

import numpy as np
import pytest

from digitflow.config.data import BuiltinSource
from digitflow.data import conventions
from digitflow.data.conventions import ExchangedRows, adopt_conventions
from digitflow.errors import InputError


def test_what_is_ours_already_passes_as_it_is(adopt, few):
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
def test_levels_of_another_range_are_read_to_the_bit_and_said(adopt, few, write, levels):
    data, (note,) = adopt(write(few.images), few.labels)
    assert data.images.dtype == np.uint8
    np.testing.assert_array_equal(data.images, few.images)
    assert note == f"train: levels {levels} were brought to 0 to 255"


def test_black_and_white_is_read(adopt, few):
    data, (note,) = adopt((few.images > 127).astype(np.uint8), few.labels)
    np.testing.assert_array_equal(data.images, np.where(few.images > 127, 255, 0))
    assert "from 0 to 1" in note


def test_levels_between_whole_numbers_are_rounded(adopt, few):
    moved = few.images.astype(np.float32) - 0.3
    data, (note,) = adopt(moved.clip(0), few.labels)
    np.testing.assert_array_equal(data.images, few.images)
    assert "rounded" in note


def test_a_few_faulty_rows_stay_faulty_and_change_nothing_for_the_rest(adopt, few):
    images = (few.images / 255).astype(np.float32)
    images[3, 0, 0], images[5, 4, 4] = np.nan, 9
    data, _ = adopt(images, few.labels)
    assert np.isnan(data.images[3, 0, 0])
    assert data.images[5, 4, 4] == 9 * 255
    good = np.delete(np.arange(300), [3, 5])
    np.testing.assert_array_equal(data.images[good], few.images[good])


def test_one_fraction_among_whole_numbers_stays_a_fault(adopt, few):
    images = few.images.astype(np.float32)
    images[3, 5, 5] = 0.5
    data, notes = adopt(images, few.labels)
    assert data.images[3, 5, 5] == 0.5
    assert notes == ()


def test_standardised_levels_are_called_so(adopt, few):
    images = (few.images / 255 - 0.1307) / 0.3081
    data, (note,) = adopt(images, few.labels)
    assert data.images is images
    assert "levels go from -0.4242 to" in note
    assert "standardised" in note


@pytest.mark.parametrize("scale", [1, 1 / 255])
def test_dark_ink_on_bright_is_turned_where_all_images_are_so(adopt, few, scale):
    data, notes = adopt((255 - few.images) * scale, few.labels)
    np.testing.assert_array_equal(data.images, few.images)
    assert "dark ink on bright ground" in notes[-1]


def test_some_inverted_images_are_left_to_validation(adopt, few):
    images = few.images.copy()
    images[:30] = 255 - images[:30]
    data, _ = adopt(images, few.labels)
    assert data.images is images


def test_exchanged_rows_and_columns_stop_with_the_way_out(adopt, few):
    exchanged = few.images.transpose(0, 2, 1)
    with pytest.raises(InputError, match=r"Set source.transpose: true; if .* false"):
        adopt(exchanged, few.labels)
    mended, notes = adopt(exchanged, few.labels, transpose=True)
    np.testing.assert_array_equal(mended.images, few.images)
    assert mended.images.flags.c_contiguous
    assert notes == ()
    left, _ = adopt(exchanged, few.labels, transpose=False)
    assert left.images is exchanged


def test_what_is_exchanged_without_need_stops_too(adopt, few):
    with pytest.raises(InputError, match=r"leave source.transpose out"):
        adopt(few.images, few.labels, transpose=True)


def test_mirrored_images_are_noted(adopt, few):
    _, (note,) = adopt(few.images[:, :, ::-1], few.labels)
    assert "seem mirrored" in note


def test_a_quarter_turn_stops(adopt, few):
    with pytest.raises(InputError, match=r"turned left by a quarter.*Save them upright"):
        adopt(np.rot90(few.images, 1, (1, 2)), few.labels)


def test_sources_without_such_words_are_read_as_they_are(few):
    data, notes = adopt_conventions("train", few, BuiltinSource())
    assert data.images is few.images
    assert notes == ()


@pytest.mark.parametrize(
    ("low", "high", "holds"),
    [
        (-1, 1, True),
        (-1.002, 1.002, True),
        (-1.0021, 1, False),
        (-1, 1.0021, False),
        (-0.5, 0.5, True),
        (-0.49, 1, False),
        (-1, 0.49, False),
    ],
)
def test_levels_are_of_a_range_within_rounding_and_near_its_ends(low, high, holds):
    assert conventions._Range(-1, 1).holds(low, high) is holds


def test_one_row_in_a_hundred_may_be_of_other_levels(adopt, few):
    images = (few.images / 255).astype(np.float32)
    images[:2] *= 90
    data, (note,) = adopt(images, few.labels)
    assert "from 0 to 1 " in note
    np.testing.assert_array_equal(data.images[2:], few.images[2:])
    images[2:6] *= 90
    _, notes = adopt(images, few.labels, transpose=False)
    assert "brought" not in " ".join(notes)


def test_what_can_not_be_measured_is_left_as_it_is():
    for images in (np.zeros((0, 28, 28)), np.full((3, 28, 28), np.nan), np.zeros((2, 3), "U1")):
        assert conventions._measure_levels(images) == (0, 255, True)
    rows = np.array([[0.0, 9.0], [np.nan, 3.0], [2.0, 5.0]])
    low, high, whole = conventions._measure_levels(rows)
    assert (low, high, whole) == (pytest.approx(0.02), pytest.approx(8.96), True)


@pytest.mark.parametrize(("whole", "so"), [(1, False), (2, True)])
def test_more_than_one_row_in_a_hundred_of_whole_numbers_makes_fractions_faults(whole, so):
    rows = np.full((100, 4), 0.5)
    rows[:whole] = 7
    assert conventions._are_whole(rows) is so
    assert conventions._are_whole(rows.astype(np.int64))


@pytest.mark.parametrize(("dark", "turned"), [(297, True), (296, False)])
def test_all_but_one_in_a_hundred_must_be_dark_ink_to_be_turned(adopt, few, dark, turned):
    images = few.images.copy()
    images[:dark] = 255 - images[:dark]
    _, notes = adopt(images, few.labels, transpose=False)
    assert any(conventions.TURNED in note for note in notes) is turned
    boolean = few.images > 0
    assert conventions._invert(boolean, []) is boolean


def test_levels_that_are_out_of_range_by_themselves_are_called_so(adopt, few):
    images = few.images.astype(np.int16)
    images[:, 0, 0] = -1
    _, (note,) = adopt(images, few.labels)
    assert note.startswith("train: levels go from -1 to")
    images[:, 0, 0] = 0
    images[:, 9, 9] = 256
    assert "to 256" in adopt(images, few.labels)[1][0]
    images[:, 9, 9] = 255
    assert adopt(images, few.labels)[1] == ()


def test_who_said_nothing_and_who_said_otherwise_stop_in_different_ways(adopt, few):
    with pytest.raises(ExchangedRows):
        adopt(few.images.transpose(0, 2, 1), few.labels)
    with pytest.raises(InputError) as caught:
        adopt(few.images, few.labels, transpose=True)
    assert not isinstance(caught.value, ExchangedRows)
    # Whoever says that they lie right is believed.
    assert adopt(np.rot90(few.images, 1, (1, 2)), few.labels, transpose=False)[1] == ()
