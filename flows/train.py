"""The main job: from raw digits to a promoted champion, or to a reasoned no."""

from collections.abc import Mapping
from typing import NamedTuple

from prefect import flow
from prefect.client.schemas import State
from prefect.futures import PrefectFuture
from prefect.states import Cancelled

from digitflow.config.data import name_parts
from digitflow.config.training import Candidate, TrainConfig
from digitflow.data.sets import PreparedData, SampleSet, Splits
from digitflow.evaluation.evidence import Share
from digitflow.evaluation.robustness import Photographed
from digitflow.evaluation.scoring import Entry, Evaluation, Winner, choose_winner
from digitflow.feedback.learning import NOTHING, Corrections
from digitflow.models.bundle import ModelBundle
from digitflow.models.fitting import EstimatorChoice, FittedModel, PreparedFeatures
from digitflow.registry.champion import is_missing
from digitflow.registry.training import resolve_config
from digitflow.registry.versions import Decision
from flows.judge import judge_and_promote
from flows.run import TASK_THREADS, find_earlier_run, name_run, run_job
from tasks.judging import (
    check_test_images,
    is_repeated,
    photograph_digits,
    prepare_registry,
    read_photographs,
)
from tasks.publishing import announce, draw_figures, file_report, publish_run, write_report
from tasks.training import (
    augment_images,
    choose_judging,
    choose_thresholds,
    evaluate_candidate,
    ingest_source,
    learn_corrections,
    prepare_recipe,
    read_corrections,
    record_golden,
    record_reference,
    record_training,
    refit_winner,
    split_digits,
    train_candidate,
    validate_digits,
)
from tasks.wiring import RunContext, named, settle, value_of

# Ingest to split before the candidates; scoring, gate and report after them.
OTHER_TASKS = 14


class Parts(NamedTuple):
    """What candidates are trained on and compared by.

    Attributes
    ----------
    splits : Splits
    augmented : SampleSet or None
        `splits.train` with its altered copies, where the config wants some.
    features : mapping
        By recipe, and by whether they are of the altered copies too.
    """

    splits: Splits
    augmented: SampleSet | None
    features: Mapping[tuple[str, bool], PrefectFuture[PreparedFeatures]]

    def choose_images(self, candidate: Candidate) -> SampleSet:
        """Return the images that a candidate is trained on."""
        if candidate.augmented and self.augmented is not None:
            return self.augmented
        return self.splits.train

    def choose_features(self, candidate: Candidate) -> PrefectFuture[PreparedFeatures]:
        """Return the features of those images."""
        return self.features[
            candidate.recipe, candidate.augmented and self.augmented is not None
        ]


@flow(name="train-digits", flow_run_name=name_run, task_runner=TASK_THREADS)
def train_digits(config: str | TrainConfig = "configs/digits.yaml") -> str | State:
    """Train, judge and promote; return the run's name.

    Parameters
    ----------
    config : str or TrainConfig
        Path of a config file, or the config itself.
    """
    if (earlier := find_earlier_run()) is not None:
        return Cancelled(message=earlier)
    return train(resolve_config(config))


def train(config: TrainConfig) -> str:
    """Do the job within the flow run that this is called in; return the run's name."""
    tasks = 3 * len(config.candidates) + OTHER_TASKS
    return run_job(lambda run: train_once(run, config), config, "train", tasks, config.model)


def train_once(run: RunContext, config: TrainConfig) -> str:
    """Go through the whole job; what is cached is not computed again."""
    registry = prepare_registry.submit() if is_missing(run.store) else None
    photographed = start_photographs(config)
    raw = ingest_source(config.source)
    checked = validate_digits(raw, config.validation)
    splits = split_digits(checked, config.split, config.seed)
    check_test_images(config.model, splits.test, config.gate)
    corrections = read_corrections() if config.feedback.learn else NOTHING
    splits, judging = use_corrections(config, splits, corrections)
    augmented = augment_if_asked(config, splits)
    parts = Parts(splits, augmented, prepare_features(config, splits, augmented))
    entries = train_and_evaluate(config, parts)
    winner = choose_winner(entries)
    fitted = refit_if_asked(config, winner, parts)
    bundle = complete_bundle(config, winner, fitted, parts)
    drawn = draw_figures.submit(
        splits.train, splits.validation, winner.evaluation, config.selective.coverage
    )
    data = PreparedData(
        source=config.source.kind,
        origin=raw.origin,
        checked=checked,
        splits=splits,
        augmented=augmented,
        sources=name_parts(config.source),
    )
    if registry is not None:
        registry.result()
    decision = judge_and_promote(
        run, config, entries, bundle, fitted.fit_seconds, data, judging
    )
    others = read_others(photographed, bundle)
    write_report(config, data, entries, decision, bundle, others, drawn.result())
    record_training(config.model, decision.verdict.outcome, corrections.last)
    announce_decision(run, config.model, decision)
    publish_run(config.model, decision.verdict, decision.version, drawn.result())
    return run.log.run


def use_corrections(
    config: TrainConfig, splits: Splits, corrections: Corrections
) -> tuple[Splits, SampleSet | None]:
    """Add what people said to the training images; return also what judges."""
    judging = corrections.judging and choose_judging(corrections.judging, splits)
    if corrections.training is None:
        return splits, judging
    train = learn_corrections(splits, corrections.training, config.feedback.repeat)
    return splits.model_copy(update={"train": train}), judging


def augment_if_asked(config: TrainConfig, splits: Splits) -> SampleSet | None:
    """Return the training images with altered copies, where the config wants some."""
    if config.augment is None:
        return None
    return augment_images(splits.train, config.augment, config.seed)


def prepare_features(
    config: TrainConfig, splits: Splits, augmented: SampleSet | None
) -> dict[tuple[str, bool], PrefectFuture[PreparedFeatures]]:
    """Start each recipe once for each set of training images that a candidate wants."""
    held = splits.calibration.samples, splits.validation.samples
    features = {}
    for candidate in config.candidates:
        recipe, train, on = candidate.recipe, splits.train, "images"
        if candidate.augmented and augmented is not None:
            train, on = augmented, "images and copies"
        if (key := (recipe, train is augmented)) not in features:
            prepare = named(prepare_recipe, f"prepare {recipe} on {on}")
            features[key] = prepare.submit(recipe, train.samples, *held, config.seed)
    return features


def train_and_evaluate(config: TrainConfig, parts: Parts) -> list[Entry]:
    """Train all candidates in parallel and compare them on validation images."""
    started = [start_candidate(config, parts, candidate) for candidate in config.candidates]
    return [
        wait_for_entry(candidate, parts, fitted, evaluation)
        for candidate, (fitted, evaluation) in zip(config.candidates, started, strict=True)
    ]


def start_candidate(
    config: TrainConfig, parts: Parts, candidate: Candidate
) -> tuple[PrefectFuture[FittedModel], PrefectFuture[Evaluation]]:
    """Start the training of a candidate, and the evaluation after it."""
    prepared = value_of(parts.choose_features(candidate))
    fitted = named(train_candidate, f"train {candidate.name}").submit(
        EstimatorChoice.from_candidate(candidate, config.seed),
        prepared,
        parts.choose_images(candidate).targets,
        parts.splits.calibration.targets,
    )
    evaluation = named(evaluate_candidate, f"evaluate {candidate.name}").submit(
        value_of(fitted), prepared, parts.splits.validation
    )
    return fitted, evaluation


def wait_for_entry(
    candidate: Candidate,
    parts: Parts,
    fitted: PrefectFuture[FittedModel],
    evaluation: PrefectFuture[Evaluation],
) -> Entry:
    """Wait for a candidate; what failed is reported, and the others go on."""
    prepared = settle(parts.choose_features(candidate), Exception)
    model = prepared if isinstance(prepared, Exception) else settle(fitted, Exception)
    found = model if isinstance(model, Exception) else settle(evaluation, Exception)
    if isinstance(model, Exception) or isinstance(found, Exception):
        return Entry(candidate=candidate, error=str(found) or type(found).__name__)
    return Entry(candidate=candidate, fitted=model, evaluation=found)


def refit_if_asked(config: TrainConfig, winner: Winner, parts: Parts) -> FittedModel:
    """Return the winner as it was compared, or fitted again on more data."""
    candidate = winner.candidate
    if not config.refit:
        return winner.fitted
    return named(refit_winner, f"refit {candidate.name}")(
        EstimatorChoice.from_candidate(candidate, config.seed),
        parts.choose_features(candidate).result(),
        parts.choose_images(candidate),
        parts.splits,
    )


def complete_bundle(
    config: TrainConfig, winner: Winner, fitted: FittedModel, parts: Parts
) -> ModelBundle:
    """Add to the fitted pipeline when it is unsure, and what it must repeat."""
    name, splits, prepared = (
        winner.candidate.name,
        parts.splits,
        parts.choose_features(winner.candidate).result(),
    )
    read = winner.evaluation.predictions
    reject_option = named(choose_thresholds, f"choose when {name} is unsure").submit(
        (prepared.train, parts.choose_images(winner.candidate).targets),
        (prepared.validation, splits.validation.targets),
        read,
        config.selective,
    )
    golden = named(record_golden, f"note what {name} must repeat").submit(
        fitted.model, splits.validation
    )
    reference = named(record_reference, f"note what {name} learnt from").submit(
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
        reference=reference.result(),
    )


def start_photographs(config: TrainConfig) -> PrefectFuture[dict[str, Photographed]] | None:
    """Start to photograph digits by other hands, where the config asks for some."""
    if not config.photographs:
        return None
    return photograph_digits.submit(config.photographs, config.seed)


def read_others(
    photographed: PrefectFuture[dict[str, Photographed]] | None, bundle: ModelBundle
) -> dict[str, Share]:
    """Read the photographs of other hands, once the challenger is judged."""
    if photographed is None:
        return {}
    return read_photographs(bundle.model, photographed.result())


def announce_decision(run: RunContext, model: str, decision: Decision) -> None:
    """File the report with the version that was judged; tell other flows of the verdict.

    An unchanged champion is no news, nor is the same challenger, rejected again each night.
    """
    verdict = decision.verdict
    if decision.version is None:
        return
    page = run.store.root / "reports" / run.log.run / "index.html"
    file_report(model, decision.version, page)
    if not verdict.promoted and is_repeated(model, verdict):
        return
    announce(
        "digitflow.model.promoted" if verdict.promoted else "digitflow.model.rejected",
        model,
        version=decision.version,
        reason=verdict.reason,
    )
