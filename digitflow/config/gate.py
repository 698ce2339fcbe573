"""What the gate asks of a challenger, and with which limits."""

import typing
from typing import Annotated, Literal

from pydantic import Field, model_validator

from digitflow.config.data import (
    ArraysSource,
    ImagesSource,
    Section,
    TableSource,
    offer_choice,
)

ClassificationCheck = Literal["floor", "better", "slices", "calibration", "budgets", "loads"]
DigitsCheck = Literal[
    "floor", "better", "slices", "calibration", "robustness", "budgets", "loads"
]
RegressionCheck = Literal[
    "max_error", "lower_error", "slice_errors", "coverage", "budgets", "loads"
]


class FloorLimits(Section):
    """How good a model must be whatever the champion is."""

    min_accuracy: float = Field(0.9, ge=0, le=1, description="least accuracy on test samples")


class BetterLimits(Section):
    """When a challenger is better than the champion, and not only lucky."""

    margin: float = Field(
        0.002, ge=0, le=1, description="how much worse may still count as equal, in accuracy"
    )
    significance: float = Field(
        0.05, gt=0, lt=0.5, description="one-sided error rate of the tests and intervals"
    )
    resamples: int = Field(2000, ge=100, description="of the paired bootstrap")
    cheaper: float = Field(
        0.3, gt=0, lt=1,
        description="by which share an equal challenger must be quicker or smaller",
    )  # fmt: skip


class SliceLimits(Section):
    """Where a challenger must not be worse, however good it is on the whole."""

    margin: float = Field(
        0.01, ge=0, le=1, description="how much worse on a slice is worth a warning"
    )
    significance: float = Field(
        0.05, gt=0, lt=0.5, description="error rate over all slices together (Holm)"
    )
    min_samples: int = Field(50, ge=1, description="samples below which a slice says nothing")


class ClassSliceLimits(SliceLimits):
    """The same of classes, and of pairs of them."""

    pairs: int = Field(5, ge=0, description="how many of the most confused pairs are slices")


class MaxErrorLimits(Section):
    """How good a regression must be whatever the champion is."""

    max_rmse: float | None = Field(
        None, gt=0, description="highest root mean squared error on the test samples"
    )
    min_r2: float = Field(
        0.0, ge=-1, le=1, description="least share of the targets' variance that is explained"
    )


class LowerErrorLimits(BetterLimits):
    """When a regression is better than the champion, and not only lucky."""

    margin: float = Field(
        0.01,
        ge=0,
        le=1,
        description="how much worse may still count as equal, as a share of the champion's "
        "mean squared error",
    )
    # An equal model passes as often as this says, and the gate promises one in twenty at most.
    significance: float = Field(
        0.04, gt=0, lt=0.5, description="one-sided error rate of the tests and intervals"
    )


class SliceErrorLimits(SliceLimits):
    """Where a regression must not be worse, however good it is on the whole."""

    margin: float = Field(
        0.05,
        ge=0,
        le=1,
        description="how much worse on a slice is worth a warning, as a share of the "
        "champion's mean squared error there",
    )


class CoverageLimits(Section):
    """How far the share of true values within prediction intervals may be off."""

    tolerance: float = Field(
        0.02, gt=0, lt=0.5, description="on the test samples, either way, in shares of 1"
    )


class CalibrationLimits(Section):
    """How far the probabilities may be off, and by how much more than the champion's."""

    max_ece: float = Field(0.03, ge=0, description="highest expected calibration error")
    max_brier: float = Field(0.15, ge=0, description="highest Brier score")
    max_log_loss: float = Field(0.35, ge=0, description="highest log loss")
    ece_margin: float = Field(0.01, ge=0, description="how much more than the champion's")
    brier_margin: float = Field(0.01, ge=0, description="how much more than the champion's")
    log_loss_margin: float = Field(0.02, ge=0, description="how much more than the champion's")


class RobustnessLimits(Section):
    """How well altered test images must be read, through the path that pictures take."""

    images: int = Field(1000, ge=1, description="test images that are altered")
    floors: dict[str, float] = Field(
        default_factory=lambda: {
            "shift-1": 0.88,
            "shift-2": 0.88,
            "rotate-15": 0.80,
            "scale-80": 0.85,
            "thinner": 0.75,
            "thicker": 0.80,
            "blur": 0.80,
            "noise": 0.75,
            "inverted": 0.88,
        },
        description="least accuracy for each alteration",
    )


class BudgetLimits(Section):
    """What a model may cost."""

    latency_p95_ms: float = Field(
        50, gt=0, description="processor milliseconds of one sample, 95th percentile"
    )
    megabytes: float = Field(500, gt=0, description="of the model's file")
    memory_mb: float = Field(2000, gt=0, description="peak memory of a process that predicts")
    fit_cpu_seconds: float = Field(3600, gt=0, description="processor seconds of its training")


class Approval(Section):
    """A person says yes or no before anything is promoted."""

    timeout_minutes: float = Field(1440, gt=0, description="after which it counts as no")


def offer_checks(names: object) -> typing.Any:
    """Return the field `checks`: each of these names, by default all of them, in this order."""
    return Field(
        typing.get_args(names),
        min_length=1,
        description="which checks are made, in this order",
    )


class GateLimits(Section):
    """What a challenger must show before it becomes champion, whatever it predicts."""

    checks: tuple[str, ...] = Field((), description="which checks are made, in this order")
    budgets: BudgetLimits = Field(default_factory=BudgetLimits)
    approval: Approval | None = Field(None, description="ask a person before promoting")
    accept_new_test: bool = Field(
        False, description="judge a champion again on other test samples than before"
    )

    @model_validator(mode="after")
    def _checks_are_unique(self) -> "GateLimits":
        if len(set(self.checks)) < len(self.checks):
            raise ValueError(f"each check is made once, got {', '.join(self.checks)}")
        return self

    def find_alterations(self) -> RobustnessLimits | None:
        """Return how altered test samples must be read; None where none are altered."""
        return None


class ClassificationLimits(GateLimits):
    """What a classifier must show before it becomes champion."""

    checks: tuple[ClassificationCheck, ...] = offer_checks(ClassificationCheck)
    floor: FloorLimits = Field(default_factory=FloorLimits)
    better: BetterLimits = Field(default_factory=BetterLimits)
    slices: ClassSliceLimits = Field(default_factory=ClassSliceLimits)
    calibration: CalibrationLimits = Field(default_factory=CalibrationLimits)


class DigitsLimits(ClassificationLimits):
    """What a classifier of digits must show before it becomes champion."""

    checks: tuple[DigitsCheck, ...] = offer_checks(DigitsCheck)  # type: ignore[assignment]
    robustness: RobustnessLimits = Field(default_factory=RobustnessLimits)
    feedback: (
        Annotated[ImagesSource | TableSource | ArraysSource, Field(discriminator="kind")] | None
    ) = Field(
        None,
        description="corrections set aside for the gate: a slice of their own",
        json_schema_extra=offer_choice,
    )

    def find_alterations(self) -> RobustnessLimits | None:
        """Return how altered test images must be read, where that is checked."""
        return self.robustness if "robustness" in self.checks else None


class RegressionLimits(GateLimits):
    """What a regression must show before it becomes champion."""

    checks: tuple[RegressionCheck, ...] = offer_checks(RegressionCheck)
    max_error: MaxErrorLimits = Field(default_factory=MaxErrorLimits)
    lower_error: LowerErrorLimits = Field(default_factory=LowerErrorLimits)
    slices: SliceErrorLimits = Field(default_factory=SliceErrorLimits)
    coverage: CoverageLimits = Field(default_factory=CoverageLimits)
