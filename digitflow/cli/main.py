"""The command line: `digitflow COMMAND`. Heavy imports wait until their command runs."""

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from digitflow.cli import feedback, models
from digitflow.cli.options import AsJson, Debug, ModelName, print_result
from digitflow.errors import DigitflowError, InputError

if TYPE_CHECKING:
    from digitflow.feedback.predictions import PredictionLog

DEFAULT_CONFIG = Path("configs/digits.yaml")
NOT_PROMOTED = 3
Job = Literal["train", "study", "monitor"]

app = typer.Typer(
    name="digitflow",
    help="Handwritten-digit models that retrain themselves, refuse a worse one, and say why.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
app.add_typer(models.app)
app.add_typer(feedback.app)


def main() -> None:
    """Run the command line; every expected error is one line and an exit code.

    0 the command did its work; 1 a failure of ours; 2 bad input; 3 not promoted,
    where promotion was required; 130 interrupted.
    """
    try:
        app()
    except DigitflowError as exc:
        if "--debug" in sys.argv:
            raise
        _say_error(str(exc))
        sys.exit(exc.exit_code)
    except KeyboardInterrupt:
        _say_error("interrupted; the same command goes on from what was finished")
        sys.exit(130)
    except BrokenPipeError:
        sys.exit(0)  # whoever read our output has seen enough
    except Exception as exc:
        if "--debug" in sys.argv:
            raise
        _say_error(f"unexpected {type(exc).__name__}: {exc} (--debug shows where)")
        sys.exit(1)


@app.command()
def train(
    config: Annotated[
        Path, typer.Option("--config", "-c", help="The config file.")
    ] = DEFAULT_CONFIG,
    require_promotion: Annotated[
        bool, typer.Option(help="Exit with 3 unless the challenger became champion.")
    ] = False,
    accept_new_test: Annotated[
        bool, typer.Option(help="Judge a champion again on other test images than before.")
    ] = False,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Train the config's candidates, judge the best one, promote it if it is better."""
    from digitflow.cli.console import print_training, show_progress
    from digitflow.cli.launching import launch_training

    with show_progress(debug):
        record = launch_training(config, accept_new_test, debug)
    print_result(record, as_json, print_training)
    if require_promotion and not record["promoted"]:
        raise typer.Exit(NOT_PROMOTED)


@app.command()
def study(
    sections: Annotated[
        list[str] | None, typer.Argument(help="explore, detector, ...; none of them: all.")
    ] = None,
    config: Annotated[
        Path, typer.Option("--config", "-c", help="The config file.")
    ] = DEFAULT_CONFIG,
    train_size: Annotated[
        int | None, typer.Option(min=1, help="So many training images; else all.")
    ] = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Make the studies of handwritten digits: experiments, figures, tables, one report."""
    from digitflow.cli.console import print_study, show_progress
    from digitflow.cli.launching import launch_study

    with show_progress(debug):
        record = launch_study(sections or (), config, train_size, debug)
    print_result(record, as_json, print_study)
    if any(section["errors"] for section in record["sections"]):
        raise typer.Exit(1)


@app.command()
def runs(
    limit: Annotated[int, typer.Option(min=1, help="How many, newest first.")] = 20,
    job: Annotated[Job | None, typer.Option(help="Only these; the monitor's are many.")] = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """List the runs: when, which model, how they ended, what was decided."""
    from digitflow.cli.console import print_runs
    from digitflow.store.artifacts import open_store
    from digitflow.store.runs import list_runs

    print_result(list_runs(open_store(), job)[:limit], as_json, print_runs)


@app.command()
def gate(
    challenger: Annotated[str, typer.Argument(help="A version, an alias, or a run's name.")],
    dry_run: Annotated[bool, typer.Option(help="Only explain; promote nothing.")] = False,
    against: Annotated[
        str | None, typer.Option(help="Another version than the champion; always dry.")
    ] = None,
    config: Annotated[
        Path | None, typer.Option(help="Take the limits from here, not from its own config.")
    ] = None,
    why: Annotated[str, typer.Option(help="A sentence for the history.")] = "",
    model: ModelName = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Judge a registered version again; promote it if the verdict says so."""
    from digitflow.cli.console import print_verdict
    from digitflow.registry.judging import judge_again
    from digitflow.store.artifacts import open_store

    dry = dry_run or against is not None
    verdict = judge_again(open_store(), model, challenger, against, config, dry, why)
    print_result(verdict.model_dump(mode="json"), as_json, print_verdict)


app.command()(models.rollback)


@app.command()
def predict(
    files: Annotated[list[Path], typer.Argument(help="Pictures; - is standard input.")],
    one: Annotated[
        bool, typer.Option("--one", help="Each picture holds one digit; else they are found.")
    ] = False,
    model: Annotated[
        str | None, typer.Option(help="Registered model; else digits, else digits-sample.")
    ] = None,
    no_log: Annotated[
        bool, typer.Option("--no-log", help="Keep nothing for the monitor and corrections.")
    ] = False,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Find and read the digits in each picture with the champion; says which it asked."""
    from digitflow.feedback.predictions import PredictionLog
    from digitflow.predict.predictor import Predictor
    from digitflow.store.artifacts import open_store

    store = open_store()
    kept = None if no_log else PredictionLog(store)
    predictor = Predictor.load(store, model, kept)
    results: list[Any] = []
    for place, file in enumerate(files):
        results += (read := predictor.read_file(file, one))
        if not as_json:
            _show_predictions(read, predictor.champion if place == 0 else None)
    if as_json:
        typer.echo(json.dumps([result.model_dump() for result in results], indent=2))
    if kept is not None:
        _write_log(kept)
    if any(hasattr(result, "error") for result in results):
        raise typer.Exit(InputError.exit_code)


@app.command()
def why(
    run: Annotated[str, typer.Argument(help="A run's name, see `digitflow runs`.")] = "latest",
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Say for each task of a run whether it was computed or cached, and what had changed."""
    from digitflow.cli.console import print_reasons
    from digitflow.store.artifacts import open_store
    from digitflow.store.why import explain_run

    print_result(explain_run(open_store(), run), as_json, print_reasons)


@app.command()
def gc(
    keep_runs: Annotated[int, typer.Option(min=0, help="Newest runs whose files stay.")] = 10,
    keep_versions: Annotated[
        int, typer.Option(min=0, help="Newest versions of each model that stay.")
    ] = 10,
    keep_days: Annotated[
        int | None,
        typer.Option(min=1, help="Forget older predictions that nobody corrected; else none."),
    ] = None,
    dry_run: Annotated[bool, typer.Option(help="Only say what would be freed.")] = False,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Free the files that no champion, no recent and no running run needs."""
    from digitflow.cli.console import print_freed
    from digitflow.feedback.predictions import forget_predictions
    from digitflow.registry.cleanup import collect_garbage
    from digitflow.store.artifacts import open_store

    store = open_store()
    freed = collect_garbage(store, keep_runs, keep_versions, dry_run)
    freed["predictions"] = forget_predictions(store, keep_days, dry_run)
    print_result(freed, as_json, print_freed)


@app.command()
def doctor(
    verify: Annotated[bool, typer.Option(help="Hash every stored file too.")] = False,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Say what is wrong with the installation, the store, the registry or the server."""
    from digitflow.cli.console import print_findings
    from digitflow.cli.doctor import examine
    from digitflow.store.artifacts import open_store

    findings = examine(open_store(), verify)
    print_result(findings, as_json, print_findings)
    if any(finding["level"] == "error" for finding in findings):
        raise typer.Exit(1)


def _show_predictions(results: Sequence[Any], asked: Any) -> None:
    from digitflow.cli.console_predict import describe_file

    if asked is not None:
        typer.echo(f"asked: {asked.name}, version {asked.version}")
    if hasattr(results[0], "error"):
        _say_error(results[0].error)
        return
    for line in describe_file(results):
        typer.echo(line)


def _write_log(log: "PredictionLog") -> None:
    """Write what was read; that it can't be kept is no reason not to have read it."""
    try:
        log.flush()
    except DigitflowError as exc:
        typer.echo(f"digitflow: warning: what was read is not kept: {exc}", err=True)


def _say_error(message: str) -> None:
    typer.echo(f"digitflow: error: {message}", err=True)
