import numpy as np

from digitflow.data.sets import LabelledImages


def test_take_keeps_what_belongs_to_an_image_together():
    images = np.arange(4, dtype=np.uint8)[:, None, None] * np.ones((28, 28), np.uint8)
    data = LabelledImages(images, np.arange(4), np.arange(4) + 10, np.arange(4) % 2)
    taken = data.take(np.array([3, 1]))
    assert len(taken) == 2
    assert taken.images[:, 0, 0].tolist() == [3, 1]
    assert taken.labels.tolist() == [3, 1]
    assert taken.writers.tolist() == [13, 11]
    assert taken.series.tolist() == [1, 1]


def test_take_by_mask_of_images_without_writers():
    data = LabelledImages(np.zeros((3, 28, 28), np.uint8), np.arange(3))
    taken = data.take(np.array([True, False, True]))
    assert taken.labels.tolist() == [0, 2]
    assert taken.writers is None
