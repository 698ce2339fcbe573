"""The studies: everything that is known to teach about a model's data, in one report."""

import time
from collections.abc import Mapping, Sequence
from functools import partial

from prefect import flow
from prefect.futures import PrefectFuture

from digitflow.config.digits import DigitsConfig
from digitflow.config.reading import AnyConfig
from digitflow.config.table import RegressionConfig
from digitflow.registry.training import resolve_studied
from digitflow.studies.chapter import Chapter
from digitflow.studies.plan import (
    Experiment,
    Findings,
    StudyData,
    check_plan,
    choose_sections,
    plan_section,
)
from digitflow.studies.report import SectionResult
from digitflow.studies.scope import Scope
from flows.run import TASK_THREADS, name_run, run_job
from tasks.publishing import publish_chapter, publish_study
from tasks.studies import draw_chapter, prepare_study, run_experiment, write_report
from tasks.wiring import RunContext, named, settle, value_of

# Of the data before the first section, and of the report and its link after the last.
OTHER_TASKS = 6
# The chapter of a section, and what it shows in the UI.
TASKS_A_SECTION = 2


@flow(name="study", flow_run_name=partial(name_run, "study-"), task_runner=TASK_THREADS)
def study_model(
    sections: Sequence[str] = (), config: str | AnyConfig = "configs/digits.yaml"
) -> str:
    """Compute the sections' experiments, write their report; return the run's name.

    Parameters
    ----------
    sections : sequence of str
        Names of sections; none of them means all.
    config : str or config
        Path of a config file, or the config itself.
    """
    settings = resolve_studied(config)
    chosen = choose_sections(settings.workload, sections)
    return run_job(
        lambda run: study_once(run, settings, chosen), settings, "study", OTHER_TASKS
    )


def study_once(
    run: RunContext, config: DigitsConfig | RegressionConfig, sections: Sequence[str]
) -> str:
    """Go through all sections; what is cached is not computed again."""
    origin, data, scope = prepare_study(config)
    plans = {section: plan_section(section, scope) for section in sections}
    expect_tasks(run, plans)
    studied = [
        study_section(run, section, plan, scope, data) for section, plan in plans.items()
    ]
    write_report(config, origin, scope, studied)
    chapters = [section.chapter for section in studied if section.chapter is not None]
    publish_study(config.model, len(chapters), len(studied))
    for chapter in chapters:
        publish_chapter(config.model, chapter)
    return run.log.run


def expect_tasks(run: RunContext, plans: Mapping[str, tuple[Experiment, ...]]) -> None:
    """Check every plan, and tell the progress how much there is to do."""
    for plan in plans.values():
        check_plan(plan)
    if run.progress is not None:
        run.progress.expect(sum(len(plan) + TASKS_A_SECTION for plan in plans.values()))


def study_section(
    run: RunContext, section: str, plan: Sequence[Experiment], scope: Scope, data: StudyData
) -> SectionResult:
    """Compute a section's experiments in parallel, then its chapter.

    An experiment that fails costs the section its chapter; the other sections go on.
    """
    began, before = time.monotonic(), count_computed(run)
    found, errors = collect_all(plan, start_experiments(section, plan, data, scope.seed))
    seconds = {name: findings.measured["seconds"] for name, findings in found.items()}
    computed, chapter = count_computed(run) - before, None
    if not errors:
        chapter, errors = try_chapter(section, scope, data, found)
    return SectionResult(
        section=section,
        chapter=chapter,
        elapsed=round(time.monotonic() - began, 2),
        worked=round(sum(seconds.values()), 2),
        experiments=len(plan),
        computed=computed,
        errors=errors,
        warnings=tuple(
            f"{name}: {text}" for name, findings in found.items() for text in findings.warnings
        ),
    )


def start_experiments(
    section: str, plan: Sequence[Experiment], data: StudyData, seed: int
) -> dict[str, PrefectFuture[Findings]]:
    """Start every experiment; each waits for what it needs, and for a free slot."""
    futures: dict[str, PrefectFuture[Findings]] = {}
    for experiment in plan:
        given = {name: value_of(futures[name]) for name in experiment.needs}
        task = named(run_experiment, f"{section}: {experiment.name}")
        futures[experiment.name] = task.submit(experiment, data, given, seed)
    return futures


def collect_all(
    plan: Sequence[Experiment], futures: Mapping[str, PrefectFuture[Findings]]
) -> tuple[dict[str, Findings], tuple[str, ...]]:
    """Wait for every experiment; return what was found, and what was wrong with the rest."""
    found: dict[str, Findings] = {}
    errors: list[str] = []
    for experiment in plan:
        if not set(experiment.needs) <= found.keys():
            continue  # what it needs has failed, and says why
        result = settle(futures[experiment.name], Exception)
        if isinstance(result, Exception):
            errors.append(f"{experiment.name}: {str(result) or type(result).__name__}")
        else:
            found[experiment.name] = result
    return found, tuple(errors)


def try_chapter(
    section: str, scope: Scope, data: StudyData, found: Mapping[str, Findings]
) -> tuple[Chapter | None, tuple[str, ...]]:
    """Draw a section's chapter; return it, or what was wrong."""
    result = settle(draw_chapter.submit(section, scope, data, found), Exception)
    if isinstance(result, Exception):
        return None, (f"its chapter: {str(result) or type(result).__name__}",)
    return result, ()


def count_computed(run: RunContext) -> int:
    """Return how many tasks of this run were computed so far, and not cached."""
    return sum(event["event"] == "computed" for event in run.log.events)
