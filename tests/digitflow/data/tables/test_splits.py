import numpy as np
import pandas as pd
import pytest
from sklearn.model_selection import train_test_split

from digitflow.config.table import Column, Strata, TableShares
from digitflow.data.sources.districts import generate_districts
from digitflow.data.tables.frames import identify_rows, infer_columns, to_records
from digitflow.data.tables.splits import number_strata, split_rows
from digitflow.errors import InputError, TestSetChanged

EDGES = (0, 1.5, 3, 4.5, 6)
INCOME = Strata(column="median_income", edges=EDGES)
PARTS = {"train", "calibration", "validation", "test"}
every_way = pytest.mark.parametrize("by", ["shuffle", "hash"])


@pytest.fixture(scope="module")
def districts():
    return generate_districts(3000, 0)


def prepare(frame):
    """Return the keys and the income categories of districts."""
    records = to_records(frame, infer_columns(frame))
    return identify_rows(records), number_strata(records, np.zeros(len(frame)), INCOME, False)


def split(frame, by="shuffle", seed=42, has_test=False, frozen=None, **more):
    keys, strata = prepare(frame)
    return split_rows(keys, strata, TableShares(by=by, **more), has_test, seed, frozen)


def add_rows(frame, seed=1):
    """Return a frame with 500 more rows, in another order."""
    more = generate_districts(500, seed)
    return pd.concat([frame, more]).sample(frac=1, random_state=seed, ignore_index=True)


def test_the_test_rows_of_the_real_districts_are_those_of_the_study(housing_file):
    plain = pd.read_csv(housing_file)
    category = pd.cut(plain.median_income, [*EDGES, np.inf], labels=False)
    _, expected = train_test_split(plain, test_size=0.2, stratify=category, random_state=42)
    found = split(plain)["test"]
    np.testing.assert_array_equal(found, np.sort(expected.index))
    assert len(found) == 4128


@every_way
@pytest.mark.parametrize("has_test", [True, False])
def test_every_row_is_in_one_part(districts, by, has_test):
    parts = split(districts, by, has_test=has_test)
    assert parts.keys() == (PARTS - {"test"} if has_test else PARTS)
    joined = np.concatenate(list(parts.values()))
    np.testing.assert_array_equal(np.sort(joined), np.arange(len(districts)))
    assert all((np.diff(rows) > 0).all() for rows in parts.values())


@every_way
def test_shares_are_met(districts, by):
    parts = split(districts, by, test=0.3, validation=0.4, calibration=0.25)
    # By hash: four standard deviations of a draw.
    near = 1.5 if by == "shuffle" else 4 * np.sqrt(0.25 * 3000)
    expected = {"test": 900, "calibration": 210, "validation": 630, "train": 1260}
    for name, rows in parts.items():
        assert abs(len(rows) - expected[name]) <= near


def test_a_shuffle_gives_every_part_its_share_of_each_group(districts):
    _, strata = prepare(districts)
    counts = np.bincount(strata)
    for rows in split(districts).values():
        expected = counts * len(rows) / len(strata)
        assert np.abs(np.bincount(strata[rows], minlength=len(counts)) - expected).max() <= 2


@every_way
def test_equal_seeds_give_equal_parts_and_others_do_not(districts, by):
    first, again, other = (split(districts, by, seed)["test"] for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


def test_by_hash_no_row_moves_when_rows_are_added_in_another_order(districts):
    before, grown = split(districts, "hash"), add_rows(districts)
    old_keys, new_keys = prepare(districts)[0], prepare(grown)[0]
    for name, rows in split(grown, "hash").items():
        known = np.intersect1d(new_keys[rows], old_keys)
        np.testing.assert_array_equal(known, np.sort(old_keys[before[name]]))


@every_way
def test_frozen_rows_stay_the_test_rows_when_rows_are_added_in_another_order(districts, by):
    keys, grown = prepare(districts)[0], add_rows(districts)
    frozen = keys[split(districts)["test"]]
    parts = split(grown, by, frozen=frozen)
    np.testing.assert_array_equal(np.sort(prepare(grown)[0][parts["test"]]), np.sort(frozen))
    assert sum(len(rows) for rows in parts.values()) == len(grown)


def test_frozen_rows_that_are_gone_are_a_clear_error(districts):
    keys, _ = prepare(districts)
    with pytest.raises(TestSetChanged, match="1 of the 3 rows that the champion was judged on"):
        split(districts[1:], frozen=keys[[0, 5, 6]])


def test_of_copies_as_many_are_tested_as_were():
    keys = np.array([b"a", b"b", b"a", b"a", b"c", b"d", b"e", b"f"] * 4)
    parts = split_rows(keys, None, TableShares(), False, 0, np.array([b"a", b"a", b"b"]))
    assert parts["test"].tolist() == [0, 1, 2]


def test_classes_are_the_groups_of_a_classification():
    targets = np.repeat([0.0, 1.0, 2.0], [60, 30, 10])
    records = np.zeros(100, [("x", "f8")])
    strata = number_strata(records, targets, None, True)
    parts = split_rows(np.arange(100).astype("S3"), strata, TableShares(), False, 3)
    assert np.bincount(strata[parts["test"]]).tolist() == [12, 6, 2]
    assert number_strata(records, targets, None, False) is None


def test_groups_are_intervals_with_their_upper_edges_or_categories():
    records = np.array(
        [(0.5, "b"), (1.5, "a"), (1.6, "b"), (np.nan, "")], [("x", "f8"), ("c", "U1")]
    )
    expected = pd.cut(records["x"], [0, 1.5, 3, np.inf], labels=False)[:3] + 1
    found = number_strata(records, records["x"], Strata(column="x", edges=(0, 1.5, 3)), False)
    assert found.tolist() == [*expected, 3]
    assert number_strata(records, records["x"], Strata(column="c"), False).tolist() == [
        2,
        1,
        2,
        0,
    ]


def test_a_group_of_one_row_does_not_stop_the_split():
    strata = np.repeat([0, 1, 2], [70, 1, 29])
    parts = split_rows(np.arange(100).astype("S3"), strata, TableShares(), False, 0)
    assert sum(len(rows) for rows in parts.values()) == 100


@pytest.mark.parametrize(
    ("strata", "message"),
    [
        (Strata(column="age"), "names 'age', which is no feature"),
        (Strata(column="town", edges=(1, 2)), "town: a category has no edges"),
        (Strata(column="height"), "height: a number needs edges"),
    ],
)
def test_groups_of_what_is_not_there_are_a_clear_error(people, strata, message):
    columns = {"height": Column(), "town": Column(type="category")}
    with pytest.raises(InputError, match=message):
        number_strata(to_records(people, columns), np.zeros(200), strata, False)


@every_way
@pytest.mark.parametrize("count", [1, 3])
def test_too_few_rows_are_a_clear_error(by, count):
    keys = np.arange(count).astype("S3")
    with pytest.raises(InputError, match=r"rows (leave none for|can't be split)"):
        split_rows(keys, None, TableShares(by=by), False, 0)
