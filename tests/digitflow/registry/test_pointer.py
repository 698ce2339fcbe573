import pytest

from digitflow.errors import DamagedArtifact
from digitflow.evaluation.scoring import TestScore
from digitflow.models.bundle import Golden, ModelBundle
from digitflow.registry.pointer import (
    Champion,
    Pointer,
    list_pointers,
    pointer_path,
    read_pointer,
    remove_pointer,
    write_pointer,
)
from digitflow.store.artifacts import Store
from digitflow.store.references import ArrayRef, ModelRef

MODEL = ModelRef(digest="abc", path="models/abc.skops", bytes=10)
ARRAY = ArrayRef(digest="g", path="arrays/g.npy", bytes=9, dtype="uint8", shape=(1, 28, 28))


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path)


@pytest.fixture
def pointer():
    return Pointer(
        champion=Champion(
            name="digits",
            version="3",
            entry=7,
            bundle=ModelBundle(
                model=MODEL,
                reject_option=None,
                golden=Golden(images=ARRAY, probabilities=ARRAY, libraries={}, machine="any"),
            ),
            score=TestScore(
                model_digest="abc", test_digest="t", n=3, correct=2, interval=(0.1, 1 / 3)
            ),
            run="run-1",
            promoted_at="2026-11-21T00:00:00+00:00",
            libraries={"numpy": "2.4"},
        ),
        database={"bytes": 1, "mtime_ns": 2**62, "inode": 3},
    )


def test_a_pointer_is_read_as_it_was_written(store, pointer):
    write_pointer(store, pointer)
    assert read_pointer(store, "digits") == pointer
    assert pointer.champion.model == MODEL
    assert list_pointers(store) == ["digits"]


def test_a_newer_pointer_replaces_an_older_one_and_leaves_nothing_else(store, pointer):
    write_pointer(store, pointer)
    newer = pointer.model_copy(update={"database": None})
    write_pointer(store, newer)
    assert read_pointer(store, "digits") == newer
    assert list(pointer_path(store, "digits").parent.iterdir()) == [
        pointer_path(store, "digits")
    ]


def test_without_a_pointer_there_is_none(store):
    assert read_pointer(store, "digits") is None
    assert list_pointers(store) == []
    remove_pointer(store, "digits")


def test_a_removed_pointer_is_gone(store, pointer):
    write_pointer(store, pointer)
    remove_pointer(store, "digits")
    assert read_pointer(store, "digits") is None


@pytest.mark.parametrize("share", [0, 0.5, 0.95])
def test_a_damaged_pointer_is_named_with_the_way_out(store, pointer, share):
    write_pointer(store, pointer)
    path = pointer_path(store, "digits")
    text = path.read_text()
    path.write_text(text[: int(len(text) * share)])
    with pytest.raises(DamagedArtifact, match="`digitflow train`") as caught:
        read_pointer(store, "digits")
    assert str(path) in str(caught.value)
