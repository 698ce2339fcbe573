import numpy as np
import pandas as pd
import pytest

from digitflow.config.table import Column
from digitflow.data.tables.inspection import inspect_frame
from digitflow.errors import InputError

COLUMNS = {
    "height": Column(min=100, max=220),
    "children": Column(type="integer", min=0),
    "town": Column(type="category", values=("Oslo", "Bern", "Wien")),
    "note": Column(type="category", required=False),
}


def list_problems(frame, columns=COLUMNS):
    return [(p.row, p.column, p.value, p.reason) for p in inspect_frame(frame, columns)]


def test_good_rows_have_no_problem(people):
    assert list_problems(people) == []


def test_every_fault_is_found_where_it_is_as_it_came(people):
    frame = people.astype(object)
    frame.loc[10, "height"] = "tall"
    frame.loc[11, "height"] = np.inf
    frame.loc[12, "height"] = 99.999
    frame.loc[13, "children"] = 1.5
    frame.loc[14, "children"] = -1
    frame.loc[15, "town"] = "Rom"
    frame.loc[16, ["height", "town"]] = 300, "Rom"
    frame.loc[17, "children"] = " "
    assert list_problems(frame) == [
        (10, "height", "tall", "not a number"),
        (11, "height", "inf", "not finite"),
        (12, "height", "99.999", "out of range"),
        (13, "children", "1.5", "not a whole number"),
        (14, "children", "-1", "out of range"),
        (15, "town", "Rom", "unknown category"),
        (16, "height", "300", "out of range"),
        (16, "town", "Rom", "unknown category"),
    ]


def test_rows_count_from_0_whatever_the_index(people):
    shuffled = people.set_index(people.index[::-1] + 7)
    shuffled.iloc[2, 0] = 0
    assert [problem.row for problem in inspect_frame(shuffled, COLUMNS)] == [2]


def test_a_missing_cell_is_a_fault_where_the_column_has_to_be_filled(people):
    columns = {
        "town": Column(type="category", nullable=False),
        "height": Column(nullable=False),
    }
    assert list_problems(people, columns) == [
        (3, "height", "", "missing cell"),
        (5, "town", "", "missing cell"),
    ]


def test_text_is_no_missing_cell(people):
    people["height"] = people["height"].astype(object)
    people.loc[8, "height"] = "tall"
    columns = {"height": Column(nullable=False)}
    assert list_problems(people, columns)[1] == (8, "height", "tall", "not a number")


def test_a_missing_column_is_an_error_unless_it_may_be_missing(people):
    with pytest.raises(InputError, match=r"lacks 2 columns: height, town. It has children, "):
        inspect_frame(people.drop(columns=["height", "town"]), COLUMNS)


def test_a_problem_says_what_it_is():
    frame = pd.DataFrame({"height": ["tall"]})
    (problem,) = inspect_frame(frame, {"height": Column()}, "rows")
    assert problem.describe() == "height: not a number ('tall')"
    assert problem.split == "rows"
