"""Whether a server answers, and what its client makes of what it says."""

import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from digitflow.service.environment import ServerRefused, is_answering, open_client


class Answers(BaseHTTPRequestHandler):
    """Answers with the next status, and notes what was asked."""

    def do_GET(self):
        if "/csrf-token" in self.path:
            self.send_error(422, "CSRF protection is disabled.")
            return
        self.server.statuses, (status, *_) = self.server.statuses[1:], self.server.statuses
        self.server.asked.append((self.path, self.headers.get("Authorization")))
        self.send_response(status)
        self.send_header("Content-Length", "2")
        self.send_header("Retry-After", "0")
        self.end_headers()
        self.wfile.write(b"[]")

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self.do_GET()

    def log_message(self, *_):
        """Say nothing."""


@pytest.fixture
def server():
    with HTTPServer(("127.0.0.1", 0), Answers) as server:
        server.statuses, server.asked = [200] * 9, []
        server.url = f"http://127.0.0.1:{server.server_port}/api"
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def ask(url):
    with open_client(url) as client:
        return client.read_work_pools()


def test_a_server_that_answers_is_there(server):
    assert is_answering(server.url)
    assert server.asked == [("/api/health", None)]


@pytest.mark.parametrize("status", [404, 500, 503])
def test_a_server_that_answers_with_an_error_is_not(server, status):
    server.statuses = [status]
    assert not is_answering(server.url)


@pytest.mark.parametrize("url", ["http://127.0.0.1:9/api", "nonsense", "http://[", ""])
def test_nobody_there_is_told_at_once(url):
    assert not is_answering(url)


def test_a_server_whose_database_is_locked_is_asked_again(server):
    server.statuses = [503, 503, 200]
    assert ask(server.url) == []
    assert len(server.asked) == 3


def test_an_error_names_the_address_and_the_answer(server):
    server.statuses = [404]
    with pytest.raises(ServerRefused, match=rf"{server.url}: .*404"):
        ask(server.url)


def test_nobody_there_is_an_error_of_ours():
    with pytest.raises(ServerRefused, match=r"127\.0\.0\.1:9"):
        ask("http://127.0.0.1:9/api")


def test_a_password_is_sent(server, monkeypatch):
    monkeypatch.setenv("PREFECT_SERVER_API_AUTH_STRING", "me:secret")
    ask(server.url)
    assert server.asked[-1][1] == "Basic bWU6c2VjcmV0"


def test_a_proxy_is_not_asked(server, monkeypatch):
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    assert is_answering(server.url)
    assert ask(server.url) == []
