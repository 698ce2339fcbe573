import os
import subprocess
import sys

import psutil

from digitflow.service.processes import (
    ProcessMark,
    end_processes,
    find_process,
    is_alive,
    list_descendants,
    mark_process,
    read_environ,
)

DEAF = (
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN);"
    "print('deaf', flush=True); time.sleep(60)"
)


def start(code, **variables):
    process = subprocess.Popen(
        [sys.executable, "-c", code],
        stdin=subprocess.PIPE,  # of its own: what waits for input must not find its end
        stdout=subprocess.PIPE,
        env=os.environ | variables,
    )
    process.stdout.readline()
    return process


def test_a_process_is_recognised_by_its_mark():
    assert find_process(mark_process(os.getpid())).pid == os.getpid()


def test_another_process_with_the_same_id_is_not_taken_for_it():
    mark = mark_process(os.getpid())
    earlier = ProcessMark(pid=mark.pid, started=mark.started - 3600)
    assert find_process(earlier) is None


def test_a_process_that_ended_is_not_found_even_before_it_is_reaped():
    process = start("print('here')")
    mark = mark_process(process.pid)
    while psutil.Process(process.pid).status() != psutil.STATUS_ZOMBIE:
        pass
    assert find_process(mark) is None
    process.communicate()


def test_a_process_that_ignores_the_signal_is_killed(monkeypatch):
    monkeypatch.setattr("digitflow.service.processes.ENDING_PATIENCE_SECONDS", 0.2)
    process = start(DEAF)
    found = psutil.Process(process.pid)
    assert found in list_descendants(psutil.Process())
    end_processes([found])
    assert not is_alive(found)
    process.communicate()
    assert process.returncode == -9


def test_the_environment_of_a_process_is_read():
    process = start("print('here'); input()", DIGITFLOW_MARK="seven")
    assert read_environ(psutil.Process(process.pid))["DIGITFLOW_MARK"] == "seven"
    process.kill()
    process.communicate()
