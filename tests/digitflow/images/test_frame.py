import cv2
import numpy as np
import pytest
from scipy import ndimage

from digitflow.errors import InputError
from digitflow.images.frame import find_framed, frame_pictures, is_framed, to_mnist_frame
from digitflow.images.ink import read_border


def measure_box(image):
    rows, columns = ndimage.find_objects((image > 0.2 * image.max()).astype(int))[0]
    return rows.stop - rows.start, columns.stop - columns.start


def draw_ellipse(axes, side=300, centre=None, angle=0):
    image = np.zeros((side, side), np.uint8)
    cv2.ellipse(image, centre or (side // 2, side // 2), axes, angle, 0, 360, 255, -1)
    return image


@pytest.fixture(scope="module")
def digits(mnist):
    return mnist.train.images[::300]


def test_mnist_passes_unchanged_to_the_bit(mnist):
    for image in np.concatenate([mnist.train.images[::6], mnist.test.images[::6]]):
        np.testing.assert_array_equal(to_mnist_frame(image), image)


def test_all_at_once_are_told_from_the_others_as_one_by_one(mnist):
    images = mnist.test.images[::10]
    moved = [np.roll(images[1::2], step, axis=(1, 2)) for step in ((1, 0), (0, 2), (3, 3))]
    generator = np.random.default_rng(0)
    blurred = np.stack([cv2.blur(image, (3, 3)) for image in images])
    noise = generator.integers(0, 256, (50, 28, 28), dtype=np.uint8)
    odd = [np.zeros((2, 28, 28), np.uint8), np.full((2, 28, 28), 255, np.uint8), noise]
    pictures = np.concatenate([images, *moved, blurred, 255 - images[:50], images // 2, *odd])
    found = find_framed(pictures)
    assert found.tolist() == [is_framed(picture) for picture in pictures]
    assert 0.2 < found.mean() < 0.8
    assert find_framed(pictures[:0]).shape == (0,)


def test_result_is_a_copy_not_the_input(digits):
    assert not np.shares_memory(to_mnist_frame(digits[0]), digits[0])


def test_inverted_mnist_comes_back_to_the_bit(digits):
    for image in digits:
        np.testing.assert_array_equal(to_mnist_frame(255 - image), image)


@pytest.mark.parametrize("padding", [((0, 9), (9, 0)), ((30, 5), (2, 60)), ((1, 1), (90, 0))])
def test_a_digit_elsewhere_on_a_larger_sheet_comes_back_to_the_bit(digits, padding):
    for image in digits:
        np.testing.assert_array_equal(to_mnist_frame(np.pad(image, padding)), image)


@pytest.mark.parametrize("factor", [2, 3, 5])
def test_an_enlarged_digit_comes_back_to_the_bit(digits, factor):
    exact = [
        np.array_equal(to_mnist_frame(np.kron(image, np.ones((factor,) * 2, np.uint8))), image)
        for image in digits
    ]
    # One in a thousand has faint edges, so that its size is measured differently.
    assert np.mean(exact) > 0.98


def test_a_smoothly_enlarged_digit_comes_back_nearly(digits):
    for image in digits:
        large = cv2.resize(image, (177, 177), interpolation=cv2.INTER_CUBIC)
        difference = np.abs(to_mnist_frame(large).astype(int) - image)
        assert difference.mean() < 30  # moved by a pixel at most


@pytest.mark.parametrize("quality", [75, 95])
def test_mnist_stored_as_jpeg_stays_where_it_is(digits, quality):
    for image in digits:
        _, content = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])
        stored = cv2.imdecode(content, cv2.IMREAD_GRAYSCALE)
        assert np.abs(to_mnist_frame(stored).astype(int) - image).mean() < 10


def test_any_result_passes_unchanged(digits):
    generator = np.random.default_rng(0)
    pictures = [generator.integers(0, 256, generator.integers(5, 200, 2)) for _ in range(60)]
    pictures += [(picture > 0.9 * picture.max()) * 255 for picture in pictures]
    pictures += [np.pad(image[4:24, 6:22], 9) // 2 for image in digits]
    for picture in pictures:
        framed = to_mnist_frame(picture.astype(np.uint8))
        assert is_framed(framed)
        np.testing.assert_array_equal(to_mnist_frame(framed), framed)


@pytest.mark.parametrize("axes", [(100, 60), (30, 80), (12, 9), (70, 70)])
@pytest.mark.parametrize("centre", [(150, 150), (120, 170)])
def test_ink_fills_a_box_of_20_with_its_aspect_and_lies_in_the_middle(axes, centre):
    framed = to_mnist_frame(draw_ellipse(axes, centre=centre))
    width, height = (2 * a + 1 for a in axes)
    scale = 20 / max(width, height)
    assert framed.shape == (28, 28)
    assert framed.dtype == np.uint8
    assert measure_box(framed) == pytest.approx((height * scale, width * scale), abs=1)
    assert ndimage.center_of_mass(framed) == pytest.approx((14, 14), abs=0.55)
    assert framed.max() > 250
    assert read_border(framed).max() == 0


def test_the_centre_of_mass_not_of_the_box_is_in_the_middle():
    image = np.zeros((60, 60), np.uint8)
    image[10:50, 20:24] = 255  # a long stem
    image[40:50, 20:40] = 255  # with a heavy foot
    framed = to_mnist_frame(image)
    assert ndimage.center_of_mass(framed) == pytest.approx((14, 14), abs=0.55)
    rows = np.flatnonzero(framed.any(axis=1))
    assert rows.mean() < 13


def test_edges_are_anti_aliased():
    framed = to_mnist_frame(draw_ellipse((90, 60), angle=30))
    assert ((framed > 20) & (framed < 235)).sum() > 20


def test_ink_that_weighs_on_one_side_does_not_leave_the_frame():
    image = np.zeros((50, 50), np.uint8)
    image[5:45, 5:8] = 255
    image[5:8, 5:45] = 60
    framed = to_mnist_frame(image)
    assert measure_box(framed) == pytest.approx((20, 20), abs=1)


def test_a_thin_faint_pen_becomes_visible():
    image = np.full((800, 800), 250, np.uint8)
    cv2.circle(image, (400, 400), 200, 150, 2)
    framed = to_mnist_frame(image)
    assert framed.max() > 190
    assert measure_box(framed) == pytest.approx((20, 20), abs=1)


@pytest.mark.parametrize("ink", [0, 90])
def test_a_photo_with_noise_and_light_from_one_side_is_read_as_the_drawing(ink, draw_digit):
    drawing = draw_digit("5", side=400)
    light = np.linspace(230, 180, 400)[np.newaxis, :]
    noise = np.random.default_rng(1).normal(0, 6, drawing.shape)
    photo = light + (ink - light) * (drawing / 255) + noise
    framed = to_mnist_frame(photo.clip(0, 255).astype(np.uint8))
    expected = to_mnist_frame(drawing)
    assert np.corrcoef(framed.ravel(), expected.ravel())[0, 1] > 0.95


def test_a_digit_cut_out_without_a_border_is_enlarged(digits):
    for image in digits[:50]:
        cut = image[np.ix_(image.any(axis=1), image.any(axis=0))]
        if np.median(read_border(cut)) > 127:
            continue  # all ink at its border: nobody can tell its polarity
        assert np.abs(to_mnist_frame(cut).astype(int) - image).mean() < 45


def test_single_pixel_and_single_row_pictures_are_framed():
    spot = np.zeros((9, 9), np.uint8)
    spot[4, 4] = 255
    for picture in (spot, spot[4:5], spot[:, 4:5]):
        assert is_framed(to_mnist_frame(picture))


def test_two_faint_specks_far_apart_are_framed():
    image = np.zeros((256, 256), np.uint8)
    image[0, 0] = image[255, 255] = 40
    assert is_framed(to_mnist_frame(image))


def test_a_huge_picture_is_framed(draw_digit):
    framed = to_mnist_frame(draw_digit("2", side=4000, ink=0, ground=255))
    expected = to_mnist_frame(draw_digit("2", side=400, ink=0, ground=255))
    assert np.corrcoef(framed.ravel(), expected.ravel())[0, 1] > 0.95


def test_the_input_is_not_changed(draw_digit):
    image = draw_digit("7", ink=0, ground=255)
    before = image.copy()
    to_mnist_frame(image)
    np.testing.assert_array_equal(image, before)


@pytest.mark.parametrize("level", [0, 128, 255])
def test_a_blank_picture_is_refused(level):
    image = np.full((50, 40), level, np.uint8)
    image[0, 0] ^= 16
    with pytest.raises(InputError, match="blank: ink and ground differ by 16 of 255"):
        to_mnist_frame(image)


@pytest.mark.parametrize(
    "image",
    [
        np.zeros((28, 28, 3), np.uint8),
        np.zeros((28, 28), np.float32),
        np.zeros((0, 28), np.uint8),
        np.zeros(784, np.uint8),
    ],
)
def test_what_is_no_gray_picture_is_refused(image):
    with pytest.raises(InputError, match=r"must be gray, uint8 .* got"):
        to_mnist_frame(image)


def test_border_is_every_outermost_pixel_once():
    images = np.arange(2 * 4 * 5).reshape(2, 4, 5)
    inside = images[:, 1:-1, 1:-1].reshape(2, -1)
    border = read_border(images)
    for image, edge, rest in zip(images, border, inside, strict=True):
        assert sorted([*edge, *rest]) == image.ravel().tolist()


def test_many_pictures_are_framed_as_each_of_them(digits):
    pictures = np.invert(digits)
    frames, framed = frame_pictures(iter(pictures))
    assert framed.all()
    np.testing.assert_array_equal(frames, [to_mnist_frame(picture) for picture in pictures])


def test_a_picture_without_a_digit_is_left_out(digits):
    pictures = digits[:3].copy()
    pictures[1] = 0
    frames, framed = frame_pictures(pictures)
    assert framed.tolist() == [True, False, True]
    np.testing.assert_array_equal(frames[1], to_mnist_frame(pictures[2]))
    frames, framed = frame_pictures(pictures[1:2])
    assert (frames.shape, framed.tolist()) == ((0, 28, 28), [False])
