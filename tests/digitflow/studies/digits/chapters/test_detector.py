"""What is said of the detector is what was found."""

import pytest

from digitflow.studies.chapter import PublishedFigure, Table
from digitflow.studies.plan import Findings

FIGURES = {"accuracy": 0.96, "precision": 0.8370880, "recall": 0.6511714, "f1": 0.7325171}
CURVE = {"threshold": [-1.0, 0.0, 1.0], "precision": [0.5, 0.8, 1.0], "recall": [1.0, 0.6, 0.1]}
ROC = {"false": [0.0, 0.5, 1.0], "true": [0.0, 0.9, 1.0]}
CONFUSION = [[53892, 687], [1891, 3530]]


def score(auc):
    return Findings(
        values=FIGURES | {"confusion": CONFUSION, "curve": CURVE, "roc": ROC, "auc": auc}
    )


@pytest.fixture
def found():
    """Findings with the figures that were published, of a seed of 42."""
    folds = Findings(values={"scores": [0.95035, 0.96035, 0.9604]})
    tuned = {"threshold": 3370.0195, "precision": 0.9, "recall": 0.4799853, "f1": 0.62}
    return {
        "folds by library": folds,
        "folds by hand": folds,
        "always no": Findings(values={"scores": [0.91, 0.91, 0.91]}),
        "scores": score(0.9604939),
        "forest scores": score(0.998),
        "threshold": Findings(values=tuned),
        "shipped": Findings(values={"plain": FIGURES, "tuned": FIGURES}),
    }


def test_accuracy_is_set_against_always_saying_no(compose, found):
    first, second, third = compose("detector", found).findings
    assert "95.7% accuracy says little where always saying no reaches 91.0%" in first
    assert "83.7% of what it says yes to is a 5, and it finds 65.1% of them" in first
    assert "A threshold of 3370.0 buys 90.0% precision" in second
    assert third == "A random forest ranks better: AUC 0.9980 against 0.9605."


def test_a_forest_that_ranks_no_better_is_not_said_to(compose, found):
    found["forest scores"] = score(0.95)
    third = compose("detector", found).findings[2]
    assert third == "A random forest ranks no better: AUC 0.9500 against 0.9605."


def test_published_figures_are_met_by_themselves_and_by_nothing_else(compose, found):
    def check():
        parts = compose("detector", found).parts
        return {part.what: part.met for part in parts if isinstance(part, PublishedFigure)}

    assert len(check()) == 8
    assert all(check().values())
    found["threshold"].values["threshold"] = 3370.5
    assert [what for what, met in check().items() if not met] == [
        "threshold for 90 % precision"
    ]


def test_other_settings_than_the_published_ones_are_not_compared(compose, found):
    parts = compose("detector", found, seed=43).parts
    assert not any(isinstance(part, PublishedFigure) for part in parts)


def test_folds_by_hand_that_differ_are_said_to(compose, found):
    def say():
        parts = compose("detector", found).parts
        (table,) = (p for p in parts if isinstance(p, Table) and p.name == "folds")
        return table.sentence

    assert say().endswith("equal in every digit.")
    found["folds by hand"] = Findings(values={"scores": [0.95, 0.96, 0.96]})
    assert say().endswith("not equal.")
