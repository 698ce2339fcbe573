"""Other test images stop a run early, and only where the registry agrees."""

from types import SimpleNamespace

import numpy as np
import pytest

from digitflow.config.gate import DigitsLimits
from digitflow.data.sets import LabelledImages, store_set
from digitflow.errors import TestSetChanged
from digitflow.evaluation.scoring import digest_test_set
from digitflow.registry import judging

ACCEPTING = DigitsLimits(accept_new_test=True)


@pytest.fixture
def test_images(store):
    images = np.zeros((10, 28, 28), np.uint8)
    return store_set(store, LabelledImages(images, np.arange(10, dtype=np.uint8)))


@pytest.fixture
def check(store, test_images, monkeypatch):
    """Check test images against those that the champion was judged on."""

    def check(registered, limits=None):
        champion = SimpleNamespace(score=SimpleNamespace(test_digest=registered))
        monkeypatch.setattr(
            judging, "read_champion", lambda *_: None if registered is None else champion
        )
        judging.check_test_samples(store, "digits", test_images, limits or DigitsLimits())

    return check


@pytest.mark.parametrize("first", [True, False])
def test_the_same_images_and_a_first_run_go_on(check, test_images, first):
    check(None if first else digest_test_set(test_images))


def test_other_images_stop_unless_they_are_accepted(check):
    with pytest.raises(TestSetChanged, match="accept-new-test"):
        check("others")
    check("others", ACCEPTING)
