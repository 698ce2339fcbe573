"""Which rows a study of a table is about."""

import numpy as np
import pandas as pd
import pytest

from digitflow.data.tables.sets import identify_set
from digitflow.errors import InputError
from digitflow.studies.plan import ExperimentContext, StudyData
from digitflow.studies.table.data import Rows, find_table, open_test, open_train


def test_what_is_learnt_from_is_all_but_the_test_rows_in_their_order(make_study, store):
    scope, data = make_study()
    context = ExperimentContext(store, data, 42, 1)
    keys = identify_set(store, find_table(context), ()).tolist()
    train, test = (identify_set(store, part, ()).tolist() for part in (data.train, data.test))
    assert [key for key in keys if key not in set(test)] == train
    assert len(train) + len(test) == len(keys)
    assert (scope.train_rows, scope.test_rows) == (len(train), len(test))
    assert len(open_train(context)) == len(train)
    assert open_test(context).frame.shape == (len(test), 9)


def test_some_rows_are_a_part_of_all_in_their_order(make_study, store):
    scope, data = make_study(train_size=100)
    some, others = (
        identify_set(store, part, ()).tolist() for part in (data.train, make_study()[1].train)
    )
    assert [key for key in others if key in set(some)] == some
    assert (len(some), scope.train_rows, scope.complete) == (100, 100, False)
    assert make_study()[0].complete


def test_more_rows_than_there_are_is_an_error(make_study):
    with pytest.raises(InputError, match=r"there are 48\d rows to learn from"):
        make_study(train_size=5000)


def test_generated_districts_have_no_published_figures(make_study):
    scope, _ = make_study()
    whole = scope.model_copy(update={"train_rows": 16_512, "test_rows": 4128})
    assert not whole.is_published
    assert whole.model_copy(update={"generated": False}).is_published
    assert not scope.model_copy(update={"generated": False}).is_published


def test_a_set_of_rows_is_looked_for_where_there_are_all(make_study, store):
    _, data = make_study()
    bare = ExperimentContext(store, StudyData(train=data.train, test=data.test), 42, 1)
    with pytest.raises(TypeError, match="expected TableData, got StudyData"):
        find_table(bare)
    assert np.isfinite(open_train(bare).targets).all()


def test_rows_are_taken_by_their_numbers_with_their_targets():
    rows = Rows(pd.DataFrame({"a": [1.0, 2.0, 3.0]}), np.array([10.0, 20.0, 30.0]))
    taken = rows.take(np.array([2, 0]))
    assert taken.frame["a"].tolist() == [3.0, 1.0]
    assert taken.frame.index.tolist() == [0, 1]
    assert taken.targets.tolist() == [30.0, 10.0]
