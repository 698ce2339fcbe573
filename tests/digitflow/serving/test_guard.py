"""Who may ask, how much, how long and how many at once."""

import base64
import http.client
import json
import socket
import subprocess

import pytest

from digitflow.serving.server import PASSWORD_VARIABLE

USER = "ann:a secret"


@pytest.fixture(scope="module")
def narrow(served_store, start_server):
    """A server off the loopback, of 10 kB in a second, of two at once, with a password."""
    options = ("--host", "0.0.0.0", "--body-mb", "0.01", "--seconds", "1", "--at-once", "2")
    server = start_server(served_store.root, *options, environ={PASSWORD_VARIABLE: USER})
    server.wait_until(lambda found: server.ask("GET", "/ready", **allowed())[0] == 200)
    return server


def allowed(user=USER):
    return {"authorization": f"Basic {base64.b64encode(user.encode()).decode()}"}


def begin(server, head):
    """Begin a request by hand: what it says of itself is never sent."""
    connection = socket.create_connection(("127.0.0.1", server.port), timeout=60)
    password = allowed()["authorization"]
    connection.sendall(
        f"POST /predict HTTP/1.1\r\nHost: x\r\nAuthorization: {password}\r\n{head}\r\n".encode()
    )
    return connection


def receive(connection):
    """Return the status and the sentence of an answer."""
    with http.client.HTTPResponse(connection) as answer:
        answer.begin()
        return answer.status, json.loads(answer.read())["error"]


def test_a_body_that_says_that_it_is_too_large_is_not_waited_for(narrow):
    with begin(narrow, "Content-Length: 11000\r\n") as connection:
        status, said = receive(connection)
    assert (status, said) == (413, "the body has more than 0.01 MB, which --body-mb allows")


def test_a_body_that_does_not_say_how_large_it_is_is_cut_off(narrow):
    with begin(narrow, "Transfer-Encoding: chunked\r\n") as connection:
        for _ in range(3):
            connection.sendall(b"1000\r\n" + bytes(4096) + b"\r\n")
        assert receive(connection)[0] == 413


def test_a_form_that_is_too_large_is_refused_too(narrow):
    headers = {"content_type": "multipart/form-data; boundary=b"} | allowed()
    assert narrow.post("/predict", bytes(11_000), **headers)[0] == 413


def test_a_body_that_does_not_come_is_not_waited_for(narrow):
    with begin(narrow, "Content-Length: 9\r\n") as connection:
        status, said = receive(connection)
    assert (status, said) == (408, "the body did not come to its end within 1 s")


def test_one_too_many_is_told_to_ask_again(narrow):
    with (
        begin(narrow, "Content-Length: 9\r\n") as one,
        begin(narrow, "Content-Length: 9\r\n") as two,
    ):
        answers = [narrow.post("/predict", b"third", **allowed())]
        # Those that waited come to their end, and then there is room again.
        assert receive(one)[0] == receive(two)[0] == 408
        answers.append(narrow.post("/predict", b"fourth", **allowed()))
    assert answers[0][0] == 503
    assert answers[0][1]["error"] == "2 requests are being answered: ask again"
    assert answers[1][0] == 422


@pytest.mark.parametrize("headers", [{}, allowed("ann:another"), {"authorization": "Bearer x"}])
def test_nobody_without_the_password_is_answered(narrow, headers):
    status, found = narrow.ask("GET", "/metrics", **headers)
    assert status == 401
    assert "user and password" in found["error"]


def test_what_keeps_it_alive_needs_no_password(narrow):
    assert narrow.ask("GET", "/health")[0] == 200


@pytest.mark.parametrize(
    ("password", "said"),
    [("", f"{PASSWORD_VARIABLE}=user:password"), ("secret", "must be user:password")],
)
def test_other_machines_reach_it_only_with_a_password(narrow, password, said):
    command = [narrow.process.args[0], "serve", "--host", "0.0.0.0", "--port", "0"]
    environ = narrow.environ | {PASSWORD_VARIABLE: password}
    done = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=60)
    assert done.returncode == 2
    assert said in done.stderr


def test_whoever_leaves_in_the_middle_is_counted_and_leaves_nothing_behind(narrow):
    begin(narrow, "Content-Length: 9\r\n").close()
    left = 'digitflow_requests_total{code="499"'

    def count(name):
        lines = narrow.ask("GET", "/metrics", **allowed())[1].splitlines()
        return [float(line.rpartition(" ")[2]) for line in lines if line.startswith(name)]

    narrow.wait_until(lambda _: count(left) == [1.0])
    assert count("digitflow_requests_in_flight") == [1.0]
