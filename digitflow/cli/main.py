"""The command line: `digitflow COMMAND`. Heavy imports wait until their command runs."""

import json
import os
import sys
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, NoReturn, cast

import typer

from digitflow.cli import clustering, importing, keeping, models, predicting, serving
from digitflow.cli.options import (
    DEFAULT_CONFIG,
    AsJson,
    ConfigFile,
    Debug,
    print_error,
    print_result,
    use_plain_signs,
)
from digitflow.cli.signals import watch
from digitflow.errors import DigitflowError, InputError

if TYPE_CHECKING:
    from digitflow.config.training import TrainConfig
    from digitflow.store.artifacts import Store

NOT_PROMOTED = 3
NOT_RUNNING = 3
# As if the signal SIGPIPE had ended us, which ends most Unix tools.
READER_ENDED = 128 + 13
Job = Literal["train", "study", "monitor"]
Project = Annotated[
    Path, typer.Option(help="The folder of prefect.yaml; runs start in it.", show_default=".")
]

app = typer.Typer(name="digitflow", no_args_is_help=True, pretty_exceptions_enable=False)


def main() -> None:
    """Run the command line; every expected error is one line and an exit code.

    0 the command did its work; 1 a failure of ours; 2 bad input; 3 not promoted,
    where promotion was required, or no service is running; 130 interrupted, 143 told to
    end; 141 the reader of our output, such as `head`, has ended.
    """
    try:
        _open_standard_files()
        use_plain_signs()
        watch.start()
        _run_app()
    except BaseException as exc:
        # Whatever came of it on its way here, through Prefect or half an import.
        if watch.number is not None or isinstance(exc, KeyboardInterrupt):
            watch.end()
        _end(exc)


def _end(error: BaseException) -> NoReturn:
    """End with the message and the exit code of an error."""
    if isinstance(error, BrokenPipeError):
        # What is left to be written would be tried again, and complained of, at the end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        sys.exit(READER_ENDED)
    if "--debug" in sys.argv or not isinstance(error, Exception):
        raise error
    if isinstance(error, DigitflowError):
        print_error(str(error))
        sys.exit(error.exit_code)
    print_error(f"unexpected {type(error).__name__}: {error} (--debug shows where)")
    sys.exit(1)


def _run_app() -> None:
    """Run the command; raise what typer makes an exit of."""
    try:
        app()
    except SystemExit as exc:
        if isinstance(exc.__context__, BrokenPipeError):
            raise exc.__context__ from None
        raise
    finally:
        # The table of `predict --csv` may still wait.
        if sys.stdout is not None:
            sys.stdout.flush()


def _open_standard_files() -> None:
    """Keep the first file that we open from taking the place of a closed standard one."""
    while (opened := os.open(os.devnull, os.O_RDWR)) <= 2:
        pass
    os.close(opened)
    if sys.stdout is None:
        raise InputError(
            "standard output is closed, and results go there: send it to a file, or to "
            f"{os.devnull} if nobody wants them"
        )


def print_version(wanted: bool) -> None:
    """Print the installed version and end."""
    if wanted:
        typer.echo(f"digitflow {version('digitflow')}")
        raise typer.Exit


@app.callback()
def digitflow(
    version: Annotated[
        bool,
        typer.Option("--version", callback=print_version, is_eager=True, help="Show version."),
    ] = False,
) -> None:
    """Handwritten-digit models that retrain themselves, refuse a worse one, and say why."""


@app.command(epilog="Example: digitflow train --config configs/mnist.yaml --require-promotion")
def train(
    config: ConfigFile = DEFAULT_CONFIG,
    require_promotion: Annotated[
        bool, typer.Option(help="Exit with 3 unless the challenger became champion.")
    ] = False,
    accept_new_test: Annotated[
        bool, typer.Option(help="Allow other test samples than the champion was judged on.")
    ] = False,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Train the config's candidates, judge the best one, promote it if it is better."""
    from digitflow.cli.console import print_training, show_progress
    from digitflow.models.checking import check_candidates
    from digitflow.registry.training import resolve_config

    checked = resolve_config(str(config))
    if accept_new_test:
        gate = checked.gate.model_copy(update={"accept_new_test": True})
        checked = checked.model_copy(update={"gate": gate})

    store = _prepare(debug)
    check_candidates(checked, store)
    _require_person(checked)

    def run_flow() -> str:
        from flows.train import train_model

        # A state is what only a deployment's run returns.
        return cast("str", train_model(checked))

    with show_progress(debug):
        record = _launch(run_flow, store)
    print_result(record, as_json, print_training)
    if require_promotion and not record["promoted"]:
        raise typer.Exit(NOT_PROMOTED)


@app.command(epilog="Example: digitflow study explore tuning --train-size 5000")
def study(
    sections: Annotated[
        list[str] | None, typer.Argument(help="explore, detector, ... (default: all).")
    ] = None,
    config: ConfigFile = DEFAULT_CONFIG,
    train_size: Annotated[
        int | None, typer.Option(min=1, help="Number of training samples (default: all).")
    ] = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Run the studies of digits, or of a table: experiments, figures, tables, one report."""
    from digitflow.cli.console import print_study, show_progress
    from digitflow.registry.training import resolve_studied
    from digitflow.studies.plan import choose_sections

    checked = resolve_studied(str(config))
    chosen = choose_sections(checked.workload, sections or ())
    if train_size is not None:
        changed = checked.study.model_copy(update={"train_size": train_size})
        checked = checked.model_copy(update={"study": changed})

    store = _prepare(debug)

    def run_flow() -> str:
        from flows.study import study_model

        return study_model(chosen, checked)

    with show_progress(debug):
        record = _launch(run_flow, store)
    print_result(record, as_json, print_study)
    if any(section["errors"] for section in record["sections"]):
        raise typer.Exit(1)


@app.command(epilog="Example: digitflow runs --job train --limit 5")
def runs(
    limit: Annotated[int, typer.Option(min=1, help="Number of runs, newest first.")] = 20,
    job: Annotated[Job | None, typer.Option(help="Only runs of this job.")] = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """List the runs: when, which model, how they ended, what was decided."""
    from digitflow.cli.console import print_runs
    from digitflow.store.artifacts import open_store
    from digitflow.store.runs import list_runs

    print_result(list_runs(open_store(), job)[:limit], as_json, print_runs)


@app.command(epilog="Example: digitflow why latest")
def why(
    run: Annotated[str, typer.Argument(help="A run's name, see `digitflow runs`.")] = "latest",
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Show for each task of a run whether it was computed or cached, and what had changed."""
    from digitflow.cli.console import print_reasons
    from digitflow.store.artifacts import open_store
    from digitflow.store.runs import explain_run

    print_result(explain_run(open_store(), run), as_json, print_reasons)


app.command(name="import", epilog="Example: digitflow import mnist.npz --write mine.yaml")(
    importing.import_source
)
app.add_typer(models.app)
app.command(epilog="Example: digitflow gate challenger --dry-run")(models.gate)
app.command(epilog="Example: digitflow rollback --to 3 --why 'sevens got worse'")(
    models.rollback
)
app.command(epilog="Example: digitflow predict photo.jpg --json")(predicting.predict)
app.command(epilog="Example: digitflow correct photo.jpg 4213")(predicting.correct)
app.command(epilog="Example: digitflow corrections --json")(predicting.corrections)
app.command(epilog="Example: digitflow doctor --verify")(keeping.doctor)
app.command(epilog="Example: digitflow gc --keep-runs 5 --dry-run")(keeping.gc)
app.command(epilog="Example: digitflow du --json")(keeping.du)
app.command(epilog="Example: digitflow backup monday.zip")(keeping.backup)
app.command(epilog="Example: digitflow restore monday.zip")(keeping.restore)
app.command(epilog="Example: digitflow worker --scheduler tcp://127.0.0.1:8786")(
    clustering.worker
)
app.command(name="app", epilog="Example: digitflow app --port 8600")(serving.open_app)
app.command(epilog="Example: digitflow serve --model digits --port 8000")(serving.serve)


@app.command(epilog="Example: digitflow init handwriting")
def init(
    folder: Annotated[Path, typer.Argument(help="A folder that is empty or not there yet.")],
    debug: Debug = False,
) -> None:
    """Make a project of your own: configs, an example module, deployments, a Makefile."""
    from digitflow.project.starting import start_project

    for path in start_project(folder):
        typer.echo(f"  {folder / path}")
    typer.echo(f"\nNext: cd {folder} && digitflow train --config configs/mine.yaml")


@app.command(epilog="Example: digitflow up")
def up(project: Project = Path(), debug: Debug = False) -> None:
    """Start Prefect's server and a worker, deploy prefect.yaml, return when all is ready."""
    from digitflow.service import control
    from digitflow.store.artifacts import open_store

    control.start(open_store(), project.resolve(), typer.echo)


@app.command(epilog="Example: digitflow down")
def down(debug: Debug = False) -> None:
    """Stop the server, the worker and the runs that it started; nothing else."""
    from digitflow.service import control
    from digitflow.store.artifacts import open_store

    control.stop(open_store(), typer.echo)


@app.command(epilog="Example: digitflow status")
def status(debug: Debug = False) -> None:
    """Say whether the service is running, and where; exit code 3 if it is not."""
    from digitflow.service import control
    from digitflow.store.artifacts import open_store

    lines = control.describe(open_store())
    for line in lines or ["The service is not running."]:
        typer.echo(line)
    if not lines:
        raise typer.Exit(NOT_RUNNING)


@app.command(
    epilog="Example: digitflow prefect deployment ls",
    context_settings={"ignore_unknown_options": True, "help_option_names": []},
)
def prefect(
    arguments: Annotated[list[str], typer.Argument(help="As `prefect` has them.")],
) -> None:
    """Run a command of Prefect's: offline, on our server, with our folder of artifacts."""
    _prepare(debug=True)
    sys.stdout.flush()
    os.execv(sys.executable, [sys.executable, "-m", "prefect", *arguments])


configs = typer.Typer(name="config", help="Check a config file, or print its JSON schema.")
app.add_typer(configs)


@configs.command(epilog="Example: digitflow config schema")
def schema(
    notifications: Annotated[
        bool, typer.Option("--notifications", help="Of notifications.yaml instead.")
    ] = False,
    debug: Debug = False,
) -> None:
    """Print the JSON schema of a training config, by which editors complete and check it."""
    if notifications:
        from digitflow.service.notifications import Notifications

        described = Notifications.model_json_schema()
    else:
        from digitflow.config.reading import describe_configs

        described = describe_configs()
    typer.echo(json.dumps(described, indent=2, ensure_ascii=False))


@configs.command(epilog="Example: digitflow config check configs/digits.yaml")
def check(
    file: Annotated[Path, typer.Argument(help="A training config.")], debug: Debug = False
) -> None:
    """Check a training config without training; exit code 2 if something is wrong."""
    from digitflow.models.checking import check_candidates
    from digitflow.registry.training import resolve_config

    config = resolve_config(str(file))
    check_candidates(config)
    typer.echo(f"{file}: fine; model {config.model}, {len(config.candidates)} candidates")


def _prepare(debug: bool) -> "Store":
    """Return the store of a run that is to be launched, its environment set.

    Raises
    ------
    StorageError
        Before Prefect is even imported, where the store can't be written.
    """
    from digitflow.service.databases import require_prefect
    from digitflow.service.environment import use_prefect_environment
    from digitflow.store.artifacts import open_store

    store = open_store()
    store.check_writable()
    use_prefect_environment(store, quiet=not debug)
    if "PREFECT_API_URL" not in os.environ:
        require_prefect(store)
    return store


def _launch(run_flow: Callable[[], str], store: "Store") -> dict[str, Any]:
    """Run a flow, whose config is checked, in this process; return its record."""
    from prefect.context import refresh_global_settings_context
    from prefect.settings import (
        PREFECT_API_URL,
        PREFECT_FLOWS_HEARTBEAT_FREQUENCY,
        temporary_settings,
    )

    from digitflow.service.databases import explain_failures
    from digitflow.service.environment import require_server
    from digitflow.service.repairs import tag_command
    from digitflow.service.server import TemporaryServer
    from digitflow.store.runs import read_run

    named = PREFECT_API_URL.value()
    if named is not None:
        require_server(named)
    with explain_failures(store):
        if named is None:
            server = TemporaryServer(store)
            watch.last_acts.append(server.kill)
            # Not by `temporary_settings`, which Prefect's own threads don't see.
            os.environ["PREFECT_API_URL"] = server.api_url
            refresh_global_settings_context()
            server.wait()
        # The heartbeat's thread holds the end of every flow up for a second; here nobody
        # has to find out from afar whether this process still lives.
        with temporary_settings({PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None}), tag_command(store):
            run = run_flow()
    return read_run(store, run)


def _require_person(config: "TrainConfig") -> None:
    if config.gate.approval is not None and not os.environ.get("PREFECT_API_URL"):
        raise InputError(
            "gate.approval asks a person in the Prefect UI, and no server is running. Start "
            "one with `digitflow up`, or name one in PREFECT_API_URL."
        )
