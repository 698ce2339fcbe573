"""Pictures decode, hold what they should, and leave nothing behind."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np
import pytest
from sklearn.datasets import load_digits

from digitflow.errors import InputError
from digitflow.reports.figures import (
    draw_confusion,
    draw_errors,
    draw_mistakes,
    draw_risk_coverage,
    draw_samples,
)

SMALL_BYTES = 150_000
BLANK = np.zeros((0, 28, 28), np.uint8)


def decode(png: bytes) -> np.ndarray:
    assert png.startswith(b"\x89PNG\r\n")
    picture = cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_COLOR)
    assert picture is not None
    assert picture.min() < 120 < picture.max()
    return picture


def framed_digits(n: int = 1797) -> tuple[np.ndarray, np.ndarray]:
    small, labels = load_digits(return_X_y=True)
    large = np.kron(small.reshape(-1, 8, 8), np.ones((3, 3))) * (255 / 16)
    images = np.pad(large.astype(np.uint8), ((0, 0), (2, 2), (2, 2)))
    return images[:n], labels[:n].astype(np.uint8)


def random_counts(largest: int = 40) -> np.ndarray:
    random = np.random.default_rng(0)
    return random.integers(0, largest, (10, 10)) + np.diag(random.integers(900, 1000, 10))


def mistakes(k: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    images, labels = framed_digits(k)
    return images, labels, (labels + 1) % 10, np.linspace(1, 0.2, k)


@pytest.mark.parametrize("draw", [draw_confusion, draw_errors])
@pytest.mark.parametrize(
    "counts",
    [
        random_counts(),
        random_counts().tolist(),
        random_counts() * 1000,
        np.diag(np.arange(10)),
        np.zeros((10, 10), int),
        np.eye(10, dtype=int)[::-1],
    ],
    ids=["usual", "lists", "large", "perfect", "empty", "all wrong"],
)
def test_confusions_of_any_kind_are_drawn_small(draw, counts):
    picture = draw(counts)
    assert decode(picture).shape[0] >= 600
    assert len(picture) < SMALL_BYTES


def test_confusions_differ_when_one_image_does():
    counts = random_counts()
    other = counts.copy()
    other[3, 5] += 1
    assert draw_confusion(counts) != draw_confusion(other)


def test_errors_are_shares_of_their_true_digit():
    # Ten times the images of a digit, and of its errors: the same shares, the same picture.
    counts = random_counts()
    other = counts.copy()
    other[4] *= 10
    np.testing.assert_array_equal(decode(draw_errors(counts)), decode(draw_errors(other)))


@pytest.mark.parametrize("draw", [draw_confusion, draw_errors])
@pytest.mark.parametrize("counts", [np.zeros((9, 10), int), np.full((10, 10), 0.5), [[1]]])
def test_what_is_no_confusion_matrix_is_refused(draw, counts):
    with pytest.raises(InputError, match=r"\(10, 10\) whole numbers"):
        draw(counts)


def test_samples_are_drawn_small():
    picture = draw_samples(*framed_digits())
    assert min(decode(picture).shape[:2]) >= 600
    assert len(picture) < SMALL_BYTES


def test_samples_show_only_their_own_digit_in_a_row():
    images, labels = framed_digits(300)
    whole = decode(draw_samples(images, labels))
    without_four = decode(draw_samples(images[labels != 4], labels[labels != 4]))
    changed = np.flatnonzero((whole != without_four).any(axis=(1, 2)))
    height = len(whole)
    assert 0.35 * height < changed.min() < changed.max() < 0.55 * height


def test_samples_of_few_and_of_many_images_are_drawn():
    images, labels = framed_digits(300)
    decode(draw_samples(images[:3], labels[:3]))
    decode(draw_samples(images, labels, each=40))


def test_samples_of_a_memory_map_are_those_of_its_array(tmp_path):
    images, labels = framed_digits(200)
    np.save(tmp_path / "images.npy", images)
    mapped = np.load(tmp_path / "images.npy", mmap_mode="r")
    assert draw_samples(mapped, labels) == draw_samples(images, labels)


@pytest.mark.parametrize("k", [1, 5, 6, 7, 24])
def test_any_number_of_mistakes_is_drawn_small(k):
    picture = draw_mistakes(*mistakes(k))
    decode(picture)
    assert len(picture) < SMALL_BYTES


def test_a_model_without_mistakes_gets_a_picture_too():
    none = np.zeros(0, np.uint8)
    decode(draw_mistakes(BLANK, none, none, np.zeros(0)))


@pytest.mark.parametrize(
    ("images", "labels"),
    [
        (BLANK[:, 0], np.zeros(0, np.uint8)),
        (BLANK.astype(np.float32), np.zeros(0, np.uint8)),
        (BLANK, np.zeros(1, np.uint8)),
    ],
)
def test_what_are_no_pictures_is_refused(images, labels):
    with pytest.raises(InputError, match="uint8"):
        draw_samples(images, labels)
    with pytest.raises(InputError, match="uint8"):
        draw_mistakes(images, labels, labels, labels)


def test_threads_may_draw_at_the_same_time():
    counts, data = random_counts(), framed_digits(100)
    alone = [draw_confusion(counts), draw_samples(*data)]
    with ThreadPoolExecutor(4) as pool:
        together = [
            pool.submit(*job) for job in ((draw_confusion, counts), (draw_samples, *data)) * 3
        ]
        assert [future.result() for future in together] == alone * 3


def test_importing_loads_no_matplotlib_and_drawing_no_pyplot():
    code = (
        "import sys, numpy as np, digitflow.reports.figures as plots\n"
        "assert 'matplotlib' not in sys.modules\n"
        "plots.draw_errors(np.eye(10, dtype=int))\n"
        "assert 'matplotlib.pyplot' not in sys.modules\n"
        "assert 'sklearn' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("risk", [np.zeros(9), np.linspace(0, 0.3, 9), np.eye(9)[0]])
def test_risk_is_drawn_over_coverage(risk):
    picture = decode(draw_risk_coverage(np.arange(1, 10) / 9, risk, 0.9))
    assert picture.shape[1] > picture.shape[0]


def test_risk_is_drawn_of_a_single_image():
    decode(draw_risk_coverage(np.ones(1), np.zeros(1), 0.99))
