"""Draw the run's figures, write its report and its record."""

from collections.abc import Mapping, Sequence

from digitflow.config.training import TrainConfig
from digitflow.data.sets import ImageSet, PreparedData
from digitflow.evaluation.evidence import Share
from digitflow.evaluation.leaderboard import Entry, choose_winner, describe_entries
from digitflow.evaluation.scoring import Evaluation
from digitflow.models.bundle import ModelBundle
from digitflow.reports import figures, summary
from digitflow.reports.figures import Figures
from digitflow.reports.page import render_report
from digitflow.store.lineage import find_libraries
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
    card, winner = summary.describe_data(store, data), choose_winner(entries)
    run.log.update(
        winner=winner.candidate.name,
        photographs={name: share.model_dump() for name, share in others.items()},
        leaderboard=describe_entries(entries),
        verdict=decision.verdict.model_dump(mode="json"),
        version=decision.version,
        promoted=decision.verdict.promoted,
        champion=summary.describe_champion(decision.champion),
        data=card.model_dump(mode="json"),
        versions=summary.list_versions(find_libraries(code)),
        code=digest_json(code),
        notes=summary.write_notes(decision.verdict, winner, config.refit, entries, data),
        report=str(store.root / name),
    )
    pictures = {
        field: store.read_bytes(getattr(drawn, field)) for field in type(drawn).model_fields
    }
    facts = summary.build_facts(
        run.log.record | {"seconds": run.log.seconds()},
        card,
        entries,
        decision.verdict,
        bundle.reject_option,
        others,
        pictures,
        list(summarise_tasks(run.log.events).values()),
        write_config(config),
    )
    store.write_text(name, render_report(facts))
    store.point("reports/latest", run.log.run)
