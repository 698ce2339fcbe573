"""Who can reach the server: this machine alone, or others by a password."""

import pytest

from digitflow.errors import InputError
from digitflow.service.environment import choose_host, choose_port, write_url

OPEN = {"PREFECT_SERVER_API_HOST": "0.0.0.0"}
PASSWORD = {"PREFECT_SERVER_API_AUTH_STRING": "admin:x"}


def test_unless_told_otherwise_the_server_is_on_this_machine_only():
    assert choose_host({}) == "127.0.0.1"
    for host in ("localhost", "::1", "127.0.0.2"):
        assert choose_host({"PREFECT_SERVER_API_HOST": host}) == host


def test_nobody_else_reaches_it_without_a_password():
    for host in ("0.0.0.0", "::", "192.0.2.1", "trainer.lan"):
        with pytest.raises(InputError, match="PREFECT_SERVER_API_AUTH_STRING"):
            choose_host({"PREFECT_SERVER_API_HOST": host})
    assert choose_host(OPEN | PASSWORD) == "0.0.0.0"


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("127.0.0.1", "http://127.0.0.1:4200"),
        ("0.0.0.0", "http://127.0.0.1:4200"),
        ("::", "http://127.0.0.1:4200"),
        ("::1", "http://[::1]:4200"),
        ("trainer.lan", "http://trainer.lan:4200"),
    ],
)
def test_this_machine_asks_where_the_server_listens(host, url):
    assert write_url(host, 4200) == url


def test_a_port_that_was_asked_for_is_taken_as_it_is():
    assert choose_port({"PREFECT_SERVER_API_PORT": "5000"}) == 5000
