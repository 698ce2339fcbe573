"""A training run, as one model: what its parts are is in the modules beside."""

from collections import Counter
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, model_validator

from digitflow.config.data import (
    Augmentation,
    BuiltinSource,
    Section,
    Source,
    SplitShares,
    ValidationRules,
    list_parts,
    offer_choice,
)
from digitflow.config.gate import GateLimits


class FeedbackRule(Section):
    """How corrections are used: two thirds are learnt from, one third judges."""

    learn: bool = Field(
        True, description="learn from corrections, and let a third of them judge"
    )
    repeat: int = Field(
        10,
        ge=1,
        le=1000,
        description="times that a correction is among the training images: few against many",
    )
    enough: int = Field(
        30, ge=1, description="new corrections to learn from, after which a retraining is due"
    )
    inbox: Path | None = Field(
        None, description="folder with folders 0 to 9, looked at for new labelled pictures"
    )


class MonitoringRule(Section):
    """Which predictions are looked at, and how large an effect must be to count."""

    window: int = Field(
        300, ge=50, le=10_000, description="latest predictions that are looked at together"
    )
    least: int = Field(
        100, ge=50, description="predictions of a version below which nothing is said of it"
    )
    false_alarms: float = Field(
        0.002, ge=0.001, le=0.2, description="share of clean windows that may alarm"
    )
    least_psi: float = Field(
        0.1, ge=0, description="population stability index below which nothing counts"
    )
    least_auc: float = Field(
        0.6,
        ge=0.5,
        lt=1,
        description="area under the domain classifier's ROC curve below which nothing counts",
    )
    known_errors: float = Field(
        0.05,
        gt=0,
        lt=1,
        description="share of a window corrected by people, from which on it alarms",
    )
    cool_down_hours: float = Field(
        12, ge=0, description="after a retraining for drift, in which there is no other"
    )

    @model_validator(mode="after")
    def _least_fits(self) -> "MonitoringRule":
        if self.least > self.window:
            raise ValueError(
                f"monitoring.least must be at most monitoring.window ({self.window}), "
                f"got {self.least}"
            )
        return self


class StudySettings(Section):
    """Numbers of the studies that a user may want to change."""

    train_size: int | None = Field(
        None,
        ge=1,
        description="so many training images, every digit as often as in all; empty: all",
    )
    digit: int = Field(
        5, ge=0, le=9, description="the one that the detector tells from the rest"
    )
    precision: float = Field(
        0.9, gt=0, lt=1, description="of the detector; the threshold is chosen for it"
    )
    folds: int = Field(3, ge=2, le=20, description="of cross-validation")
    altered_images: int = Field(
        1000, ge=10, description="test images that are altered to see what algorithms stand"
    )
    augmented_size: int = Field(
        8000,
        ge=100,
        description="training images that get copies, in the comparison of backends",
    )
    search_size: int = Field(
        5000, ge=100, description="training images that combinations of parameters are tried on"
    )


Calibration = Literal["temperature", "sigmoid", "isotonic"]


class Candidate(Section):
    """One estimator on one recipe."""

    name: str = Field(
        pattern=r"^[a-z0-9][a-z0-9-]*$", description="how it is called in every report"
    )
    estimator: str = Field(description="a name of the catalogue, see docs/configuration.md")
    recipe: str = Field(description="the features: pixels, scaled, pca or strokes")
    params: dict[str, Any] = Field(
        default_factory=dict, description="passed on to the estimator"
    )
    augmented: bool = Field(True, description="train on the augmented copies too")
    calibration: Calibration = Field(
        "temperature", description="how scores become probabilities"
    )
    time_limit: float = Field(1800, gt=0, description="seconds after which the fit is ended")


class TrainingBudget(Section):
    """How much of the machine the training may take."""

    parallel: int = Field(2, ge=1, le=64, description="fits at the same time")
    threads: int | None = Field(
        None, ge=1, description="threads of all fits together; empty: one a core"
    )


class SelectiveRule(Section):
    """When a champion says `unsure` or `not a digit` instead of guessing."""

    coverage: float = Field(
        0.99, gt=0, le=1, description="share of the validation images that gets an answer"
    )
    typical: float = Field(
        0.995, gt=0, le=1, description="share of them that counts as a digit at all"
    )


def default_candidates() -> tuple[Candidate, ...]:
    """Return what is trained when a config names no candidates."""
    return (
        Candidate(name="svm-strokes", estimator="svm", recipe="strokes"),
        Candidate(name="logistic-scaled", estimator="logistic", recipe="scaled"),
        Candidate(name="forest-pixels", estimator="forest", recipe="pixels"),
    )


class TrainConfig(Section):
    """A training run, from raw digits to a verdict."""

    model: str = Field(
        "digits-sample", pattern=r"^[a-z0-9][a-z0-9-]*$", description="name in the registry"
    )
    seed: int = Field(42, ge=0, lt=2**32, description="reaches everything that is random")
    source: Source = Field(
        default_factory=BuiltinSource,
        description="where digits come from",
        json_schema_extra=offer_choice,
    )
    validation: ValidationRules = Field(default_factory=ValidationRules)
    split: SplitShares = Field(default_factory=SplitShares)
    augment: Augmentation | None = Field(
        None, description="copies added to the training images", json_schema_extra=offer_choice
    )
    candidates: tuple[Candidate, ...] = Field(default_factory=default_candidates, min_length=1)
    training: TrainingBudget = Field(default_factory=TrainingBudget)
    refit: bool = Field(
        False, description="fit the winner again on training and validation images"
    )
    selective: SelectiveRule = Field(default_factory=SelectiveRule)
    photographs: int = Field(
        0, ge=0, le=1797, description="of other hands, in each series, read for the report"
    )
    gate: GateLimits = Field(default_factory=GateLimits)
    feedback: FeedbackRule = Field(default_factory=FeedbackRule)
    monitoring: MonitoringRule = Field(default_factory=MonitoringRule)
    study: StudySettings = Field(default_factory=StudySettings)

    @model_validator(mode="after")
    def _names_are_unique(self) -> "TrainConfig":
        counts = Counter(candidate.name for candidate in self.candidates)
        repeated = [name for name, count in counts.items() if count > 1]
        if repeated:
            raise ValueError(f"candidates need names of their own, repeated: {repeated}")
        return self

    @model_validator(mode="after")
    def _hands_are_others(self) -> "TrainConfig":
        kinds = [part.kind for part in list_parts(self.source)]
        if self.photographs and "builtin" in kinds:
            raise ValueError(
                "photographs are made of the digits that the source builtin trains on: "
                "set photographs to 0, or take another source"
            )
        return self
