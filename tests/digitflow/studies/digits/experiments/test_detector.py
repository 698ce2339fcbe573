"""The hand-written folds are the library's; a digit must be there; what ships can be loaded."""

import numpy as np
import pytest
from sklearn.metrics import auc, precision_recall_curve
from sklearn.model_selection import StratifiedKFold, cross_val_predict

from digitflow.errors import InputError
from digitflow.models.persistence import load_model
from digitflow.studies.digits.data import open_test, open_train
from digitflow.studies.digits.experiments import detector
from digitflow.studies.digits.experiments.detector import (
    build_classifier,
    choose_threshold,
    deal_rows,
    measure_answers,
    score_by_hand,
    score_by_library,
    score_images,
    ship_detector,
    trace_curves,
)
from digitflow.studies.plan import ExperimentContext, Findings, plan_section

# A line through noise may take many passes.
pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("folds", [2, 3, 7])
def test_rows_are_dealt_out_as_the_library_does(seed, folds):
    labels = np.random.default_rng(seed).random(200) < 0.1
    labels[: 2 * folds] = True
    expected = [held for _, held in StratifiedKFold(folds).split(labels, labels)]
    for mask, rows in zip(deal_rows(labels, folds), expected, strict=True):
        np.testing.assert_array_equal(np.flatnonzero(mask), rows)


def test_the_detector_is_shipped_with_its_threshold(make_study, store, run_plan):
    scope, data = make_study(600, digit=3, precision=0.95)
    found = run_plan(plan_section("detector", scope), data)
    assert found["folds by library"].values == found["folds by hand"].values
    tuned = found["threshold"].values
    assert tuned["precision"] >= 0.95
    shipped = load_model(found["shipped"].models["detector"], store)
    answers = shipped.predict(np.asarray(store.open_array(data.test.samples)))
    counts = np.array(found["shipped"].values["tuned"]["confusion"])
    assert counts[:, 1].sum() == answers.sum()
    assert shipped.threshold == tuned["threshold"]


def test_a_threshold_is_the_lowest_that_reaches_its_precision(make_study, store, run_plan):
    scope, data = make_study(600)
    found = run_plan(plan_section("detector", scope), data)
    scores = store.open_array(found["scores"].arrays["scores"])
    wanted = store.open_array(data.train.targets) == 5
    threshold = found["threshold"].values["threshold"]

    def measure(at):
        return wanted[scores >= at].mean()

    assert measure(threshold) >= 0.9
    assert all(measure(lower) < 0.9 for lower in scores[scores < threshold])


def test_too_few_of_a_digit_for_the_folds_is_a_clear_error(make_study, run_plan):
    scope, data = make_study(120, folds=20)
    with pytest.raises(InputError, match="20 folds need as many images of the digit 5"):
        run_plan(plan_section("detector", scope), data)


def test_answers_are_measured_by_their_definitions():
    wanted = np.array([1, 1, 1, 1, 0, 0, 0, 0, 0, 0], bool)
    said = np.array([1, 1, 1, 0, 1, 0, 0, 0, 0, 0], bool)
    assert measure_answers(wanted, said) == {
        "confusion": [[5, 1], [1, 3]],
        "accuracy": 0.8,
        "precision": 0.75,
        "recall": 0.75,
        "f1": 0.75,
    }
    # Who never says yes has no precision.
    silent = measure_answers(wanted, np.zeros(10, bool))
    assert (silent["precision"], silent["recall"]) == (0, 0)


def test_of_long_curves_evenly_spread_points_are_kept_and_both_ends():
    generator = np.random.default_rng(0)
    wanted = generator.random(3000) < 0.2
    scores = generator.normal(size=3000) + wanted
    found = trace_curves(wanted, scores)
    precision, recall, thresholds = precision_recall_curve(wanted, scores)
    rows = np.linspace(0, len(thresholds) - 1, 400).astype(int)
    assert found["curve"]["threshold"] == thresholds[rows].tolist()
    assert found["curve"]["precision"] == precision[:-1][rows].tolist()
    assert found["curve"]["recall"] == recall[:-1][rows].tolist()
    # The area under all points, and nearly that under those that are kept.
    ours = sum(scores[wanted][:, None] > scores[~wanted][None]).sum()
    assert found["auc"] == pytest.approx(ours / wanted.sum() / (~wanted).sum())
    assert auc(found["roc"]["false"], found["roc"]["true"]) == pytest.approx(
        found["auc"], abs=0.005
    )
    assert (found["roc"]["true"][0], found["roc"]["true"][-1]) == (0, 1)


def test_a_short_curve_is_kept_whole():
    found = trace_curves(np.array([False, True, True]), np.array([0.1, 0.4, 0.8]))
    assert found["curve"]["threshold"] == [0.1, 0.4, 0.8]
    assert found["curve"]["recall"] == [1.0, 1.0, 0.5]
    assert found["auc"] == 1.0


def test_each_fold_is_scored_by_who_did_not_see_it(make_context):
    context = make_context(train=90)
    hand, library = (
        score_by_hand(context, 5, 3).values["scores"],
        score_by_library(context, "sgd", 5, 3).values["scores"],
    )
    assert hand == library
    assert len(hand) == 3
    assert score_by_library(context, "dummy", 5, 3).values["scores"] == [0.9] * 3


@pytest.mark.parametrize(("name", "limit"), [("sgd", 0), ("forest", 0.5)])
def test_yes_is_a_score_above_the_middle(name, limit, make_context):
    context = make_context(train=90)
    found = score_images(context, name, 9, 3)
    scores = context.store.open_array(found.arrays["scores"])
    train = open_train(context)
    wanted = train.labels == 9
    method = "decision_function" if name == "sgd" else "predict_proba"
    oracle = cross_val_predict(
        build_classifier(name, 42, 1), train.images.reshape(90, -1), wanted, cv=3, method=method
    )
    np.testing.assert_allclose(scores, oracle if name == "sgd" else oracle[:, 1])
    said = scores > limit
    assert found.values["confusion"] == [
        [int((~wanted & ~said).sum()), int((~wanted & said).sum())],
        [int((wanted & ~said).sum()), int((wanted & said).sum())],
    ]


def test_half_the_trees_are_no_yes(make_context, monkeypatch):
    context = make_context(train=20)
    shares = np.column_stack([np.full(20, 0.5), np.full(20, 0.5)])
    shares[9] = [0.4, 0.6]
    monkeypatch.setattr("sklearn.model_selection.cross_val_predict", lambda *_, **__: shares)
    found = score_images(context, "forest", 9, 2).values
    assert found["confusion"] == [[18, 0], [1, 1]]
    monkeypatch.setattr(
        "sklearn.model_selection.cross_val_predict", lambda *_, **__: np.eye(20)[9]
    )
    # A score of 0 is no yes either.
    assert score_images(context, "sgd", 9, 2).values["confusion"] == [[18, 0], [1, 1]]


def test_a_threshold_leaves_what_is_at_least_so_sure(make_context):
    context = make_context(train=20)
    scores = np.arange(20.0)
    given = {"scores": Findings(arrays=context.keep(scores=scores))}
    context = ExperimentContext(context.store, context.data, 42, 1, given)
    # Of label 9 are rows 9 and 19: the highest alone is certain.
    found = choose_threshold(context, 9, 2, 1.0).values
    assert found["threshold"] == 19
    assert found["confusion"] == [[18, 0], [1, 1]]
    # From row 9 on two of eleven are right: the lowest that reaches a tenth is the first.
    assert choose_threshold(context, 9, 2, 2 / 11).values["threshold"] == 9


def test_what_ships_is_judged_plain_and_at_its_threshold(make_context):
    context = make_context(train=100, test=50)
    given = {"threshold": Findings(values={"threshold": 1e9})}
    context = ExperimentContext(context.store, context.data, 42, 1, given)
    found = ship_detector(context, 9, 3).values
    # No score is as high as that.
    assert found["tuned"]["confusion"] == [[45, 0], [5, 0]]
    train, test = open_train(context), open_test(context)
    sgd = build_classifier("sgd", 42, 1).fit(train.images.reshape(100, -1), train.labels == 9)
    said = sgd.predict(test.images.reshape(50, -1))
    assert found["plain"] == measure_answers(test.labels == 9, said)


def test_the_plan_asks_for_the_digit_the_folds_and_the_precision(mnist_scope):
    assert detector.CURVE_POINTS == 400
    steps = {step.name: step for step in plan_section("detector", mnist_scope)}
    settings = mnist_scope.settings
    for step in steps.values():
        assert (step.params["digit"], step.params["folds"]) == (settings.digit, settings.folds)
    assert steps["threshold"].params["precision"] == settings.precision
    assert steps["always no"].params["classifier"] == "dummy"
    assert steps["forest scores"].params["classifier"] == "forest"
