"""The studies: the samples that they are about, experiments, chapters, one report."""

from typing import NamedTuple

from digitflow.catalogue import find_chapters
from digitflow.config.data import list_parts
from digitflow.config.digits import DigitsConfig
from digitflow.config.table import RegressionConfig
from digitflow.data.tables.sets import CheckedRows
from digitflow.studies import chapter, plan, report
from digitflow.studies.digits import data as digits
from digitflow.studies.plan import StudyData
from digitflow.studies.scope import AnyScope
from digitflow.studies.table import data as table
from tasks.digits import ingest_source, validate_digits
from tasks.tables import TableWorkload
from tasks.wiring import cached_task, plain_task

choose_digits = cached_task(digits.choose_digits, run_name="choose digits", near_data=True)
choose_rows = cached_task(table.choose_rows, run_name="choose rows", near_data=True)
run_experiment = cached_task(
    plan.compute,
    run_name="{experiment.name}",
    modules=lambda experiment, **_: experiment.modules(),
    in_process=True,
    stays=lambda experiment, **_: experiment.local,
    time_limit=lambda experiment, **_: experiment.time_limit,
)
# It shows how long its experiments took: computed again, they make it another chapter.
draw_chapter = cached_task(
    chapter.draw_chapter,
    run_name="{section}: chapter",
    modules=lambda section, scope, **_: (find_chapters(scope.workload).module(section),),
    measured=True,
    in_process=True,
)
write_report = plain_task(report.write_report, run_name="report")


class Studied(NamedTuple):
    """What a study is about: where it came from, its samples, what sections plan by."""

    origin: str
    data: StudyData
    scope: AnyScope


def prepare_study(config: DigitsConfig | RegressionConfig) -> Studied:
    """Ingest and validate as the main job does; choose what is learnt from and what tests."""
    return prepare_digits(config) if isinstance(config, DigitsConfig) else prepare_rows(config)


def prepare_digits(config: DigitsConfig) -> Studied:
    """Prepare a study of images of digits."""
    # What is published of a data set is published of it alone.
    source = list_parts(config.source)[0]
    raw = ingest_source(source)
    checked = validate_digits(raw, config.validation)
    data = choose_digits(checked, config.split, config.study.train_size, config.seed)
    scope = digits.describe_scope(source.kind, checked, data, config.seed, config.study)
    return Studied(raw.origin, data, scope)


def prepare_rows(config: RegressionConfig) -> Studied:
    """Prepare a study of a table: its test rows are those of the main job."""
    prepared = TableWorkload(config).prepare()
    checked = CheckedRows.of(prepared.checked)
    data = choose_rows(
        checked,
        prepared.splits.test,
        config.split.identity,
        config.study.train_size,
        config.seed,
    )
    return Studied(prepared.origin, data, table.describe_scope(config, checked, data))
