"""The main job: from raw data to a promoted champion, or to a reasoned no."""

from collections.abc import Mapping
from typing import NamedTuple

from prefect import flow
from prefect.client.schemas import State
from prefect.futures import PrefectFuture
from prefect.states import Cancelled

from digitflow.config.reading import AnyConfig
from digitflow.config.training import Candidate, TrainConfig
from digitflow.data.sets import PreparedData, SampleSet
from digitflow.errors import CandidateRefused, InputError
from digitflow.evaluation.scoring import Entry, Evaluation, Winner, choose_winner
from digitflow.feedback.learning import NOTHING
from digitflow.models.building import EstimatorChoice, RecipeChoice
from digitflow.models.checking import check_candidates
from digitflow.models.fitting import REFIT_FOLDS, FittedModel, PreparedFeatures
from digitflow.registry.training import resolve_config
from digitflow.registry.versions import Decision
from flows.judge import judge_and_promote
from flows.run import TASK_THREADS, find_earlier_run, name_run, run_job
from tasks.judging import check_test_samples, is_repeated
from tasks.publishing import announce, file_report, publish_run, write_report
from tasks.training import (
    complete_refit,
    evaluate_candidate,
    predict_fold,
    prepare_recipe,
    read_corrections,
    record_training,
    refit_winner,
    train_candidate,
)
from tasks.wiring import RunContext, named, settle, value_of
from tasks.workloads import choose_workload

# Ingest to split before the candidates; scoring, gate and report after them.
OTHER_TASKS = 14


class Choices(NamedTuple):
    """What a candidate is made of, its code as it was when the run began."""

    recipe: RecipeChoice
    estimator: EstimatorChoice


class Parts(NamedTuple):
    """What candidates are trained on and compared by.

    Attributes
    ----------
    data : PreparedData
    choices : mapping
        By the candidates' names.
    features : mapping
        By recipe, and by whether they are of the altered copies too.
    """

    data: PreparedData
    choices: Mapping[str, Choices]
    features: Mapping[tuple[str, bool], PrefectFuture[PreparedFeatures]]

    def choose_samples(self, candidate: Candidate) -> SampleSet:
        """Return the samples that a candidate is trained on."""
        return self.data.choose_training(candidate.wants_copies())

    def choose_features(self, candidate: Candidate) -> PrefectFuture[PreparedFeatures]:
        """Return the features of those samples."""
        return self.features[key_features(self.data, candidate)]


def key_features(data: PreparedData, candidate: Candidate) -> tuple[str, bool]:
    """Return what tells a candidate's features from those of others."""
    return candidate.describe_recipe(), candidate.wants_copies() and data.augmented is not None


@flow(name="train", flow_run_name=name_run, task_runner=TASK_THREADS)
def train_model(config: str | AnyConfig = "configs/digits.yaml") -> str | State:
    """Train on any config, judge and promote; return the run's name.

    Parameters
    ----------
    config : str or config
        Path of a config file, or the config itself.
    """
    if (earlier := find_earlier_run()) is not None:
        return Cancelled(message=earlier)
    return train(resolve_config(config))


def train(config: AnyConfig) -> str:
    """Do the job within the flow run that this is called in; return the run's name."""
    tasks = 3 * len(config.candidates) + OTHER_TASKS
    return run_job(lambda run: train_once(run, config), config, "train", tasks, config.model)


def train_once(run: RunContext, config: AnyConfig) -> str:
    """Go through the whole job; what is cached is not computed again."""
    check_candidates(config, run.store)
    choices = choose_candidates(config)
    workload = choose_workload(config)
    try_others = workload.start_others()
    data = workload.prepare()
    check_test_samples(config.model, data.splits.test, config.gate)
    corrections = NOTHING
    if config.feedback.learn:
        corrections = read_corrections(config.model, data.checked.table)
    feedback = workload.find_feedback(data, corrections)
    data = workload.augment(workload.learn(data, corrections))
    parts = Parts(data, choices, prepare_features(config, choices, data))
    entries = train_and_evaluate(config, parts)
    winner = choose_winner(entries)
    fitted = refit_if_asked(config, winner, parts)
    prepared = parts.choose_features(winner.candidate).result()
    bundle = workload.complete(winner, fitted, prepared, data)
    drawn = workload.draw(data, winner)
    decision = judge_and_promote(
        run, config, entries, bundle, fitted.processor_seconds, data, feedback
    )
    others = try_others(bundle)
    write_report(config, data, entries, decision, bundle, others, drawn.result())
    record_training(config.model, decision.verdict.outcome, corrections.last)
    announce_decision(run, config.model, decision)
    publish_run(config.model, decision.verdict, decision.version, drawn.result())
    return run.log.run


def choose_candidates(config: TrainConfig) -> dict[str, Choices]:
    """Return what each candidate is made of, by its name."""
    return {
        each.name: Choices(
            RecipeChoice.from_candidate(each, config),
            EstimatorChoice.from_candidate(each, config),
        )
        for each in config.candidates
    }


def prepare_features(
    config: TrainConfig, choices: Mapping[str, Choices], data: PreparedData
) -> dict[tuple[str, bool], PrefectFuture[PreparedFeatures]]:
    """Start each recipe once for each set of training samples that a candidate wants."""
    held = data.splits.calibration.samples, data.splits.validation.samples
    features = {}
    for candidate in config.candidates:
        if (key := key_features(data, candidate)) not in features:
            label, with_copies = key
            on = "samples and copies" if with_copies else "samples"
            prepare = named(prepare_recipe, f"prepare {label} on {on}")
            recipe = choices[candidate.name].recipe
            train = data.choose_training(with_copies).samples
            features[key] = prepare.submit(recipe, train, *held, config.seed)
    return features


def train_and_evaluate(config: TrainConfig, parts: Parts) -> list[Entry]:
    """Train all candidates in parallel and compare them on validation samples."""
    started = [start_candidate(parts, candidate) for candidate in config.candidates]
    return [
        wait_for_entry(candidate, parts, fitted, evaluation)
        for candidate, (fitted, evaluation) in zip(config.candidates, started, strict=True)
    ]


def start_candidate(
    parts: Parts, candidate: Candidate
) -> tuple[PrefectFuture[FittedModel], PrefectFuture[Evaluation]]:
    """Start the training of a candidate, and the evaluation after it."""
    prepared = value_of(parts.choose_features(candidate))
    fitted = named(train_candidate, f"train {candidate.name}").submit(
        parts.choices[candidate.name].estimator,
        prepared,
        parts.choose_samples(candidate).targets,
        parts.data.splits.calibration.targets,
    )
    evaluation = named(evaluate_candidate, f"evaluate {candidate.name}").submit(
        value_of(fitted), prepared, parts.data.splits.validation
    )
    return fitted, evaluation


def wait_for_entry(
    candidate: Candidate,
    parts: Parts,
    fitted: PrefectFuture[FittedModel],
    evaluation: PrefectFuture[Evaluation],
) -> Entry:
    """Wait for a candidate; what failed is reported, and the others go on."""
    _, with_copies = key_features(parts.data, candidate)
    prepared = settle(parts.choose_features(candidate), Exception)
    model = prepared if isinstance(prepared, Exception) else settle(fitted, Exception)
    found = model if isinstance(model, Exception) else settle(evaluation, Exception)
    if isinstance(model, Exception) or isinstance(found, Exception):
        error = str(found) or type(found).__name__
        return Entry(
            candidate=candidate,
            error=error,
            refused=isinstance(found, CandidateRefused | InputError),
            with_copies=with_copies,
        )
    return Entry(candidate=candidate, fitted=model, evaluation=found, with_copies=with_copies)


def refit_if_asked(config: TrainConfig, winner: Winner, parts: Parts) -> FittedModel:
    """Return the winner as it was compared, or fitted again on more data."""
    candidate = winner.candidate
    if not config.refit:
        return winner.fitted
    choice = parts.choices[candidate.name].estimator
    samples, splits = parts.choose_samples(candidate), parts.data.splits
    on = choice, parts.choose_features(candidate).result(), samples, splits
    refitted = named(refit_winner, f"refit {candidate.name}").submit(*on)
    folds = [
        named(predict_fold, f"refit {candidate.name} without fold {fold + 1}").submit(*on, fold)
        for fold in range(REFIT_FOLDS)
    ]
    held_out = [fold.result() for fold in folds]
    complete = named(complete_refit, f"complete the refit of {candidate.name}")
    return complete(choice, refitted.result(), held_out, samples, splits)


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
