"""Real digits for the tests of the studies: the built-in ones, in a store."""

import pytest

from digitflow.config import BuiltinSource, SplitShares, StudySettings, ValidationRules
from digitflow.data.digits import Digits
from digitflow.data.sets import CheckedSets, store_set
from digitflow.data.sources import builtin
from digitflow.data.validation import check_digits
from digitflow.studies.choosing import choose_digits, describe_scope


@pytest.fixture(scope="session")
def digits() -> Digits:
    """The built-in digits, checked."""
    loaded = builtin.load(BuiltinSource())
    return Digits(check_digits(loaded, ValidationRules()).train, None, loaded.origin)


@pytest.fixture
def make_study(digits, store):
    """Put the digits of a study into the test's store; return its (scope, data)."""

    def make(train_size=None, **settings):
        checked = CheckedSets(
            train=store_set(store, digits.train),
            test=None,
            problems={},
            notes=(),
            quarantine=None,
            quarantined_images=None,
        )
        data = choose_digits(store, checked, SplitShares(), train_size, 42)
        chosen = StudySettings(train_size=train_size, **settings)
        return describe_scope("builtin", checked, data, 42, chosen), data

    return make
