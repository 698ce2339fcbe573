"""What is said of the algorithms is what was found."""

import numpy as np
import pytest

from digitflow.store.references import ModelRef
from digitflow.studies.chapter import PublishedFigure, Table
from digitflow.studies.digits.algorithms import ALGORITHMS, plan_model
from digitflow.studies.digits.experiments.algorithms import SPLITS, judge_model, name_judgement
from digitflow.studies.plan import ExperimentContext, Findings

RIGHT = {"svm": 988, "knn": 971, "forest": 969, "tree": 870}


@pytest.fixture
def found(store):
    """Findings of all algorithms: so many of 1,000 right, a 4 read as 9 where wrong."""

    def answer(right):
        truth = np.array([4] * 150 + [d for d in range(10) if d != 4] * 95)[:1000]
        truth = np.resize(truth, 1000).astype(np.uint8)
        said = truth.copy()
        said[np.flatnonzero(truth == 4)[: 1000 - right]] = 9
        return truth, said

    results = {}
    for name in ALGORITHMS:
        for split in SPLITS:
            truth, said = answer(RIGHT.get(name, 950) + (5 if split == "80/20" else 0))
            fit = plan_model(name, split)[1].name
            context = ExperimentContext(store, None, 42, 1)
            results[fit] = Findings(
                values={"algorithm": name, "accuracy": 0.0, "n": 1000},
                measured={"fit_seconds": 3.0, "predict_seconds": 0.25},
                arrays=context.keep(labels=truth, predicted=said),
                models={"model": ModelRef(digest="m", path="m.skops", bytes=3 << 20)},
            )
            judged = ExperimentContext(store, None, 42, 1, results)
            results[name_judgement(name, split)] = judge_model(judged, fit)
    return results


def test_best_and_worst_are_named_with_what_they_read_right(compose, found):
    first, second = compose("algorithms", found).findings
    assert first == (
        "svm reads best (98.80% on the source's own split, 99.30% on 80/20), tree worst "
        "(87.00%)."
    )
    assert "accuracy changes by +0.50 points on average" in second


def test_the_most_frequent_confusion_is_said(compose, found):
    figures = {
        part.name: part for part in compose("algorithms", found).parts if part.kind == "figure"
    }
    assert "most often a 4 is read as 9 (12 times)" in figures["counts"].sentence
    assert "least for 4" in figures["by-row"].sentence


def test_published_accuracies_are_compared_on_mnist_alone(compose, found):
    parts = compose("algorithms", found).parts
    published = [part for part in parts if isinstance(part, PublishedFigure)]
    assert [(part.measured, part.met) for part in published] == [
        ("96.9", True),
        ("97.1", True),
        ("98.8", False),
    ]
    parts = compose("algorithms", found, source="builtin").parts
    assert not any(isinstance(part, PublishedFigure) for part in parts)


def test_costs_are_those_that_were_measured(compose, found):
    tables = {
        part.name: part
        for part in compose("algorithms", found).parts
        if isinstance(part, Table)
    }
    row = next(row for row in tables["algorithms"].rows if row[:2] == ("svm", "own split"))
    assert row[3:] == pytest.approx((98.8, row[4], 3.0, 250.0, 3.0))
    assert tables["choosing"].rows[0][:5] == ("svm", "98.80%", "3.0 s", "0.2 ms", "3.0 MB")
