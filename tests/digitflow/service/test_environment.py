"""The environment that Prefect reads; its server: who reaches it, whether it answers."""

import os
import ssl
import threading
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.hashes import SHA256

from digitflow.errors import InputError
from digitflow.service.environment import (
    STATE_FILE,
    ProcessMark,
    ServerRefused,
    ServiceState,
    choose_folder,
    choose_host,
    choose_pool,
    choose_port,
    find_running_server,
    is_answering,
    is_here,
    open_client,
    prefect_environment,
    read_state,
    require_server,
    use_prefect_environment,
    write_state,
    write_url,
)
from digitflow.store.artifacts import Store

ROOT = Path("/somewhere/artifacts")
STORE = Store(ROOT)
STATE = ServiceState(
    phase="ready",
    url="http://127.0.0.1:1",
    processes={"supervisor": ProcessMark(pid=1, token="0" * 16)},
)


@pytest.fixture
def own_environment(monkeypatch):
    """Whatever the test sets in this process's environment goes again."""
    monkeypatch.setattr(os, "environ", os.environ.copy())
    for name in [name for name in os.environ if name.startswith("PREFECT")]:
        del os.environ[name]


def test_nothing_leaves_the_machine_and_everything_lies_in_the_store():
    ours = prefect_environment(STORE, {})
    assert ours["DO_NOT_TRACK"] == "1"
    assert ours["PREFECT_SERVER_ANALYTICS_ENABLED"] == "false"
    assert ours["PREFECT_SERVER_API_HOST"] == "127.0.0.1"
    assert ours["PREFECT_HOME"] == "/somewhere/artifacts/prefect"
    assert ours["PREFECT_RESULTS_LOCAL_STORAGE_PATH"] == "/somewhere/artifacts/results"


def test_the_server_forgets_old_runs_not_only_old_events(own_environment):
    from prefect.settings.models.server.services import ServerServicesDBVacuumSettings

    os.environ |= prefect_environment(STORE, {})
    assert {"events", "flow_runs"} <= ServerServicesDBVacuumSettings().enabled_vacuum_types


def test_what_the_user_has_set_stays():
    theirs = {"PREFECT_HOME": "/theirs", "PREFECT_WORKER_QUERY_SECONDS": "30"}
    assert not prefect_environment(STORE, theirs).keys() & theirs.keys()


def test_the_store_is_named_by_its_absolute_path_even_where_the_user_named_it():
    ours = prefect_environment(STORE, {"DIGITFLOW_ARTIFACTS": "artifacts"})
    assert ours["DIGITFLOW_ARTIFACTS"] == "/somewhere/artifacts"


def test_a_password_of_the_server_is_the_clients_too():
    ours = prefect_environment(STORE, {"PREFECT_SERVER_API_AUTH_STRING": "me:secret"})
    assert ours["PREFECT_API_AUTH_STRING"] == "me:secret"


def test_only_a_quiet_environment_keeps_the_console_free():
    quiet, loud = (prefect_environment(STORE, {}, quiet) for quiet in (True, False))
    assert quiet.keys() - loud.keys() == {"PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL"}


def test_every_variable_of_prefect_is_one_that_it_knows():
    from prefect.settings import get_current_settings

    known = get_current_settings().to_environment_variables(include_aliases=True).keys()
    ours = {name for name in prefect_environment(STORE, {}) if name.startswith("PREFECT")}
    # An item of its logging.yml, which any variable of this form overrides.
    assert ours - known == {"PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL"}


def test_a_state_is_read_as_it_was_written(store):
    write_state(store, STATE)
    assert read_state(store) == STATE


@pytest.mark.parametrize("text", ["", "{", "{}", '{"phase": 1}'])
def test_a_damaged_state_counts_as_none(store, text):
    store.write_text(STATE_FILE, text)
    assert read_state(store) is None


def test_a_state_from_before_a_reboot_is_no_running_server(store, own_environment):
    write_state(store, STATE)
    use_prefect_environment(store)
    assert find_running_server(store) is None
    assert "PREFECT_API_URL" not in os.environ


def test_an_address_that_the_user_set_is_used(store, own_environment):
    os.environ["PREFECT_API_URL"] = "http://127.0.0.1:2/api"
    use_prefect_environment(store)
    assert os.environ["PREFECT_API_URL"] == "http://127.0.0.1:2/api"
    assert os.environ["PREFECT_HOME"] == str(store.root / "prefect")


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


@pytest.fixture
def certified(server, tmp_path):
    """The server behind a certificate that nobody but its maker vouches for."""
    key = rsa.generate_private_key(65537, 2048)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    today = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(today - timedelta(days=1))
        .not_valid_after(today + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), False)
        .sign(key, SHA256())
    )
    pem = serialization.Encoding.PEM
    secret = key.private_bytes(
        pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (tmp_path / "key.pem").write_bytes(secret)
    (tmp_path / "certificate.pem").write_bytes(certificate.public_bytes(pem))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "certificate.pem", tmp_path / "key.pem")
    server.socket = context.wrap_socket(server.socket, server_side=True)
    return f"https://localhost:{server.server_port}/team/api"


def test_a_certificate_of_ones_own_is_trusted_when_it_is_named(
    certified, tmp_path, monkeypatch
):
    with pytest.raises(ServerRefused, match="belongs into PREFECT_API_SSL_CERT_FILE"):
        require_server(certified)
    monkeypatch.setenv("PREFECT_API_SSL_CERT_FILE", str(tmp_path / "certificate.pem"))
    assert is_answering(certified)
    monkeypatch.delenv("PREFECT_API_SSL_CERT_FILE")
    monkeypatch.setenv("PREFECT_API_TLS_INSECURE_SKIP_VERIFY", "true")
    assert is_answering(certified)


def test_a_password_that_is_missing_is_asked_for(server):
    server.statuses = [200, 401, *server.statuses]
    with pytest.raises(ServerRefused, match="belongs into PREFECT_API_AUTH_STRING"):
        require_server(server.url)
    require_server(server.url)


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
    assert choose_port({}) is None


@pytest.mark.parametrize("port", ["abc", "80000", "-1", "", "4200 ", "1e3"])
def test_what_is_no_port_is_bad_input(port):
    with pytest.raises(InputError, match="PREFECT_SERVER_API_PORT must be a port"):
        choose_port({"PREFECT_SERVER_API_PORT": port})


PROXY = {"HTTP_PROXY": "http://proxy.lan:3128"}


def test_nothing_of_this_machine_goes_through_a_proxy():
    from urllib.request import proxy_bypass_environment

    ours = prefect_environment(STORE, PROXY | {"NO_PROXY": "intranet.lan"})
    for name in ("no_proxy", "NO_PROXY"):
        assert ours[name] == "intranet.lan,localhost,127.0.0.1,::1"
    spared = {"no": ours["no_proxy"]}
    assert proxy_bypass_environment("127.0.0.1:4200", spared)
    assert not proxy_bypass_environment("prefect.lan:4200", spared)


@pytest.mark.parametrize("environ", [{}, {"HTTP_PROXY": ""}, PROXY | {"NO_PROXY": "*"}])
def test_without_a_proxy_nothing_is_spared(environ):
    assert "NO_PROXY" not in prefect_environment(STORE, environ)


@pytest.mark.parametrize(
    ("url", "here"),
    [
        ("http://127.0.0.1:4200/api", True),
        ("http://localhost/api", True),
        ("https://[::1]:4200/api", True),
        ("http://prefect.lan:4200/api", False),
        ("https://10.0.0.1/x/api", False),
        ("nonsense", False),
        ("http://[", False),
    ],
)
def test_this_machine_is_told_from_others(url, here):
    assert is_here(url) is here


def test_runs_wait_in_the_pool_and_start_in_the_folder_that_the_environment_names(
    monkeypatch, tmp_path
):
    monkeypatch.delenv("DIGITFLOW_FOLDER", raising=False)
    monkeypatch.chdir(tmp_path)
    assert choose_pool({}) == choose_pool({"DIGITFLOW_POOL": ""}) == "local"
    assert choose_pool({"DIGITFLOW_POOL": "docker"}) == "docker"
    assert choose_folder() == {"directory": str(tmp_path)}
    monkeypatch.setenv("DIGITFLOW_FOLDER", "/app")
    assert choose_folder() == {"directory": "/app"}
