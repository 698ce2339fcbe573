"""What the routes take and answer, for OpenAPI; and a page of it that loads nothing from afar.

FastAPI's own pages come from a network of others.
"""

from collections.abc import Mapping
from html import escape
from importlib.resources import files
from typing import Any

from digitflow.serving.bodies import CSV, FORM, JSON, JSON_LINES

_BINARY = {"schema": {"type": "string", "format": "binary"}}
_TEXT = {"schema": {"type": "string"}}
_FILES = {
    "schema": {
        "type": "object",
        "properties": {"file": {"type": "array", "items": _BINARY["schema"]}},
    }
}
_OBJECT = {"type": "object"}
_LIST = {"type": "array", "items": _OBJECT}
_REASONS = {
    400: "What was sent is not what the champion takes.",
    401: "The password is missing, or another one.",
    408: "The body did not come to its end in time.",
    413: "The body is larger than --body-mb.",
    415: "The body is of a kind that is not read.",
    422: "Nothing of what was sent can be read.",
    503: "No champion is loaded, others are being answered, or the answer takes too long.",
}


def _take(content: Mapping[str, Any]) -> dict[str, Any]:
    return {"requestBody": {"required": True, "content": dict(content)}}


def _answer(said: str, kind: str, schema: Mapping[str, Any], *codes: int) -> dict[Any, Any]:
    """Return what a route answers, and the codes of its errors, each with a sentence."""
    error = {"schema": {"type": "object", "properties": {"error": {"type": "string"}}}}
    errors = {code: {"description": _REASONS[code], "content": {JSON: error}} for code in codes}
    return {200: {"description": said, "content": {kind: {"schema": schema}}}, **errors}


DESCRIBED: dict[str, dict[str, Any]] = {
    "/predict": {
        "openapi_extra": _take(
            {
                "image/*": _BINARY,
                "application/pdf": _BINARY,
                "application/zip": _BINARY,
                FORM: _FILES,
                JSON: {"schema": {"oneOf": [_OBJECT, _LIST]}},
                CSV: _TEXT,
                JSON_LINES: _TEXT,
            }
        ),
        "responses": _answer(
            "What `digitflow predict --json` prints: a list with an object for each digit or "
            "row, or with the error of what can't be read beside others that can.",
            JSON,
            _LIST,
            *_REASONS,
        ),
    },
    "/invocations": {
        "openapi_extra": _take(
            {
                JSON: {
                    "schema": {
                        "oneOf": [
                            {"required": [name], "type": "object"}
                            for name in (
                                *("dataframe_split", "dataframe_records"),
                                *("instances", "inputs"),
                            )
                        ]
                    }
                },
                CSV: _TEXT,
            }
        ),
        "responses": _answer(
            "The digit of each picture, or the value of each row.",
            JSON,
            {"type": "object", "properties": {"predictions": {"type": "array"}}},
            *_REASONS,
        ),
    },
    "/health": {"responses": _answer("The process is alive.", JSON, _OBJECT)},
    "/ready": {"responses": _answer("The model and version.", JSON, _OBJECT, 401, 503)},
    "/metrics": {
        "responses": _answer("Prometheus's text format.", "text/plain", {"type": "string"}, 401)
    },
}


def write_page(described: Mapping[str, Any]) -> str:
    """Return a page of HTML that shows an OpenAPI description."""
    css = files("digitflow.reports").joinpath("page.css").read_text(encoding="utf-8")
    routes = "".join(
        _write_route(method, path, route)
        for path, methods in described["paths"].items()
        for method, route in methods.items()
    )
    info = described["info"]
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        f"<title>{escape(info['title'])}</title><style>{css}</style></head><body><main>"
        f"<h1>{escape(info['title'])}</h1><p>{escape(info['description'])} "
        f'<a href="openapi.json">openapi.json</a> says the same for programs.</p>{routes}'
        "</main></body></html>"
    )


def _write_route(method: str, path: str, route: Mapping[str, Any]) -> str:
    asked = [
        (f"?{each['name']}=", each["schema"].get("type", "string"))
        for each in route.get("parameters", ())
    ]
    taken = [(kind, "body") for kind in route.get("requestBody", {}).get("content", ())]
    given = [(code, answer["description"]) for code, answer in route["responses"].items()]
    return (
        f"<section><h2>{method.upper()} {escape(path)}</h2>"
        f"<p>{escape(route.get('description', ''))}</p>"
        f"{_write_table('takes', 'as', [*asked, *taken])}"
        f"{_write_table('code', 'means', given)}</section>"
    )


def _write_table(first: str, second: str, rows: list[tuple[str, str]]) -> str:
    if not rows:
        return ""
    head = f"<thead><tr><th>{first}</th><th>{second}</th></tr></thead>"
    cells = "".join(
        f"<tr><td><code>{escape(name)}</code></td><td>{escape(said)}</td></tr>"
        for name, said in rows
    )
    return f"<table>{head}<tbody>{cells}</tbody></table>"
