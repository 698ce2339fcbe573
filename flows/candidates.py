"""Candidates in a training: their features, their fits, blends of them, the winner's refit."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from prefect.futures import PrefectFuture

from digitflow.config.training import Candidate, TrainConfig
from digitflow.data.sets import PreparedData, SampleSet
from digitflow.errors import CandidateRefused, InputError
from digitflow.evaluation.scoring import Entry, Evaluation
from digitflow.models.blending import JoinedFeatures
from digitflow.models.building import EstimatorChoice, RecipeChoice
from digitflow.models.fitting import (
    REFIT_FOLDS,
    FittedModel,
    HeldOutFold,
    PreparedFeatures,
)
from tasks.training import (
    blend_candidates,
    blend_refits,
    complete_refit,
    evaluate_candidate,
    join_features,
    predict_fold,
    prepare_recipe,
    refit_candidate,
    train_candidate,
)
from tasks.wiring import named, settle, take_place, value_of


class Choices(NamedTuple):
    """What a candidate is made of, its code as it was when the run began.

    A blend has no recipe of its own.
    """

    recipe: RecipeChoice | None
    estimator: EstimatorChoice


class Inputs(NamedTuple):
    """What candidates are trained on and compared by.

    Attributes
    ----------
    config : TrainConfig
    data : PreparedData
    choices : mapping
        By the candidates' names.
    features : mapping
        By recipe, and by whether they are of the altered copies too.
    """

    config: TrainConfig
    data: PreparedData
    choices: Mapping[str, Choices]
    features: Mapping[tuple[str, bool], PrefectFuture[PreparedFeatures]]

    def choose_samples(self, candidate: Candidate) -> SampleSet:
        """Return the samples that a candidate, or a blend's first part, is trained on."""
        first, *_ = self.config.find_parts(candidate)
        return self.data.choose_training(first.wants_copies())

    def choose_features(self, candidate: Candidate) -> PrefectFuture[PreparedFeatures]:
        """Return the features of those samples."""
        first, *_ = self.config.find_parts(candidate)
        return self.features[key_features(self.data, first)]

    def has_copies(self, candidate: Candidate) -> bool:
        """Whether a candidate, or any part of a blend, is trained on altered copies too."""
        parts = self.config.find_parts(candidate)
        return any(key_features(self.data, part)[1] for part in parts)


class Started(NamedTuple):
    """A candidate that is being trained, and evaluated after that."""

    fitted: PrefectFuture[FittedModel]
    evaluation: PrefectFuture[Evaluation]


class Refit(NamedTuple):
    """A winner, or a part of one, that is being fitted again; a task a fold."""

    candidate: Candidate
    fitted: PrefectFuture[FittedModel]
    folds: list[PrefectFuture[HeldOutFold]]


def key_features(data: PreparedData, candidate: Candidate) -> tuple[str, bool]:
    """Return what tells a candidate's features from those of others."""
    return candidate.describe_recipe(), candidate.wants_copies() and data.augmented is not None


def choose_candidates(config: TrainConfig) -> dict[str, Choices]:
    """Return what each candidate is made of, by its name."""
    return {
        each.name: Choices(
            None if each.parts else RecipeChoice.from_candidate(each, config),
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
    for place, candidate in enumerate(config.candidates):
        recipe, key = choices[candidate.name].recipe, key_features(data, candidate)
        if recipe is not None and key not in features:
            label, with_copies = key
            on = "samples and copies" if with_copies else "samples"
            prepare = named(prepare_recipe, f"prepare {label} on {on}")
            train = data.choose_training(with_copies).samples
            with take_place(place):
                features[key] = prepare.submit(recipe, train, *held, config.seed)
    return features


def train_and_evaluate(inputs: Inputs) -> list[Entry]:
    """Train all candidates in parallel and compare them; a blend waits for its parts."""
    candidates = inputs.config.candidates
    started: dict[str, Started] = {}
    entries: dict[str, Entry] = {}
    parts_first = sorted(candidates, key=lambda candidate: bool(candidate.parts))
    for each in parts_first:
        parts = [started[name].fitted for name in each.parts]
        # Whose features are ready first must not decide whose fit is left for the end.
        with take_place(candidates.index(each)):
            started[each.name] = (
                start_blend(inputs, each, parts) if parts else start_candidate(inputs, each)
            )
    for each in parts_first:
        failed = [entries[name] for name in each.parts if entries[name].error is not None]
        entries[each.name] = (
            report_parts(inputs, each, failed)
            if failed
            else wait_for_entry(inputs, each, started[each.name])
        )
    return [entries[each.name] for each in candidates]


def start_candidate(inputs: Inputs, candidate: Candidate) -> Started:
    """Start the training of a candidate, and the evaluation after it."""
    prepared = value_of(inputs.choose_features(candidate))
    fitted = named(train_candidate, f"train {candidate.name}").submit(
        inputs.choices[candidate.name].estimator,
        prepared,
        inputs.choose_samples(candidate).targets,
        inputs.data.splits.calibration.targets,
    )
    return Started(fitted, start_evaluation(inputs, candidate, fitted, prepared))


def start_blend(
    inputs: Inputs, blend: Candidate, parts: Sequence[PrefectFuture[FittedModel]]
) -> Started:
    """Start to blend candidates that are being trained, and the evaluation after it."""
    joined = value_of(join_parts(inputs, blend))
    fitted = named(blend_candidates, f"train {blend.name}").submit(
        inputs.choices[blend.name].estimator,
        [value_of(part) for part in parts],
        joined,
        inputs.data.splits.calibration.targets,
    )
    return Started(fitted, start_evaluation(inputs, blend, fitted, joined))


def join_parts(inputs: Inputs, blend: Candidate) -> PrefectFuture[JoinedFeatures]:
    """Put the features of a blend's parts side by side."""
    parts = inputs.config.find_parts(blend)
    prepared = [value_of(inputs.choose_features(part)) for part in parts]
    return named(join_features, f"join the features of {blend.name}").submit(prepared)


def start_evaluation(
    inputs: Inputs,
    candidate: Candidate,
    fitted: PrefectFuture[FittedModel],
    features: PreparedFeatures | JoinedFeatures,
) -> PrefectFuture[Evaluation]:
    """Start the evaluation of a candidate that is being trained."""
    evaluate = named(evaluate_candidate, f"evaluate {candidate.name}")
    return evaluate.submit(value_of(fitted), features, inputs.data.splits.validation)


def report_parts(inputs: Inputs, blend: Candidate, failed: Sequence[Entry]) -> Entry:
    """Return the entry of a blend whose parts failed."""
    names = ", ".join(each.candidate.name for each in failed)
    return Entry(
        candidate=blend,
        error=f"it is made of {names}, which failed",
        refused=all(each.refused for each in failed),
        with_copies=inputs.has_copies(blend),
    )


def wait_for_entry(inputs: Inputs, candidate: Candidate, started: Started) -> Entry:
    """Wait for a candidate; what failed is reported, and the others go on."""
    with_copies = inputs.has_copies(candidate)
    prepared = settle(inputs.choose_features(candidate), Exception)
    model = prepared if isinstance(prepared, Exception) else settle(started.fitted, Exception)
    found = model if isinstance(model, Exception) else settle(started.evaluation, Exception)
    if isinstance(model, Exception) or isinstance(found, Exception):
        error = str(found) or type(found).__name__
        return Entry(
            candidate=candidate,
            error=error,
            refused=isinstance(found, CandidateRefused | InputError),
            with_copies=with_copies,
        )
    return Entry(candidate=candidate, fitted=model, evaluation=found, with_copies=with_copies)


def refit_winner(inputs: Inputs, candidate: Candidate) -> FittedModel:
    """Return the winner, or all parts of a blend, fitted again on more data."""
    refits = [start_refit(inputs, part) for part in inputs.config.find_parts(candidate)]
    fitted = [finish_refit(inputs, refit) for refit in refits]
    if not candidate.parts:
        return fitted[0]
    return named(blend_refits, f"complete the refit of {candidate.name}")(
        inputs.choices[candidate.name].estimator,
        fitted,
        join_parts(inputs, candidate).result(),
        [[fold.result() for fold in refit.folds] for refit in refits],
        inputs.data.splits,
    )


def start_refit(inputs: Inputs, candidate: Candidate) -> Refit:
    """Start to fit a candidate again on more data, and the fits that tell how good that is."""
    choice = inputs.choices[candidate.name].estimator
    samples, splits = inputs.choose_samples(candidate), inputs.data.splits
    on = choice, inputs.choose_features(candidate).result(), samples, splits
    fitted = named(refit_candidate, f"refit {candidate.name}").submit(*on)
    folds = [
        named(predict_fold, f"refit {candidate.name} without fold {fold + 1}").submit(*on, fold)
        for fold in range(REFIT_FOLDS)
    ]
    return Refit(candidate, fitted, folds)


def finish_refit(inputs: Inputs, refit: Refit) -> FittedModel:
    """Calibrate what was fitted again by what its folds say."""
    name = refit.candidate.name
    return named(complete_refit, f"complete the refit of {name}")(
        inputs.choices[name].estimator,
        refit.fitted.result(),
        [fold.result() for fold in refit.folds],
        inputs.choose_samples(refit.candidate),
        inputs.data.splits,
    )
