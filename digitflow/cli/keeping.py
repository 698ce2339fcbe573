"""`digitflow doctor`, `gc`, `du`, `backup` and `restore`: what is kept, whole and in bounds."""

import os
from pathlib import Path
from typing import Annotated, Any

import typer

from digitflow.cli.options import AsJson, Debug, print_result
from digitflow.errors import InputError
from digitflow.formatting import format_bytes


def backup(
    file: Annotated[Path, typer.Argument(help="A file that is not there yet.")],
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Keep a snapshot in one file while runs go on: databases, champions, runs' records."""
    from digitflow.service.backup import back_up

    print_result(back_up(_open_store(), file), as_json, _print_backup)


def restore(
    file: Annotated[Path, typer.Argument(help="What `digitflow backup` wrote.")],
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Fill an empty folder of artifacts from a backup; it can predict and train at once."""
    from digitflow.service.backup import restore as restore_backup

    print_result(restore_backup(_open_store(), file), as_json, _print_restored)


def du(
    keep_runs: Annotated[
        int, typer.Option(min=0, help="Count what so many of the newest runs need apart.")
    ] = 10,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Say where the disk space of the artifacts goes, and what `gc` would free."""
    from digitflow.registry.usage import measure_usage
    from digitflow.store.artifacts import open_store

    store = open_store()
    if not store.require_format():
        raise InputError(f"nothing is stored in {store.root} yet")
    print_result(measure_usage(store, keep_runs), as_json, _print_usage)


def doctor(
    verify: Annotated[bool, typer.Option(help="Hash every stored file too.")] = False,
    repair: Annotated[
        Path | None, typer.Option(help="Mend this database, one of the four; keep a copy.")
    ] = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Check the installation, the databases, the registry and the server; mend a database."""
    from digitflow.cli.console import print_findings
    from digitflow.cli.doctor import examine

    store = _open_store()
    if repair is not None:
        from digitflow.service.databases import repair as repair_database

        for sentence in repair_database(store, repair):
            typer.echo(sentence)
        return
    findings = examine(store, verify)
    print_result(findings, as_json, print_findings)
    if any(finding["level"] == "error" for finding in findings):
        raise typer.Exit(1)


def gc(
    keep_runs: Annotated[int, typer.Option(min=0, help="Newest runs whose files stay.")] = 10,
    keep_versions: Annotated[
        int, typer.Option(min=0, help="Newest versions of each model that stay.")
    ] = 10,
    keep_days: Annotated[
        int | None,
        typer.Option(
            min=1, help="Delete uncorrected predictions older than this (default: none)."
        ),
    ] = None,
    under: Annotated[
        str | None,
        typer.Option(help="Keep the whole folder under this size, such as 20GB, and the best."),
    ] = None,
    dry_run: Annotated[bool, typer.Option(help="Only say what would be deleted.")] = False,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Delete the files that no champion, no recent and no running run needs."""
    from digitflow.cli.console import print_freed
    from digitflow.feedback.predictions import forget_predictions
    from digitflow.formatting import parse_bytes
    from digitflow.registry.cleanup import collect_garbage, collect_within
    from digitflow.store.artifacts import open_store

    budget = None if under is None else parse_bytes(under)
    store = open_store()
    forgotten = forget_predictions(store, keep_days, dry_run)
    if budget is None:
        freed = collect_garbage(store, keep_runs, keep_versions, dry_run)
    else:
        freed = collect_within(store, budget, keep_runs, keep_versions, dry_run)
    print_result({**freed, "predictions": forgotten}, as_json, print_freed)
    if budget is not None and freed["left"] > budget:
        raise typer.Exit(1)


def _print_usage(usage: dict[str, Any]) -> None:
    typer.echo(f"{format_bytes(usage['total']):>9}  in all")
    if usage["copies"]:
        typer.echo(f"{format_bytes(usage['copies']):>9}  beside it, copies on this machine")
    for title, name in (("", "folders"), ("of it databases", "databases")):
        _print_sizes(title, usage[name])
    _print_sizes("arrays, models, results and figures are kept for", usage["kept_for"])
    typer.echo("the largest that tasks made")
    for made in usage["largest"]:
        typer.echo(f"{format_bytes(made['bytes']):>9}  {made['task']}  ({made['run']})")


def _print_sizes(title: str, sizes: dict[str, int]) -> None:
    if title:
        typer.echo(title)
    for name, size in sizes.items():
        typer.echo(f"{format_bytes(size):>9}  {name}")


def _open_store() -> Any:
    """Open the store, with Prefect's place in the environment."""
    from digitflow.service.environment import prefect_environment
    from digitflow.store.artifacts import open_store

    store = open_store()
    os.environ.update(prefect_environment(store, os.environ))
    return store


def _print_backup(about: dict[str, Any]) -> None:
    typer.echo(f"{about['file']}: {format_bytes(about['bytes'])}, of {about['made']}")
    _print_content(about)
    for title in about["elsewhere"]:
        typer.echo(f"  not in it: {title}, which is on a server; back that up there")


def _print_restored(about: dict[str, Any]) -> None:
    typer.echo(f"restored as of {about['made']}")
    _print_content(about)
    typer.echo("`digitflow doctor` looks it over; `digitflow up` deploys again")


def _print_content(about: dict[str, Any]) -> None:
    for name in about["databases"]:
        typer.echo(f"  {name}")
    for model, version in about["champions"].items():
        typer.echo(f"  champion of {model}: version {version}")
