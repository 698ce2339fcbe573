"""What stands before the routes: who may ask, how much, how many; and what is counted."""

import asyncio
import base64
import hmac
import json
import logging
from collections.abc import Awaitable, Callable, MutableMapping
from time import perf_counter
from typing import Any

from digitflow.serving.refusals import (
    Busy,
    Forbidden,
    Refusal,
    TooLarge,
    Unknown,
    describe_error,
    find_headers,
    find_status,
)
from digitflow.serving.service import MEGABYTE, Service

logger = logging.getLogger(__name__)

Message = MutableMapping[str, Any]
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]

# Asked by what keeps a service alive, which knows no password; it says nothing.
OPEN_ROUTES = ("/health",)
# What guessing a password costs.
WRONG_SECONDS = 1.0
# So many of the largest bodies are held at a time.
BODIES = 4


class Guard:
    """An ASGI application around another one.

    Parameters
    ----------
    application : callable
        The routes.
    routes : collection of str
        Paths that are counted by name; others together.
    password : str or None
        user:password, which is asked for where it is there.
    """

    def __init__(
        self,
        application: Application,
        service: Service,
        routes: frozenset[str],
        password: str | None,
    ) -> None:
        self._application, self._service, self._routes = application, service, routes
        self._wanted = None if password is None else _encode_password(password)
        self._asking, self._bytes = 0, 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or refuse it; see ASGI."""
        if scope["type"] != "http":
            await self._application(scope, receive, send)
            return
        began, status = perf_counter(), 500

        async def note_status(message: Message) -> None:
            nonlocal status
            status = message.get("status", status)
            await send(message)

        metrics = self._service.metrics
        metrics.in_flight.inc()
        try:
            await self._answer(scope, receive, note_status)
        finally:
            route = scope["path"] if scope["path"] in self._routes else "other"
            metrics.in_flight.dec()
            metrics.note_request(route, status, perf_counter() - began)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = dict(scope["headers"])
        try:
            await self._require_password(scope["path"], headers)
            if scope["method"] != "POST":
                await self._application(scope, receive, send)
                return
            self._require_own_page(headers)
            await self._take(scope, headers, receive, send)
        except Refusal as refusal:
            await send_error(send, refusal)

    async def _require_password(self, path: str, headers: dict[bytes, bytes]) -> None:
        if self._wanted is None or path in OPEN_ROUTES:
            return
        if not hmac.compare_digest(headers.get(b"authorization", b""), self._wanted):
            await asyncio.sleep(WRONG_SECONDS)
            raise Unknown("this service asks for its user and password: curl -u USER:PASSWORD")

    def _require_own_page(self, headers: dict[bytes, bytes]) -> None:
        # A page from anywhere may make a browser post to the loopback.
        if headers.get(b"sec-fetch-site") == b"cross-site":
            raise Forbidden("another site's page may not ask here")

    async def _take(
        self, scope: Scope, headers: dict[bytes, bytes], receive: Receive, send: Send
    ) -> None:
        limits = self._service.limits
        if self._asking >= limits.at_once:
            raise Busy(f"{limits.at_once} requests are being answered: ask again")
        self._require_size(int(headers.get(b"content-length", b"0")))
        held = 0

        async def receive_bounded() -> Message:
            nonlocal held
            message = await receive()
            size = len(message.get("body", b""))
            held, self._bytes = held + size, self._bytes + size
            self._require_size(held)
            return message

        self._asking += 1
        try:
            await self._application(scope, receive_bounded, send)
        finally:
            self._asking -= 1
            self._bytes -= held

    def _require_size(self, size: int) -> None:
        most = self._service.limits.body_bytes
        if size > most:
            raise TooLarge(
                f"the body has more than {most / MEGABYTE:.3g} MB, which --body-mb allows"
            )
        if self._bytes > BODIES * most:
            raise Busy(f"{self._bytes / MEGABYTE:.0f} MB of bodies are held: ask again")


def _encode_password(password: str) -> bytes:
    return b"Basic " + base64.b64encode(password.encode())


async def send_error(send: Send, error: Exception) -> None:
    """Answer with the sentence of an error."""
    status = find_status(error)
    body = json.dumps(describe_error(error)).encode()
    said = {"content-type": "application/json", "content-length": str(len(body))}
    headers = [(k.encode(), v.encode()) for k, v in (said | find_headers(status)).items()]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
