"""A training run on images of digits, and the numbers of its studies."""

from typing import Literal

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
from digitflow.config.gate import DigitsLimits
from digitflow.config.training import Classifier, TrainConfig


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


class SelectiveRule(Section):
    """When a champion says `unsure` or `not a digit` instead of guessing."""

    coverage: float = Field(
        0.99, gt=0, le=1, description="share of the validation images that gets an answer"
    )
    typical: float = Field(
        0.995, gt=0, le=1, description="share of them that counts as a digit at all"
    )


class DigitsCandidate(Classifier):
    """One estimator on one recipe of images."""

    augmented: bool = Field(True, description="train on the augmented copies too")

    def wants_copies(self) -> bool:
        """Whether it is trained on altered copies too, where there are some."""
        return self.augmented


def default_candidates() -> tuple[DigitsCandidate, ...]:
    """Return what is trained when a config names no candidates."""
    return (
        DigitsCandidate(name="svm-strokes", estimator="svm", recipe="strokes"),
        DigitsCandidate(name="logistic-scaled", estimator="logistic", recipe="scaled"),
        DigitsCandidate(name="forest-pixels", estimator="forest", recipe="pixels"),
    )


class DigitsConfig(TrainConfig):
    """A training run, from raw digits to a verdict."""

    workload: Literal["digits"] = Field("digits", description="what is learnt from: images")
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
    candidates: tuple[DigitsCandidate, ...] = Field(
        default_factory=default_candidates, min_length=1
    )
    selective: SelectiveRule = Field(default_factory=SelectiveRule)
    photographs: int = Field(
        0, ge=0, le=1797, description="of other hands, in each series, read for the report"
    )
    gate: DigitsLimits = Field(default_factory=DigitsLimits)
    study: StudySettings = Field(default_factory=StudySettings)

    @model_validator(mode="after")
    def _hands_are_others(self) -> "DigitsConfig":
        kinds = [part.kind for part in list_parts(self.source)]
        if self.photographs and "builtin" in kinds:
            raise ValueError(
                "photographs are made of the digits that the source builtin trains on: "
                "set photographs to 0, or take another source"
            )
        return self
