"""Each alteration does nothing at its level for nothing, more at others, and is read."""

import numpy as np
import pytest

from digitflow.augment import distortions
from digitflow.data.splits import choose_rows
from digitflow.studies.digits.algorithms import ALGORITHMS, fit_model, plan_model
from digitflow.studies.digits.data import open_test, prepare_features
from digitflow.studies.digits.experiments.robustness import (
    ALTERATIONS,
    alter_images,
    plan,
    plan_alteration,
    read_altered,
)
from digitflow.studies.plan import ExperimentContext, Findings, plan_section

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


def test_levels_are_those_that_the_page_tells_of(mnist_scope):
    assert {name: chosen.levels for name, chosen in ALTERATIONS.items()} == {
        "shift": (0, 1, 2, 3, 4),
        "rotation": (0, 10, 20, 30, 45),
        "scale": (0.6, 0.8, 1, 1.2, 1.4),
        "shear": (0, 0.2, 0.4, 0.6, 0.8),
        "thickness": (-0.75, -0.5, 0, 0.5, 1),
        "blur": (0, 0.75, 1.5, 2.25, 3),
        "noise": (0, 30, 60, 90, 120),
        "occlusion": (0, 3, 6, 9, 12),
    }
    steps = {step.name: step for step in plan(mnist_scope)}
    assert steps["alter by noise"].params["images"] == mnist_scope.settings.altered_images
    few = {step.name: step for step in plan(mnist_scope.model_copy(update={"test_rows": 9}))}
    assert few["alter by noise"].params["images"] == 9
    assert steps["read by svm"].needs[0] == steps["read by svm"].params["model"] == "model svm"
    assert len(steps["read by svm"].needs) == 1 + len(ALTERATIONS)


def test_a_level_is_what_its_distortion_is_given_with_the_same_draws(make_context):
    context = make_context(test=30)
    found = _alter(context, "shift", 20)
    chosen = open_test(context).take(choose_rows(np.arange(30) % 10, 20, 42))
    images, labels = (context.store.open_array(found.arrays[k]) for k in ("images", "labels"))
    np.testing.assert_array_equal(labels, chosen.labels)
    for place, level in enumerate(ALTERATIONS["shift"].levels):
        generator = np.random.default_rng([42, *b"shift"])
        wanted = distortions.shift_images(np.array(chosen.images), generator, int(level))
        np.testing.assert_array_equal(images[place], wanted)
    assert found.values == {"name": "shift", "levels": [0, 1, 2, 3, 4]}


def test_each_alteration_is_read_by_its_name_level_by_level(make_context):
    context = make_context(train=100, test=30)
    features = prepare_features(context, "pixels", "own")
    bare = ExperimentContext(context.store, context.data, 42, 1, {"features pixels": features})
    fit = plan_model("knn")[1]
    given = {fit.name: fit_model(bare, **fit.params)}
    images = np.stack([open_test(context).images[:20], np.zeros((20, 28, 28), np.uint8)])
    labels = (np.arange(20) % 10).astype(np.uint8)
    given["alter by x"] = Findings(
        values={"name": "x", "levels": [0, 1]},
        arrays=context.keep(images=images, labels=labels),
    )
    found = read_altered(
        ExperimentContext(context.store, context.data, 42, 1, given), fit.name
    ).values
    assert found["images"] == 20
    plain, blank = found["accuracy"]["x"]
    # All are read as the same digit where nothing is left of them.
    assert blank == 0.1
    right = context.store.open_array(given[fit.name].arrays["predicted"])[:20] == labels
    assert plain == right.mean() > 0.3
