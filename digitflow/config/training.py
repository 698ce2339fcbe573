"""What every training run has, whatever its data are: candidates, budget, gate, monitor."""

from collections import Counter
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, model_validator

from digitflow.config.data import Section
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


Calibration = Literal["temperature", "sigmoid", "isotonic"]


BLEND = "blend"
"""The estimator whose candidates are made of others."""


class Candidate(Section):
    """One estimator on one recipe; or a blend of other candidates."""

    name: str = Field(
        pattern=r"^[a-z0-9][a-z0-9-]*$", description="how it is called in every report"
    )
    estimator: str = Field(
        description="a name of the catalogue, see docs/configuration.md, or an import path: "
        "sklearn.svm.SVC, my_models:build"
    )
    recipe: str = Field(
        "",
        description="the features: a name of the catalogue, such as pca, or an import path: "
        "my_features:build_steps; a blend has those of its parts",
    )
    parts: tuple[str, ...] = Field(
        (), description="of a blend: names of the candidates whose predictions it averages"
    )
    params: dict[str, Any] = Field(
        default_factory=dict, description="passed on to the estimator"
    )
    recipe_params: dict[str, Any] = Field(
        default_factory=dict, description="passed on to the recipe"
    )
    time_limit: float = Field(
        1800, gt=0, description="seconds that the fit may compute, each of its threads"
    )
    max_rows: int | None = Field(
        None,
        ge=10,
        description="the most training rows that it is fitted on, drawn by the seed, each "
        "class in proportion: for what grows faster than its data; empty: all",
    )

    @model_validator(mode="after")
    def _is_whole(self) -> "Candidate":
        if self.estimator != BLEND:
            if self.parts:
                raise ValueError(f"{self.name} is no {BLEND}: only one of those has parts")
            if not self.recipe:
                raise ValueError(f"{self.name} needs a recipe")
            return self
        keys = ("recipe", "params", "recipe_params", "max_rows")
        own = [key for key in keys if getattr(self, key)]
        if own:
            raise ValueError(
                f"the {BLEND} {self.name} has no {' and no '.join(own)} but its parts'"
            )
        if len(set(self.parts)) < 2 or len(set(self.parts)) < len(self.parts):
            raise ValueError(
                f"the {BLEND} {self.name} needs the names of two or more other candidates in "
                f"`parts`, each once, got {list(self.parts)}"
            )
        return self

    def describe(self) -> str:
        """Return what it is: svm on strokes; blend of svm-strokes and forest-pixels."""
        if self.parts:
            return f"{self.estimator} of {', '.join(self.parts[:-1])} and {self.parts[-1]}"
        rows = "" if self.max_rows is None else f", at most {self.max_rows:,} rows"
        return f"{self.estimator} on {self.recipe}{rows}"

    def describe_making(self) -> str:
        """Return the recipe's name, or how many parts a blend has."""
        return self.recipe or f"{len(self.parts)} parts"

    def describe_recipe(self) -> str:
        """Return the recipe with its parameters: pca, or my_features:build_steps(parts=3)."""
        given = ", ".join(f"{key}={value}" for key, value in self.recipe_params.items())
        return f"{self.recipe}({given})" if given else self.recipe

    def wants_copies(self) -> bool:
        """Whether it is trained on altered copies too, where there are some."""
        return False

    def find_calibration(self) -> Calibration | None:
        """Return how its scores become probabilities; None where it predicts values."""
        return None


class Classifier(Candidate):
    """A candidate whose scores become probabilities."""

    calibration: Calibration = Field(
        "temperature", description="how scores become probabilities"
    )

    def find_calibration(self) -> Calibration | None:
        """Return how its scores become probabilities."""
        return self.calibration


class TrainingBudget(Section):
    """How much of the machine the training may take."""

    parallel: int = Field(2, ge=1, le=64, description="fits at the same time")
    threads: int | None = Field(
        None, ge=1, description="threads of all fits together; empty: one a core"
    )
    cluster: str | None = Field(
        None,
        pattern=r"^(tcp|tls)://.+$",
        description="address of a Dask scheduler whose workers compute, such as "
        "tcp://127.0.0.1:8786; empty: this machine does",
    )


class TrainConfig(Section):
    """A training run, from raw data to a verdict, whatever the data are."""

    model: str = Field(
        "digits-sample", pattern=r"^[a-z0-9][a-z0-9-]*$", description="name in the registry"
    )
    seed: int = Field(42, ge=0, lt=2**32, description="reaches everything that is random")
    candidates: tuple[Candidate, ...] = Field(min_length=1)
    project: Path | None = Field(
        None, description="folder of your own modules; empty: the config's folder"
    )
    trust: tuple[str, ...] = Field(
        (),
        description="types and functions of your own, or of other libraries, that models may "
        "hold: my_models.Wrapper",
    )
    training: TrainingBudget = Field(default_factory=TrainingBudget)
    refit: bool = Field(
        False, description="fit the winner again on training and validation samples"
    )
    gate: GateLimits = Field(default_factory=GateLimits)
    feedback: FeedbackRule = Field(default_factory=FeedbackRule)
    monitoring: MonitoringRule = Field(default_factory=MonitoringRule)

    @model_validator(mode="after")
    def _names_are_unique(self) -> "TrainConfig":
        counts = Counter(candidate.name for candidate in self.candidates)
        repeated = [name for name, count in counts.items() if count > 1]
        if repeated:
            raise ValueError(f"candidates need names of their own, repeated: {repeated}")
        return self

    @model_validator(mode="after")
    def _parts_are_candidates(self) -> "TrainConfig":
        known = [each.name for each in self.candidates if each.estimator != BLEND]
        for blend in (each for each in self.candidates if each.estimator == BLEND):
            if blend.find_calibration() is None:
                raise ValueError(
                    f"the {BLEND} {blend.name} averages probabilities, and this config's "
                    "candidates predict values: for those there is the estimator stack"
                )
            wrong = [name for name in blend.parts if name not in known]
            if wrong:
                raise ValueError(
                    f"the {BLEND} {blend.name} is made of candidates that are no blends "
                    f"themselves: {', '.join(known) or 'there is none'}; not of "
                    f"{', '.join(wrong)}"
                )
        return self

    def find_parts(self, candidate: Candidate) -> tuple[Candidate, ...]:
        """Return the candidates that a blend is made of; of any other itself."""
        by_name = {each.name: each for each in self.candidates}
        return tuple(by_name[name] for name in candidate.parts or (candidate.name,))
