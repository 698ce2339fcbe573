import numpy as np
import pandas as pd
import pytest

from digitflow.config.table import Column, DistrictsTable, TableRules
from digitflow.data.sources import districts
from digitflow.data.tables.frames import Table, to_frame
from digitflow.data.tables.validation import check_table
from digitflow.errors import InputError

TOLERANT = TableRules(max_quarantined=1)


def check(frame, test=None, declared=None, target="wage", task="regression", **more):
    more = {"rules": TOLERANT, **more}
    return check_table(Table(frame, test, ""), declared or {}, target, task, **more)


def reasons_of(checked):
    return {(p.split, p.row, p.column): p.reason for p in checked.problems}


def test_of_the_real_districts_nothing_is_set_aside_and_the_gaps_and_caps_are_counted(
    housing_file,
):
    table = districts.load_table(DistrictsTable(file=housing_file))
    declared = {
        **{name: Column() for name in table.frame.columns[:-1]},
        "ocean_proximity": Column(type="category"),
        "housing_median_age": Column(type="integer", min=1, max=52, capped=52),
        "median_house_value": Column(min=0, max=500_001, capped=500_001),
    }
    checked = check_table(table, declared, "median_house_value", "regression", TableRules())
    assert checked.problems == checked.notes == ()
    assert len(checked.train.records) == len(checked.train.targets) == 20_640
    assert checked.missing == {"total_bedrooms": 207}
    plain = pd.read_csv(housing_file)
    assert checked.capped == {
        "housing_median_age": (plain.housing_median_age == 52).sum(),
        "median_house_value": (plain.median_house_value == 500_001).sum(),
    }
    np.testing.assert_array_equal(checked.train.targets, plain.median_house_value)
    assert checked.columns["ocean_proximity"].values == tuple(
        sorted(set(plain.ocean_proximity))
    )


def test_every_good_row_is_kept_as_it_is(people):
    checked = check(people)
    assert checked.problems == ()
    assert checked.classes == ()
    assert list(checked.columns) == ["height", "children", "town", "kind"]
    np.testing.assert_array_equal(checked.train.targets, people["wage"])
    found = to_frame(checked.train.records)
    assert found["town"].fillna("").tolist() == people["town"].fillna("").tolist()
    assert checked.missing == {"height": 1, "children": 1, "town": 1}


def test_classes_are_numbered_in_the_order_of_their_names(people):
    checked = check(people, target="kind", task="classification")
    assert checked.classes == ("old", "young")
    assert "wage" in checked.columns
    np.testing.assert_array_equal(checked.train.targets, people["kind"] == "young")


def test_bad_rows_are_set_aside_with_all_their_faults(people):
    people = people.astype(object)
    people.loc[7, ["wage", "height"]] = None, "tall"
    people.loc[9, "wage"] = "much"
    declared = {"height": Column(), "town": Column(type="category")}
    checked = check(people, declared=declared)
    assert reasons_of(checked) == {
        ("train", 7, "height"): "not a number",
        ("train", 7, "wage"): "missing target",
        ("train", 9, "wage"): "not a number",
    }
    expected = people["wage"].drop([7, 9]).astype(float)
    np.testing.assert_array_equal(checked.train.targets, expected)


def test_columns_that_are_not_declared_are_passed_over(people):
    checked = check(people, declared={"height": Column(), "wage": Column(min=0)})
    assert list(checked.columns) == ["height"]
    assert checked.train.records.dtype.names == ("height",)
    assert checked.target.min == 0


def test_a_column_that_may_be_missing_is(people):
    declared = {"height": Column(), "depth": Column(required=False)}
    assert check(people, declared=declared).train.records.dtype.names == ("height",)


def test_rows_that_are_equal_in_all_cells_are_duplicates(people):
    people.loc[50] = people.loc[20]
    people.loc[60] = people.loc[20]
    people.loc[61, people.columns != "wage"] = people.loc[21]
    assert reasons_of(check(people)) == {
        ("train", 50, ""): "duplicate",
        ("train", 60, ""): "duplicate",
    }


def test_by_an_identity_rows_with_two_targets_are_all_set_aside(people):
    people.loc[50, "height"] = people.loc[20, "height"]
    people.loc[60, ["height", "wage"]] = people.loc[30, ["height", "wage"]].to_list()
    assert reasons_of(check(people, identity=["height"])) == {
        ("train", 20, ""): "conflicting duplicate",
        ("train", 50, ""): "conflicting duplicate",
        ("train", 60, ""): "duplicate",
    }


def test_duplicates_may_be_kept(people):
    people.loc[50] = people.loc[20]
    rules = TableRules(duplicates="keep")
    assert check(people, rules=rules).problems == ()


def test_the_test_set_is_frozen_and_a_training_row_that_is_in_it_goes(people):
    test = pd.concat([people[:5], people[:1]])
    checked = check(people[3:], test)
    assert reasons_of(checked) == {
        ("train", 0, ""): "duplicate of a test row",
        ("train", 1, ""): "duplicate of a test row",
    }
    assert len(checked.test.records) == 6
    assert checked.notes == (
        "1 test rows are copies of earlier test rows: rows 5; they are kept, the test set is "
        "frozen",
    )


def test_a_category_that_only_test_rows_have_is_known(people):
    test = people[:20].copy()
    test["town"] = "Rom"
    checked = check(people[20:], test)
    assert checked.problems == ()
    assert "Rom" in checked.columns["town"].values


def test_too_many_bad_rows_stop_the_run_with_what_is_wrong(people):
    people.loc[[3, 7, 9], "wage"] = np.nan
    with pytest.raises(InputError, match=r"train 3 of 200 .* 3 wage missing target") as error:
        check(people, rules=TableRules())
    assert "rows 3, 7, 9" in str(error.value)
    assert check(people, rules=TableRules(max_quarantined=0.015)).problems


def test_names_are_no_categories_and_are_left_out(people):
    people["name"] = [f"person {number}" for number in range(len(people))]
    checked = check(people)
    assert "name" not in checked.columns
    assert "name holds more than 100 different texts" in checked.notes[0]
    declared = {"name": Column(type="category")}
    assert len(check(people, declared=declared).columns["name"].values) == 200


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"target": "age"}, "no column 'age', the target; it has height, "),
        ({"identity": ["id"]}, "split.identity names id; the columns are height"),
        ({"declared": {"depth": Column()}}, "lacks 1 column: depth"),
        ({"declared": {"wage": Column()}}, "no column to predict wage from"),
        (
            {"declared": {"height": Column(), "wage": Column(type="category")}},
            "target of a regression is a number, wage is a category",
        ),
        ({"rules": TableRules(min_rows=201)}, "has 200 usable rows"),
        (
            {"target": "town", "task": "classification", "rules": TableRules(min_per_class=90)},
            "every class needs at least 90 usable rows: Bern has",
        ),
    ],
)
def test_what_can_not_be_learnt_from_is_a_clear_error(people, more, message):
    with pytest.raises(InputError, match=message):
        check(people, **more)


def test_one_class_is_none(people):
    people["kind"] = "old"
    with pytest.raises(InputError, match="kind must have two classes or more, got old"):
        check(people, target="kind", task="classification")
