"""The studies: everything that is known to teach about the digits, in one report."""

import time
from collections.abc import Mapping, Sequence
from functools import partial

from prefect import flow
from prefect.futures import PrefectFuture
from prefect.task_runners import ThreadPoolTaskRunner

from digitflow.cli.launching import resolve_config
from digitflow.config.training import TrainConfig
from digitflow.errors import DamagedArtifact, StorageError
from digitflow.studies.chapter import Chapter
from digitflow.studies.data import describe_scope
from digitflow.studies.plan import (
    Experiment,
    Findings,
    Scope,
    StudyData,
    check_plan,
    choose_sections,
    plan_section,
)
from digitflow.studies.report import SectionFacts
from flows.run import call, heal_damage, name_run, open_job
from tasks.caching import collect
from tasks.chapter import draw_chapter
from tasks.choose import choose_digits
from tasks.context import current_run
from tasks.experiment import run_experiment
from tasks.ingest import fingerprint_source, ingest_digits
from tasks.publishing import publish_chapter, publish_study
from tasks.study_report import write_report
from tasks.validate import validate_digits

# Task threads only wait: how much is computed at once is the worker slots' business.
TASK_THREADS = 64
# Of the digits before the first section, and of the report and its link after the last.
OTHER_TASKS = 6
# The chapter of a section, and what it shows in the UI.
TASKS_A_SECTION = 2


@flow(
    name="study-digits",
    flow_run_name=partial(name_run, "study-"),
    task_runner=ThreadPoolTaskRunner(max_workers=TASK_THREADS),  # type: ignore[arg-type]
)
def study_digits(
    sections: Sequence[str] = (), config: str | TrainConfig = "configs/digits.yaml"
) -> str:
    """Compute the sections' experiments, write their report; return the run's name.

    Parameters
    ----------
    sections : sequence of str
        Names of sections; none of them means all.
    config : str or TrainConfig
        Path of a config file, or the config itself.
    """
    settings, chosen = resolve_config(config), choose_sections(sections)
    with open_job(settings, f"study-{settings.model}", OTHER_TASKS, job="study") as run:
        heal_damage(lambda asked: study_once(asked, chosen), settings)
    return run.log.run


def study_once(config: TrainConfig, sections: Sequence[str]) -> None:
    """Go through all sections; what is cached is not computed again."""
    raw = call(ingest_digits, config.source, call(fingerprint_source, config.source))
    checked = call(validate_digits, raw, config.validation)
    size = config.study.train_size
    data = call(choose_digits, checked, config.split, size, config.seed)
    scope = describe_scope(config.source.kind, checked, data, config.seed, config.study)
    plans = {section: plan_section(section, scope) for section in sections}
    announce(plans)
    studied = [study_section(section, plan, scope, data) for section, plan in plans.items()]
    call(write_report, config, raw.origin, scope, studied)
    chapters = [section.chapter for section in studied if section.chapter is not None]
    call(publish_study, config.model, len(chapters), len(studied))
    for chapter in chapters:
        call(publish_chapter, config.model, chapter)


def announce(plans: dict[str, tuple[Experiment, ...]]) -> None:
    """Check every plan, and tell the progress how much there is to do."""
    for plan in plans.values():
        check_plan(plan)
    progress = current_run().progress
    if progress is not None:
        progress.expect(sum(len(plan) + TASKS_A_SECTION for plan in plans.values()))


def study_section(
    section: str, plan: Sequence[Experiment], scope: Scope, data: StudyData
) -> SectionFacts:
    """Compute a section's experiments in parallel, then its chapter.

    An experiment that fails costs the section its chapter; the other sections go on.
    """
    began, before = time.monotonic(), count_computed()
    found, errors = collect_all(plan, start_experiments(section, plan, data, scope.seed))
    seconds = {name: findings.measured["seconds"] for name, findings in found.items()}
    computed, chapter = count_computed() - before, None
    if not errors:
        chapter, errors = try_chapter(section, scope, data, found, seconds)
    return SectionFacts(
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
) -> dict[str, PrefectFuture]:
    """Start every experiment; each waits for what it needs, and for a free slot."""
    futures: dict[str, PrefectFuture] = {}
    for experiment in plan:
        given = {name: futures[name] for name in experiment.needs}
        futures[experiment.name] = run_experiment.submit(
            section, experiment.name, experiment, data, given, seed
        )
    return futures


def collect_all(
    plan: Sequence[Experiment], futures: Mapping[str, PrefectFuture]
) -> tuple[dict[str, Findings], tuple[str, ...]]:
    """Wait for every experiment; return what was found, and what was wrong with the rest."""
    found: dict[str, Findings] = {}
    errors: list[str] = []
    for experiment in plan:
        if not set(experiment.needs) <= found.keys():
            continue  # what it needs has failed, and says why
        try:
            found[experiment.name] = collect(futures[experiment.name])
        except (DamagedArtifact, StorageError):
            raise
        except Exception as exc:
            errors.append(f"{experiment.name}: {str(exc) or type(exc).__name__}")
    return found, tuple(errors)


def try_chapter(
    section: str,
    scope: Scope,
    data: StudyData,
    found: Mapping[str, Findings],
    seconds: Mapping[str, float],
) -> tuple[Chapter | None, tuple[str, ...]]:
    """Draw a section's chapter; return it, or what was wrong."""
    try:
        return call(draw_chapter, section, scope, data, found, seconds), ()
    except (DamagedArtifact, StorageError):
        raise
    except Exception as exc:
        return None, (f"its chapter: {str(exc) or type(exc).__name__}",)


def count_computed() -> int:
    """Return how many tasks of this run were computed so far, and not cached."""
    return sum(event["event"] == "computed" for event in current_run().log.events)
