"""Sections are found by name, in the order of the report."""

import inspect
import json
from importlib import import_module

import numpy as np
import pytest

from digitflow.catalogue import find_chapters
from digitflow.config.digits import StudySettings
from digitflow.data.sets import LabelledImages, store_set
from digitflow.errors import InputError
from digitflow.studies.digits.data import plan_features, prepare_features
from digitflow.studies.plan import (
    ORDER,
    Experiment,
    ExperimentContext,
    Findings,
    StudyData,
    check_plan,
    choose_sections,
    drop_repeated,
    list_sections,
    plan_experiment,
    plan_section,
)
from digitflow.studies.scope import DigitsScope, TableScope

SCOPES = {
    "mnist": DigitsScope(
        source="mnist",
        train_rows=60_000,
        test_rows=10_000,
        complete=True,
        writers=True,
        test_writers=True,
        seed=42,
        settings=StudySettings(),
    ),
    "builtin": DigitsScope(
        source="builtin",
        train_rows=1437,
        test_rows=360,
        complete=True,
        writers=False,
        test_writers=False,
        seed=42,
        settings=StudySettings(),
    ),
}


def test_all_sections_are_there_in_their_order():
    for workload, order in ORDER.items():
        assert tuple(list_sections(workload)) == order


def test_sections_are_chosen_once_and_in_order():
    assert choose_sections("digits", ("detector", "explore", "detector")) == [
        "explore",
        "detector",
    ]
    assert choose_sections("digits", ()) == list(ORDER["digits"])


def test_an_unknown_section_lists_the_known_ones():
    with pytest.raises(InputError, match=r"no section detektor; known: explore, detector, .*"):
        choose_sections("digits", ("detektor", "explore"))


@pytest.mark.parametrize("scope", SCOPES.values(), ids=SCOPES)
@pytest.mark.parametrize("section", ORDER["digits"])
def test_every_plan_can_be_carried_out_and_has_a_chapter(section, scope):
    plan = plan_section(section, scope)
    check_plan(plan)
    assert plan
    assert plan == plan_section(section, scope)
    for experiment in plan:
        function = getattr(import_module(experiment.module), experiment.function.split(".")[-1])
        assert inspect.get_annotations(function)["return"] is Findings
        inspect.signature(function).bind("context", **experiment.params)
        json.dumps(experiment.params, allow_nan=False)
    chapter = find_chapters(scope.workload).module(section)
    assert chapter == f"digitflow.studies.digits.chapters.{section}"


def test_an_experiment_is_planned_by_its_function():
    planned = plan_experiment("a", prepare_features, "b", "c", recipe="pixels", split="own")
    assert planned == Experiment(
        name="a",
        function="digitflow.studies.digits.data.prepare_features",
        params={"recipe": "pixels", "split": "own"},
        needs=("b", "c"),
    )


def test_what_two_sections_of_a_plan_share_is_planned_once():
    first, second = _name("a"), _name("b", "a")
    assert drop_repeated((first, second, first)) == (first, second)


def test_steps_are_timed_each_by_itself_and_one_that_fails_is_not(monkeypatch):
    moments = iter([10.0, 12.5, 13.0, 13.5, 20.0])
    monkeypatch.setattr("time.perf_counter", lambda: next(moments))
    context = ExperimentContext(None, None, 42, 1)
    with context.timed("fit"):
        pass
    with context.timed("predict"):
        pass
    with pytest.raises(ValueError, match="wrong"), context.timed("join"):
        raise ValueError("wrong")
    assert context.seconds == {"fit_seconds": 2.5, "predict_seconds": 0.5}


def _name(name, *needs):
    return Experiment(name=name, function="digitflow.studies.nothing.nothing", needs=needs)


def test_an_experiment_comes_after_what_it_needs():
    check_plan((_name("a"), _name("b", "a")))
    with pytest.raises(InputError, match="b needs a, planned before it"):
        check_plan((_name("b", "a"), _name("a")))


def test_a_name_is_given_once():
    with pytest.raises(InputError, match="two experiments are called 'a'"):
        check_plan((_name("a"), _name("a")))


def test_the_features_of_a_recipe_are_found_and_timed(store, run_plan):
    images = np.random.default_rng(0).integers(0, 256, (60, 28, 28), np.uint8)
    digits = LabelledImages(images, np.arange(60, dtype=np.uint8) % 10)
    data = StudyData(train=store_set(store, digits), test=store_set(store, digits))
    (features,) = run_plan((plan_features("pixels"),), data).values()
    found = store.open_array(features.arrays["test"])
    np.testing.assert_allclose(found, images.reshape(60, -1) / 255, rtol=1e-6)
    assert features.measured["seconds"] > 0


def test_an_unknown_recipe_stops_the_plan():
    with pytest.raises(InputError, match="no recipe 'pixel'"):
        plan_features("pixel")


def test_what_a_study_must_be_for_its_figures_to_be_the_published_ones():
    scope = SCOPES["mnist"]
    assert scope.is_published is True
    assert scope.samples == "images"
    assert scope.caveat == ""
    for changed in ({"source": "builtin"}, {"complete": False}):
        assert scope.model_copy(update=changed).is_published is False
    assert DigitsScope.of(scope) is scope
    with pytest.raises(TypeError, match="expected a TableScope, got a DigitsScope"):
        TableScope.of(scope)


def test_what_an_experiment_is_given_and_keeps_is_opened_in_the_order_asked(store):
    context = ExperimentContext(store, None, 42, 1)
    found = Findings(arrays=context.keep(a=np.arange(3), b=np.ones(2)))
    given = ExperimentContext(store, None, 42, 1, {"x": found})
    b, a = given.open("x", "b", "a")
    assert (a.tolist(), b.tolist()) == ([0, 1, 2], [1, 1])

    class Model:
        def fit(self, rows, labels):
            self.known = labels[0]

        def predict(self, asked):
            return [self.known] * len(asked)

    said = given.fit_and_predict(Model(), np.zeros(2), np.array([7, 8]), np.zeros(3))
    assert said.tolist() == [7, 7, 7]
    assert given.seconds.keys() == {"fit_seconds", "predict_seconds"}


def test_an_experiment_names_its_modules():
    step = plan_features("pixels")
    assert step.module == "digitflow.studies.digits.data"
    assert step.modules() == (step.module, "digitflow.features.recipes.pixels")
    bare = _name("a")
    assert bare.modules() == ("digitflow.studies.nothing",)
    assert plan_features("pixels", "80/20").name == "features pixels on 80/20"


def warn_twice(context, text):
    """Be an experiment that warns."""
    import warnings

    for _ in range(2):
        warnings.warn(f"{text}\nmore", stacklevel=1)
    with context.timed("fit"):
        pass
    return Findings(values={"threads": context.threads}, measured={"own": 1.0})


def test_what_is_warned_of_is_kept_once_and_what_it_took(store, monkeypatch):
    import digitflow.studies.plan as planning

    monkeypatch.setattr(planning, "warn_twice", warn_twice, raising=False)
    step = Experiment(
        name="a", function="digitflow.studies.plan.warn_twice", params={"text": "few"}
    )
    found = planning.compute(store, step, None, {}, 42)
    assert found.warnings == ("few",)
    assert found.values == {"threads": 1}
    assert found.measured.keys() == {"seconds", "fit_seconds", "own"}
    assert 0 <= found.measured["seconds"] < 60
