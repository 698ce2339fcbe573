import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from digitflow.service import server_api
from digitflow.service.server_api import ServerRefused, call_api, is_there


class Answers(BaseHTTPRequestHandler):
    """Answers with the next status; its body tells what was asked."""

    def do_GET(self):
        self.server.statuses, (status, *_) = self.server.statuses[1:], self.server.statuses
        length = int(self.headers.get("Content-Length", 0))
        asked = {
            "path": self.path,
            "body": self.rfile.read(length).decode(),
            "authorization": self.headers.get("Authorization"),
        }
        content = json.dumps(asked).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_POST = do_GET

    def log_message(self, *_):
        """Say nothing."""


@pytest.fixture
def server():
    with HTTPServer(("127.0.0.1", 0), Answers) as server:
        server.statuses = [200] * 9
        server.url = f"http://127.0.0.1:{server.server_port}/api"
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def test_the_answer_is_decoded(server):
    assert call_api(server.url, "/health")["path"] == "/api/health"


def test_a_body_is_posted_as_json(server):
    assert json.loads(call_api(server.url, "/x", {"a": [1]})["body"]) == {"a": [1]}


def test_a_server_whose_database_is_locked_is_asked_again(server, monkeypatch):
    monkeypatch.setattr(server_api, "PAUSES_SECONDS", (0, 0))
    server.statuses = [503, 503, 200]
    assert is_there(server.url, "/health")


def test_an_error_names_the_address_and_the_answer(server):
    server.statuses = [404]
    with pytest.raises(ServerRefused, match=r"/api/nothing answered 404"):
        call_api(server.url, "/nothing")


def test_a_password_is_sent(server, monkeypatch):
    monkeypatch.setenv("PREFECT_SERVER_API_AUTH_STRING", "me:secret")
    assert call_api(server.url, "/")["authorization"] == "Basic bWU6c2VjcmV0"


def test_a_proxy_is_not_asked(server, monkeypatch):
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    assert is_there(server.url, "/health")


def test_nobody_there_is_told_at_once():
    assert not is_there("http://127.0.0.1:9/api", "/health")
