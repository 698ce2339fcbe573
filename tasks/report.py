"""Draw the run's figures, write its report and its record."""

from collections.abc import Mapping, Sequence

from digitflow.config.training import TrainConfig
from digitflow.data.sets import ImageSet, PreparedData
from digitflow.evaluation.evidence import Share
from digitflow.evaluation.leaderboard import Entry, choose_winner, rank_entries
from digitflow.evaluation.scoring import Evaluation
from digitflow.models.bundle import ModelBundle
from digitflow.reports import figures
from digitflow.reports.figures import Figures
from digitflow.reports.training import (
    TASK_SIGNS,
    RunReport,
    describe_data,
    render_report,
    write_notes,
)
from digitflow.store.lineage import find_libraries, list_versions
from digitflow.store.references import digest_json
from digitflow.store.why import summarise_tasks
from tasks.caching import cached_task, plain_task
from tasks.context import current_run
from tasks.gate import Decision, list_code, write_config


@cached_task(run_name="draw figures")
def draw_figures(
    train: ImageSet, validation: ImageSet, evaluation: Evaluation, coverage: float
) -> Figures:
    """Draw the samples, and what the winner got wrong on the validation images."""
    run = current_run()
    return run.workers.run(
        figures.draw_figures, run.store, train, validation, evaluation, coverage
    )


@plain_task(run_name="report")
def write_report(
    config: TrainConfig,
    data: PreparedData,
    entries: Sequence[Entry],
    decision: Decision,
    bundle: ModelBundle,
    others: Mapping[str, Share],
    drawn: Figures,
) -> None:
    """Write reports/<run>/index.html, and what was decided into the run's record."""
    run = current_run()
    store, name = run.store, f"reports/{run.log.run}/index.html"
    code = list_code(config)
    verdict, champion, ranked = decision.verdict, decision.champion, rank_entries(entries)
    card, winner = describe_data(store, data), choose_winner(entries)
    versions = list_versions(find_libraries(code))
    notes = write_notes(verdict, winner, config.refit, entries, data)
    run.log.update(
        winner=winner.candidate.name,
        photographs={name: share.model_dump() for name, share in others.items()},
        leaderboard=[entry.model_dump(mode="json") for entry in ranked],
        verdict=verdict.model_dump(mode="json"),
        version=decision.version,
        promoted=verdict.promoted,
        champion=None if champion is None else champion.model_dump(mode="json"),
        data=card.model_dump(mode="json"),
        versions=versions,
        code=digest_json(code),
        notes=notes,
        report=str(store.root / name),
    )
    tasks = summarise_tasks(run.log.events).values()
    report = RunReport(
        run=run.log.run,
        model=config.model,
        started=run.log.record["started"],
        seconds=run.log.seconds(),
        cores=run.log.record["cores"],
        versions=versions,
        config=write_config(config),
        data=card,
        entries=ranked,
        verdict=verdict,
        champion=champion,
        reject_option=bundle.reject_option,
        typical=config.selective.typical,
        photographs=others,
        pictures={picture: store.read_bytes(ref) for picture, ref in drawn},
        tasks=[task for task in tasks if task["state"] in TASK_SIGNS],
        notes=notes,
    )
    store.write_text(name, render_report(report))
    store.point("reports/latest", run.log.run)
