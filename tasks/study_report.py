"""Write the report of a study and its record."""

from collections.abc import Sequence

from digitflow.config.training import TrainConfig
from digitflow.store.lineage import digest_modules, find_libraries, list_versions
from digitflow.store.references import digest_json
from digitflow.studies.plan import Scope
from digitflow.studies.report import (
    SectionFacts,
    StudyFacts,
    list_published,
    write_results,
    write_study,
)
from tasks.caching import plain_task
from tasks.context import current_run
from tasks.gate import write_config


@plain_task(run_name="report")
def write_report(
    config: TrainConfig, origin: str, scope: Scope, sections: Sequence[SectionFacts]
) -> None:
    """Write the page, its tables and results.md into reports/<run>, and the record."""
    run = current_run()
    sources = (f"digitflow.studies.experiments.{each.section}" for each in sections)
    modules = digest_modules(*sources)
    facts = StudyFacts(
        run=run.log.run,
        started=run.log.record["started"],
        seconds=run.log.seconds(),
        cores=run.log.record["cores"],
        source=config.source.kind,
        origin=origin,
        scope=scope,
        versions=list_versions(find_libraries(modules)),
        config=write_config(config),
        sections=tuple(sections),
    )
    published = [part for _, part in list_published(facts)]
    page = write_study(run.store, facts)
    run.store.write_text(f"reports/{run.log.run}/results.md", write_results(facts))
    run.log.update(
        sections=[describe_section(section) for section in sections],
        published={"met": sum(part.met for part in published), "of": len(published)},
        versions=facts.versions,
        code=digest_json(modules),
        report=str(run.store.root / page),
    )
    run.store.point("reports/latest-study", run.log.run)


def describe_section(section: SectionFacts) -> dict[str, object]:
    """Return a section's outcome as plain values, for the run's record."""
    facts = section.model_dump(mode="json", exclude={"chapter"})
    return facts | {"findings": section.chapter.findings if section.chapter else []}
