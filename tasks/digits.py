"""Images of digits as a workload: what it reads, alters, ships with a model and draws."""

from collections.abc import Callable
from dataclasses import dataclass

from prefect.futures import PrefectFuture

from digitflow.augment import copies
from digitflow.catalogue import BACKENDS, SOURCES
from digitflow.config.data import Source, name_parts
from digitflow.config.digits import DigitsConfig
from digitflow.data import ingestion, splits, validation
from digitflow.data.sets import PreparedData, RawSets, SampleSet
from digitflow.data.sources import mix
from digitflow.evaluation import robustness, selective
from digitflow.evaluation.evidence import Share
from digitflow.evaluation.scoring import Winner
from digitflow.feedback.learning import Corrections
from digitflow.models.bundle import ModelBundle
from digitflow.models.fitting import FittedModel, PreparedFeatures
from digitflow.monitoring import reference
from digitflow.reports import figures
from digitflow.reports.pictures import Figures
from tasks.training import choose_judging, learn_corrections, record_golden
from tasks.wiring import cached_task, named, plain_task

fingerprint_source = plain_task(
    ingestion.fingerprint_source, run_name="fingerprint {source.kind}"
)
ingest_digits = cached_task(
    ingestion.ingest_digits,
    run_name="ingest {source.kind}",
    modules=lambda source, **_: (SOURCES.module(source.kind),),
)
mix_stored = cached_task(mix.mix_stored, run_name="mix", near_data=True)
validate_digits = cached_task(validation.validate_digits, run_name="validate", near_data=True)
validate_feedback = cached_task(validation.validate_feedback, run_name="validate feedback")
split_digits = cached_task(splits.split_digits, run_name="split", near_data=True)
augment_images = cached_task(
    copies.augment_images,
    run_name="augment {settings.backend}",
    modules=lambda settings, **_: (BACKENDS.module(settings.backend),),
    near_data=True,
)

# What is shipped beside a fitted pipeline: when it is unsure, what it learnt from.
choose_thresholds = cached_task(
    selective.choose_thresholds, run_name="choose when it is unsure", in_process=True
)
record_reference = cached_task(
    reference.record_images, run_name="note what it learnt from", in_process=True
)

# What others wrote, photographed: no model learns from it, none is chosen by it.
photograph_digits = cached_task(
    robustness.photograph_digits, run_name="photograph other hands", in_process=True
)
read_photographs = cached_task(
    robustness.read_photographs, run_name="read other hands", in_process=True
)
draw_figures = cached_task(figures.draw_figures, run_name="draw figures", in_process=True)


def ingest_source(source: Source) -> RawSets:
    """Ingest a source; of a mix each part by itself, so that only what changed is read."""
    if source.kind == "mix":
        return mix_stored([ingest_source(part) for part in source.of])
    return ingest_digits(source, fingerprint_source(source))


@dataclass(frozen=True)
class DigitsWorkload:
    """The steps of a training on images; see `Workload`."""

    config: DigitsConfig

    def prepare(self) -> PreparedData:
        """Ingest, validate and split."""
        config = self.config
        raw = ingest_source(config.source)
        checked = validate_digits(raw, config.validation)
        return PreparedData(
            source=config.source.kind,
            origin=raw.origin,
            checked=checked,
            splits=split_digits(checked, config.split, config.seed),
            augmented=None,
            sources=name_parts(config.source),
        )

    def learn(self, data: PreparedData, corrections: Corrections) -> PreparedData:
        """Add to the training images what people said."""
        if corrections.training is None:
            return data
        repeat = self.config.feedback.repeat
        train = learn_corrections(data.splits, corrections.training, repeat)
        splits = data.splits.model_copy(update={"train": train})
        return data.model_copy(update={"splits": splits})

    def augment(self, data: PreparedData) -> PreparedData:
        """Add altered copies of the training images, where the config wants some."""
        if self.config.augment is None:
            return data
        augmented = augment_images(data.splits.train, self.config.augment, self.config.seed)
        return data.model_copy(update={"augmented": augmented})

    def find_feedback(self, data: PreparedData, corrections: Corrections) -> SampleSet | None:
        """Return the corrections that the config names, else those set aside to judge by."""
        if self.config.gate.feedback is not None:
            return validate_feedback(ingest_source(self.config.gate.feedback))
        return corrections.judging and choose_judging(corrections.judging, data.splits)

    def complete(
        self,
        winner: Winner,
        fitted: FittedModel,
        prepared: PreparedFeatures,
        train: SampleSet,
        data: PreparedData,
    ) -> ModelBundle:
        """Add when the pipeline is unsure, what it must repeat, and what it learnt from."""
        config, name, splits = self.config, winner.candidate.name, data.splits
        read = winner.evaluation.predictions
        reject_option = named(choose_thresholds, f"choose when {name} is unsure").submit(
            (prepared.train, train.targets),
            (prepared.validation, splits.validation.targets),
            read,
            config.selective,
        )
        golden = named(record_golden, f"note what {name} must repeat").submit(
            fitted.model, splits.validation
        )
        learnt = named(record_reference, f"note what {name} learnt from").submit(
            splits.train.samples,
            splits.train.targets,
            read,
            config.seed,
            (splits.train.sources, splits.validation.sources),
        )
        return ModelBundle(
            model=fitted.model,
            reject_option=reject_option.result(),
            golden=golden.result(),
            reference=learnt.result(),
        )

    def draw(self, data: PreparedData, winner: Winner) -> PrefectFuture[Figures]:
        """Start to draw samples, confusions, mistakes and risk."""
        return draw_figures.submit(
            data.splits.train,
            data.splits.validation,
            winner.evaluation,
            self.config.selective.coverage,
        )

    def start_others(self) -> Callable[[ModelBundle], dict[str, Share]]:
        """Start to photograph digits by other hands, where the config asks for some."""
        if not self.config.photographs:
            return lambda bundle: {}
        photographed = photograph_digits.submit(self.config.photographs, self.config.seed)
        return lambda bundle: read_photographs(bundle.model, photographed.result())
