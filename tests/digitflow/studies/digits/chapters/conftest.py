"""Chapters from findings that a test makes up, so that what they say can be foretold."""

import numpy as np
import pytest

from digitflow.config.digits import StudySettings
from digitflow.data.sets import LabelledImages, store_set
from digitflow.studies.chapter import draw_chapter
from digitflow.studies.plan import Findings, StudyData
from digitflow.studies.scope import DigitsScope


@pytest.fixture
def compose(store):
    """Compose a section's chapter of MNIST from {experiment: findings}."""
    images = np.zeros((20, 28, 28), np.uint8)
    digits = store_set(store, LabelledImages(images, np.arange(20, dtype=np.uint8) % 10))

    def made(section: str, results: dict[str, Findings], **changed):
        scope = DigitsScope(
            source="mnist",
            train_rows=60_000,
            test_rows=10_000,
            complete=True,
            writers=True,
            test_writers=True,
            seed=42,
            settings=StudySettings(),
        ).model_copy(update=changed)
        return draw_chapter(
            store, section, scope, StudyData(train=digits, test=digits), results
        )

    return made
