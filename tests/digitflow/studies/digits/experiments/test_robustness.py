"""Each alteration does nothing at its level for nothing, more at others, and is read."""

import numpy as np
import pytest

from digitflow.augment import distortions
from digitflow.studies.digits.algorithms import ALGORITHMS
from digitflow.studies.digits.experiments.robustness import (
    ALTERATIONS,
    alter_images,
    plan_alteration,
)
from digitflow.studies.plan import ExperimentContext, plan_section

ASKED = {
    "shift", "rotation", "scale", "shear", "thickness", "blur", "noise", "occlusion",
}  # fmt: skip


def _alter(context, name, images=30):
    return alter_images(context, **plan_alteration(name, images).params)


def test_every_alteration_asked_for_is_there_with_at_least_five_levels():
    assert set(ALTERATIONS) == ASKED
    for alteration in ALTERATIONS.values():
        assert len(alteration.levels) >= 5
        assert alteration.none in alteration.levels
        assert list(alteration.levels) == sorted(alteration.levels)
        assert hasattr(distortions, alteration.function)


@pytest.mark.parametrize("name", ALTERATIONS)
def test_images_change_more_the_farther_a_level_is_from_nothing(name, make_study, store):
    _, data = make_study(150)
    context = ExperimentContext(store, data, 42, 1)
    found = _alter(context, name)
    images = store.open_array(found.arrays["images"]).astype(int)
    chosen = ALTERATIONS[name]
    none = chosen.levels.index(chosen.none)
    change = np.abs(images - images[none]).mean(axis=(1, 2, 3))
    assert change[none] == 0
    for side in (change[none:], change[: none + 1][::-1]):
        assert (np.diff(side) > 0).all(), change
    assert images.min() >= 0
    assert images.max() <= 255
    again = _alter(context, name)
    assert again.arrays == found.arrays
    other = _alter(ExperimentContext(store, data, 43, 1), name)
    assert other.arrays["images"] != found.arrays["images"]


def test_every_algorithm_reads_every_level_and_unaltered_images_as_its(make_study, run_plan):
    scope, data = make_study(300, altered_images=40)
    found = run_plan(plan_section("robustness", scope), data)
    for name in ALGORITHMS:
        values = found[f"read by {name}"].values
        assert values["images"] == 40
        assert set(values["accuracy"]) == ASKED
        for way, shares in values["accuracy"].items():
            assert len(shares) == len(ALTERATIONS[way].levels)
            # What is not altered is read alike, whatever it is the beginning of.
            none = ALTERATIONS[way].levels.index(ALTERATIONS[way].none)
            assert shares[none] == values["accuracy"]["shift"][0] > 0.6
        assert values["accuracy"]["noise"][-1] < values["accuracy"]["noise"][0]
