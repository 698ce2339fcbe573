"""What the supervisor does when the server that it watches, or the disk, fails it."""

import logging
import socket
import threading

import pytest

from digitflow.service.environment import STATE_FILE, ServiceState, read_state
from digitflow.service.processes import (
    TOKEN_VARIABLE,
    end_processes,
    list_family,
    log_path,
    make_token,
)
from digitflow.service.supervisor import ServiceFailed, Supervisor

# Two that only live, in place of Prefect's.
SLEEPING = ["timeit", "-n", "1", "import time; time.sleep(600)"]


@pytest.fixture
def supervisor(store, tmp_path, monkeypatch):
    token = make_token()
    monkeypatch.setenv(TOKEN_VARIABLE, token)
    supervisor = Supervisor(store, tmp_path)
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    supervisor.state = ServiceState(phase="ready", url=f"http://127.0.0.1:{port}", processes={})
    log_path(store, "server").parent.mkdir(parents=True)
    supervisor.environ = {TOKEN_VARIABLE: token}
    for name in ("server", "worker"):
        supervisor._start(name, SLEEPING)
    yield supervisor
    end_processes(list_family(token))
    assert all(child.has_ended() for child in supervisor.children.values())


def test_a_server_that_does_not_answer_is_no_reason_to_end(supervisor, caplog):
    with caplog.at_level(logging.WARNING):
        assert supervisor._ask_server(lambda client: True) is None
    assert "doesn't answer" in caplog.text


FAILING = """
import pathlib, sys
tries = pathlib.Path("tries")
tries.write_text(tries.read_text() + "." if tries.exists() else ".")
print(sys.argv[1])
sys.exit(len(tries.read_text()) < int(sys.argv[2]))
"""


def test_what_a_busy_server_refused_is_tried_again_and_what_is_wrong_is_not(supervisor):
    (supervisor.folder / "failing.py").write_text(FAILING)
    tries = supervisor.folder / "tries"
    supervisor._run_to_end("deploy", ["failing", "503 Service Unavailable", "3"])
    assert tries.read_text() == "..."
    tries.unlink()
    with pytest.raises(ServiceFailed, match="no such flow"):
        supervisor._run_to_end("wrong", ["failing", "no such flow", "3"])
    assert tries.read_text() == "."


def test_a_disk_that_takes_no_note_is_no_reason_to_end(supervisor, store, monkeypatch, caplog):
    monkeypatch.setattr("digitflow.service.supervisor.SECONDS_BETWEEN_ROUNDS", 0.1)
    store.remove(STATE_FILE)
    in_the_way = store.root / STATE_FILE
    in_the_way.mkdir()
    with pytest.raises(Exception, match=in_the_way.name):
        supervisor._note(phase="ready")
    watching = threading.Thread(target=supervisor._watch)
    watching.start()
    while "a round failed" not in caplog.text:
        assert watching.is_alive()
    in_the_way.rmdir()
    while read_state(store) is None:
        assert watching.is_alive()
    supervisor.stop()
    watching.join()
    assert set(read_state(store).processes) == {"supervisor", "server", "worker"}
