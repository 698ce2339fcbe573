"""What is said of strategies is what was found."""

import pytest

from digitflow.studies.chapter import PublishedFigure, Table
from digitflow.studies.digits.experiments.strategies import (
    CLASSIFIERS,
    PIXELS,
    STRATEGIES,
    name_fit,
)
from digitflow.studies.plan import Findings


def find(test_accuracy, warnings=()):
    return Findings(
        values={
            "classifiers": 10,
            "train_accuracy": 0.99,
            "test_accuracy": test_accuracy,
            "images": 5000,
        },
        measured={"fit_seconds": 2.0, "predict_seconds": 0.5},
        warnings=warnings,
    )


@pytest.fixture
def found():
    """Findings of all fits, 90 % right each."""
    return {
        name_fit(classifier, strategy, pixels): find(0.9)
        for classifier in CLASSIFIERS
        for strategy in STRATEGIES
        for pixels in PIXELS
    }


def test_the_best_fit_is_named_and_what_scaling_brings(compose, found):
    found[name_fit("svm", "one-vs-one", "raw")] = find(0.955)
    found[name_fit("sgd", "native", "scaled")] = find(0.912)
    chapter = compose("strategies", found)
    assert "SGD +1.20, logistic regression +0.00, SVM +0.00" in chapter.findings[0]
    assert "The best is SVM, one-vs-one, on raw pixels (95.50 %)" in chapter.findings[1]
    assert "took 6 s to fit, 10 against the rest 6 s" in chapter.findings[1]


@pytest.mark.parametrize(("scaled", "met"), [(0.91, True), (0.9, False)])
def test_that_scaling_lifts_sgd_is_reproduced_or_not(compose, found, scaled, met):
    found[name_fit("sgd", "native", "scaled")] = find(scaled)
    chapter = compose("strategies", found)
    (published,) = (part for part in chapter.parts if isinstance(part, PublishedFigure))
    assert published.met is met
    other = compose("strategies", found, complete=False)
    assert not any(isinstance(part, PublishedFigure) for part in other.parts)


def test_a_fit_that_did_not_converge_is_marked(compose, found):
    name = name_fit("logistic", "native", "raw")
    found[name] = find(0.9, warnings=("lbfgs failed to converge (status=1)",))
    (table,) = (part for part in compose("strategies", found).parts if isinstance(part, Table))
    converged = {row[:3]: row[-1] for row in table.rows}
    assert converged.pop(("logistic regression", "native", "raw")) == "no"
    assert set(converged.values()) == {"yes"}


def test_all_that_is_said_follows_from_what_was_found(told_of, found):
    found[name_fit("svm", "one-vs-one", "raw")] = find(0.955)
    found[name_fit("sgd", "native", "scaled")] = find(0.912, ("failed to converge",))
    found[name_fit("logistic", "one-vs-rest", "scaled")] = Findings(
        values={
            "classifiers": 10,
            "train_accuracy": 0.98,
            "test_accuracy": 0.85,
            "images": 6000,
        },
        measured={"fit_seconds": 9.0, "predict_seconds": 1.5},
    )
    assert told_of("strategies", found) == TOLD


TOLD = """\
Scaling changes the accuracy of the native forms by (points): SGD +1.20, logistic
  regression +0.00, SVM +0.00.
The best is SVM, one-vs-one, on raw pixels (95.50 %). 45 duels together took 6 s to fit,
  10 against the rest 13 s: each duel sees two digits only.
scaling lifts SGD (test accuracy, %): scaled > raw, here 90.00 to 91.20: met
sgd-strategies: SGD: strategy, scaling, training against test: Learnt from 5,000 images,
  at most 10 passes; at most 9.0 points lie between what it learnt from and the test
  images. draw_bars [native one-vs-rest one-vs-one] {raw pixels, train: [99 99 99], raw
  pixels, test: [90 90 90], scaled pixels, train: [99 99 99], scaled pixels, test: [91.2
  90 90]} accuracy (%) step=5
logistic-strategies: logistic regression: strategy, scaling, training against test: Learnt
  from 5,000 images, at most 50 passes; at most 13.0 points lie between what it learnt
  from and the test images. draw_bars [native one-vs-rest one-vs-one] {raw pixels, train:
  [99 99 99], raw pixels, test: [90 90 90], scaled pixels, train: [99 98 99], scaled
  pixels, test: [90 85 90]} accuracy (%) step=5
svm-strategies: SVM: strategy, scaling, training against test: Learnt from 5,000 images;
  at most 9.0 points lie between what it learnt from and the test images. draw_bars
  [native one-vs-rest one-vs-one] {raw pixels, train: [99 99 99], raw pixels, test: [90 90
  95.5], scaled pixels, train: [99 99 99], scaled pixels, test: [90 90 90]} accuracy (%)
  step=5
strategies: All fits: Training accuracy is of at most 10,000 of the images that were
  learnt from; converged is whether the fit ended by itself, before its last pass.
classifier | strategy | pixels | images | classifiers of two | train (%) | test (%) | fit
  (s) | predict (s) | converged
SGD | native | raw | 5000 | 10 | 99 | 90 | 2 | 0.5 | yes
SGD | native | scaled | 5000 | 10 | 99 | 91.2 | 2 | 0.5 | no
... 18 rows that sum to 94635.7
SVM | one-vs-one | scaled | 5000 | 10 | 99 | 90 | 2 | 0.5 | yes"""
