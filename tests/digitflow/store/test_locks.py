import subprocess
import sys
import threading
import time

import pytest

from digitflow.store.locks import acquire_lock, is_locked, release_lock, was_abandoned


def test_a_lock_is_held_until_it_is_released(tmp_path):
    path = tmp_path / "a.lock"
    descriptor = acquire_lock(path)
    assert is_locked(path)
    with pytest.raises(TimeoutError):
        acquire_lock(path, timeout=0)
    release_lock(path, descriptor)
    assert not is_locked(path)
    assert not path.exists()


def test_threads_take_turns(tmp_path):
    path, inside, most = tmp_path / "a.lock", [], []

    def work():
        for _ in range(20):
            descriptor = acquire_lock(path)
            inside.append(1)
            most.append(len(inside))
            time.sleep(0.0005)
            inside.pop()
            release_lock(path, descriptor)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert max(most) == 1


def test_kill_9_frees_the_lock(tmp_path):
    path = tmp_path / "a.lock"
    code = (
        "import sys, time; from pathlib import Path; "
        "from digitflow.store.locks import acquire_lock;"
        "acquire_lock(Path(sys.argv[1])); print('held', flush=True); time.sleep(60)"
    )
    holder = subprocess.Popen([sys.executable, "-c", code, path], stdout=subprocess.PIPE)
    with holder:
        assert holder.stdout.readline() == b"held\n"
        assert is_locked(path)
        holder.kill()
    release_lock(path, acquire_lock(path, timeout=5))


def test_a_lock_is_waited_for_as_long_as_is_said(tmp_path):
    path = tmp_path / "a.lock"
    descriptor = acquire_lock(path)
    threading.Timer(0.3, release_lock, (path, descriptor)).start()
    # Long enough for whoever has it to give it back.
    release_lock(path, acquire_lock(path, timeout=60))
    assert not path.exists()


def test_only_a_file_that_nobody_holds_was_abandoned(tmp_path):
    path = tmp_path / "a.lock"
    assert not was_abandoned(path)
    descriptor = acquire_lock(path)
    assert not was_abandoned(path)
    release_lock(path, descriptor)
    path.write_bytes(b"")
    assert was_abandoned(path)
    # Looking leaves it there, until somebody asks whether it is locked.
    assert was_abandoned(path)
    assert not is_locked(path)
    assert not path.exists()
