import os
import threading
import time
from contextlib import contextmanager
from functools import partial

import psutil
import pytest

from digitflow.errors import CandidateFailed
from digitflow.workers.child import call_with_share, tell_parent
from digitflow.workers.local import WorkerPool, count_cores


@pytest.fixture(scope="module")
def pool():
    with WorkerPool(slots=1, threads=3) as pool:
        yield pool


def _tell_threads(number, threads):
    return number, threads


def test_work_runs_in_a_process_of_its_own_with_its_share_of_threads(pool):
    threads, pid = pool.run(os.getenv, "OMP_NUM_THREADS"), pool.run(os.getpid)
    assert (threads, pool.threads_each) == ("3", 3)
    assert pid != os.getpid()
    assert pool.run(call_with_share, _tell_threads, 7) == (7, 3)


def test_a_process_is_used_again_after_an_error_of_the_work(pool):
    before = pool.run(os.getpid)
    with pytest.raises(ValueError, match="invalid literal"):
        pool.run(int, "five")
    assert pool.run(os.getpid) == before


def _speak(words):
    for word in words:
        tell_parent(word)
    return len(words)


def test_what_work_says_is_heard_by_who_waits_for_it(pool):
    heard = []
    assert pool.run(_speak, ["epoch 1", "epoch 2"], hear=heard.append) == 2
    assert heard == ["epoch 1", "epoch 2"]
    assert pool.run(_speak, ["nobody"] * 3) == 3  # who doesn't listen holds nobody up
    assert pool.run(_speak, ["again"], hear=heard.append) == 1
    assert heard[2:] == ["again"]
    tell_parent("there is none here")


def test_work_over_its_time_is_killed_and_the_slot_lives_on(pool):
    before = pool.run(os.getpid)
    began = time.monotonic()
    with pytest.raises(CandidateFailed, match=r"did nothing for its limit of 0.3 s"):
        pool.run(time.sleep, 60, time_limit=0.3)
    assert time.monotonic() - began < 30
    with pytest.raises(ProcessLookupError):
        os.kill(before, 0)
    assert pool.run(os.getpid) != before


def _compute(seconds):
    began = time.process_time()
    while time.process_time() - began < seconds:
        sum(range(1000))
    return "done"


@contextmanager
def slow_down(pid):
    """Stop a process most of the time, as a busy machine does."""
    process, ended = psutil.Process(pid), threading.Event()

    def stop_and_go():
        while not ended.is_set():
            process.suspend()
            ended.wait(0.2)
            used = process.cpu_times().user
            process.resume()
            # However busy the machine is, it gets on before it is stopped again.
            while process.cpu_times().user < used + 0.05 and not ended.wait(0.01):
                pass

    thread = threading.Thread(target=stop_and_go)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def test_a_limit_counts_what_is_computed_and_no_clock(pool):
    with slow_down(pool.run(os.getpid)):
        began = time.monotonic()
        assert pool.run(_compute, 0.5, time_limit=1.0) == "done"
        assert time.monotonic() - began > 1.0
    with pytest.raises(CandidateFailed, match=r"computed longer than its limit of 1 s"):
        pool.run(_compute, 60, time_limit=1.0)


def _append(path, word):
    with path.open("a") as file:
        file.write(word)


def _append_when_let(path, word, gate):
    gate.read_text()  # a named pipe: who writes to it lets this go on
    _append(path, word)


def test_who_waits_gets_a_slot_by_place_and_not_by_when_it_asked(pool, tmp_path):
    said, gate = tmp_path / "said", tmp_path / "gate"
    os.mkfifo(gate)
    calls = [(0, _append_when_let, "first ", gate)]
    calls += [(place, _append, f"{place} ") for place in (3, 1, 2, 1)]
    threads = []
    for number, (place, function, *rest) in enumerate(calls):
        run = partial(pool.run, function, said, *rest, place=place)
        threads.append(threading.Thread(target=run))
        threads[-1].start()
        # The first has the only slot; each of the others waits before the next one asks.
        while len(pool._turns.waiting) < number or not pool._turns.taken:
            time.sleep(0.001)
    gate.write_text("go on")
    for thread in threads:
        thread.join()
    assert said.read_text() == "first 1 1 2 3 "


def test_a_process_that_dies_is_reported_and_replaced(pool):
    with pytest.raises(CandidateFailed, match="died"):
        pool.run(os._exit, 1)
    assert pool.run(abs, -1) == 1


def test_threads_are_shared_out_and_never_less_than_one():
    assert WorkerPool(slots=2, threads=5).threads_each == 2
    assert WorkerPool(slots=64, threads=2).threads_each == 1
    assert WorkerPool(slots=1).threads_each == count_cores()


def test_where_nobody_says_which_cores_a_process_may_use_all_count(monkeypatch):
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    assert count_cores() == os.cpu_count()


def test_closing_ends_the_processes():
    with WorkerPool(slots=1) as pool:
        pid = pool.run(os.getpid)
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
