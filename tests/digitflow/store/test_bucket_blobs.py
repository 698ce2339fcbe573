"""Stores in a bucket on moto's server: two homes, copies, damage, bounds."""

import contextlib
import os
import pickle
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from digitflow.errors import DamagedArtifact, InputError, StorageError
from digitflow.store.artifacts import Store, open_store
from digitflow.store.bucket import Bucket, traffic

ARRAY = np.arange(600, dtype=np.float64).reshape(3, 200)
LIMIT = 40_000


@pytest.fixture
def make_home(bucket_url, tmp_path):
    """Make a store of the bucket with a folder of its own, as another machine has."""

    def make(name, limit=1 << 20):
        return Store(tmp_path / name, bucket_url, limit)

    return make


@pytest.fixture
def here(make_home):
    return make_home("here")


@pytest.fixture
def there(make_home):
    return make_home("there")


@pytest.fixture
def bucket(bucket_url):
    return Bucket(bucket_url)


def measure_copies(store):
    """Return the bytes of all copies and temporary files of a folder at one moment."""
    sizes = {}
    with store.blobs._bounded.hold("cache"):
        for folder in ("tmp", "arrays", "figures", "models"):
            for path in (store.root / folder).glob("*"):
                with contextlib.suppress(FileNotFoundError):  # what is whole moves on
                    sizes[path.stat().st_ino] = path.stat().st_size
    return sum(sizes.values())


def test_another_home_reads_what_one_has_stored(here, there):
    ref = here.put_array(ARRAY)
    assert there.is_intact(ref)
    assert not there.path_of(ref).exists()
    array = there.open_array(ref)
    np.testing.assert_array_equal(array, ARRAY)
    assert isinstance(array, np.memmap)
    assert there.path_of(ref).stat().st_mode & 0o222 == 0
    picture = there.put_bytes(b"png", "figures", ".png")
    assert here.read_bytes(picture) == b"png"
    assert {each.name: each.bytes for each in here.list_files("arrays")} == {
        ref.path: ref.bytes
    }


def test_references_are_those_of_a_folder(here, store):
    assert here.put_array(ARRAY) == store.put_array(ARRAY)
    assert here.put_bytes(b"x", "tables", ".csv") == store.put_bytes(b"x", "tables", ".csv")


def test_who_hands_references_on_moves_no_bytes(here, there):
    ref = here.put_array(ARRAY)
    got = traffic.got
    there.verify(ref)
    assert there.is_intact(ref)
    assert there.has(ref)
    assert traffic.got == got
    there.open_array(ref)
    there.open_array(ref)
    assert traffic.got == got + ref.bytes


def test_what_is_stored_already_is_not_sent_again(here, there):
    ref = here.put_array(ARRAY)
    sent = traffic.sent
    assert here.put_array(ARRAY) == ref
    # A new home notes its format, which each writes once.
    there.begin()
    sent = traffic.sent
    assert there.put_array(ARRAY) == ref
    assert traffic.sent == sent


def test_many_that_store_and_read_the_same_at_once_agree(make_home):
    homes = [make_home(f"home-{number}") for number in range(4)]
    ready = threading.Barrier(16)

    def work(number):
        ready.wait()
        home = homes[number % 4]
        ref = home.put_array(ARRAY)
        return ref, float(home.open_array(ref).sum())

    with ThreadPoolExecutor(16) as pool:
        assert set(pool.map(work, range(16))) == {(homes[0].put_array(ARRAY), ARRAY.sum())}


@pytest.mark.parametrize("how", ["changed", "longer", "shorter", "gone"])
def test_damage_in_the_bucket_is_noticed_and_the_place_freed(here, there, bucket, how):
    ref = here.put_array(ARRAY)
    content = bucket.read(ref.path)
    if how == "gone":
        bucket.remove(ref.path)
    else:
        changed = {"longer": content + b"x", "shorter": content[:-9]}
        bucket.write(ref.path, changed.get(how, content[:-1] + bytes([content[-1] ^ 1])))
    there.forget()
    assert there.is_intact(ref) == (how == "changed")  # a quick look is at the size
    look = there.open_array if how == "changed" else there.verify
    with pytest.raises(DamagedArtifact, match=rf"{bucket.url}/{ref.path}"):
        look(ref)
    assert bucket.size_of(ref.path) is None
    there.forget()
    assert not there.is_intact(ref)
    assert there.put_array(ARRAY) == ref
    here.rehash(ref)
    np.testing.assert_array_equal(here.open_array(ref), ARRAY)


def test_another_size_in_the_bucket_makes_way_for_what_is_stored(here, bucket):
    ref = here.put_array(ARRAY)
    bucket.write(ref.path, b"half")
    assert here.put_array(ARRAY) == ref
    assert bucket.size_of(ref.path) == ref.bytes


@pytest.mark.parametrize("look", ["is_intact", "verify"])
def test_a_home_with_a_copy_puts_it_back_where_the_bucket_has_lost_it(
    here, there, bucket, look
):
    ref = here.put_array(ARRAY)
    bucket.remove(ref.path)
    here.forget()
    getattr(here, look)(ref)
    np.testing.assert_array_equal(there.open_array(ref), ARRAY)
    # Not one that is damaged itself.
    copy = here.path_of(ref)
    copy.chmod(0o644)
    copy.write_bytes(bytes(ref.bytes))
    bucket.remove(ref.path)
    here.forget()
    assert not here.is_intact(ref)
    assert bucket.size_of(ref.path) is None


def test_a_damaged_copy_is_fetched_again(here, there):
    ref = here.put_array(ARRAY)
    there.open_array(ref)
    copy = there.path_of(ref)
    copy.chmod(0o644)
    copy.write_bytes(b"not any more")
    np.testing.assert_array_equal(there.open_array(ref), ARRAY)
    stat = copy.stat()
    copy.chmod(0o644)
    with copy.open("r+b") as file:
        file.seek(-1, os.SEEK_END)
        file.write(b"\x01")
    os.utime(copy, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    there.verify(ref)  # hashes the copy, which is no error: the bucket's is well
    assert not copy.exists()
    np.testing.assert_array_equal(there.open_array(ref), ARRAY)


def test_copies_never_take_more_than_the_limit_and_the_last_used_stay(make_home):
    writer, reader = make_home("writer"), make_home("reader", LIMIT)
    refs = [writer.put_array(ARRAY + number) for number in range(12)]
    seen = []
    for number in (0, 1, 2, 0, 3, 0, 4, 5, 6, 0, 7, 8, 9, 10, 11):
        np.testing.assert_array_equal(reader.open_array(refs[number]), ARRAY + number)
        seen.append(measure_copies(reader))
    assert max(seen) <= LIMIT
    kept = {number for number, ref in enumerate(refs) if reader.path_of(ref).exists()}
    assert {0, 10, 11} <= kept | {0}
    assert 1 not in kept
    assert len(list((reader.root / "stats").iterdir())) == len(kept)


def test_a_map_of_a_copy_that_was_dropped_stays_readable(make_home):
    home = make_home("small", LIMIT)
    first = home.put_array(ARRAY)
    mapped = home.open_array(first)
    for number in range(1, 12):
        home.put_array(ARRAY + number)
    assert not home.path_of(first).exists()
    np.testing.assert_array_equal(mapped, ARRAY)
    np.testing.assert_array_equal(home.open_array(first), ARRAY)


def test_what_is_larger_than_the_limit_is_a_clear_error(make_home, here):
    small = make_home("small", 3000)
    with pytest.raises(StorageError, match=r"4.8 KB.*DIGITFLOW_CACHE_LIMIT is 2.9 KB"):
        small.open_array(here.put_array(ARRAY))
    with pytest.raises(StorageError, match="DIGITFLOW_CACHE_LIMIT"):
        small.put_array(ARRAY)
    with (
        make_home("other", 20_000).scratch_array((1500,), np.float64),
        pytest.raises(StorageError, match="of which temporary files take"),
    ):
        make_home("other", 20_000).put_array(np.ones(1500))


def test_processes_share_the_limit(make_home, s3_variables):
    writer, reader = make_home("writer"), make_home("reader", LIMIT)
    refs = [writer.put_array(ARRAY + number) for number in range(10)]
    code = (
        "import pickle, sys; store, refs = pickle.load(sys.stdin.buffer)\n"
        "print(sum(float(store.open_array(r).sum()) for _ in range(3) for r in refs))"
    )
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        for _ in range(2)
    ]
    for process in processes:
        process.stdin.write(pickle.dumps((reader, refs)))
        process.stdin.close()
    most = 0
    while any(process.poll() is None for process in processes):
        most = max(most, measure_copies(reader))
    said = [process.stdout.read() for process in processes]
    for process in processes:
        process.stdout.close()
    expected = 3 * sum((ARRAY + number).sum() for number in range(10))
    assert [float(each) for each in said] == [expected] * 2
    assert 0 < most <= LIMIT


def test_a_store_travels_and_takes_the_other_machines_folder(here, tmp_path, monkeypatch):
    ref = here.put_array(ARRAY)
    sent = pickle.dumps(here)
    assert len(sent) < 400
    again = pickle.loads(sent)
    assert (again.root, again.bucket) == (here.root, here.bucket)
    monkeypatch.setenv("DIGITFLOW_CACHE", str(tmp_path / "theirs"))
    theirs = pickle.loads(sent)
    assert theirs.root == tmp_path / "theirs"
    np.testing.assert_array_equal(theirs.open_array(ref), ARRAY)


def test_the_environment_names_bucket_folder_and_limit(bucket_url, tmp_path):
    environ = {
        "DIGITFLOW_ARTIFACTS": f"{bucket_url}/",
        "DIGITFLOW_CACHE": str(tmp_path / "copies"),
        "DIGITFLOW_CACHE_LIMIT": "1.5GB",
    }
    store = open_store(environ)
    assert (store.place, store.root) == (bucket_url, tmp_path / "copies")
    again = open_store(store.variables())
    assert pickle.dumps(again) == pickle.dumps(store)
    with pytest.raises(InputError, match="DIGITFLOW_CACHE_LIMIT: a size is"):
        open_store(environ | {"DIGITFLOW_CACHE_LIMIT": "much"})


@pytest.mark.parametrize("place", ["gs://bucket/x", "s3://", "file:///tmp/x", "http://x/y"])
def test_other_kinds_of_places_are_refused(place):
    with pytest.raises(InputError, match=r"must be a folder or s3://bucket/prefix, got"):
        open_store({"DIGITFLOW_ARTIFACTS": place})


def test_a_folder_with_a_store_of_its_own_holds_no_copies(store, here, bucket_url, tmp_path):
    store.put_array(ARRAY)
    with pytest.raises(InputError, match=r"a store of its own.*DIGITFLOW_CACHE"):
        Store(store.root, bucket_url).require_format()
    here.put_array(ARRAY)
    with pytest.raises(InputError, match=r"copies of what s3://.*DIGITFLOW_ARTIFACTS"):
        Store(here.root).put_array(ARRAY)
    with pytest.raises(InputError, match=r"copies of what s3://.*another folder in"):
        Store(here.root, f"{bucket_url}/other").put_array(ARRAY)


def test_a_bucket_of_another_format_is_refused_and_left_as_it_is(bucket, make_home):
    bucket.write("format", b"99\n")
    for use in (lambda s: s.put_array(ARRAY), lambda s: s.write_text("runs/a/run.json", "")):
        with pytest.raises(InputError, match=rf"{bucket.url} holds.*format 99"):
            use(make_home("new"))
    assert [each.name for each in bucket.list_objects("")] == ["format"]


def test_blobs_are_lent_to_who_knows_no_bucket(here, there, tmp_path, store):
    refs = [here.put_array(ARRAY), here.put_bytes(b"x", "models", ".skops")]
    folder = tmp_path / "lent"
    assert there.lend(refs, folder) == folder
    np.testing.assert_array_equal(Store(folder).open_array(refs[0]), ARRAY)
    assert Store(folder).read_bytes(refs[1]) == b"x"
    own = store.put_array(ARRAY)
    assert store.lend([own], tmp_path / "none") == store.root


def test_removing_removes_for_all_homes(here, there):
    ref = here.put_array(ARRAY)
    there.open_array(ref)
    here.write_text("runs/a/run.json", "{}")
    here.write_text("runs/ab/run.json", "{}")
    here.remove(ref.path)
    here.remove("runs/a")
    there.forget()
    assert not there.has(ref)
    there.refresh("runs/")
    assert sorted(path.name for path in (there.root / "runs").iterdir()) == ["ab"]
