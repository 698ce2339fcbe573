"""Rows of a table as a workload: what it reads, ships with a model and draws."""

from collections.abc import Callable
from dataclasses import dataclass

from prefect.futures import PrefectFuture

from digitflow.catalogue import TABLE_SOURCES
from digitflow.config.table import ClassificationConfig, RegressionConfig
from digitflow.data.sets import PreparedData, SampleSet
from digitflow.data.tables import sets
from digitflow.data.tables.sets import CheckedRows
from digitflow.evaluation.evidence import Share
from digitflow.evaluation.scoring import Winner
from digitflow.feedback.learning import Corrections
from digitflow.models import intervals
from digitflow.models.bundle import ModelBundle
from digitflow.models.fitting import FittedModel, PreparedFeatures
from digitflow.monitoring import reference
from digitflow.registry import judging
from digitflow.reports import table as reports
from digitflow.reports.pictures import Figures
from tasks.training import choose_judging, learn_corrections, record_golden
from tasks.wiring import cached_task, named, plain_task

fingerprint_table = plain_task(sets.fingerprint_table, run_name="fingerprint {source.kind}")
ingest_table = cached_task(
    sets.ingest_table,
    run_name="ingest {source.kind}",
    modules=lambda source, **_: (TABLE_SOURCES.module(source.kind),),
)
validate_table = cached_task(sets.validate_table, run_name="validate", near_data=True)
find_frozen = plain_task(judging.find_frozen, run_name="look for the champion's test rows")
split_table = cached_task(sets.split_table, run_name="split", near_data=True)
choose_intervals = cached_task(
    intervals.choose_on_held_out, run_name="choose prediction intervals", in_process=True
)
record_reference = cached_task(
    reference.record_rows, run_name="note what it learnt from", in_process=True
)
draw_figures = cached_task(reports.draw_figures, run_name="draw figures", in_process=True)


@dataclass(frozen=True)
class TableWorkload:
    """The steps of a training on a table; see `Workload`."""

    config: RegressionConfig | ClassificationConfig

    def prepare(self) -> PreparedData:
        """Ingest, validate and split; rows that a champion was judged on stay test rows."""
        config = self.config
        raw = ingest_table(config.source, fingerprint_table(config.source))
        checked = validate_table(
            raw,
            config.columns,
            config.target,
            config.task,
            config.validation,
            config.split.identity,
        )
        splits = split_table(checked, config.split, config.slices, config.seed)
        frozen = find_frozen(config.model, config.gate)
        # Asked by another key only where it makes a difference: an unchanged run computes
        # nothing.
        if frozen is not None and not frozen.is_equal(splits.test):
            splits = split_table(checked, config.split, config.slices, config.seed, frozen)
        return PreparedData(
            source=config.source.kind,
            origin=raw.origin,
            checked=checked,
            splits=splits,
            augmented=None,
        )

    def learn(self, data: PreparedData, corrections: Corrections) -> PreparedData:
        """Add to the training rows what people said of others."""
        if corrections.training is None:
            return data
        train = learn_corrections(
            data.splits,
            corrections.training,
            self.config.feedback.repeat,
            self.config.split.identity,
        )
        splits = data.splits.model_copy(update={"train": train})
        return data.model_copy(update={"splits": splits})

    def augment(self, data: PreparedData) -> PreparedData:
        """Return the data as they are: rows have no altered copies."""
        return data

    def find_feedback(self, data: PreparedData, corrections: Corrections) -> SampleSet | None:
        """Return the corrections that are set aside to judge by."""
        return corrections.judging and choose_judging(
            corrections.judging, data.splits, self.config.split.identity
        )

    def complete(
        self,
        winner: Winner,
        fitted: FittedModel,
        prepared: PreparedFeatures,
        train: SampleSet,
        data: PreparedData,
    ) -> ModelBundle:
        """Add columns, what it must repeat, what it learnt from and, of values, intervals."""
        name, splits = winner.candidate.name, data.splits
        golden = named(record_golden, f"note what {name} must repeat").submit(
            fitted.model, splits.validation
        )
        table = CheckedRows.of(data.checked).table
        learnt = named(record_reference, f"note what {name} learnt from").submit(
            splits.train.samples, table, winner.evaluation.predictions, self.config.seed
        )
        bundle = ModelBundle(
            model=fitted.model,
            golden=golden.result(),
            reference=learnt.result(),
            table=table,
        )
        if not isinstance(self.config, RegressionConfig):
            return bundle
        chosen = choose_intervals(
            fitted, prepared, splits.calibration.targets, self.config.intervals.coverage
        )
        return bundle.model_copy(update={"intervals": chosen})

    def draw(self, data: PreparedData, winner: Winner) -> PrefectFuture[Figures]:
        """Start to draw the columns, the target, and what the winner got wrong."""
        return draw_figures.submit(data.splits.train, data.splits.validation, winner.evaluation)

    def start_others(self) -> Callable[[ModelBundle], dict[str, Share]]:
        """Return what tries the model on nothing else."""
        return lambda bundle: {}
