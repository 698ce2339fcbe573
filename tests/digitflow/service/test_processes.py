import os
import subprocess
import sys

import psutil
import pytest
from pydantic import ValidationError

from digitflow.service.processes import (
    ProcessMark,
    end_processes,
    find_process,
    is_alive,
    kill_processes,
    list_family,
    make_token,
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


@pytest.fixture
def child():
    """A process with a token, and one that it has started and that outlives it."""
    token = make_token()
    grandchild = "import subprocess, sys; subprocess.Popen([sys.executable, '-c', 'input()'])"
    process = start(
        f"{grandchild}; print('here', flush=True); input()", DIGITFLOW_PROCESS=token
    )
    yield process, ProcessMark(pid=process.pid, token=token)
    process.kill()
    kill_processes(list_family(token))
    process.communicate()


def test_a_process_is_recognised_by_its_mark(child):
    process, mark = child
    assert find_process(mark).pid == process.pid


def test_another_process_with_the_same_id_is_not_taken_for_it(child):
    _, mark = child
    assert find_process(ProcessMark(pid=mark.pid, token=make_token())) is None
    assert find_process(ProcessMark(pid=os.getpid(), token=mark.token)) is None


@pytest.mark.parametrize("token", ["", "0"])
def test_no_mark_is_the_beginning_of_all_tokens(token):
    with pytest.raises(ValidationError):
        ProcessMark(pid=1, token=token)


def test_setting_the_clock_changes_no_process(child, monkeypatch):
    process, mark = child
    began = psutil.Process(process.pid).create_time()
    # What the system says of its start moves with the clock.
    shifted = psutil.boot_time() + 3600
    monkeypatch.setattr(psutil._psplatform, "boot_time", lambda: shifted)
    if psutil.LINUX:
        assert abs(psutil.Process(process.pid).create_time() - began) > 1000
    assert find_process(mark).pid == process.pid
    assert len(list_family(mark.token)) == 2


def test_what_a_process_has_started_is_found_when_it_has_ended(child):
    process, mark = child
    assert {each.pid for each in list_family(mark.token)} > {process.pid}
    assert list_family(make_token()) == set()
    process.kill()
    process.wait()
    (left,) = list_family(mark.token)
    assert end_processes([left]) == []
    assert not is_alive(left)


def test_a_process_that_ended_is_not_found_even_before_it_is_reaped():
    token = make_token()
    process = start("print('here')", DIGITFLOW_PROCESS=token)
    while psutil.Process(process.pid).status() != psutil.STATUS_ZOMBIE:
        pass
    assert find_process(ProcessMark(pid=process.pid, token=token)) is None
    process.communicate()


def test_a_process_that_ignores_the_signal_is_killed(monkeypatch):
    monkeypatch.setattr("digitflow.service.processes.ENDING_PATIENCE_SECONDS", 0.2)
    process = start(DEAF)
    found = psutil.Process(process.pid)
    assert end_processes([found]) == []
    assert not is_alive(found)
    process.communicate()
    assert process.returncode == -9


def test_the_environment_of_a_process_is_read():
    process = start("print('here'); input()", DIGITFLOW_MARK="seven")
    assert read_environ(psutil.Process(process.pid))["DIGITFLOW_MARK"] == "seven"
    process.kill()
    process.communicate()
