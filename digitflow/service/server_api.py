"""Prefect's REST interface with nothing but the standard library: no slow import."""

import base64
import http.client
import json
import os
import time
import urllib.parse
from collections.abc import Mapping
from typing import Any

from digitflow.errors import DigitflowError

# A server that is busy with a training deserves patience; one that is gone refuses at once.
TIMEOUT_SECONDS = 5.0
PAUSES_SECONDS = (0.2, 0.5, 1.0, 2.0)


class ServerRefused(DigitflowError):
    """Prefect's server doesn't answer, or not with success."""


def call_api(api_url: str, path: str, body: Any = None) -> Any:
    """GET `path`, or POST `body` to it as JSON, and return the decoded answer.

    Parameters
    ----------
    api_url : str
        As in PREFECT_API_URL; asked directly, whatever proxy is set.
    path : str
        What follows it, such as "/health".
    body : optional
        A JSON-able value.

    Raises
    ------
    ServerRefused
        If nobody answers, or the answer tells of an error.
    """
    try:
        status, answer = _exchange_patiently(api_url, path, body)
    except (OSError, http.client.HTTPException) as exc:
        raise ServerRefused(f"{api_url} doesn't answer: {exc}") from exc
    if status >= http.HTTPStatus.BAD_REQUEST:
        raise ServerRefused(f"{api_url}{path} answered {status}: {answer[:200]!r}")
    return json.loads(answer) if answer else None


def is_there(api_url: str, path: str) -> bool:
    """Tell whether the server answers with success to GET `path`."""
    try:
        call_api(api_url, path)
    except ServerRefused:
        return False
    return True


def _exchange_patiently(api_url: str, path: str, body: Any) -> tuple[int, bytes]:
    """Ask again where the server's database was locked; it has done nothing then."""
    status, answer = _exchange(api_url, path, body)
    for pause in PAUSES_SECONDS:
        if status != http.HTTPStatus.SERVICE_UNAVAILABLE:
            break
        time.sleep(pause)
        status, answer = _exchange(api_url, path, body)
    return status, answer


def _exchange(api_url: str, path: str, body: Any) -> tuple[int, bytes]:
    address = urllib.parse.urlsplit(api_url)
    connection = http.client.HTTPConnection(
        address.hostname or "127.0.0.1", address.port, timeout=TIMEOUT_SECONDS
    )
    try:
        connection.request(
            "GET" if body is None else "POST",
            address.path + path,
            body=None if body is None else json.dumps(body),
            headers={"Content-Type": "application/json"} | _authorization(os.environ),
        )
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


def _authorization(environ: Mapping[str, str]) -> dict[str, str]:
    password = environ.get("PREFECT_SERVER_API_AUTH_STRING", "")
    encoded = base64.b64encode(password.encode()).decode()
    return {"Authorization": f"Basic {encoded}"} if password else {}
