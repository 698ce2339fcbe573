"""What is said of searches is what they found."""

import pytest

from digitflow.studies.digits.experiments.tuning import CURVES
from digitflow.studies.plan import Findings

FINALS = {
    "forest": (0.9650, 0.9700, 0.9690),
    "knn": (0.9680, 0.9712, 0.9725),
    "svm": (0.9760, 0.9830, 0.9855),
}


def try_out(params, score=None, error=None):
    values = {"params": params} | ({"error": error} if error else {"score": score})
    return Findings(values=values)


@pytest.fixture
def found():
    """Few combinations of each search; two of them are invalid, and one was ended early."""
    trials = [
        {"params": {"C": 1.0, "gamma": 0.01}, "score": 0.93},
        {"params": {"C": 2.0, "gamma": 0.01}, "score": None},
        {"params": {"C": 12.34567, "gamma": 0.02}, "score": 0.97},
    ]
    rounds = [
        {"images": 1000, "candidates": 9, "best": 0.9},
        {"images": 3000, "candidates": 3, "best": 0.965},
    ]
    last = [{"params": {"C": 5.0, "gamma": 0.03}, "score": 0.965}]
    results = {
        "halving svm": Findings(values={"rounds": rounds, "trials": last}),
        "optuna svm": Findings(values={"trials": trials}),
        "grid forest: a": try_out({"max_depth": 0}, error="max_depth must be above 0"),
        "grid forest: b": try_out({"max_depth": 9, "criterion": "gini"}, 0.95),
        "grid knn: a": try_out({"n_neighbors": 1}, 0.96),
        "grid knn: b": try_out({"n_neighbors": 3}, 0.94),
        "randomised svm: a": try_out({"C": 0.1}, 0.91),
        "randomised svm: b": try_out({"C": 5.0}, 0.96),
        "randomised svm: c": try_out({"C": 9.0}, 0.95),
        "randomised svm: d": try_out({"C": -1.0}, error="C must be above 0"),
    }
    for place, share in enumerate((0.7, 0.8, 0.9, 0.95, 0.99)):
        results[f"grid pca: {share}"] = try_out({"variance": share}, 0.9 + 0.01 * (place % 3))
    for model, shares in FINALS.items():
        for choice, share in zip(("default", "hand-set", "tuned"), shares, strict=True):
            results[f"{model} {choice}"] = Findings(
                values={"params": {} if choice == "default" else {"k": 3}, "accuracy": share},
                measured={"fit_seconds": 2.0, "predict_seconds": 0.5},
            )
        held = {"train": [[1.0, 0.98], [0.99, 0.97]], "held": [[0.90, 0.92], [0.95, 0.93]]}
        results[f"learning {model}"] = Findings(values={"images": [4000, 10_000]} | held)
        tried = CURVES[model][1]
        more = len(tried) - 2
        results[f"validation {model}"] = Findings(
            values={"values": tried}
            | {part: [*folds, *[[0.5, 0.7]] * more] for part, folds in held.items()}
        )
    return results


def test_all_that_is_said_follows_from_what_was_found(told_of, found):
    assert told_of("tuning", found) == TOLD


def test_without_a_search_it_is_said_to_be_missing(told_of, found):
    found["optuna svm"] = Findings(values={"trials": [], "missing": "Optuna is missing"})
    said = told_of("tuning", found)
    assert "\nOptuna is missing.\n" in said
    assert "Reached in the end: randomised 96.00 %." in " ".join(said.split())


TOLD = """\
Against the defaults, tuning changes test accuracy by (points): forest +0.40, knn +0.45,
  svm +0.95; the best is svm, tuned (98.55 %).
17 combinations were tried, 2 of them invalid: these are reported, and the searches went
  on.
accuracy of KNN, k = 4 by distance, about (%): 97.1, here 97.12: met
finals: Default, set by hand, tuned: Tuning brings svm most; all three learnt from all
  training images, and are judged on the test images. draw_bars [forest knn svm] {default:
  [96.5 96.8 97.6], hand-set: [97 97.12 98.3], tuned: [96.9 97.25 98.55]} accuracy (%)
  step=5
finals: Default, set by hand, tuned:
model | chosen | parameters | accuracy (%) | fit (s) | predict (s)
forest | default | defaults | 96.5 | 2 | 0.5
forest | hand-set | k=3 | 97 | 2 | 0.5
... 9 rows that sum to 898.52
svm | tuned | k=3 | 98.55 | 2 | 0.5
searches: What each search found: Scores are by cross-validation on part of the training
  images; of halving, the combinations of the last round.
search | model | tried | invalid | ended early | best score (%) | by
grid | forest | 2 | 1 | 0 | 95 | criterion=gini, max_depth=9
grid | knn | 2 | 0 | 0 | 96 | n_neighbors=1
grid | pca | 5 | 0 | 0 | 92 | variance=0.9
randomised | svm | 4 | 1 | 0 | 96 | C=5
halving | svm | 1 | 0 | 0 | 96.5 | C=5, gamma=0.03
optuna | svm | 3 | 0 | 1 | 97 | C=12.35, gamma=0.02
Invalid: forest with max_depth=0: max_depth must be above 0
Invalid: svm with C=-1: C must be above 0
progress: The best so far, SVM: Reached in the end: randomised 96.00 %, optuna 97.00 %.
  Halving tried 9 on 1,000 images, 3 on 3,000 images, and reached 96.50 %. draw_lines
  {randomised: [[1 2 3 4] [91 96 96 96]], optuna: [[1 2 3] [93 93 97]]} combinations tried
  best score, cross-validated (%) y_range=[90.5 100]
variance: How much variance to keep: Neighbours read best with 90% of the variance kept:
  what is left out is noise to them. draw_lines {knn after PCA: [[70 80 90 95 99] [90 91
  92 90 91]]} variance kept (%) score, cross-validated (%)
learning-forest: Learning curve: forest: From 4,000 to 10,000 images the score still
  changes by +3.00 points; bands are the spread of the folds. draw_lines {learnt from:
  [[4000 10000] [99 98]], held out: [[4000 10000] [91 94]]} training images accuracy (%)
  bands={learnt from: [[98 97] [100 99]], held out: [[90 93] [92 95]]}
learning-knn: Learning curve: knn: From 4,000 to 10,000 images the score still changes by
  +3.00 points; bands are the spread of the folds. draw_lines {learnt from: [[4000 10000]
  [99 98]], held out: [[4000 10000] [91 94]]} training images accuracy (%) bands={learnt
  from: [[98 97] [100 99]], held out: [[90 93] [92 95]]}
learning-svm: Learning curve: svm: From 4,000 to 10,000 images the score still changes by
  +3.00 points; bands are the spread of the folds. draw_lines {learnt from: [[4000 10000]
  [99 98]], held out: [[4000 10000] [91 94]]} training images accuracy (%) bands={learnt
  from: [[98 97] [100 99]], held out: [[90 93] [92 95]]}
validation-knn: Validation curve: knn: Best at n_neighbors = 2 (94.00 %); bands are the
  spread of the folds. draw_lines {learnt from: [[1 2 4 8 16 32] [99 98 60 60 60 60]],
  held out: [[1 2 4 8 16 32] [91 94 60 60 60 60]]} n_neighbors (no unit) accuracy (%)
  bands={learnt from: [[98 97 50 50 50 50] [100 99 70 70 70 70]], held out: [[90 93 50 50
  50 50] [92 95 70 70 70 70]]} log_x=True
validation-svm: Validation curve: svm: Best at C = 0.1 (94.00 %); bands are the spread of
  the folds. draw_lines {learnt from: [[0.01 0.1 1 10 100] [99 98 60 60 60]], held out:
  [[0.01 0.1 1 10 100] [91 94 60 60 60]]} C (no unit) accuracy (%) bands={learnt from:
  [[98 97 50 50 50] [100 99 70 70 70]], held out: [[90 93 50 50 50] [92 95 70 70 70]]}
  log_x=True
validation-forest: Validation curve: forest: Best at max_depth = 4 (94.00 %); bands are
  the spread of the folds. draw_lines {learnt from: [[2 4 8 16 32] [99 98 60 60 60]], held
  out: [[2 4 8 16 32] [91 94 60 60 60]]} max_depth (no unit) accuracy (%) bands={learnt
  from: [[98 97 50 50 50] [100 99 70 70 70]], held out: [[90 93 50 50 50] [92 95 70 70
  70]]} log_x=True
trials: trials:  (shown: 0)
search | model | parameters | score | error
halving | svm | C=5, gamma=0.03 | 0.965 | None
optuna | svm | C=1, gamma=0.01 | 0.93 | None
... 17 rows that sum to 13.075
grid | pca | variance=0.99 | 0.91 | None
curves: curves:  (shown: 0)
curve | model | images or value | on | fold | accuracy
learning | forest | 4000 | train | 1 | 1
learning | forest | 4000 | train | 2 | 0.98
... 88 rows that sum to 169146
validation | svm | 100 | held | 2 | 0.7"""
