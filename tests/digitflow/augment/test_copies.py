"""Whatever alters: originals first, each copy below its parent, alike for equal seeds."""

import tracemalloc

import numpy as np
import pytest

from digitflow.augment.backends import albumentations, keras
from digitflow.augment.copies import augment_images, write_altered
from digitflow.config.data import (
    AlbumentationsAugmentation,
    KerasAugmentation,
    ShiftAugmentation,
)
from digitflow.data.sets import LabelledImages, open_set, store_set
from digitflow.errors import InputError

BACKENDS = {
    "albumentations": (albumentations, AlbumentationsAugmentation),
    "keras": (keras, KerasAugmentation),
}
NOTHING = {"shift": 0, "rotation": 0, "zoom": 0, "slant": 0}


@pytest.fixture(scope="module")
def images(handwriting: LabelledImages) -> np.ndarray:
    return handwriting.images[:120]


def _has_keras() -> bool:
    try:
        keras.import_keras()
    except InputError:
        return False
    return True


@pytest.fixture(params=BACKENDS)
def write(request):
    """Write the images and their copies by one of the backends."""
    module, kind = BACKENDS[request.param]
    if request.param == "keras" and not _has_keras():
        pytest.skip("Keras and JAX are not installed: the extra keras")

    def write(images, seed=0, **settings):
        chosen = kind(**settings)
        out = np.full((module.count_copies(chosen) * len(images), 28, 28), 77, np.uint8)
        module.write_copies(images, chosen, seed, out)
        return out.reshape(-1, *images.shape)

    return write


def test_originals_come_first_and_each_copy_is_of_its_parent(write, images):
    out = write(images, copies=2, **NOTHING | {"rotation": 5})
    np.testing.assert_array_equal(out[0], images)
    flat = out.reshape(3, len(images), -1).astype(float)
    flat -= flat.mean(axis=2, keepdims=True)
    flat /= np.linalg.norm(flat, axis=2, keepdims=True)
    for copy in flat[1:]:
        assert np.mean((copy @ flat[0].T).argmax(axis=1) == np.arange(len(images))) > 0.7


def test_equal_seeds_give_equal_copies(write, images):
    first, same, other = (write(images, seed)[1] for seed in (1, 1, 2))
    assert (first == same).all()
    assert (first != other).any()


def test_copies_differ_from_one_another(write, images):
    out = write(images, copies=2)
    assert (out[1] != out[2]).any(axis=(1, 2)).mean() > 0.9


def test_asked_for_nothing_they_change_nothing(write, images):
    out = write(images, **NOTHING)
    # Interpolation at whole pixels may round.
    assert np.abs(out[1].astype(int) - out[0]).max() <= 1


def test_a_shift_moves_the_ink_and_no_further(write, images):
    out = write(images, **NOTHING | {"shift": 3}).astype(float)
    places = np.arange(28)
    middles = [(part.sum(axis=1) * places).sum(axis=1) / part.sum(axis=(1, 2)) for part in out]
    moved = np.abs(middles[1] - middles[0])
    assert 0.5 < moved.max() < 3.6


def test_memory_is_bounded_by_a_chunk(images):
    many = np.tile(images, (60, 1, 1))
    out = np.zeros((2 * len(many), 28, 28), np.uint8)
    settings = AlbumentationsAugmentation()
    albumentations.write_copies(many[:1100], settings, 0, out[:2200])
    tracemalloc.start()
    albumentations.write_copies(many, settings, 0, out)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < many.nbytes


@pytest.mark.parametrize(
    ("images", "out", "said"),
    [
        (np.zeros((2, 8, 8), np.uint8), np.zeros((4, 8, 8), np.uint8), "uint8"),
        (np.zeros((2, 28, 28)), np.zeros((4, 28, 28), np.uint8), "float64"),
        (np.zeros((2, 28, 28), np.uint8), np.zeros((3, 28, 28), np.uint8), "output of shape"),
    ],
)
def test_what_does_not_fit_is_refused(images, out, said):
    with pytest.raises(InputError, match=said):
        write_altered(images, 1, 0, out, lambda chunk, generator: chunk)


def test_without_keras_the_extra_is_named(monkeypatch, images):
    monkeypatch.setitem(__import__("sys").modules, "keras", None)
    with pytest.raises(InputError, match=r"digitflow\[keras\]"):
        keras.write_copies(images, KerasAugmentation(), 0, np.zeros((240, 28, 28), np.uint8))


def test_a_copy_has_the_label_and_the_writer_of_its_parent(store, images):
    labels, writers = np.arange(120, dtype=np.uint8) % 10, np.arange(120, dtype=np.int32)
    train = store_set(store, LabelledImages(images, labels, writers))
    settings = ShiftAugmentation(backend="shift", pixels=1, directions=("up", "left"))
    augmented = augment_images(store, train, settings, 3)
    found, parents = open_set(store, augmented), store.open_array(augmented.parents)
    assert len(found) == 3 * 120
    np.testing.assert_array_equal(found.images[:120], images)
    np.testing.assert_array_equal(found.labels, labels[parents])
    np.testing.assert_array_equal(found.writers, writers[parents])
    np.testing.assert_array_equal(found.images[120:240, :-1], images[parents[120:240], 1:])
