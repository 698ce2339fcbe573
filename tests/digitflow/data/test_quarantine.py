import numpy as np
import pytest

from digitflow.data.quarantine import (
    find_duplicates,
    note_copies,
    require_few,
    store_quarantine,
)
from digitflow.errors import InputError


def find_naively(keys, targets):
    same = [[a == b for b in keys] for a in keys]
    repeated = [any(row[:place]) for place, row in enumerate(same)]
    conflicting = [
        any(equal and targets[i] != targets[j] for j, equal in enumerate(row))
        for i, row in enumerate(same)
    ]
    return repeated, conflicting


@pytest.mark.parametrize("seed", range(5))
def test_duplicates_are_those_of_comparing_every_pair(seed):
    generator = np.random.default_rng(seed)
    keys = generator.integers(0, 12, 40).astype("S2")
    targets = generator.integers(0, 2, 40)
    repeated, conflicting = find_naively(keys, targets)
    found = find_duplicates(keys, targets)
    assert found.repeated.tolist() == repeated
    assert found.conflicting.tolist() == conflicting


def test_no_rows_have_no_duplicates():
    found = find_duplicates(np.zeros(0, "S2"), np.zeros(0))
    assert found.keys.size == found.repeated.size == found.conflicting.size == 0


def test_as_many_bad_rows_as_are_tolerated_pass():
    require_few({"train": (2, 100), "test": (0, 10)}, 0.02, "rows", lambda names: "")


def test_one_more_is_an_error_that_names_the_split_its_share_and_what_is_wrong():
    with pytest.raises(
        InputError, match=r"rows can't be used: train 3 of 100 \(3.00%\), .*2.00%"
    ) as e:
        require_few({"train": (3, 100), "test": (0, 10)}, 0.02, "rows", ", ".join)
    assert " train Correct the data" in str(e.value)


def test_the_quarantine_is_a_csv_and_none_where_nothing_was_set_aside(store):
    assert store_quarantine(store, ["row", "reason"], []) is None
    ref = store_quarantine(store, ["row", "reason"], [(3, "a, b")])
    assert store.read_bytes(ref).decode().splitlines() == ["row,reason", '3,"a, b"']


def test_copies_in_a_test_set_are_noted_by_their_rows_and_kept():
    keys = np.array([b"a", b"b", b"a", b"b", b"c"])
    found = find_duplicates(keys, np.array([1, 2, 1, 3, 4]))
    rows = np.array([10, 11, 12, 13, 14])
    assert note_copies(found, rows, "test images", "label") == (
        "2 test images are copies of earlier test images: rows 12, 13; they are kept, the test "
        "set is frozen",
        "2 test images have a copy with another label: rows 11, 13; they are kept, the test "
        "set is frozen",
    )
    none = find_duplicates(keys[:2], np.array([1, 2]))
    assert note_copies(none, rows[:2], "test images", "label") == ()
