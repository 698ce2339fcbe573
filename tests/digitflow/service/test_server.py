"""The port that a server is given, and servers that outlive whoever they were for."""

import os
import socket
import subprocess
import sys
import time

import psutil
import pytest

from digitflow.cli import doctor
from digitflow.errors import InputError
from digitflow.service.processes import is_alive, kill_processes
from digitflow.service.server import listen, open_listener


def port_of(listener):
    return listener.getsockname()[1]


def test_two_services_take_two_ports_at_once_and_keep_them():
    with open_listener({}) as first, open_listener({}) as second:
        assert port_of(first) != port_of(second)
        with pytest.raises(OSError, match="in use"):
            socket.create_server(("127.0.0.1", port_of(first)))


def test_the_port_that_was_asked_for_or_who_has_it():
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = port_of(free)
    wanted = {"PREFECT_SERVER_API_PORT": str(port)}
    with open_listener(wanted) as listener:
        assert port_of(listener) == port
        with pytest.raises(InputError, match=f"taken by process {os.getpid()}: .*python"):
            open_listener(wanted)


def test_a_host_that_is_not_here_is_bad_input():
    elsewhere = {
        "PREFECT_SERVER_API_HOST": "192.0.2.1",
        "PREFECT_SERVER_API_AUTH_STRING": "me:secret",
    }
    with pytest.raises(InputError, match=r"can't listen on 192\.0\.2\.1"):
        open_listener(elsewhere)


# A command that starts a server, and is killed at once; its server does not watch it.
KILLED = """
import os, subprocess, sys
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
print(child.pid, flush=True)
os.kill(os.getpid(), 9)
"""


@pytest.fixture
def orphan(store):
    """A temporary server's process whose command was killed."""
    variables = {"PREFECT_HOME": str(store.root / "prefect"), "PREFECT__SERVER_EPHEMERAL": "1"}
    with subprocess.Popen(
        [sys.executable, "-c", KILLED], stdout=subprocess.PIPE, env=os.environ | variables
    ) as command:
        process = psutil.Process(int(command.stdout.readline()))
    while process.ppid() == command.pid:
        time.sleep(0.01)
    yield process
    kill_processes([process])


def test_the_doctor_ends_what_outlived_its_command(store, orphan):
    (finding,) = doctor._end_orphans(store)
    assert finding["level"] == "warning"
    assert f"process {orphan.pid}: ended" in finding["found"]
    assert not is_alive(orphan)
    assert list(doctor._end_orphans(store)) == []


def test_no_part_of_an_answer_waits_for_the_receipt_of_the_one_before():
    """asyncio sets that on no socket that it is handed, and every answer took 40 ms longer."""
    with listen("127.0.0.1", 0) as listener, socket.create_connection(listener.getsockname()):
        accepted, _ = listener.accept()
        with accepted:
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
