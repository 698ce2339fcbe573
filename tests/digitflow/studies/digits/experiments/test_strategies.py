"""Ten digits from classifiers of two: as many as there must be, as scikit-learn's own."""

import numpy as np
import pytest
from sklearn.linear_model import SGDClassifier
from sklearn.multiclass import OneVsOneClassifier
from sklearn.svm import SVC

from digitflow.errors import InputError
from digitflow.studies.digits.data import open_test, open_train, prepare_features
from digitflow.studies.digits.experiments import strategies
from digitflow.studies.digits.experiments.strategies import (
    SVM_IMAGES,
    fit_strategy,
    name_fit,
    plan,
)
from digitflow.studies.plan import ExperimentContext

# Passes are few on purpose, and scikit-learn says so.
pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

COUNTS = {
    ("sgd", "native"): 10,
    ("sgd", "one-vs-rest"): 10,
    ("sgd", "one-vs-one"): 45,
    ("logistic", "native"): 1,
    ("logistic", "one-vs-rest"): 10,
    ("logistic", "one-vs-one"): 45,
    ("svm", "native"): 45,
    ("svm", "one-vs-rest"): 10,
    ("svm", "one-vs-one"): 45,
}


@pytest.mark.parametrize(("classifier", "strategy"), COUNTS)
def test_a_strategy_has_its_number_of_classifiers(classifier, strategy, make_study, store):
    _, data = make_study(60)
    found = fit_strategy(ExperimentContext(store, data, 42, 1), classifier, strategy, "raw", 60)
    assert found.values["classifiers"] == COUNTS[classifier, strategy]


def test_it_reads_what_the_librarys_own_reads(make_study, store):
    _, data = make_study(300)
    context = ExperimentContext(store, data, 7, 1)
    train, test = open_train(context), open_test(context)
    rows, asked = (part.images.reshape(len(part), -1) for part in (train, test))
    own = OneVsOneClassifier(SGDClassifier(max_iter=10, random_state=7))
    own.fit(rows, train.labels)
    found = fit_strategy(context, "sgd", "one-vs-one", "raw", 300).values
    assert found["test_accuracy"] == (own.predict(asked) == test.labels).mean()
    assert found["train_accuracy"] == (own.predict(rows) == train.labels).mean()


def test_scaled_pixels_are_those_of_all_training_images(make_study, store):
    _, data = make_study(200)
    context = ExperimentContext(store, data, 42, 1)
    scaled = prepare_features(context, "scaled", "own")
    context = ExperimentContext(store, data, 42, 1, {"features scaled": scaled})
    train, labels, test, truth = context.open(
        "features scaled", "train", "train_labels", "test", "test_labels"
    )
    expected = (SVC().fit(train, labels).predict(test) == truth).mean()
    found = fit_strategy(context, "svm", "native", "scaled", 200).values
    assert found["test_accuracy"] == expected


def test_an_svm_learns_from_no_more_than_it_can(make_study):
    scope, _ = make_study(200)
    many = scope.model_copy(update={"train_rows": 60_000})
    images = {step.name: step.params.get("images") for step in plan(many)}
    assert images[name_fit("svm", "native", "raw")] == SVM_IMAGES
    assert images[name_fit("sgd", "native", "raw")] == 60_000


def test_fewer_images_are_a_part_in_which_every_digit_is(make_study, store):
    _, data = make_study(300)
    found = fit_strategy(
        ExperimentContext(store, data, 42, 1), "svm", "native", "raw", 100
    ).values
    assert found["images"] == 100
    assert found["classifiers"] == 45


def test_another_classifier_is_an_error_that_lists_those_there_are(make_study, store):
    _, data = make_study(100)
    with pytest.raises(InputError, match="sgd, logistic, svm, not 'forest'"):
        fit_strategy(ExperimentContext(store, data, 42, 1), "forest", "native", "raw", 100)


def test_equal_seeds_fit_alike(make_study, store):
    _, data = make_study(200)
    first, again = (
        fit_strategy(
            ExperimentContext(store, data, 42, threads), "sgd", "native", "raw", 200
        ).values
        for threads in (1, 2)
    )
    assert first == again
    assert np.isfinite(first["test_accuracy"])


def test_passes_and_images_are_those_that_the_page_tells_of(mnist_scope):
    images = {step.name: step.params.get("images") for step in plan(mnist_scope)}
    assert images[name_fit("svm", "one-vs-one", "scaled")] == 5000
    assert images[name_fit("logistic", "one-vs-one", "scaled")] == 60_000
    few = plan(mnist_scope.model_copy(update={"train_rows": 90}))
    assert {step.params["images"] for step in few[1:]} == {90}
    sgd, logistic = (strategies._build(name, "native", 3) for name in ("sgd", "logistic"))
    assert (sgd.max_iter, logistic.max_iter) == (10, 50)
    assert (sgd.random_state, logistic.random_state) == (3, 3)


def test_of_many_training_images_some_are_measured_evenly_spread(make_context, monkeypatch):
    assert strategies.MEASURED_ROWS == 10_000
    monkeypatch.setattr(strategies, "MEASURED_ROWS", 7)
    context = make_context(train=60)
    found = fit_strategy(context, "svm", "native", "raw", 60).values
    train = open_train(context)
    rows = train.images.reshape(60, -1)
    model = SVC().fit(rows, train.labels)
    some = np.linspace(0, 59, 7).astype(int)
    wanted = (model.predict(rows[some]) == train.labels[some]).mean()
    assert found["train_accuracy"] == wanted
    test = open_test(context)
    hits = model.predict(test.images.reshape(len(test), -1)) == test.labels
    assert found["test_accuracy"] == hits.mean()
