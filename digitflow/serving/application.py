"""The routes: what each takes, and in which form it answers."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import orjson
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from starlette.exceptions import HTTPException

from digitflow.errors import DigitflowError, InputError
from digitflow.predict.rows import RowPredictor
from digitflow.serving.answering import Ask, PicturesAsk, RowsAsk, Turn, ValuesAsk
from digitflow.serving.bodies import (
    CSV,
    FORM,
    JSON,
    ROW_TYPES,
    UNSAID,
    parse_invocation,
    parse_rows,
    read_type,
    require_multipart,
)
from digitflow.serving.guard import Application, Guard
from digitflow.serving.refusals import (
    Busy,
    TooSlow,
    Unsupported,
    describe_error,
    find_headers,
    find_status,
)
from digitflow.serving.service import Service

logger = logging.getLogger(__name__)

METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8"


def create_application(service: Service, password: str | None = None) -> Application:
    """Return the ASGI application of a service; it starts and stops it.

    Parameters
    ----------
    password : str, optional
        user:password, asked for by all routes but /health.
    """

    @asynccontextmanager
    async def run_service(_: Any) -> AsyncIterator[None]:
        service.start()
        try:
            yield
        finally:
            await asyncio.to_thread(service.stop)

    app = FastAPI(
        title="digitflow",
        description="The champion of a model, asked over HTTP.",
        docs_url=None,
        redoc_url=None,
        lifespan=run_service,
    )
    routes = Routes(service)
    app.add_api_route("/predict", routes.predict, methods=["POST"])
    app.add_api_route("/invocations", routes.invoke, methods=["POST"])
    app.add_api_route("/health", routes.tell_health, methods=["GET"])
    app.add_api_route("/ready", routes.tell_ready, methods=["GET"])
    app.add_api_route("/metrics", routes.tell_metrics, methods=["GET"])
    for kind in (Exception, DigitflowError, RequestValidationError, HTTPException):
        app.add_exception_handler(kind, _answer_error)
    return Guard(app, service, frozenset(route.path for route in app.routes), password)


class Routes:
    """What answers, one method a route."""

    def __init__(self, service: Service) -> None:
        self._service = service

    async def predict(
        self, request: Request, one: bool = False, turn: Turn = "no", file: str | None = None
    ) -> Response:
        """Read the digits in pictures, or predict rows, as `digitflow predict --json` does."""
        kind = read_type(request.headers.get("content-type"))
        if kind == FORM:
            require_multipart()
            files = await self._wait_for_body(_read_files(request))
            ask: Ask = PicturesAsk(files, one, turn)
            size = sum(len(content) for _, content in files)
        else:
            body = await self._wait_for_body(request.body())
            ask, size = self._choose_ask(kind, body, one, turn, file), len(body)
        return _answer_json(await self._wait_for_answer(ask, size))

    def _choose_ask(
        self, kind: str, body: bytes, one: bool, turn: Turn, file: str | None
    ) -> Ask:
        champion = self._service.follower.require()
        if kind in ROW_TYPES or (kind in UNSAID and isinstance(champion, RowPredictor)):
            return RowsAsk(partial(parse_rows, body, file), file)
        return PicturesAsk(((file, body),), one, turn)

    async def invoke(self, request: Request) -> Response:
        """Answer by MLflow's scoring protocol: {"predictions": [...]}."""
        kind = read_type(request.headers.get("content-type"))
        if kind not in (JSON, CSV):
            raise Unsupported(f"/invocations takes {JSON} or {CSV}, got {kind or 'nothing'}")
        body = await self._wait_for_body(request.body())
        ask = ValuesAsk(partial(parse_invocation, body, kind))
        return _answer_json({"predictions": await self._wait_for_answer(ask, len(body))})

    async def tell_health(self) -> Response:
        """Say that the process is alive."""
        return _answer_json({"status": "alive"})

    async def tell_ready(self) -> Response:
        """Say who answers; 503 and why, where no champion is loaded."""
        champion = self._service.follower.require().champion
        return _answer_json({"model": champion.name, "version": champion.version})

    async def tell_metrics(self) -> Response:
        """Return what was counted, in Prometheus's text format."""
        return Response(self._service.metrics.write(), media_type=METRICS_TYPE)

    async def _wait_for_body(self, reading: Awaitable[Any]) -> Any:
        seconds = self._service.limits.seconds
        try:
            async with asyncio.timeout(seconds):
                return await reading
        except TimeoutError as exc:
            raise TooSlow(f"the body did not come to its end within {seconds:g} s") from exc

    async def _wait_for_answer(self, ask: Ask, size: int) -> Any:
        seconds = self._service.limits.seconds
        try:
            async with asyncio.timeout(seconds):
                return await self._service.ask(ask, size)
        except TimeoutError as exc:
            raise Busy(
                f"the answer takes more than {seconds:g} s, which --seconds allows"
            ) from exc


async def _read_files(request: Request) -> tuple[tuple[str | None, bytes], ...]:
    """Return the files of a form, by the names that they have where they come from."""
    async with request.form() as form:
        files = [value for _, value in form.multi_items() if hasattr(value, "filename")]
        if not files:
            raise InputError("the form has no file: curl -F file=@FILE")
        return tuple([(file.filename, await file.read()) for file in files])


def _answer_json(value: Any, status: int = 200) -> Response:
    return Response(orjson.dumps(value), status, media_type=JSON)


async def _answer_error(request: Request, error: Exception) -> Response:
    if isinstance(error, HTTPException):
        wrong = (
            f"{request.method} {request.url.path}: {error.detail}; /docs lists what there is"
        )
        return _answer_json(describe_error(InputError(wrong)), error.status_code)
    if isinstance(error, RequestValidationError):
        error = InputError("; ".join(map(_describe_wrong, error.errors())))
    status = find_status(error)
    response = _answer_json(describe_error(error), status)
    response.headers.update(find_headers(status))
    return response


def _describe_wrong(error: dict[str, Any]) -> str:
    return f"{error['loc'][-1]}: {error['msg']}, got {error.get('input')!r}"
