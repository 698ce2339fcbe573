from itertools import combinations

import numpy as np
import pytest

from digitflow.config.data import SplitShares
from digitflow.data import splits as splitting
from digitflow.data.sets import CheckedSets, LabelledImages, open_set, store_set
from digitflow.data.splits import choose_rows, choose_subset, split_digits, split_rows
from digitflow.errors import InputError

PARTS = {
    True: {"train", "calibration", "validation"},
    False: {"train", "calibration", "validation", "test"},
}


def make_rows(count=1000, per_writer=10, seed=0):
    generator = np.random.default_rng(seed)
    labels = generator.integers(0, 10, count).astype(np.uint8)
    writers = generator.permutation(np.arange(count) // per_writer).astype(np.int32)
    return labels, writers


def assert_complete(parts, count):
    joined = np.concatenate(list(parts.values()))
    np.testing.assert_array_equal(np.sort(joined), np.arange(count))
    for rows in parts.values():
        assert rows.dtype == np.int64
        assert (np.diff(rows) > 0).all()


def assert_writers_apart(parts, writers):
    for first, second in combinations(parts.values(), 2):
        common = np.intersect1d(writers[first], writers[second])
        assert common.tolist() in ([], [-1])


def class_shares(labels):
    return np.bincount(labels, minlength=10) / len(labels)


@pytest.mark.parametrize("has_test", [True, False])
def test_on_mnist_no_writer_is_in_two_parts_and_classes_keep_their_shares(mnist, has_test):
    labels, writers = mnist.train.labels, mnist.train.writers
    parts = split_rows(labels, writers, SplitShares(), has_test, seed=42)
    assert parts.keys() == PARTS[has_test]
    assert_complete(parts, 60_000)
    assert_writers_apart(parts, writers)
    assert sum(len(np.unique(writers[rows])) for rows in parts.values()) == 539
    for rows in parts.values():
        np.testing.assert_allclose(class_shares(labels[rows]), class_shares(labels), atol=0.006)
    rest = 60_000 if has_test else 48_000
    assert len(parts["calibration"]) == pytest.approx(rest * 0.1, rel=0.05)
    assert len(parts["validation"]) == pytest.approx(rest * 0.1, rel=0.05)


@pytest.mark.parametrize("has_test", [True, False])
@pytest.mark.parametrize("test", [0.1, 0.25])
@pytest.mark.parametrize("validation", [0.05, 0.2, 0.37])
def test_shares_are_met_within_a_row_a_class_without_writers(has_test, test, validation):
    labels, _ = make_rows(2000)
    shares = SplitShares(test=test, validation=validation)
    parts = split_rows(labels, None, shares, has_test, seed=1)
    assert parts.keys() == PARTS[has_test]
    assert_complete(parts, 2000)
    rest = np.bincount(labels)
    if not has_test:
        tested = np.bincount(labels[parts["test"]])
        assert np.abs(tested - rest * test).max() <= 0.5
        rest = rest - tested
    halves = [np.bincount(labels[parts[name]]) for name in ("calibration", "validation")]
    assert np.abs(sum(halves) - rest * validation).max() <= 0.5
    assert np.abs(halves[0] - halves[1]).max() <= 1


@pytest.mark.parametrize("validation", [0.1, 0.2, 0.3, 0.45, 0.7])
def test_shares_are_nearly_met_with_writers(validation):
    labels, writers = make_rows(3000)
    shares = SplitShares(validation=validation)
    parts = split_rows(labels, writers, shares, has_test=False, seed=1)
    assert_complete(parts, 3000)
    assert_writers_apart(parts, writers)
    assert len(parts["test"]) == pytest.approx(600, rel=0.1)
    assert len(parts["train"]) == pytest.approx(2400 * (1 - validation), rel=0.1)


def test_rows_of_unknown_writers_go_anywhere():
    labels, writers = make_rows(2000)
    writers[::2] = -1
    parts = split_rows(labels, writers, SplitShares(), has_test=False, seed=3)
    assert_complete(parts, 2000)
    assert_writers_apart(parts, writers)
    assert all((writers[rows] == -1).any() for rows in parts.values())


@pytest.mark.parametrize("writers", [np.full(1000, -1, np.int32), np.arange(1000)])
def test_writers_that_bind_no_rows_are_as_good_as_none(writers):
    labels, _ = make_rows()
    expected = split_rows(labels, None, SplitShares(), has_test=False, seed=5)
    parts = split_rows(labels, writers, SplitShares(), has_test=False, seed=5)
    for name, rows in expected.items():
        np.testing.assert_array_equal(parts[name], rows)


@pytest.mark.parametrize("known", [True, False])
def test_the_same_seed_gives_the_same_parts_and_another_seed_others(known):
    labels, writers = make_rows()
    first, again, other = (
        split_rows(labels, writers if known else None, SplitShares(), False, seed)
        for seed in (7, 7, 8)
    )
    for name, rows in first.items():
        np.testing.assert_array_equal(rows, again[name])
        assert not np.array_equal(rows, other[name])


def test_the_largest_seed_works_and_global_random_state_is_left_alone():
    labels, writers = make_rows()
    np.random.seed(0)  # noqa: NPY002
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    split_rows(labels, writers, SplitShares(), False, seed=2**32 - 1)
    np.testing.assert_array_equal(np.random.get_state()[1], before)  # noqa: NPY002


@pytest.mark.parametrize("known", [True, False])
def test_of_a_mix_test_rows_are_set_aside_from_the_first_source_only(known):
    labels, sources = np.arange(600) % 10, np.repeat([0, 1], [200, 400])
    writers = np.arange(600) // 20 if known else None
    parts = split_rows(labels, writers, SplitShares(), False, 0, sources)
    assert len(parts["test"]) == 40
    assert (sources[parts["test"]] == 0).all()
    rows = np.concatenate(list(parts.values()))
    np.testing.assert_array_equal(np.sort(rows), np.arange(600))
    assert (sources[parts["validation"]] == 1).any()


def test_ten_rows_a_class_are_enough():
    labels = np.repeat(np.arange(10), 10).astype(np.uint8)
    parts = split_rows(labels, None, SplitShares(), has_test=False, seed=0)
    for rows in parts.values():
        assert len(np.unique(labels[rows])) == 10


def test_a_class_of_too_few_rows_is_named_with_the_part_that_lacks_it():
    labels = np.append(np.repeat(np.arange(9), 20), [9, 9]).astype(np.uint8)
    with pytest.raises(InputError, match=r"182 images can't be split .* calibration has no 9"):
        split_rows(labels, None, SplitShares(), has_test=True, seed=0)


@pytest.mark.parametrize("count", [1, 2])
def test_too_few_writers_are_refused_with_their_number(count):
    labels = np.tile(np.arange(10), 30).astype(np.uint8)
    writers = np.arange(300, dtype=np.int32) % count
    complaint = f"300 images \\({count} writers of two or more\\) can't be split"
    with pytest.raises(InputError, match=complaint):
        split_rows(labels, writers, SplitShares(), has_test=True, seed=0)


def test_a_class_of_one_writer_only_is_refused():
    labels, writers = make_rows(900)
    labels = np.where(labels == 9, 8, labels)
    labels[writers == 5] = 9
    with pytest.raises(InputError, match="has no 9"):
        split_rows(labels, writers, SplitShares(), has_test=True, seed=0)


def test_no_rows_are_refused():
    with pytest.raises(InputError, match="0 images can't be split"):
        split_rows(np.zeros(0, np.uint8), None, SplitShares(), has_test=True, seed=0)


LABELS = np.random.default_rng(0).integers(0, 10, 500).astype(np.uint8)


@pytest.mark.parametrize("seed", [None, 3])
@pytest.mark.parametrize("count", [1, 10, 32, 200])
def test_digits_differ_by_one_row_at_most(count, seed):
    rows = choose_rows(LABELS, count, seed)
    assert len(np.unique(rows)) == count
    counts = np.bincount(LABELS[rows], minlength=10)
    assert counts.max() - counts.min() <= 1
    assert (np.diff(rows) > 0).all()


def test_without_a_seed_the_first_of_each_digit_are_taken():
    rows = choose_rows(LABELS, 10)
    assert rows.tolist() == sorted(np.flatnonzero(digit == LABELS)[0] for digit in range(10))


def test_a_seed_chooses_always_alike_and_another_seed_otherwise():
    first = choose_rows(LABELS, 50, 1)
    np.testing.assert_array_equal(choose_rows(LABELS, 50, 1), first)
    assert set(choose_rows(LABELS, 50, 2)) != set(first)


def test_where_there_are_fewer_all_are_taken():
    np.testing.assert_array_equal(choose_rows(LABELS, 1000, 1), np.arange(500))
    assert choose_rows(LABELS[:0], 10).size == 0


def test_a_rare_digit_is_filled_up_with_others():
    labels = np.array([0] * 2 + [1] * 50, np.uint8)
    assert np.bincount(labels[choose_rows(labels, 20, 0)]).tolist() == [2, 18]


@pytest.mark.parametrize("has_test", PARTS)
def test_stored_digits_are_split_as_their_rows_are_and_a_sources_test_set_is_kept(
    store, has_test
):
    labels, writers = make_rows(600)
    images = np.arange(600, dtype=np.uint16)[:, None, None] * np.ones((28, 28), np.uint16)
    train = store_set(store, LabelledImages(images, labels, writers))
    checked = CheckedSets(
        train=train,
        test=train if has_test else None,
        problems={},
        notes=(),
        quarantine=None,
        quarantined_images=None,
    )
    splits = split_digits(store, checked, SplitShares(), 3)
    rows = split_rows(labels, writers, SplitShares(), has_test, 3)
    for name, expected in rows.items():
        part = open_set(store, getattr(splits, name))
        np.testing.assert_array_equal(part.images[:, 0, 0], expected)
        np.testing.assert_array_equal(part.writers, writers[expected])
    assert (splits.test == train) is has_test


def test_a_writer_of_two_rows_binds_them_and_one_of_a_single_row_does_not():
    writers = np.array([5, 5, 6, -1, 7, 7, 7])
    assert splitting._name_groups(7, writers).tolist() == [5, 5, -1, -1, 7, 7, 7]
    assert splitting._name_groups(3, None).tolist() == [-1] * 3


def test_of_each_class_the_share_is_picked_and_rounded():
    labels = np.repeat([0, 1, 2], [10, 7, 1])
    rows = np.arange(100, 118)
    picked = splitting._pick_rows(rows, labels, 0.3, 0)
    assert np.bincount(labels[picked - 100], minlength=3).tolist() == [3, 2, 0]
    assert len(set(picked.tolist())) == 5
    assert splitting._pick_rows(rows[:0], labels[:0], 0.3, 0).tolist() == []


@pytest.mark.parametrize(
    ("share", "rows"),
    # Of ten writers of twenty rows: the nearest share of whole folds, and never none or all.
    [(0.001, 20), (0.1, 20), (0.3, 60), (0.5, 100), (0.96, 180), (0.999, 180)],
)
def test_whole_writers_are_picked_by_a_share_of_folds(share, rows):
    labels, groups = np.arange(200) % 10, np.arange(200) // 20
    picked = splitting._pick_writers(np.arange(200) + 7, labels, groups, share, 0)
    assert len(picked) == rows
    owners = groups[picked - 7]
    assert (np.bincount(owners, minlength=10) % 20 == 0).all()
    alone = splitting._pick_writers(np.arange(20), labels[:20], groups[:20], share, 0)
    assert alone.tolist() == []


def test_a_share_of_many_writers_is_fine_to_a_twentieth():
    labels, groups = np.arange(4000) % 10, np.arange(4000) // 40
    picked = splitting._pick_writers(np.arange(4000), labels, groups, 0.05, 0)
    assert len(picked) == 200
    # No class may have fewer rows than there are folds: three here.
    few = splitting._pick_writers(np.arange(30), np.arange(30) // 3, np.arange(30) % 6, 0.01, 0)
    assert len(few) == 10
    assert splitting._count_largest_class(np.array([1, 1, 4])) == 2
    assert splitting._count_largest_class(np.array([], int)) == 0


@pytest.mark.parametrize(("size", "fine"), [(9, False), (10, True), (90, True), (91, False)])
def test_a_subset_leaves_one_of_each_digit_on_either_side(size, fine):
    labels = np.arange(100) % 10
    if not fine:
        with pytest.raises(InputError, match=r"choose 10 to 90, or all"):
            choose_subset(labels, size, 0)
        return
    chosen = choose_subset(labels, size, 0)
    assert len(chosen) == size
    assert (np.bincount(labels[chosen], minlength=10) == size // 10).all()
    assert (np.diff(chosen) > 0).all()
    with pytest.raises(InputError, match="there are 100 images to choose from, not 101"):
        choose_subset(labels, 101, 0)


def test_a_rare_digit_says_how_few_images_can_hold_it():
    labels = np.array([0] * 97 + [1] * 3)
    with pytest.raises(InputError, match="choose 34 to 98"):
        choose_subset(labels, 33, 0)
    assert np.bincount(labels[choose_subset(labels, 34, 0)]).tolist() == [33, 1]


def test_values_are_chosen_evenly_over_their_order():
    values = np.array([50.0, 10.0, 40.0, 20.0, 30.0])
    assert choose_rows(values, 3).tolist() == [0, 1, 4]
    assert choose_rows(values, 2).tolist() == [0, 1]
    assert choose_rows(values, 9).tolist() == [0, 1, 2, 3, 4]


def test_the_parts_do_not_share_their_randomness():
    labels = np.arange(1000) % 10
    shares = SplitShares(test=0.5, validation=0.5, calibration=0.5)
    parts = split_rows(labels, None, shares, False, 0)
    rest = np.setdiff1d(np.arange(1000), parts["test"])
    held = np.union1d(parts["calibration"], parts["validation"])
    assert len(held) == 250
    # Alike would be: the same places cut off again.
    again = rest[np.searchsorted(np.arange(1000), parts["test"][parts["test"] < 500])]
    assert len(np.intersect1d(held, again)) < 200
