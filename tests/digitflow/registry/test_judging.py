"""Other test images stop a run early, and only where the registry agrees."""

from types import SimpleNamespace

import numpy as np
import pytest

from digitflow.config.gate import GateLimits
from digitflow.data.sets import LabelledImages, store_set
from digitflow.errors import DamagedArtifact, TestSetChanged
from digitflow.evaluation.scoring import digest_test_set
from digitflow.registry import judging

ACCEPTING = GateLimits(accept_new_test=True)


@pytest.fixture
def test_images(store):
    images = np.zeros((10, 28, 28), np.uint8)
    return store_set(store, LabelledImages(images, np.arange(10, dtype=np.uint8)))


@pytest.fixture
def check(store, test_images, monkeypatch):
    """Check test images against what the pointer and the registry say."""

    def make_champion(digest):
        return SimpleNamespace(score=SimpleNamespace(test_digest=digest))

    def check(pointer, registered, limits=None):
        asked = []

        def read(store, model):
            if pointer is DamagedArtifact:
                raise DamagedArtifact("the pointer")
            return pointer and SimpleNamespace(champion=make_champion(pointer))

        def ask(store, model):
            asked.append(model)
            return make_champion(registered)

        monkeypatch.setattr(judging, "read_pointer", read)
        monkeypatch.setattr(judging, "read_champion", ask)
        judging.check_test_images(store, "digits", test_images, limits or GateLimits())
        return asked

    return check


def test_the_same_images_go_on_and_ask_nobody(check, test_images):
    same = digest_test_set(test_images)
    assert check(same, "others") == []
    assert check(None, "others") == []
    assert check(DamagedArtifact, "others") == []


def test_other_images_stop_unless_they_are_accepted(check):
    with pytest.raises(TestSetChanged, match="accept-new-test"):
        check("others", "others")
    assert check("others", "others", ACCEPTING) == ["digits"]


def test_a_pointer_that_is_behind_stops_nothing(check, test_images):
    assert check("older", digest_test_set(test_images)) == ["digits"]
