"""The routes: what each takes, and in which form it answers."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from functools import partial
from time import monotonic
from typing import Any

import orjson
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

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
from digitflow.serving.describing import DESCRIBED, write_page
from digitflow.serving.guard import Application, Guard
from digitflow.serving.refusals import (
    Busy,
    Gone,
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
    for path, act in (("/predict", routes.predict), ("/invocations", routes.invoke)):
        app.add_api_route(path, act, methods=["POST"], **DESCRIBED[path])
    told = {
        "/health": routes.tell_health,
        "/ready": routes.tell_ready,
        "/metrics": routes.tell_metrics,
    }
    for path, tell in told.items():
        app.add_api_route(path, tell, methods=["GET"], **DESCRIBED[path])
        app.add_api_route(path, tell, methods=["HEAD"], include_in_schema=False)
    for path in ("/", "/docs"):
        show = partial(_show_page, app)
        app.add_api_route(path, show, methods=["GET"], include_in_schema=False)
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
            ask: Ask = PicturesAsk(files, one, turn, self._find_end())
            size = sum(len(content) for _, content in files)
        else:
            body = await self._wait_for_body(request.body())
            ask, size = self._choose_ask(kind, body, one, turn, file), len(body)
        return _answer_json(await self._wait_for_answer(ask, size))

    def _choose_ask(
        self, kind: str, body: bytes, one: bool, turn: Turn, file: str | None
    ) -> Ask:
        predictor = self._service.follower.require()
        is_table = isinstance(predictor, RowPredictor)
        given = [name for name, said in (("one", one), ("turn", turn != "no")) if said]
        if is_table and given:
            model = predictor.champion.name
            raise InputError(
                f"{', '.join(given)}: only of pictures, and {model} takes rows of a table"
            )
        if kind in ROW_TYPES or (kind in UNSAID and is_table):
            return RowsAsk(partial(parse_rows, body, file), file)
        return PicturesAsk(((file, body),), one, turn, self._find_end())

    def _find_end(self) -> float:
        return monotonic() + self._service.limits.seconds

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
        except ClientDisconnect as exc:
            raise Gone("whoever asked has left") from exc

    async def _wait_for_answer(self, ask: Ask, size: int) -> Any:
        seconds = self._service.limits.seconds
        try:
            async with asyncio.timeout(seconds):
                return await self._service.ask(ask, size)
        except TimeoutError as exc:
            raise Busy(
                f"the answer takes more than {seconds:g} s, which --seconds allows"
            ) from exc


async def _show_page(app: Any) -> Response:
    """Show the description of the routes; nothing of the page comes from elsewhere."""
    return Response(write_page(app.openapi()), media_type="text/html; charset=utf-8")


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
