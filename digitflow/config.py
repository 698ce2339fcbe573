"""The configuration files, as frozen models: every number a user may want to change.

A wrong key or value is one `InputError` that names the file, the place and what fits.
"""

import typing
from collections import Counter
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from digitflow.errors import InputError, list_some

Direction = Literal["up", "down", "left", "right"]
Calibration = Literal["temperature", "sigmoid", "isotonic"]


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class BuiltinSource(_Section):
    """The 1,797 handwritten digits that come with scikit-learn, in the MNIST frame."""

    kind: Literal["builtin"] = "builtin"


class MnistSource(_Section):
    """MNIST's 70,000 digits: IDX files from a folder, else OpenML's `mnist_784`."""

    kind: Literal["mnist"] = "mnist"
    folder: Path | None = Field(
        None,
        description="folder of the four IDX files, gzipped or not; "
        "else DIGITFLOW_MNIST_DIR; else OpenML is asked",
    )


class ImagesSource(_Section):
    """A folder of pictures, `<label>/*.png` or `.jpg`, any size, either polarity."""

    kind: Literal["images"] = "images"
    folder: Path = Field(description="folder with one folder a label")
    test_folder: Path | None = Field(
        None, description="pictures to judge champions on; else a part of `folder`"
    )


class TableSource(_Section):
    """A CSV or Parquet file: a label and 784 pixels a row."""

    kind: Literal["table"] = "table"
    file: Path = Field(description="the CSV or Parquet file")
    test_file: Path | None = Field(
        None, description="rows to judge champions on; else a part of `file`"
    )
    label: str = Field("label", description="name of the label column")
    writer: str = Field("writer", description="name of the writer column, where there is one")


Source = Annotated[
    BuiltinSource | MnistSource | ImagesSource | TableSource, Field(discriminator="kind")
]


class ValidationRules(_Section):
    """What data must hold before anything is trained."""

    max_quarantined: float = Field(
        0.01, ge=0, le=1, description="share of bad rows above which the run stops"
    )
    min_per_class: int = Field(10, ge=2, description="usable images that every class must have")


class SplitShares(_Section):
    """How much is set aside; a source's own test set is kept as it is."""

    test: float = Field(0.2, gt=0, lt=1, description="share for the frozen test images")
    validation: float = Field(
        0.2, gt=0, lt=1, description="share of the rest that calibrates and compares"
    )
    calibration: float = Field(
        0.5, gt=0, lt=1, description="share of validation that calibrates; the rest compares"
    )


class ShiftAugmentation(_Section):
    """Copies of the training images, moved by whole pixels."""

    backend: Literal["shift"] = "shift"
    pixels: int = Field(1, ge=1, le=13, description="how far each copy is moved")
    directions: tuple[Direction, ...] = Field(
        ("up", "down", "left", "right"), min_length=1, description="one copy for each"
    )


class OpencvAugmentation(_Section):
    """Copies of the training images, altered as other hands would have written them."""

    backend: Literal["opencv"] = "opencv"
    copies: int = Field(1, ge=1, le=20, description="altered copies of each image")
    rotation: float = Field(10, ge=0, le=45, description="degrees, at most, either way")
    slant: float = Field(
        0.3, ge=0, le=1, description="pixels aside for one up, at most, either way"
    )
    stretch: float = Field(
        0.3, ge=0, le=1, description="share by which width may change against height"
    )
    elastic: float = Field(
        0.0, ge=0, le=3, description="pixels by which points are pulled, standard deviation"
    )
    thinner: float = Field(
        0.0, ge=0, le=1, description="pixels that strokes may lose at each side"
    )
    thicker: float = Field(
        1.0, ge=0, le=1, description="pixels that strokes may gain at each side"
    )


Augmentation = Annotated[ShiftAugmentation | OpencvAugmentation, Field(discriminator="backend")]


class Candidate(_Section):
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


class TrainingBudget(_Section):
    """How much of the machine the training may take."""

    parallel: int = Field(2, ge=1, le=64, description="fits at the same time")
    threads: int | None = Field(
        None, ge=1, description="threads of all fits together; empty: one a core"
    )


def _offer_choice(schema: dict[str, Any]) -> None:
    # Prefect's form shows "any of" as a choice of forms, "one of" as a box for raw JSON.
    schema.pop("discriminator", None)
    choices = schema.pop("oneOf", None) or schema["anyOf"]
    # Where nothing is a choice too, the others are nested.
    schema["anyOf"] = [one for choice in choices for one in choice.get("oneOf", [choice])]


CheckName = Literal[
    "floor", "better", "slices", "calibration", "robustness", "budgets", "loads"
]
CHECKS: tuple[CheckName, ...] = typing.get_args(CheckName)


class FloorLimits(_Section):
    """How good a model must be whatever the champion is."""

    min_accuracy: float = Field(0.9, ge=0, le=1, description="least accuracy on test images")


class BetterLimits(_Section):
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


class SliceLimits(_Section):
    """Where a challenger must not be worse, however good it is on the whole."""

    margin: float = Field(
        0.01, ge=0, le=1, description="how much worse on a slice is worth a warning"
    )
    significance: float = Field(
        0.05, gt=0, lt=0.5, description="error rate over all slices together (Holm)"
    )
    min_images: int = Field(50, ge=1, description="images below which a slice says nothing")
    pairs: int = Field(5, ge=0, description="how many of the most confused pairs are slices")


class CalibrationLimits(_Section):
    """How far the probabilities may be off, and by how much more than the champion's."""

    max_ece: float = Field(0.03, ge=0, description="highest expected calibration error")
    max_brier: float = Field(0.15, ge=0, description="highest Brier score")
    max_log_loss: float = Field(0.35, ge=0, description="highest log loss")
    ece_margin: float = Field(0.01, ge=0, description="how much more than the champion's")
    brier_margin: float = Field(0.01, ge=0, description="how much more than the champion's")
    log_loss_margin: float = Field(0.02, ge=0, description="how much more than the champion's")


class RobustnessLimits(_Section):
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


class BudgetLimits(_Section):
    """What a model may cost."""

    latency_p95_ms: float = Field(
        50, gt=0, description="milliseconds of one image, 95th percentile"
    )
    megabytes: float = Field(500, gt=0, description="of the model's file")
    memory_mb: float = Field(2000, gt=0, description="peak memory of a process that predicts")
    fit_seconds: float = Field(3600, gt=0, description="of its training")


class Approval(_Section):
    """A person says yes or no before anything is promoted."""

    timeout_minutes: float = Field(1440, gt=0, description="after which it counts as no")


class GateLimits(_Section):
    """What a challenger must show before it becomes champion."""

    checks: tuple[CheckName, ...] = Field(
        CHECKS, min_length=1, description="which checks are made, in this order"
    )
    floor: FloorLimits = Field(default_factory=FloorLimits)
    better: BetterLimits = Field(default_factory=BetterLimits)
    slices: SliceLimits = Field(default_factory=SliceLimits)
    calibration: CalibrationLimits = Field(default_factory=CalibrationLimits)
    robustness: RobustnessLimits = Field(default_factory=RobustnessLimits)
    budgets: BudgetLimits = Field(default_factory=BudgetLimits)
    feedback: Annotated[ImagesSource | TableSource, Field(discriminator="kind")] | None = Field(
        None,
        description="corrections set aside for the gate: a slice of their own",
        json_schema_extra=_offer_choice,
    )
    approval: Approval | None = Field(None, description="ask a person before promoting")
    accept_new_test: bool = Field(
        False, description="judge a champion again on other test images than before"
    )

    @model_validator(mode="after")
    def _checks_are_unique(self) -> "GateLimits":
        if len(set(self.checks)) < len(self.checks):
            raise ValueError(f"each check is made once, got {', '.join(self.checks)}")
        return self


class DoubtRule(_Section):
    """When a champion says `unsure` or `not a digit` instead of guessing."""

    coverage: float = Field(
        0.99, gt=0, le=1, description="share of the comparison images that gets an answer"
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


class TrainConfig(_Section):
    """A training run, from raw digits to a verdict."""

    model: str = Field(
        "digits-sample",
        pattern=r"^[a-z0-9][a-z0-9-]*$",
        description="name in the registry",
    )
    seed: int = Field(42, ge=0, lt=2**32, description="reaches everything that is random")
    source: Source = Field(
        default_factory=BuiltinSource,
        description="where digits come from",
        json_schema_extra=_offer_choice,
    )
    validation: ValidationRules = Field(default_factory=ValidationRules)
    split: SplitShares = Field(default_factory=SplitShares)
    augment: Augmentation | None = Field(
        None,
        description="copies added to the training images",
        json_schema_extra=_offer_choice,
    )
    candidates: tuple[Candidate, ...] = Field(default_factory=default_candidates, min_length=1)
    training: TrainingBudget = Field(default_factory=TrainingBudget)
    refit: bool = Field(
        False, description="fit the winner again on training and validation images"
    )
    doubt: DoubtRule = Field(default_factory=DoubtRule)
    photographs: int = Field(
        0, ge=0, le=1797, description="of other hands, in each series, read for the report"
    )
    gate: GateLimits = Field(default_factory=GateLimits)

    @model_validator(mode="after")
    def _names_are_unique(self) -> "TrainConfig":
        counts = Counter(candidate.name for candidate in self.candidates)
        repeated = [name for name, count in counts.items() if count > 1]
        if repeated:
            raise ValueError(f"candidates need names of their own, repeated: {repeated}")
        return self

    @model_validator(mode="after")
    def _hands_are_others(self) -> "TrainConfig":
        if self.photographs and self.source.kind == "builtin":
            raise ValueError(
                "photographs are made of the digits that the source builtin trains on: "
                "set photographs to 0, or take another source"
            )
        return self


def load_config(path: Path) -> TrainConfig:
    """Read and check a YAML config; relative paths in it are relative to its folder.

    Raises
    ------
    InputError
        If the file is missing, is no YAML mapping, or has a wrong key or value.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as exc:
        raise InputError(f"can't read the config {path}: {exc}") from exc
    return _anchor_paths(parse_yaml(text, str(path)), path.parent)


def parse_yaml(text: str, where: str = "config") -> TrainConfig:
    """Check a config's text; `where` names it in errors.

    Raises
    ------
    InputError
        If it is no YAML mapping, or has a wrong key or value.
    """
    try:
        values = yaml.safe_load(text)
    except yaml.YAMLError as exc:
        raise InputError(f"{where} is no valid YAML: {exc}") from exc
    if not isinstance(values, dict):
        raise InputError(f"{where} must hold keys and values, got {type(values).__name__}")
    return parse_config(values, where)


def parse_config(values: dict[str, Any], where: str = "config") -> TrainConfig:
    """Check a config's values; `where` names them in errors.

    Raises
    ------
    InputError
        If a key is unknown or a value doesn't fit.
    """
    try:
        return TrainConfig.model_validate(values)
    except ValidationError as exc:
        lines = [_describe(error) for error in exc.errors()]
        raise InputError(f"{where}: {list_some(lines)}") from exc


def _describe(error: Any) -> str:
    # The tag of a union ("builtin", "mnist") stands in loc beside the keys; harmless.
    place = ".".join(str(part) for part in error["loc"]) or "config"
    if error["type"] == "extra_forbidden":
        return f"{place} is not a key of the config"
    if error["type"] == "missing":
        return f"{place} is missing"
    return f"{place}: {error['msg'].removeprefix('Value error, ')} (got {error['input']!r:.80})"


def _anchor_paths(config: TrainConfig, folder: Path) -> TrainConfig:
    gate, feedback = config.gate, config.gate.feedback
    if feedback is not None:
        gate = gate.model_copy(update={"feedback": _anchor_source(feedback, folder)})
    source = _anchor_source(config.source, folder)
    return config.model_copy(update={"source": source, "gate": gate})


def _anchor_source(source: Source, folder: Path) -> Source:
    changed = {
        key: (folder / value).resolve()
        for key, value in source
        if isinstance(value, Path) and not value.is_absolute()
    }
    return source.model_copy(update=changed)
