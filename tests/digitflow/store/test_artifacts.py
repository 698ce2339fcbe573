import gc
import os
import pickle
import subprocess

import numpy as np
import pytest

from digitflow.errors import DamagedArtifact, InputError, StorageError
from digitflow.store import blobs
from digitflow.store.artifacts import Store, open_store
from digitflow.store.references import ArrayRef, digest_array


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "artifacts")


@pytest.fixture
def ref(store):
    return store.put_array(np.arange(12, dtype=np.float32).reshape(3, 4))


def _overwrite(path, content):
    path.chmod(0o644)
    path.write_bytes(content)


def _change_last_byte(path):
    content = path.read_bytes()
    _overwrite(path, content[:-1] + bytes([content[-1] ^ 1]))


def test_equal_arrays_are_stored_once(store, ref):
    again = store.put_array(np.arange(12, dtype=np.float32).reshape(3, 4))
    assert again == ref
    assert len(list((store.root / "arrays").iterdir())) == 1


@pytest.mark.parametrize(
    "other", [np.arange(12.0).reshape(3, 4), np.arange(12, dtype=np.float32).reshape(4, 3)]
)
def test_the_digest_covers_dtype_and_shape(ref, other):
    assert digest_array(other) != ref.digest


def test_the_digest_of_a_strided_view_is_that_of_its_copy():
    array = np.arange(60).reshape(5, 12)
    assert digest_array(array[:, ::3]) == digest_array(array[:, ::3].copy())


def test_an_opened_array_is_a_read_only_memory_map(store, ref):
    array = store.open_array(ref)
    assert isinstance(array, np.memmap)
    with pytest.raises(ValueError, match="read-only"):
        array[0, 0] = 1


def test_a_stored_file_can_not_be_written_by_accident(store, ref):
    assert store.path_of(ref).stat().st_mode & 0o222 == 0


def test_nothing_is_stored_when_the_writer_fails(store):
    with pytest.raises(RuntimeError), store.new_array((4,), np.uint8):
        raise RuntimeError
    assert not list(store.root.rglob("*.npy"))


@pytest.mark.parametrize("shape", [(0, 28, 28), (1,), ()])
def test_small_and_empty_arrays_come_back(store, shape):
    array = np.ones(shape, np.uint8)
    np.testing.assert_array_equal(store.open_array(store.put_array(array)), array)


@pytest.mark.parametrize(
    "damage",
    [
        lambda path: path.unlink(),
        lambda path: _overwrite(path, path.read_bytes()[:-5]),
        lambda path: _overwrite(path, b""),
        _change_last_byte,
    ],
    ids=["deleted", "truncated", "emptied", "one byte changed"],
)
def test_damage_is_noticed_and_the_place_freed(store, ref, damage):
    path = store.path_of(ref)
    damage(path)
    assert not store.is_intact(ref)
    with pytest.raises(DamagedArtifact, match=str(path)):
        store.verify(ref)
    assert not path.exists()
    assert store.put_array(np.arange(12, dtype=np.float32).reshape(3, 4)) == ref
    store.verify(ref)


def test_a_change_that_keeps_the_times_is_found_by_the_full_digest(store, ref):
    path = store.path_of(ref)
    stat = path.stat()
    _change_last_byte(path)
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert store.is_intact(ref)  # the quick look is by stat
    with pytest.raises(DamagedArtifact):
        store.verify(ref)


def test_a_copied_folder_is_intact_without_its_old_inodes(store, ref, tmp_path):
    moved = Store(tmp_path / "elsewhere")
    subprocess.run(["cp", "-r", store.root, moved.root], check=True)
    assert moved.is_intact(ref)
    moved.verify(ref)


def test_opening_a_file_of_another_shape_is_damage(store, ref):
    wrong = ref.model_copy(update={"shape": (12,)})
    with pytest.raises(DamagedArtifact, match=r"\(3, 4\)"):
        store.open_array(wrong)


def test_bytes_come_back_and_are_checked(store):
    ref = store.put_bytes(b"split,row\n", "quarantine", ".csv")
    assert store.read_bytes(ref) == b"split,row\n"
    _overwrite(store.path_of(ref), b"split,now\n")
    with pytest.raises(DamagedArtifact):
        store.read_bytes(ref)


def test_text_is_replaced_whole(store):
    store.write_text("runs/a/run.json", "one")
    path = store.write_text("runs/a/run.json", "two")
    assert path.read_text() == "two"


def test_a_link_is_replaced(store):
    for name in ("one", "two"):
        store.write_text(f"reports/{name}/index.html", name)
        store.point("reports/latest", name)
    assert (store.root / "reports/latest/index.html").read_text() == "two"


@pytest.mark.skipif(os.getuid() != 0, reason="mounting a small disk needs root")
@pytest.mark.parametrize("call", ["posix_fallocate", None])
def test_a_full_disk_is_one_clear_error_and_nothing_is_lost(tmp_path, monkeypatch, call):
    if call is None:  # as on macOS
        monkeypatch.delattr(os, "posix_fallocate")
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(disk)], capture_output=True
    )
    if mounted.returncode:
        pytest.skip("this machine doesn't let us mount a small disk")
    try:
        store = Store(disk)
        kept = store.put_array(np.ones(1000))
        with pytest.raises(StorageError, match="No space left"):
            store.put_array(np.ones((1024, 1024)))
        store.verify(kept)
        assert not list((disk / "tmp").iterdir())
        gc.collect()  # a memory map that nobody can reach any more still keeps the disk busy
        subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
        with pytest.raises(StorageError, match="Read-only"):
            store.check_writable()
        assert store.is_intact(kept)
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def test_without_the_call_that_reserves_space_an_array_is_what_was_put(store, monkeypatch):
    monkeypatch.delattr(os, "posix_fallocate")
    monkeypatch.setattr("digitflow.store.files._RESERVED_AT_ONCE", 1000)
    array = np.arange(1234, dtype=np.float32).reshape(2, 617)
    np.testing.assert_array_equal(store.open_array(store.put_array(array)), array)


def test_a_file_in_the_place_of_the_folder_is_a_clear_error(tmp_path):
    (tmp_path / "artifacts").write_text("")
    with pytest.raises(StorageError):
        Store(tmp_path / "artifacts").check_writable()


def test_the_folder_is_named_by_the_environment(tmp_path):
    assert open_store({"DIGITFLOW_ARTIFACTS": str(tmp_path)}).root == tmp_path
    assert open_store({}).root.name == "artifacts"


def test_a_reference_is_hashable_and_survives_json(ref):
    assert hash(ref) == hash(ArrayRef.model_validate_json(ref.model_dump_json()))


def test_a_store_travels_to_another_process_as_where_it_is(store, ref):
    again = pickle.loads(pickle.dumps(store))
    assert len(pickle.dumps(store)) < 300
    np.testing.assert_array_equal(again.open_array(ref), store.open_array(ref))


def make_old_folder(root):
    """A folder as it was before folders had a format."""
    for name in (
        "arrays/0c.npy",
        "models/champions/digits.json",
        "registry/mlflow.db",
        "runs/train-1/run.json",
    ):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text("old")


def list_contents(root):
    return {path: path.is_file() and path.read_bytes() for path in root.rglob("*")}


@pytest.mark.parametrize("form", [None, "0", "99"])
def test_a_folder_of_another_format_is_refused_and_left_as_it_is(tmp_path, form):
    make_old_folder(tmp_path)
    if form is not None:
        (tmp_path / "format").write_text(form)
    before = list_contents(tmp_path)
    for use in (
        lambda: open_store({"DIGITFLOW_ARTIFACTS": str(tmp_path)}),
        lambda: Store(tmp_path).put_array(np.zeros(3)),
        lambda: Store(tmp_path).write_text("runs/now/run.json", "{}"),
        lambda: Store(tmp_path).append_line("runs/train-1/run.json", "{}"),
        lambda: Store(tmp_path).lock_path("gc"),
    ):
        with pytest.raises(InputError, match=rf"format {form or 'none'}.*DIGITFLOW_ARTIFACTS"):
            use()
    assert list_contents(tmp_path) == before


def test_a_new_folder_gets_its_format_with_what_is_stored_first(tmp_path):
    store = open_store({"DIGITFLOW_ARTIFACTS": str(tmp_path / "new")})
    assert not store.root.exists()
    ref = store.put_array(np.zeros(3))
    assert (store.root / "format").read_text() == "1\n"
    again = open_store({"DIGITFLOW_ARTIFACTS": str(tmp_path / "new")})
    assert again.is_intact(ref)


def test_a_line_that_was_cut_off_stays_a_line_of_its_own(store):
    store.append_line("a/events", "one")
    path = store.root / "a/events"
    path.write_text("one\ntw")
    store.append_line("a/events", "three")
    store.append_line("a/events", "four")
    assert path.read_text() == "one\ntw\nthree\nfour\n"


def test_folders_files_and_links_are_removed_and_what_is_not_there_is_not_missed(store):
    store.write_text("a/b/c", "x")
    store.point("link", "a")
    store.remove("link")
    assert (store.root / "a/b/c").exists()
    store.remove("a/b/c")
    store.remove("a/b/c")
    assert (store.root / "a/b").exists()
    store.remove("a")
    assert not (store.root / "a").exists()


def test_an_intact_file_is_hashed_once_after_its_stat_has_changed(store, ref, monkeypatch):
    path = store.path_of(ref)
    os.utime(path)
    hashed = []
    known = blobs.digest_array
    monkeypatch.setattr(blobs, "digest_array", lambda array: hashed.append(1) or known(array))
    assert store.is_intact(ref)
    assert store.is_intact(ref)
    assert len(hashed) == 1
    # The record of its stat may be garbage, too.
    store.blobs.stat_path(ref).write_text("{")
    assert store.is_intact(ref)
    assert len(hashed) == 2


def test_a_locked_name_is_known_to_all_and_free_again_afterwards(store):
    assert not store.is_locked("gc")
    with store.lock("gc"):
        assert Store(store.root).is_locked("gc")
        assert store.list_abandoned("gc") == []
    assert not store.is_locked("gc")
    store.lock_path("run-a").write_bytes(b"")
    store.lock_path("other").write_bytes(b"")
    assert store.list_abandoned("run-") == ["run-a"]


def test_a_reference_names_its_place_and_size(store, ref):
    path = store.path_of(ref)
    assert path == store.root / "arrays" / f"{ref.digest}.npy"
    assert store.name_of(path) == ref.path
    assert ref.bytes == path.stat().st_size
    assert (ref.dtype, ref.shape) == ("float32", (3, 4))
    other = store.put_bytes(b"abc", "figures", ".png")
    assert other.bytes == 3
    assert other.path == f"figures/{other.digest}.png"
    assert store.path_of(other).read_bytes() == b"abc"


def test_a_scratch_array_can_be_written_and_vanishes(store):
    with store.scratch_array((2, 3), np.int16) as array:
        array[...] = 7
        assert array.shape == (2, 3)
        assert len(list((store.root / "tmp").iterdir())) == 1
    assert not list((store.root / "tmp").iterdir())


def test_whether_something_was_stored_is_told(tmp_path):
    store = Store(tmp_path / "new")
    assert store.require_format() is False
    store.begin()
    assert store.require_format() is True
    assert Store(store.root).require_format() is True
    store.check_writable()
    assert not list((store.root / "tmp").iterdir())
