"""What is in the key of an experiment, and what is not."""

import numpy as np
import pytest

from digitflow.config.digits import StudySettings
from digitflow.data.sets import LabelledImages, store_set
from digitflow.studies.digits.data import plan_features
from digitflow.studies.plan import Findings, StudyData
from digitflow.studies.scope import DigitsScope
from tasks.studies import draw_chapter, run_experiment

SCOPE = DigitsScope(
    source="builtin",
    train_rows=1437,
    test_rows=360,
    complete=True,
    writers=False,
    test_writers=False,
    seed=42,
    settings=StudySettings(),
)


@pytest.fixture
def describe(store):
    """Describe the key of an experiment that differs in what is said."""
    images = np.zeros((10, 28, 28), np.uint8)
    digits = store_set(store, LabelledImages(images, np.arange(10, dtype=np.uint8)))

    def describe(**changed):
        inputs = {
            "experiment": plan_features("pixels"),
            "data": StudyData(train=digits, test=digits),
            "given": {},
            "seed": 42,
        }
        return run_experiment.cache_policy.describe(inputs | changed)

    return describe


def test_an_experiment_under_another_name_and_limit_is_the_same(describe):
    experiment = plan_features("pixels")
    other = experiment.model_copy(update={"name": "other", "time_limit": 9.0})
    assert describe(experiment=other) == describe(experiment=experiment)


@pytest.mark.parametrize(
    "changed", [{"seed": 43}, {"experiment": plan_features("scaled")}], ids=["seed", "params"]
)
def test_what_shapes_the_findings_is_in_the_key(describe, changed):
    assert describe(**changed)["inputs"] != describe()["inputs"]


def test_the_seconds_of_what_is_needed_are_not(describe):
    slow, quick = (
        describe(given={"a": Findings(values={"x": 1}, measured={"seconds": seconds})})
        for seconds in (1.0, 2.0)
    )
    assert slow == quick
    other = describe(given={"a": Findings(values={"x": 2})})
    assert other["inputs"] != quick["inputs"]


def test_a_large_input_counts_by_its_digest(describe):
    curve, other = (
        describe(given={"a": Findings(values={"curve": list(range(start, start + 5000))})})
        for start in (0, 1)
    )
    assert curve["inputs"]["given"].startswith("digest ")
    assert curve["inputs"] != other["inputs"]


def test_a_picture_is_in_no_key_of_what_is_computed(describe):
    modules = describe()["modules"]
    assert "digitflow.studies.digits.data" in modules
    assert not any("chapters" in name or "charts" in name for name in modules)


def _describe_chapter(seconds=1.0):
    found = {"a": Findings(values={"x": 1}, measured={"seconds": seconds})}
    inputs = {"section": "explore", "scope": SCOPE, "data": None, "results": found}
    return draw_chapter.cache_policy.describe(inputs)


def test_a_chapter_depends_on_its_own_module_and_no_other():
    modules = _describe_chapter()["modules"]
    assert "digitflow.studies.digits.chapters.explore" in modules
    assert "digitflow.reports.charts" in modules
    assert "digitflow.studies.digits.chapters.detector" not in modules


def test_a_chapter_shows_the_seconds_and_is_drawn_again_for_others():
    assert _describe_chapter(1.0)["inputs"] != _describe_chapter(2.0)["inputs"]
