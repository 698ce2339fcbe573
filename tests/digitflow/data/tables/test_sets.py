"""Rows of a table as they travel between tasks: read, checked, parted, named, kept."""

import csv

import numpy as np
import pandas as pd
import pytest

from digitflow.config.table import (
    Column,
    DistrictsTable,
    FileTable,
    Strata,
    TableRules,
    TableShares,
)
from digitflow.data.sources.districts import FILE_VARIABLE, generate_districts
from digitflow.data.tables.frames import to_frame
from digitflow.data.tables.sets import (
    CheckedRows,
    fingerprint_table,
    ingest_table,
    list_slices,
    split_table,
    take_rows,
    validate_table,
)
from digitflow.errors import InputError, TestSetChanged

TOLERANT = TableRules(max_quarantined=1)


def write(folder, frame, name="people.csv"):
    frame.to_csv(folder / name, index=False)
    return FileTable(file=folder / name)


def ingest(store, source):
    return ingest_table(store, source, fingerprint_table(source))


def check(store, raw, task="regression", declared=None):
    target = "wage" if task == "regression" else "kind"
    return validate_table(store, raw, declared or {}, target, task, TOLERANT, ())


def open_rows(store, part):
    return to_frame(store.open_array(part.samples)), store.open_array(part.targets)


def test_rows_come_back_as_they_were_in_the_file(store, tmp_path, people):
    checked = check(store, ingest(store, write(tmp_path, people)))
    frame, targets = open_rows(store, checked.train)
    expected = people.drop(columns="wage")
    pd.testing.assert_frame_equal(frame, expected, check_dtype=False)
    np.testing.assert_array_equal(targets, people["wage"])
    assert checked.missing == {"height": 1, "children": 1, "town": 1}
    assert (checked.test, checked.problems, checked.quarantine) == (None, {}, None)
    assert list(checked.table.columns) == list(expected)


def test_cells_of_several_types_survive_the_store(store, tmp_path, people):
    people["children"] = people["children"].astype(object)
    people.loc[7, "children"] = "several"
    checked = check(
        store, ingest(store, write(tmp_path, people)), declared={
            "height": Column(), "children": Column(), "wage": Column(),
        },
    )  # fmt: skip
    assert checked.problems == {"train: children not a number": 1}
    assert checked.train.rows == 199


def test_bad_rows_are_listed_in_a_quarantine_file(store, tmp_path, people):
    people.loc[[9, 11], "wage"] = [np.nan, -5]
    declared = {"height": Column(), "wage": Column(min=0)}
    checked = check(store, ingest(store, write(tmp_path, people)), declared=declared)
    assert checked.train.rows == 198
    assert sum(checked.problems.values()) == 2
    rows = list(csv.DictReader(store.read_bytes(checked.quarantine).decode().splitlines()))
    assert {(row["split"], row["row"], row["column"]) for row in rows} == {
        ("train", "9", "wage"), ("train", "11", "wage"),
    }  # fmt: skip


def test_classes_are_numbers_with_names_and_values_have_a_unit(store, tmp_path, people):
    raw = ingest(store, write(tmp_path, people))
    classes = check(store, raw, "classification").train
    assert classes.classes == ("old", "young")
    found = np.array(classes.classes)[store.open_array(classes.targets)]
    np.testing.assert_array_equal(found, people["kind"])
    declared = {"height": Column(unit="cm"), "wage": Column(unit="EUR")}
    values = check(store, raw, declared=declared).train
    assert (values.unit, values.classes) == ("EUR", ())
    assert store.open_array(values.targets).dtype == np.float64


def test_rows_that_a_file_sets_aside_stay_test_rows(store, tmp_path, people):
    people[:150].to_csv(tmp_path / "train.csv", index=False)
    people[150:].to_csv(tmp_path / "test.csv", index=False)
    source = FileTable(file=tmp_path / "train.csv", test_file=tmp_path / "test.csv")
    checked = check(store, ingest(store, source))
    splits = split_table(store, checked, TableShares(), (), 42)
    np.testing.assert_array_equal(store.open_array(splits.test.targets), people["wage"][150:])
    assert splits.test == checked.test


def test_generated_rows_are_called_so(store, monkeypatch):
    monkeypatch.delenv(FILE_VARIABLE, raising=False)
    raw = ingest(store, DistrictsTable(rows=600, seed=3))
    declared = {"median_income": Column(), "median_house_value": Column()}
    checked = validate_table(
        store, raw, declared, "median_house_value", "regression", TOLERANT, ()
    )
    assert raw.generated
    assert checked.table.generated


def test_only_checked_rows_are_taken_for_rows_of_a_table(store, tmp_path, people):
    checked = check(store, ingest(store, write(tmp_path, people)))
    assert CheckedRows.of(checked) is checked
    with pytest.raises(InputError, match="expected rows of a table, got SampleSet"):
        CheckedRows.of(checked.train)


INCOME = Strata(column="median_income", edges=(1.5, 3))
OCEAN = Strata(column="ocean_proximity")


@pytest.fixture(scope="module")
def districts():
    return generate_districts(1500, 0)


@pytest.fixture
def checked(store, tmp_path, districts):
    """Districts, stored and checked."""
    raw = ingest(store, write(tmp_path, districts))
    target = "median_house_value"
    return validate_table(store, raw, {}, target, "regression", TOLERANT, ())


def split(store, checked, slices=(), seed=42, frozen=None, **shares):
    return split_table(store, checked, TableShares(**shares), slices, seed, frozen)


def test_every_row_is_in_one_part_with_its_target(store, checked, districts):
    splits = split(store, checked)
    parts = [open_rows(store, part) for part in dict(splits).values()]
    joined = pd.concat([frame.assign(target=targets) for frame, targets in parts])
    assert len(joined) == 1500
    expected = districts.rename(columns={"median_house_value": "target"})[list(joined.columns)]
    order = list(joined.columns)
    pd.testing.assert_frame_equal(
        joined.sort_values(order, ignore_index=True),
        expected.sort_values(order, ignore_index=True),
        check_dtype=False,
    )
    assert split(store, checked) == splits
    assert split(store, checked, seed=1).test != splits.test


def test_slices_of_the_test_rows_are_named_and_part_them(store, checked):
    test = split(store, checked, (INCOME, OCEAN)).test
    frame, _ = open_rows(store, test)
    masks = {name: store.open_array(ref) for name, ref in test.slices.items()}
    income = [f"median_income {part}" for part in ("up to 1.5", "1.5 to 3", "over 3")]
    assert [name for name in masks if name.startswith("median_income")] == income
    middle = frame["median_income"].between(1.5, 3, "right")
    np.testing.assert_array_equal(masks[income[1]], middle)
    for name in frame["ocean_proximity"].unique():
        mask = masks[f"ocean_proximity {name}"]
        np.testing.assert_array_equal(mask, frame["ocean_proximity"] == name)
    for column in ("median_income", "ocean_proximity"):
        of_column = [mask for name, mask in masks.items() if name.startswith(column)]
        np.testing.assert_array_equal(np.sum(of_column, axis=0), 1)
    splits = split(store, checked, (INCOME,))
    assert all(not part.slices for name, part in splits if name != "test")


def test_missing_categories_are_a_slice_of_their_own():
    records = np.array([("a",), ("",), ("a",)], [("town", "<U4")])
    found = list_slices(records, np.zeros(3), (Strata(column="town"),))
    assert {name: rows.tolist() for name, rows in found.items()} == {
        "town missing": [False, True, False], "town a": [True, False, True],
    }  # fmt: skip


@pytest.mark.parametrize("wrong", [Strata(column="nothing"), Strata(column="median_income")])
def test_a_slice_of_no_column_or_of_a_number_without_edges_is_refused(store, checked, wrong):
    with pytest.raises(InputError, match=wrong.column):
        split(store, checked, (wrong,))


def test_what_a_champion_was_judged_on_stays_test_rows_when_rows_are_added(
    store, tmp_path, checked, districts
):
    before = split(store, checked)
    more = pd.concat([generate_districts(500, 9), districts], ignore_index=True)
    raw = ingest(store, write(tmp_path, more, "more.csv"))
    larger = validate_table(store, raw, {}, "median_house_value", "regression", TOLERANT, ())
    after = split(store, larger, frozen=before.test)
    assert sorted(store.open_array(after.test.targets)) == sorted(
        store.open_array(before.test.targets)
    )
    frames = [open_rows(store, part.test)[0] for part in (before, after)]
    order = list(frames[0].columns)
    pd.testing.assert_frame_equal(
        *(frame.sort_values(order, ignore_index=True) for frame in frames)
    )
    assert split(store, larger).test.rows != before.test.rows


def test_test_rows_that_are_gone_stop_the_run(store, tmp_path, checked, districts):
    before = split(store, checked)
    raw = ingest(store, write(tmp_path, districts[:900], "fewer.csv"))
    fewer = validate_table(store, raw, {}, "median_house_value", "regression", TOLERANT, ())
    with pytest.raises(TestSetChanged):
        split(store, fewer, frozen=before.test)


def test_taken_rows_keep_what_is_known_of_their_set(store, tmp_path, people):
    kinds = check(store, ingest(store, write(tmp_path, people)), "classification").train
    some = take_rows(store, kinds, np.array([2, 8]))
    assert (some.rows, some.classes) == (2, kinds.classes)
    taken, every = store.open_array(some.samples), store.open_array(kinds.samples)
    np.testing.assert_array_equal(taken, every[[2, 8]])


def test_a_fingerprint_changes_with_the_file(tmp_path, people):
    source = write(tmp_path, people)
    first = fingerprint_table(source)
    assert fingerprint_table(source) == first
    people.loc[0, "height"] = 171.5
    assert fingerprint_table(write(tmp_path, people)) != first
