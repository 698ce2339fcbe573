"""Chapters from findings that a test makes up, so that what they say can be foretold."""

import numpy as np
import pytest

from digitflow.data.sets import LabelledImages, store_set
from digitflow.studies.chapter import draw_chapter
from digitflow.studies.plan import Findings, StudyData


@pytest.fixture
def describe(store, mnist_scope):
    """Return (scope, data) of a study of MNIST, of which there are 20 images of each set."""
    images = (np.arange(20 * 784) % 251).astype(np.uint8).reshape(20, 28, 28)
    digits = store_set(store, LabelledImages(images, np.arange(20, dtype=np.uint8) % 10))

    def made(**changed):
        scope = mnist_scope.model_copy(update=changed)
        return scope, StudyData(train=digits, test=digits)

    return made


@pytest.fixture
def compose(store, describe, drawn):
    """Compose a section's chapter of MNIST from {experiment: findings}, undrawn."""

    def made(section: str, results: dict[str, Findings], **changed):
        return draw_chapter(store, section, *describe(**changed), results)

    return made


@pytest.fixture
def told_of(told, describe):
    """Tell all that a section's chapter of MNIST says of {experiment: findings}."""

    def made(section: str, results: dict[str, Findings], **changed):
        return told(section, *describe(**changed), results)

    return made
