import numpy as np
import pandas as pd
import pytest

from digitflow.config.table import Column
from digitflow.data.tables.frames import (
    identify_rows,
    infer_columns,
    read_cells,
    text_dtype,
    to_frame,
    to_records,
    write_cells,
)
from digitflow.store.references import digest_array

COLUMNS = {
    "height": Column(),
    "children": Column(type="integer"),
    "town": Column(type="category"),
}


def test_a_frame_and_its_records_hold_the_same(people):
    records = to_records(people, COLUMNS)
    assert records.dtype == [("height", "<f8"), ("children", "<f8"), ("town", "<U4")]
    assert np.isnan(records["height"][3])
    assert records["town"][5] == ""
    frame = to_frame(records)
    assert frame.dtypes.to_list() == [np.dtype(float), np.dtype(float), text_dtype()]
    expected = people[list(COLUMNS)].astype({"town": text_dtype()})
    pd.testing.assert_frame_equal(frame, expected)


def test_records_survive_the_store(people, store):
    records = to_records(people, COLUMNS)
    mapped = store.open_array(store.put_array(records))
    assert mapped.dtype == records.dtype
    pd.testing.assert_frame_equal(to_frame(mapped), to_frame(records))


def test_records_of_other_fields_have_another_digest(people):
    records = to_records(people, COLUMNS)
    renamed = records.astype([(f"{name}2", kind) for name, kind in records.dtype.descr])
    assert records.tobytes() == renamed.tobytes()
    assert digest_array(records) != digest_array(renamed)


def test_a_column_that_the_frame_lacks_is_left_out(people):
    assert to_records(people.drop(columns="town"), COLUMNS).dtype.names == (
        "height",
        "children",
    )


def test_no_rows_are_records_too(people):
    records = to_records(people[:0], COLUMNS)
    assert records.shape == (0,)
    assert (
        to_frame(records).dtypes.to_list()
        == to_frame(to_records(people, COLUMNS)).dtypes.to_list()
    )


def test_text_that_reads_as_numbers_is_numbers_to_the_last_bit():
    numbers = np.random.default_rng(1).normal(size=500)
    frame = pd.DataFrame({"a": [repr(number) for number in numbers.tolist()]})
    assert infer_columns(frame)["a"].type == "number"
    np.testing.assert_array_equal(to_records(frame, {"a": Column()})["a"], numbers)


@pytest.mark.parametrize(
    "cells",
    [[7, 8], [7.0, 8.0], ["7", " 8 "], pd.Categorical([7, 8]), pd.array([7, 8], "Int64")],
)
def test_a_category_of_whole_numbers_is_their_digits(cells):
    records = to_records(pd.DataFrame({"zone": cells}), {"zone": Column(type="category")})
    assert records["zone"].tolist() == ["7", "8"]


def test_columns_are_what_their_cells_are():
    frame = pd.DataFrame(
        {
            "number": [1, 2.5, np.nan],
            "truth": [True, False, True],
            "text of numbers": ["1", None, "2e3"],
            "mixed": ["1", "x", None],
            "empty": [None, None, None],
        }
    )
    found = {name: column.type for name, column in infer_columns(frame).items()}
    assert found == {
        "number": "number",
        "truth": "number",
        "text of numbers": "number",
        "mixed": "category",
        "empty": "number",
    }


def test_an_identity_depends_on_the_row_alone(people):
    records = to_records(people, COLUMNS)
    keys = identify_rows(records)
    assert len(set(keys)) == len(records)
    order = np.random.default_rng(2).permutation(len(records))
    np.testing.assert_array_equal(identify_rows(records[order]), keys[order])
    wider = records.astype([("height", "f8"), ("children", "f8"), ("town", "U30")])
    np.testing.assert_array_equal(identify_rows(wider), keys)
    turned = to_records(people, dict(reversed(COLUMNS.items())))
    np.testing.assert_array_equal(identify_rows(turned), keys)


def test_an_identity_is_that_of_the_columns_that_are_named(people):
    records = to_records(people, COLUMNS)
    keys = identify_rows(records, ["town", "height"])
    changed = records.copy()
    changed["children"] += 1
    np.testing.assert_array_equal(identify_rows(changed, ["height", "town"]), keys)
    changed["height"][7] += 1e-12
    assert (identify_rows(changed, ["height", "town"]) != keys).sum() == 1


def test_targets_count_where_no_columns_are_named(people):
    records, wages = to_records(people, COLUMNS), people["wage"].to_numpy()
    other = wages.copy()
    other[9] += 1
    changed = identify_rows(records, targets=wages) != identify_rows(records, targets=other)
    assert np.flatnonzero(changed).tolist() == [9]
    by = ["height"]
    np.testing.assert_array_equal(
        identify_rows(records, by, wages), identify_rows(records, by, other)
    )


def test_zero_has_one_identity():
    zeros = np.array([(0.0,), (-0.0,)], [("a", "f8")])
    assert len(set(identify_rows(zeros))) == 1


def test_cells_are_written_as_json_by_name_and_read_as_they_were():
    records = np.array([(1.5, "Bern"), (np.nan, ""), (-0.0, "b")], [("b", "f8"), ("a", "U5")])
    written = write_cells(records)
    assert written == [
        b'{"a": "Bern", "b": 1.5}',
        b'{"a": null, "b": null}',
        b'{"a": "b", "b": 0.0}',
    ]
    frame = read_cells(written)
    assert frame["b"].tolist()[0] == 1.5
    assert frame.isna().sum().to_dict() == {"a": 1, "b": 1}
