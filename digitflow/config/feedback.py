"""What is learnt from users, when, and when what they send has drifted."""

from pathlib import Path

from pydantic import Field, model_validator

from digitflow.config.section import Section


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
