import os
import socket
import subprocess
import sys

import pytest

from digitflow.errors import StorageError
from digitflow.store import files
from digitflow.store.files import Folder, storage_errors

HERE = socket.gethostname()


@pytest.fixture
def gone():
    """The id of a process that has ended."""
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    return dead.pid


def test_files_of_killed_processes_are_swept_and_those_of_living_ones_stay(store, gone):
    with store.temporary_path() as mine:
        mine.write_bytes(b"x")
        left = store.root / "tmp" / f"{gone}-{HERE}-0"
        left.write_bytes(b"x")
        assert store.sweep_temporary() == 1
        assert mine.exists()
        assert not left.exists()


def test_a_process_that_may_not_be_asked_is_alive_and_one_that_is_gone_is_not(monkeypatch):
    assert files._is_alive(os.getpid())

    def refuse(pid, signal):
        # Signal 0 asks and does nothing.
        assert signal == 0
        raise PermissionError

    monkeypatch.setattr(os, "kill", refuse)
    assert files._is_alive(1)


def test_only_files_that_a_process_left_are_swept(store, gone):
    with store.temporary_path():
        pass
    # As they were named before hosts counted, and of a host whose name has a dash.
    for name in (f"{gone}-a", f"{gone}-{HERE}-b", "notes-a", f"{gone}"):
        (store.root / "tmp" / name).write_bytes(b"x")
    assert store.sweep_temporary() == 2
    left = sorted(path.name for path in (store.root / "tmp").iterdir())
    assert left == sorted([f"{gone}", "notes-a"])


def test_what_another_host_writes_stays_until_it_has_been_silent_for_a_day(tmp_path, gone):
    folder = Folder(tmp_path)
    with folder.temporary_path(".npy") as path:
        assert path.name.startswith(f"{os.getpid()}-{HERE}-")
        assert path.suffix == ".npy"
    theirs = tmp_path / "tmp" / f"{gone}-an-other-host-0123.npy"
    theirs.write_bytes(b"x")
    assert folder.sweep_temporary() == 0
    silent = theirs.stat().st_mtime - files.ABANDONED_SECONDS - 1
    os.utime(theirs, (silent, silent))
    assert folder.sweep_temporary() == 1


def test_another_error_than_that_of_a_disk_is_not_renamed(tmp_path):
    with pytest.raises(IsADirectoryError), storage_errors(tmp_path):
        tmp_path.write_bytes(b"")
    with pytest.raises(StorageError, match="Permission"), storage_errors(tmp_path):
        raise PermissionError(13, "no")
