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
