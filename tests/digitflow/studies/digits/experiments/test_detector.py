"""The hand-written folds are the library's; a digit must be there; what ships can be loaded."""

import numpy as np
import pytest
from sklearn.model_selection import StratifiedKFold

from digitflow.errors import InputError
from digitflow.models.persistence import load_model
from digitflow.studies.digits.experiments.detector import deal_rows
from digitflow.studies.plan import plan_section


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
