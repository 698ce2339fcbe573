"""Prefect's server as a process: on a port that its starter holds, for as long as that lives.

Whoever starts it binds the port first and hands the socket over. So nobody else can take the
port between the choice and the start, or while the server is started again, and who answers
there is this server and no other.

`python -m digitflow.service.server DESCRIPTOR PARENT` is that process.
"""

import atexit
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from errno import EADDRINUSE
from pathlib import Path
from textwrap import shorten

import psutil

from digitflow.errors import DigitflowError, InputError
from digitflow.service.environment import (
    OWN_ADDRESS,
    PORT_VARIABLE,
    choose_host,
    choose_port,
    is_answering,
    write_url,
)
from digitflow.service.processes import (
    is_alive,
    list_environs,
    log_path,
    open_log,
    watch_parent,
)
from digitflow.store.artifacts import Store

PREFERRED_PORT, ANY_PORT = 4200, 0
START_PATIENCE_SECONDS = 180.0
ENDING_PATIENCE_SECONDS = 2.0
POLL_SECONDS = 0.1
LOGGED_LINES = 12
LONGEST_COMMAND = 120
# Who asks while a server is being started again waits for it.
WAITING_CONNECTIONS = 2048
EPHEMERAL_VARIABLE = "PREFECT__SERVER_EPHEMERAL"
TEMPORARY_NAME = "temporary-server"
# Prefect's own names: without its pages, and without what only a lasting server has to do.
TEMPORARY = {
    "PREFECT_UI_ENABLED": "0",
    EPHEMERAL_VARIABLE: "1",
    "PREFECT_SERVER_LOGGING_LEVEL": "ERROR",
}


class ServerFailed(DigitflowError):
    """Prefect's server didn't come up; the message holds what it logged."""


class TemporaryServer:
    """A server of a store for one command; it ends with the command, however that ends.

    In a session of its own: a Ctrl-C in the terminal is the command's, which still has to
    tell the server how its run ended.
    """

    def __init__(self, store: Store) -> None:
        self.log = log_path(store, TEMPORARY_NAME)
        with (
            listen(OWN_ADDRESS, ANY_PORT) as listener,
            open_log(store, TEMPORARY_NAME) as log,
        ):
            self.url = write_url(*listener.getsockname())
            self._process = subprocess.Popen(
                [sys.executable, "-m", *server_module(listener)],
                env=os.environ | TEMPORARY,
                pass_fds=[listener.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        # Registered first, done last: what Prefect has still to send is sent at exit too.
        atexit.register(self.end)

    @property
    def api_url(self) -> str:
        """Return the address that Prefect's clients want."""
        return f"{self.url}/api"

    def wait(self) -> None:
        """Wait until it answers.

        Raises
        ------
        ServerFailed
            If it ends instead, or takes minutes.
        """
        deadline = time.monotonic() + START_PATIENCE_SECONDS
        while not is_answering(self.api_url):
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise ServerFailed(
                    f"Prefect's temporary server doesn't start; {read_end(self.log)}"
                )
            time.sleep(POLL_SECONDS)

    def end(self) -> None:
        """End it, within seconds."""
        self._process.terminate()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(ENDING_PATIENCE_SECONDS)
        self.kill()

    def kill(self) -> None:
        """End it at once; its database bears that."""
        self._process.kill()
        self._process.wait()


def open_listener(environ: Mapping[str, str]) -> socket.socket:
    """Take the port that the user wants, else 4200 where it is free, else any free one.

    Raises
    ------
    InputError
        If the host or the port is none, or is taken; the message says by whom.
    """
    host, wanted = choose_host(environ), choose_port(environ)
    if wanted is None:
        with suppress(OSError):
            return listen(host, PREFERRED_PORT)
    try:
        return listen(host, wanted or ANY_PORT)
    except OSError as exc:
        why = explain_refusal(exc, wanted)
        raise InputError(
            f"can't listen on {host}, {PORT_VARIABLE}={wanted}: {why}. Name another, or "
            "none: then a free one is taken"
        ) from exc


def listen(host: str, port: int) -> socket.socket:
    """Take a port, 0 for any free one.

    Raises
    ------
    OSError
        If the host or the port is none, or is taken; see `explain_refusal`.
    """
    family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
    # Whoever asks for every address means those of both kinds.
    both = host == "::" and socket.has_dualstack_ipv6()
    listener = socket.create_server(
        (host, port), family=family, dualstack_ipv6=both, backlog=WAITING_CONNECTIONS
    )
    # What is accepted inherits it, and asyncio sets it on no socket that it is handed: the
    # second part of an answer would wait for the first one's receipt, 40 ms.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener


def explain_refusal(error: OSError, port: int | None) -> str:
    """Say why a port can't be listened on; where it is taken, by whom."""
    return f"it is taken{_name_holder(port)}" if error.errno == EADDRINUSE else str(error)


def _name_holder(port: int | None) -> str:
    """Say which process listens on a port, where the system tells it."""
    with suppress(psutil.Error, OSError):
        for one in psutil.net_connections("tcp"):
            if one.status == psutil.CONN_LISTEN and one.laddr[1:] == (port,) and one.pid:
                command = shorten(" ".join(psutil.Process(one.pid).cmdline()), LONGEST_COMMAND)
                return f" by process {one.pid}: {command}"
    return ""


def server_module(listener: socket.socket) -> list[str]:
    """Return the module, and its arguments, of a server on a socket to be passed on to it."""
    return ["digitflow.service.server", str(listener.fileno()), str(os.getpid())]


def find_temporary(store: Store) -> Iterator[psutil.Process]:
    """Yield a store's temporary servers that have outlived whoever started them.

    Those too that Prefect itself has started, for a flow that is called from Python.
    """
    home = str(store.root / "prefect")
    for process, environ in list_environs():
        if environ.get("PREFECT_HOME") != home or EPHEMERAL_VARIABLE not in environ:
            continue
        if is_alive(process) and _has_lost_parent(process):
            yield process


def _has_lost_parent(process: psutil.Process) -> bool:
    """Tell whether the parent is now the system's first process, or another that is no Python.

    Its own would be this Python too, and could be read by who can read the child.
    """
    with suppress(psutil.Error):
        return psutil.Process(process.ppid()).exe() != process.exe()
    return True


def read_end(log: Path) -> str:
    """Return the last lines of a log, after its name."""
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    return "\n".join([f"the end of {log}:", *filter(None, lines[-LOGGED_LINES:])])


def main(descriptor: int, parent: int) -> None:
    """Serve on an inherited socket until told to end, or until the parent has ended."""
    import uvicorn
    from prefect.server.api.server import create_app
    from prefect.settings import get_current_settings

    settings = get_current_settings().server
    config = uvicorn.Config(
        create_app(final=True),
        log_level=settings.logging_level.lower(),
        timeout_keep_alive=settings.api.keepalive_timeout,
        timeout_graceful_shutdown=1,
        ws_ping_interval=settings.api.websocket_ping_interval,
        ws_ping_timeout=settings.api.websocket_ping_timeout,
    )
    server = uvicorn.Server(config)
    watch_parent(parent, lambda: _end(server))
    server.run(sockets=[socket.socket(fileno=descriptor)])


def _end(server: object) -> None:
    """Let requests end for some seconds, then end this process."""
    vars(server)["should_exit"] = True
    time.sleep(5 * ENDING_PATIENCE_SECONDS)
    os._exit(1)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
