"""How others write digits is brought to our ways as a whole, and said; faults stay."""

import numpy as np
import pytest

from digitflow.config.data import BuiltinSource
from digitflow.data.conventions import adopt_conventions
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
