import numpy as np
import pytest

from digitflow.data.duplicates import find_duplicates


def find_naively(images, labels):
    same = [[np.array_equal(a, b) for b in images] for a in images]
    repeated = [any(row[:place]) for place, row in enumerate(same)]
    conflicting = [
        any(equal and labels[i] != labels[j] for j, equal in enumerate(row))
        for i, row in enumerate(same)
    ]
    return repeated, conflicting


@pytest.mark.parametrize("seed", range(5))
def test_agrees_with_comparing_every_pair(seed):
    generator = np.random.default_rng(seed)
    kinds = generator.integers(0, 256, (12, 28, 28), dtype=np.uint8)
    images = kinds[generator.integers(0, 12, 40)]
    labels = generator.integers(0, 2, 40).astype(np.uint8)
    repeated, conflicting = find_naively(images, labels)
    found = find_duplicates(images, labels)
    assert found.repeated.tolist() == repeated
    assert found.conflicting.tolist() == conflicting


def test_equal_images_have_equal_keys_in_every_set():
    images = np.random.default_rng(0).integers(0, 256, (6, 28, 28), dtype=np.uint8)
    labels = np.zeros(6, np.uint8)
    keys, others = (
        find_duplicates(images, labels).keys,
        find_duplicates(images[::-2], labels[:3]),
    )
    assert np.isin(keys, others.keys).tolist() == [False, True] * 3


def test_images_that_differ_in_one_pixel_by_one_are_no_copies():
    images = np.zeros((2, 28, 28), np.uint8)
    images[1, 27, 27] = 1
    assert not find_duplicates(images, np.zeros(2, np.uint8)).repeated.any()


def test_no_images_have_no_duplicates():
    found = find_duplicates(np.zeros((0, 28, 28), np.uint8), np.zeros(0, np.uint8))
    assert found.keys.size == found.repeated.size == found.conflicting.size == 0
