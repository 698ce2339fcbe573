"""`digitflow app` and `digitflow serve`: what answers a browser, and what answers programs."""

import os
import re
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer

from digitflow.cli.options import Debug, ModelName
from digitflow.cli.signals import watch
from digitflow.errors import InputError

PASSWORD_VARIABLE = "DIGITFLOW_APP_PASSWORD"  # noqa: S105
USUAL_PORT, SERVE_PORT = 8501, 8000
PATIENCE_SECONDS = "3"
HOST = "127.0.0.1"
EVERYWHERE = ("0.0.0.0", "::")  # noqa: S104, compared with
# Streamlit's names, and those of the reports' page.css.
_THEME = {
    "primaryColor": "accent",
    "backgroundColor": "page",
    "secondaryBackgroundColor": "card",
    "textColor": "ink",
    "linkColor": "accent",
    "borderColor": "line",
    "grayTextColor": "soft",
    "greenTextColor": "good",
    "greenBackgroundColor": "good-back",
    "redTextColor": "bad",
    "redBackgroundColor": "bad-back",
    "orangeTextColor": "warn",
    "orangeBackgroundColor": "mark",
    "yellowTextColor": "warn",
    "yellowBackgroundColor": "mark",
    "blueTextColor": "accent",
}
_FONT = 'system-ui, -apple-system, "Segoe UI", Roboto, sans-serif'


def open_app(
    port: Annotated[
        int, typer.Option(min=1, max=65535, help="Port to listen on.")
    ] = USUAL_PORT,
    host: Annotated[
        str,
        typer.Option(
            help=f"Address to listen on; any but this machine's own needs {PASSWORD_VARIABLE}."
        ),
    ] = HOST,
    browser: Annotated[bool, typer.Option(help="Open the page in a browser.")] = True,
    admin: Annotated[
        bool,
        typer.Option(
            "--admin", help=f"Allow retraining and rollback, by {PASSWORD_VARIABLE}'s password."
        ),
    ] = False,
    debug: Debug = False,
) -> None:
    """Open the app in a browser: draw a digit, see what the champion thinks, teach it."""
    from digitflow.service.environment import is_open
    from digitflow.store.databases import PATIENCE_VARIABLE

    if find_spec("streamlit") is None or find_spec("streamlit_drawable_canvas") is None:
        raise InputError("the app needs the extra app: pip install 'digitflow[app]'")
    if admin and not os.environ.get(PASSWORD_VARIABLE):
        raise InputError(
            f"--admin guards retraining and rollback by a password: set {PASSWORD_VARIABLE}"
        )
    private = is_open(host)
    if private and not os.environ.get(PASSWORD_VARIABLE):
        raise InputError(
            f"--host {host} lets other machines see and teach: set {PASSWORD_VARIABLE}, which "
            "the app asks for then"
        )
    # Nobody looks at a page for a minute until it says that a database is locked.
    os.environ.setdefault(PATIENCE_VARIABLE, PATIENCE_SECONDS)
    sys.stdout.flush()
    script = _find_package() / "app" / "script" / "run.py"
    # -P: nothing in the folder one stands in is taken for a module.
    command = [sys.executable, "-P", "-m", "streamlit", "run", str(script)]
    told = ["--admin"] * admin + ["--private"] * private
    command += [*list_options(port, browser, host), "--", *told]
    os.execv(sys.executable, command)


def serve(
    host: Annotated[
        str,
        typer.Option(help="Where to listen; off the loopback a password is needed."),
    ] = HOST,
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="Port; 0 takes any that is free.")
    ] = SERVE_PORT,
    model: ModelName = None,
    config: Annotated[
        Path | None,
        typer.Option("--config", "-c", help="Serve this config's model."),
    ] = None,
    no_log: Annotated[
        bool, typer.Option("--no-log", help="Keep nothing for the monitor and corrections.")
    ] = False,
    body_mb: Annotated[float, typer.Option(min=0.001, help="The largest body.")] = 16,
    seconds: Annotated[
        float, typer.Option(min=0.1, help="How long a body may take to come, and an answer.")
    ] = 10,
    at_once: Annotated[int, typer.Option(min=1, help="Requests answered at a time.")] = 128,
    debug: Debug = False,
) -> None:
    """Answer over HTTP what `digitflow predict` answers; follow the champion."""
    from digitflow.workers.child import THREAD_VARIABLES

    # Batches are small: threads for one would wait for each other longer than they compute.
    for name in THREAD_VARIABLES:
        os.environ.setdefault(name, "1")
    from digitflow.service.environment import write_url
    from digitflow.serving.server import PASSWORD_VARIABLE as PASSWORD
    from digitflow.serving.server import open_listener, run
    from digitflow.serving.service import MEGABYTE, Limits, Service
    from digitflow.store.artifacts import open_store

    limits = Limits(body_bytes=int(body_mb * MEGABYTE), seconds=seconds, at_once=at_once)
    service = Service(open_store(), _choose_model(model, config), limits, keep=not no_log)
    password = os.environ.get(PASSWORD) or None
    listener = open_listener(host, port, password)
    typer.echo(f"serving on {write_url(*listener.getsockname()[:2])}; Ctrl-C ends it")
    watch.stop()
    run(service, listener, password)


def _choose_model(model: str | None, config: Path | None) -> str | None:
    from digitflow.registry.training import resolve_config

    if model is not None and config is not None:
        raise InputError("--model and --config both name the model to serve: choose one")
    return model if config is None else resolve_config(str(config)).model


def _find_package() -> Path:
    # Not imported: one door doesn't know another.
    package = find_spec("digitflow")
    if package is None or package.origin is None:
        raise InputError("digitflow is not installed: pip install 'digitflow[app]'")
    return Path(package.origin).parent


def list_options(port: int, browser: bool = True, host: str = HOST) -> list[str]:
    """Return Streamlit's options: offline, at one address, with the reports' colours."""
    from digitflow.images.pictures import MAX_FILE_BYTES

    options = {
        "server.address": host,
        "server.port": port,
        "server.fileWatcherType": "none",
        # After each stroke, through all that scikit-learn brings: half of a stroke's time.
        "runner.postScriptGC": "false",
        "server.maxUploadSize": MAX_FILE_BYTES >> 20,
        "server.showEmailPrompt": "false",
        "server.enableCORS": "true",
        "server.enableXsrfProtection": "true",
        "browser.gatherUsageStats": "false",
        # Nobody's address: a browser here is sent to this machine's own.
        "browser.serverAddress": HOST if host in EVERYWHERE else host,
        "client.toolbarMode": "minimal",
        "client.showErrorDetails": "none",
        "client.showErrorLinks": "false",
        "theme.font": _FONT,
        "theme.headingFont": _FONT,
        "theme.baseRadius": "0.4rem",
        "theme.paddingTop": "1.5rem",
        "theme.headingFontSizes": '["1.8rem", "1.3rem", "1.1rem", "1rem", "1rem", "1rem"]',
    }
    if not browser:
        options["server.headless"] = "true"
    for scheme, colours in read_colours().items():
        options |= {f"theme.{scheme}.{name}": colours[ours] for name, ours in _THEME.items()}
    return [f"--{name}={value}" for name, value in options.items()]


def read_colours() -> dict[str, dict[str, str]]:
    """Return the colours of the reports' pages by name: {"light": {...}, "dark": {...}}."""
    css = (_find_package() / "reports" / "page.css").read_text(encoding="utf-8")
    blocks = re.findall(r":root \{(.*?)\}", css, re.DOTALL)[:2]
    light, dark = (dict(re.findall(r"--([\w-]+): (#\w+)", block)) for block in blocks)
    return {"light": light, "dark": dark}
