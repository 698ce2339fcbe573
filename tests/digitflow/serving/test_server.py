"""A server from its start to its end: no champion yet, a promotion meanwhile, signals."""

import signal
import subprocess
import threading
from contextlib import suppress

import pytest

from digitflow.errors import InputError
from digitflow.feedback.predictions import read_recent
from digitflow.registry.history import find_champion
from digitflow.store.artifacts import Store

CLIENTS = 4


@pytest.fixture
def own(store, crown_digits, start_server):
    """A server of the test's own, of a champion."""
    crown_digits(store, "1")
    return start_server(store.root).wait()


def test_without_a_champion_it_says_so_until_there_is_one(
    store, crown_digits, start_server, png, unseen
):
    server = start_server(store.root)
    server.wait_until(lambda found: "there is no champion" in found[1].get("error", ""))
    status, found = server.post("/predict", png(unseen[0][0]))
    with pytest.raises(InputError) as error:
        find_champion(store)
    assert (status, found["error"]) == (503, str(error.value))
    assert server.ask("GET", "/health")[0] == 200
    crown_digits(store, "1")
    server.wait()
    assert server.post("/predict", png(unseen[0][0]))[0] == 200
    assert server.end(signal.SIGHUP)[0] == 0


def test_a_promotion_meanwhile_is_followed_without_an_error(
    own, store, crown_digits, png, unseen
):
    statuses, versions, is_over = [], [], threading.Event()

    def ask():
        while not is_over.is_set():
            status, found = own.post("/predict", png(unseen[0][0]))
            statuses.append(status)
            versions.append(found[0]["version"])

    clients = [threading.Thread(target=ask) for _ in range(CLIENTS)]
    for client in clients:
        client.start()
    for version in ("2", "3"):
        crown_digits(store, version)
        own.wait_until(lambda found, version=version: found[1]["version"] == version)
    is_over.set()
    for client in clients:
        client.join()
    assert set(statuses) == {200}
    assert {"1", "2"} <= set(versions)
    assert own.post("/predict", png(unseen[0][0]))[1][0]["version"] == "3"
    assert own.count("digitflow_champions_loaded_total") == 3
    assert own.end(signal.SIGINT) == (0, "")


def test_whoever_has_asked_is_answered_before_it_ends_and_all_is_kept(own, store, png, unseen):
    body, statuses, is_asked = png(unseen[0][0]), [], threading.Event()

    def ask():
        # The last one may come when nobody listens any more.
        with suppress(OSError):
            while True:
                statuses.append(own.post("/predict", body)[0])
                is_asked.set()

    clients = [threading.Thread(target=ask) for _ in range(CLIENTS)]
    for client in clients:
        client.start()
    is_asked.wait()
    assert own.end(signal.SIGTERM) == (0, "")
    for client in clients:
        client.join()
    assert set(statuses) == {200}
    assert len(read_recent(store, "digits-sample", "1", 10_000).samples) == len(statuses)


def test_a_port_that_is_taken_names_who_has_it(server):
    command = [server.process.args[0], "serve", "--port", str(server.port)]
    done = subprocess.run(command, env=server.environ, capture_output=True, text=True)
    assert done.returncode == 2
    assert f"--port {server.port}: it is taken" in done.stderr


def test_the_model_is_named_once(server):
    command = [server.process.args[0], "serve", "--model", "a", "--config", "b.yaml"]
    done = subprocess.run(command, env=server.environ, capture_output=True, text=True)
    assert done.returncode == 2
    assert "choose one" in done.stderr


def test_a_config_names_the_model_and_nothing_is_kept_where_nobody_wants_it(
    tmp_path, crown_digits, start_server, png, unseen
):
    store = Store(tmp_path / "artifacts")
    crown_digits(store, "1", "mine")
    (tmp_path / "mine.yaml").write_text("model: mine\nsource: {kind: builtin}\n")
    server = start_server(store.root, "--config", "mine.yaml", "--no-log").wait()
    assert server.post("/predict", png(unseen[0][0]))[1][0]["model"] == "mine"
    assert server.end()[0] == 0
    assert not read_recent(store, "mine", "1", 1).samples
