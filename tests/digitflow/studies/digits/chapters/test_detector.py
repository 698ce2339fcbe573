"""What is said of the detector is what was found."""

import pytest

from digitflow.studies.chapter import PublishedFigure, Table
from digitflow.studies.digits.chapters.detector import draw_thresholds, span_thresholds
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


def test_a_threshold_is_drawn_from_where_something_happens_to_itself():
    curve = {"threshold": list(range(101)), "precision": [0.5] * 101, "recall": [1.0] * 101}
    assert span_thresholds(curve) == (2.0, 100.0)
    assert draw_thresholds("a", curve, 50.0, 0.9).startswith(b"\x89PNG")


def test_shares_are_drawn_in_per_cent_up_to_the_chosen_threshold(monkeypatch):
    drawn = []
    monkeypatch.setattr(
        "digitflow.studies.digits.chapters.detector.draw_lines",
        lambda title, lines, *_, **more: drawn.append((lines, more)),
    )
    draw_thresholds("a", CURVE, 2.0, 0.9)
    ((lines, more),) = drawn
    at, share = lines["precision"]
    assert (at.tolist(), share.tolist()) == ([-1, 0, 1], [50, 80, 100])
    assert lines["recall"][1].tolist() == pytest.approx([100, 60, 10])
    assert more["marks"] == {"chosen": (2.0, 90.0)}
    # It lies beyond the curve's last one.
    assert more["x_range"] == (pytest.approx(-0.96), 2.0)


def test_all_that_is_said_follows_from_what_was_found(told_of, found):
    assert told_of("detector", found) == TOLD


TOLD = """\
95.7% accuracy says little where always saying no reaches 91.0%: 83.7% of what it says yes
  to is a 5, and it finds 65.1% of them.
A threshold of 3370.0 buys 90.0% precision (asked: 90%) with a recall of 48.0%.
A random forest ranks better: AUC 0.9980 against 0.9605.
accuracy of the three folds: 0.95035, 0.96035, 0.9604, here 0.95035, 0.96035, 0.9604: met
confusion matrix: 53892, 687, 1891, 3530, here 53892, 687, 1891, 3530: met
precision: 0.837088, here 0.837088: met
recall: 0.6511714, here 0.6511714: met
F1: 0.7325171, here 0.7325171: met
threshold for 90 % precision: 3370.0195, here 3370.0195: met
recall at that threshold: 0.4799853, here 0.4799853: met
AUC: 0.9604939, here 0.9604939: met
folds: Accuracy of each fold: By cross_val_score and by a loop that deals the rows out
  itself: equal in every digit.
fold | SGD, by library | SGD, by hand | always no
1 | 0.95035 | 0.95035 | 0.91
2 | 0.96035 | 0.96035 | 0.91
3 | 0.9604 | 0.9604 | 0.91
confusion: Confusion matrix: number of images: 687 others are taken for a 5, and 1,891 of
  5,421 images of a 5 are missed; each image was scored by a detector that had not seen
  it. draw_matrix [[53892 687] [1891 3530]] said true [not 5 5] [not 5 5] decimals=0
threshold: Precision and recall against the threshold: At a threshold of 3370.0 the
  precision is 90.0%, and 48.0% of the digits are still found. draw_thresholds {threshold:
  [-1 0 1], precision: [0.5 0.8 1], recall: [1 0.6 0.1]} 3370.02 0.9
precision-recall: Precision against recall: Both together are best where 60% of the digits
  are found; beyond that precision falls steeply. draw_lines {SGD: [[100 60 10] [50 80
  100]]} recall (%) precision (%) marks={chosen: [47.9985 90]}
precision-recall: precision-recall:  (shown: 0)
threshold | precision | recall
-1 | 0.5 | 1
0 | 0.8 | 0.6
1 | 1 | 0.1
roc: ROC curves: The area under the curve is 0.9605 for SGD and 0.9980 for a random forest
  of 100 trees. draw_lines {SGD (AUC 0.9605): [[0 50 100] [0 90 100]], random forest (AUC
  0.9980): [[0 50 100] [0 90 100]], chance (AUC 0.5): [[0 100] [0 100]]} false positive
  rate (% of all other digits) true positive rate, recall (%)
roc: roc:  (shown: 0)
classifier | false positive rate | true positive rate
SGD | 0 | 0
SGD | 0.5 | 0.9
SGD | 1 | 1
random forest | 0 | 0
random forest | 0.5 | 0.9
random forest | 1 | 1
classifiers: SGD and a random forest, cross-validated:
classifier | precision | recall | F1 | AUC
SGD | 0.837088 | 0.651171 | 0.732517 | 0.960494
random forest | 0.837088 | 0.651171 | 0.732517 | 0.998
shipped: The shipped detector on the test images: Fitted on all training images; its
  threshold is part of the stored model, a classifier that answers yes or no to images.
detector | accuracy | precision | recall | F1
at a threshold of 0 | 0.96 | 0.837088 | 0.651171 | 0.732517
at the chosen one | 0.96 | 0.837088 | 0.651171 | 0.732517"""
