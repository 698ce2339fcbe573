"""The stack on a table that scikit-learn brings along, against its members."""

import numpy as np
import pytest
from sklearn.datasets import load_diabetes
from sklearn.metrics import root_mean_squared_error
from threadpoolctl import threadpool_limits

from digitflow.models.building import build_estimator
from digitflow.models.persistence import dump_model, load_model

ROWS, TARGETS = load_diabetes(return_X_y=True)


@pytest.fixture(scope="module")
def fitted():
    """The stack, fitted on the first 300 rows."""
    with threadpool_limits(1):
        return build_estimator("stack", {"cv": 3}, 0, 1).fit(ROWS[:300], TARGETS[:300])


def test_it_is_as_good_as_its_members_or_nearly_so(fitted):
    errors = {
        name: root_mean_squared_error(TARGETS[300:], each.predict(ROWS[300:]))
        for name, each in {**fitted.named_estimators_, "stack": fitted}.items()
    }
    assert errors["stack"] < 1.02 * min(errors.values())
    assert errors["stack"] < 0.8 * TARGETS[300:].std()


def test_it_can_be_stored(fitted, store):
    ref = dump_model(fitted, store)
    np.testing.assert_array_equal(load_model(ref, store).predict(ROWS), fitted.predict(ROWS))
