"""`digitflow models ...`, `gate` and `rollback`: what is registered, and who is champion."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from digitflow.cli.options import AsJson, Debug, ModelName, print_result

if TYPE_CHECKING:
    from digitflow.registry.history import Entry
    from digitflow.store.artifacts import Store

app = typer.Typer(name="models", help="List, show and compare registered versions.")

_VERSION = typer.Argument(help="A version's number or an alias, such as champion.")
VersionName = Annotated[str, _VERSION]


@app.callback(invoke_without_command=True, epilog="Example: digitflow models --model digits")
def models(
    context: typer.Context,
    model: Annotated[
        str | None, typer.Option("--model", help="Only this registered model.")
    ] = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """List the registered versions, their verdicts and their aliases."""
    if context.invoked_subcommand is not None:
        return
    from digitflow.cli.tables import print_versions
    from digitflow.registry.listing import choose_model, list_models, list_versions
    from digitflow.store.artifacts import open_store

    store = open_store()
    if model is not None and list_models(store):
        choose_model(store, model)  # or its error, which names those that are there
    found = list_versions(store, model)
    listed = [version.summarise() for version in found]
    print_result(listed, as_json, print_versions)


@app.command(epilog="Example: digitflow models show champion")
def show(
    version: VersionName, model: ModelName = None, as_json: AsJson = False, debug: Debug = False
) -> None:
    """Print all that is known of a version: verdict, figures, config, digests, history."""
    from digitflow.cli.tables import print_registration
    from digitflow.registry import history as registry_history
    from digitflow.registry import listing

    store, name = _open_model(model)
    found = listing.find_registration(store, name, version)
    entries = [e for e in listing.list_history(store, name) if e.version == found.version]
    judged = registry_history.list_judgements(store, name)
    shown = found.model_dump(mode="json") | {
        "history": [_shorten_entry(store, entry) for entry in entries],
        "judgements": [
            judgement.model_dump(exclude={"verdict"})
            for judgement in judged
            if judgement.version == found.version
        ],
    }
    print_result(shown, as_json, print_registration)


@app.command(epilog="Example: digitflow models compare 3 champion")
def compare(
    first: VersionName,
    second: VersionName,
    model: ModelName = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Score two versions on the same test samples and compare them pair by pair."""
    from digitflow.cli.tables import print_comparison
    from digitflow.registry.judging import judge_version

    verdict = judge_version(*_open_model(model), first, second)
    compared = {"first": first, "second": second, "verdict": verdict.model_dump(mode="json")}
    print_result(compared, as_json, print_comparison)


@app.command(epilog="Example: digitflow models diff previous champion")
def diff(
    first: VersionName,
    second: VersionName,
    model: ModelName = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Show how the configs, the figures and the verdicts of two versions differ."""
    from digitflow.cli.tables import print_difference
    from digitflow.registry.listing import diff_versions

    found = diff_versions(*_open_model(model), first, second)
    print_result(found, as_json, print_difference)


@app.command(epilog="Example: digitflow models history --model digits")
def history(model: ModelName = None, as_json: AsJson = False, debug: Debug = False) -> None:
    """Say who was champion when, by whom, why and by which verdict; the newest first."""
    from digitflow.cli.tables import print_history
    from digitflow.registry.listing import list_history

    store, name = _open_model(model)
    entries = list_history(store, name)
    print_result([_shorten_entry(store, entry) for entry in entries], as_json, print_history)


def gate(
    challenger: Annotated[str, typer.Argument(help="A version, an alias, or a run's name.")],
    dry_run: Annotated[bool, typer.Option(help="Only explain; promote nothing.")] = False,
    against: Annotated[
        str | None,
        typer.Option(help="Compare with this version, not the champion; promotes nothing."),
    ] = None,
    config: Annotated[
        Path | None, typer.Option(help="Take the limits from this file, not its own config.")
    ] = None,
    why: Annotated[str, typer.Option(help="A reason for the history.")] = "",
    model: ModelName = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Judge a registered version again; promote it if the verdict says so."""
    from digitflow.cli.tables import print_verdict
    from digitflow.registry.judging import judge_again
    from digitflow.store.artifacts import open_store

    dry = dry_run or against is not None
    verdict = judge_again(open_store(), model, challenger, against, config, dry, why)
    print_result(verdict.model_dump(mode="json"), as_json, print_verdict)


def rollback(
    to: Annotated[
        str | None,
        typer.Option(help="A former champion (default: one further back each time)."),
    ] = None,
    why: Annotated[str, typer.Option(help="A reason for the history.")] = "",
    model: ModelName = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Make a former champion champion again, after loading and checking it."""
    from digitflow.cli.tables import print_rollback
    from digitflow.registry import promotion

    champion = promotion.rollback(*_open_model(model), to, why)
    print_result(champion.model_dump(mode="json"), as_json, print_rollback)


def _open_model(model: str | None) -> "tuple[Store, str]":
    """Open the store, and choose the registered model that is meant."""
    from digitflow.registry.listing import choose_model
    from digitflow.store.artifacts import open_store

    store = open_store()
    return store, choose_model(store, model)


def _shorten_entry(store: "Store", entry: "Entry") -> dict[str, Any]:
    """Return an entry as plain values: of its verdict the outcome, of its run the report."""
    from digitflow.store.runs import find_run

    run = find_run(store, entry.run) or {}
    return entry.model_dump(mode="json", exclude={"verdict", "champion"}) | {
        "outcome": None if entry.verdict is None else entry.verdict.outcome,
        "reason": None if entry.verdict is None else entry.verdict.reason,
        "score": entry.champion.score.model_dump(mode="json"),
        "deployment": run.get("deployment"),
        "report": run.get("report"),
    }
