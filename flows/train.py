"""The main job: from raw digits to a promoted champion, or to a reasoned no."""

from collections.abc import Mapping

from prefect import flow
from prefect.client.schemas import State
from prefect.futures import PrefectFuture
from prefect.states import Cancelled
from prefect.task_runners import ThreadPoolTaskRunner

from digitflow.cli.launching import resolve_config
from digitflow.config.training import Candidate, TrainConfig
from digitflow.data.sets import ImageSet, PreparedData, Splits
from digitflow.evaluation.evidence import Share
from digitflow.evaluation.leaderboard import Entry, Winner, choose_winner
from digitflow.models.bundle import ModelBundle
from digitflow.models.fitting import FittedModel
from flows.concurrency import find_earlier_run
from flows.judge import judge_and_promote
from flows.run import call, collect_entry, heal_damage, name_run, training_run
from tasks.augment import augment_images
from tasks.bundle import choose_thresholds, record_golden, record_reference
from tasks.caching import collect
from tasks.evaluate import evaluate_candidate
from tasks.events import announce
from tasks.feedback import (
    NOTHING,
    Corrections,
    choose_judging,
    learn_corrections,
    read_corrections,
    record_training,
)
from tasks.gate import Decision, check_test_images, file_report, is_repeated, prepare_registry
from tasks.ingest import fingerprint_source, ingest_digits
from tasks.photographs import photograph_digits, read_photographs
from tasks.prepare import prepare_recipe
from tasks.publishing import publish_run
from tasks.report import draw_figures, write_report
from tasks.split import split_digits
from tasks.train import choose_estimator, refit_winner, train_candidate
from tasks.validate import validate_digits

# Task threads only wait: how much is computed at once is the worker slots' business.
TASK_THREADS = 64

Training = Mapping[bool, ImageSet]
Features = Mapping[tuple[str, bool], PrefectFuture]


@flow(
    name="train-digits",
    flow_run_name=name_run,
    task_runner=ThreadPoolTaskRunner(max_workers=TASK_THREADS),  # type: ignore[arg-type]
)
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
    with training_run(config) as run:
        heal_damage(train_once, config)
    return run.log.run


def train_once(config: TrainConfig) -> None:
    """Go through the whole job; what is cached is not computed again."""
    registered = prepare_registry.submit()
    photographed = start_photographs(config)
    raw = call(ingest_digits, config.source, call(fingerprint_source, config.source))
    checked = call(validate_digits, raw, config.validation)
    splits = call(split_digits, checked, config.split, config.seed)
    call(check_test_images, config.model, splits.test, config.gate)
    corrections = call(read_corrections) if config.feedback.learn else NOTHING
    splits, judging = use_corrections(config, splits, corrections)
    training = augment_training(config, splits.train)
    features = prepare_features(config, splits, training)
    entries = train_and_evaluate(config, splits, training, features)
    winner = choose_winner(entries)
    fitted = refit_if_asked(config, winner, splits, training, features)
    bundle = complete_bundle(config, winner, fitted, splits, training, features)
    data = PreparedData(
        source=config.source.kind,
        origin=raw.origin,
        checked=checked,
        splits=splits,
        augmented=training[True] if config.augment else None,
    )
    drawn = draw_figures.submit(
        splits.train, splits.validation, winner.evaluation, config.selective.coverage
    )
    collect(registered)
    decision = judge_and_promote(config, entries, fitted, bundle, data, judging)
    others = read_others(photographed, bundle)
    call(write_report, config, data, entries, decision, bundle, others, collect(drawn))
    if decision.version is not None:
        call(file_report, config.model, decision.version)
    call(record_training, config.model, decision.verdict.outcome, corrections.last)
    announce_decision(config.model, decision)
    call(publish_run, config.model, decision.verdict, decision.version, collect(drawn))


def use_corrections(
    config: TrainConfig, splits: Splits, corrections: Corrections
) -> tuple[Splits, ImageSet | None]:
    """Add what people said to the training images; return also what judges."""
    judging = corrections.judging and call(choose_judging, corrections.judging, splits)
    if corrections.training is None:
        return splits, judging
    repeat = config.feedback.repeat
    train = call(learn_corrections, splits, corrections.training, repeat)
    return splits.model_copy(update={"train": train}), judging


def announce_decision(model: str, decision: Decision) -> None:
    """Tell other flows of a promotion or a rejection.

    An unchanged champion is no news, nor is the same challenger, rejected again each night.
    """
    verdict = decision.verdict
    if decision.version is None:
        return
    if not verdict.promoted and call(is_repeated, model, verdict):
        return
    announce(
        "digitflow.model.promoted" if verdict.promoted else "digitflow.model.rejected",
        model,
        version=decision.version,
        reason=verdict.reason,
    )


def start_photographs(config: TrainConfig) -> PrefectFuture | None:
    """Start to photograph digits by other hands, where the config asks for some."""
    if not config.photographs:
        return None
    return photograph_digits.submit(config.photographs, config.seed)


def read_others(photographed: PrefectFuture | None, bundle: ModelBundle) -> dict[str, Share]:
    """Read the photographs of other hands, once the challenger is judged."""
    if photographed is None:
        return {}
    shares: dict[str, Share] = call(read_photographs, bundle.model, collect(photographed))
    return shares


def augment_training(config: TrainConfig, train: ImageSet) -> Training:
    """Return the training images without (False) and with (True) altered copies."""
    if config.augment is None:
        return {False: train, True: train}
    return {False: train, True: call(augment_images, train, config.augment, config.seed)}


def copies_wanted(config: TrainConfig, candidate: Candidate) -> bool:
    """Tell whether a candidate is trained on the altered copies too."""
    return candidate.augmented and config.augment is not None


def prepare_features(config: TrainConfig, splits: Splits, training: Training) -> Features:
    """Start each recipe once for each set of training images that a candidate wants."""
    wanted = dict.fromkeys((c.recipe, copies_wanted(config, c)) for c in config.candidates)
    return {
        (recipe, augmented): prepare_recipe.submit(
            recipe,
            "images and copies" if augmented else "images",
            training[augmented].images,
            splits.calibration.images,
            splits.validation.images,
            config.seed,
        )
        for recipe, augmented in wanted
    }


def train_and_evaluate(
    config: TrainConfig, splits: Splits, training: Training, features: Features
) -> list[Entry]:
    """Train all candidates in parallel and compare them on validation images."""
    started = []
    for candidate in config.candidates:
        augmented = copies_wanted(config, candidate)
        prepared = features[candidate.recipe, augmented]
        fitted = train_candidate.submit(
            candidate.name,
            choose_estimator(candidate, config.seed),
            prepared,
            training[augmented].labels,
            splits.calibration.labels,
            candidate.time_limit,
        )
        evaluation = evaluate_candidate.submit(
            candidate.name, fitted, prepared, splits.validation
        )
        started.append((candidate, prepared, fitted, evaluation))
    return [collect_entry(*parts) for parts in started]


def refit_if_asked(
    config: TrainConfig, winner: Winner, splits: Splits, training: Training, features: Features
) -> FittedModel:
    """Return the winner as it was compared, or fitted again on more data."""
    candidate = winner.candidate
    if not config.refit:
        return winner.fitted
    augmented = copies_wanted(config, candidate)
    return call(
        refit_winner,
        candidate.name,
        choose_estimator(candidate, config.seed),
        features[candidate.recipe, augmented],
        training[augmented],
        splits,
        candidate.time_limit,
    )


def complete_bundle(
    config: TrainConfig,
    winner: Winner,
    fitted: FittedModel,
    splits: Splits,
    training: Training,
    features: Features,
) -> ModelBundle:
    """Add to the fitted pipeline when it is unsure, and what it must repeat."""
    name, augmented = winner.candidate.name, copies_wanted(config, winner.candidate)
    reject_option = choose_thresholds.submit(
        name,
        features[winner.candidate.recipe, augmented],
        training[augmented].labels,
        splits.validation,
        winner.evaluation,
        config.selective,
    )
    golden = record_golden.submit(name, fitted.model, splits.validation)
    reference = record_reference.submit(name, splits.train, winner.evaluation, config.seed)
    return ModelBundle(
        model=fitted.model,
        reject_option=collect(reject_option),
        golden=collect(golden),
        reference=collect(reference),
    )
