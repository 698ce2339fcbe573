import pytest

from digitflow.store.artifacts import ARTIFACTS_VARIABLE
from tasks.locking import StoreLocks


@pytest.fixture(autouse=True)
def _in_store(store, monkeypatch):
    monkeypatch.setenv(ARTIFACTS_VARIABLE, str(store.root))


def test_a_lock_belongs_to_one_holder_across_managers():
    ours, theirs = StoreLocks(), StoreLocks()
    assert ours.acquire_lock("k", "us")
    assert ours.acquire_lock("k", "us")  # asked for again by its holder
    assert theirs.is_locked("k")
    assert not theirs.acquire_lock("k", "them", acquire_timeout=0)
    assert not theirs.wait_for_lock("k", timeout=0)
    theirs.release_lock("k", "them")  # not theirs to bundle
    assert ours.is_lock_holder("k", "us")
    ours.release_lock("k", "us")
    assert theirs.wait_for_lock("k", timeout=0)
    assert not theirs.is_locked("k")
