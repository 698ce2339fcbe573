"""The process that serves: a port of its own, signals that end it in order."""

import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn

from digitflow.errors import InputError
from digitflow.service.environment import is_open
from digitflow.service.server import explain_refusal, listen
from digitflow.serving.application import create_application
from digitflow.serving.service import Service

PASSWORD_VARIABLE = "DIGITFLOW_SERVE_PASSWORD"  # noqa: S105, a name
ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
# Idle connections are kept for longer than proxies and clients keep theirs.
KEEP_ALIVE_SECONDS = 75
MOST_CONNECTIONS = 1000


class _Server(uvicorn.Server):
    """Ends in order by the signals that end a command, and leaves the exit code to it."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        before = {number: signal.signal(number, self.handle_exit) for number in ENDING}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


def open_listener(host: str, port: int, password: str | None) -> socket.socket:
    """Take a port.

    Parameters
    ----------
    port : int
        0 takes any that is free.
    password : str or None
        user:password.

    Raises
    ------
    InputError
        If others could reach it without a password, or the port can't be had.
    """
    if password is not None and not all(password.partition(":")):
        raise InputError(f"{PASSWORD_VARIABLE} must be user:password, and has no such form")
    if password is None and is_open(host):
        raise InputError(
            f"--host {host} opens the service to other machines, and who reaches it may ask "
            f"and fill the log of predictions. Set a password too: "
            f"{PASSWORD_VARIABLE}=user:password"
        )
    try:
        return listen(host, port)
    except OSError as exc:
        raise InputError(
            f"can't listen on {host}, --port {port}: {explain_refusal(exc, port)}. Name "
            "another, or 0 for any free one"
        ) from exc


def run(service: Service, listener: socket.socket, password: str | None = None) -> None:
    """Answer on a socket until this process is told to end; then end what was begun."""
    config = uvicorn.Config(
        create_application(service, password),
        http="h11",
        loop="asyncio",
        ws="none",
        lifespan="on",
        log_level="warning",
        access_log=False,
        server_header=False,
        limit_concurrency=MOST_CONNECTIONS,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=int(service.limits.seconds) + 1,
    )
    _Server(config).run(sockets=[listener])
