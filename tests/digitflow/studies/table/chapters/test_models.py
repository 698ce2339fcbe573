"""What is said of models is what was measured."""

import pytest

from digitflow.studies.plan import Findings
from digitflow.studies.table.models import MODELS


@pytest.fixture
def found():
    """Each model better by folds than the one before it, and a tree that is right by heart."""
    results = {}
    for place, model in enumerate(MODELS):
        held = 70_000 - 5750 * place
        train = {"linear regression": 69_000, "decision tree": 0}.get(model, held / 2)
        results[f"fit {model}"] = Findings(
            values={"rmse": float(train)}, measured={"fit_seconds": 1.0 + place}
        )
        for fold, off in enumerate((-1, 0, 1)):
            name = f"fold {fold + 1} of {model}"
            results[name] = Findings(values={"rmse": held + off * (100.0 + 10 * place)})
    results["fit random forest"].values["rmse"] = 17_500.0
    for fold, rmse in enumerate((46_000.0, 46_100.0, 46_800.0)):
        results[f"fold {fold + 1} of random forest"].values["rmse"] = rmse
    results["importances"] = Findings(
        values={
            "impurity": {f"feature {k}": (k * 7 % 17) / 136 for k in range(17)},
            "permutation": {
                "rooms": {"mean": 900.0, "deviation": 30.0},
                "income": {"mean": 25_000.0, "deviation": 400.0},
                "near": {"mean": 4000.0, "deviation": 50.0},
            },
        }
    )
    return results


def test_all_that_is_said_follows_from_what_was_found(told_of, found):
    assert told_of("models", found) == TOLD


def test_small_errors_are_drawn_with_their_decimals(told_of, found):
    for name, facts in found.items():
        if name == "importances":
            for cost in facts.values["permutation"].values():
                cost["mean"] /= 1000
        else:
            facts.values["rmse"] /= 100
    said = " ".join(told_of("models", found).split())
    assert "} RMSE (USD) 2 " in said
    assert "} rise of the RMSE (USD) 3 " in said


TOLD = """\
Stack predicts best: RMSE 29,750 USD by 3 folds.
The decision tree has an RMSE of 0 USD on the rows that it learnt from and 64,250 USD on
  others: an error on training rows says nothing of new ones.
The random forest depends most on which rows it is asked about: its folds have from 46,000
  USD to 46,800 USD.
RMSE of the linear regression on the training rows (USD): 68688, here 69000: met
RMSE of the decision tree on the training rows (USD): 0, here 0: met
RMSE of the random forest by cross-validation, about (USD): 47000, here 46300: not met
models: Errors of each model: On all training rows, which it was fitted on; and on each
  fold, fitted without it. The stack joins linear regression, extra trees and gradient
  boosting by a ridge regression. The fit is on all training rows.
model | RMSE on training rows (USD) | RMSE by folds, mean (USD) | standard deviation |
  lowest | highest | fit (s)
linear regression | 69000 | 70000 | 100 | 69900 | 70100 | 1
decision tree | 0 | 64250 | 110 | 64140 | 64360 | 2
random forest | 17500 | 46300 | 435.89 | 46000 | 46800 | 3
extra trees | 26375 | 52750 | 130 | 52620 | 52880 | 4
gradient boosting | 23500 | 47000 | 140 | 46860 | 47140 | 5
SVR | 20625 | 41250 | 150 | 41100 | 41400 | 6
KNN | 17750 | 35500 | 160 | 35340 | 35660 | 7
stack | 14875 | 29750 | 170 | 29580 | 29920 | 8
models: Errors on rows that were learnt from, and on others: The wider the gap between a
  model's two bars, the more it has learnt by heart. draw_bars [stack KNN SVR random
  forest gradient boosting extra trees decision tree linear regression] {training rows:
  [14875 17750 20625 17500 23500 26375 0 69000], held-out folds, mean: [29750 35500 41250
  46300 47000 52750 64250 70000]} RMSE (USD) 0
impurity: What the forest's splits look at: Share of the fall in variance that splits by
  each feature bring, on training rows: feature 12 has 12 %. It favours features of many
  values. draw_bars [feature 12 feature 7 feature 2 feature 14 feature 9 feature 4 feature
  16 feature 11 feature 6 feature 1 feature 13 feature 8 feature 3 feature 15 feature 10]
  {importance: [11.7647 11.0294 10.2941 9.55882 8.82353 8.08824 7.35294 6.61765 5.88235
  5.14706 4.41176 3.67647 2.94118 2.20588 1.47059]} share of the fall in variance (%) 1
impurity: impurity:  (shown: 0)
feature | share
feature 12 | 0.117647
feature 7 | 0.110294
... 17 rows that sum to 1
feature 0 | 0
permutation: What shuffling a column costs: How much the RMSE on held-out rows rises when
  a column's values change places: most for income. What other columns know too costs
  little. draw_bars [income near rooms] {rise: [25000 4000 900]} rise of the RMSE (USD) 0
permutation: permutation:  (shown: 0)
column | rise of the RMSE (USD) | standard deviation
income | 25000 | 400
near | 4000 | 50
rooms | 900 | 30"""
