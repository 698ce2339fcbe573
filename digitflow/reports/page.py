"""The report of a run: one HTML page that needs nothing beside itself."""

from base64 import b64encode
from collections.abc import Callable
from importlib.resources import files
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from digitflow import formatting
from digitflow.evaluation.metrics import Metrics
from digitflow.gate.check import Check

SHOWN_DIGEST = 12

# What the page says of each outcome of the gate: its sign, its words, its colour.
OUTCOMES = {
    "bootstrap": ("✓", "Promoted: the first champion", "good"),
    "promote": ("✓", "Promoted: a new champion", "good"),
    "unchanged": ("=", "Unchanged", "plain"),
    "keep": ("✗", "Not promoted: the champion stays", "bad"),
    "reject": ("✗", "Not promoted: there is no champion", "bad"),
}

# The sign and the colour of each verdict of a check.
VERDICT_SIGNS = {
    "pass": ("✓", "good"),
    "warn": ("!", "warn"),
    "fail": ("✗", "bad"),
    "error": ("✗", "bad"),
    "insufficient": ("?", "plain"),
}

# What was hard in each series of photographs.
DISTORTIONS = {
    "plain": "dark pen on white paper, from above",
    "perspective": "the sheet turned, and seen from aside",
    "shadow": "uneven light, with a hard edge",
    "texture": "grain and fibres of the paper",
    "ink-colour": "coloured pens and paper, chalk on a board",
    "all": "all of these at once",
}

PURPOSES = {
    "train": "fits the candidates",
    "augmented": "the training images with their altered copies",
    "calibration": "turns scores into probabilities",
    "validation": "chooses the winner",
    "test": "frozen; only the gate looks at it",
}


class _Facts(BaseModel):
    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        ser_json_bytes="base64",
        val_json_bytes="base64",
        ser_json_inf_nan="constants",
    )


class ChampionFacts(_Facts):
    """Who is champion after the run, and its score on the frozen test images, 0 to 1."""

    version: str
    accuracy: float
    interval: tuple[float, float]
    n: int


class Headline(_Facts):
    """The verdict; `champion` is None where nothing was ever promoted."""

    outcome: str
    reason: str
    champion: ChampionFacts | None
    test_digest: str


class SplitFacts(_Facts):
    """One set of images; `class_counts` of 0 to 9, `writers` None where unknown."""

    name: str
    rows: int
    class_counts: tuple[int, ...]
    writers: int | None
    images_digest: str
    labels_digest: str


class DataCard(_Facts):
    """Where the images come from, how they were parted, and what was wrong with them.

    `problems` counts bad rows by reason; `quarantine` is the file that names them.
    """

    source: str
    origin: str
    splits: tuple[SplitFacts, ...]
    problems: dict[str, int]
    quarantine: str | None


class CandidateFacts(_Facts):
    """A row of the leaderboard; the figures are None where `status` is "failed"."""

    name: str
    estimator: str
    recipe: str
    augmented: bool
    status: Literal["ok", "failed"]
    error: str | None = None
    accuracy: float | None = None
    interval: tuple[float, float] | None = None
    f1: float | None = None
    log_loss: float | None = None
    brier: float | None = None
    ece: float | None = None
    fit_seconds: float | None = None
    latency_ms: float | None = None
    bytes: int | None = None
    cached: bool = False
    winner: bool = False


class WinnerFacts(_Facts):
    """The winner on the validation images: figures, and pictures as PNG bytes."""

    metrics: Metrics
    confusion: bytes
    errors: bytes
    mistakes: bytes | None


class SelectiveFacts(_Facts):
    """When the model says `unsure`: thresholds, what they give, and the curve as PNG."""

    coverage: float
    min_probability: float
    risk: float
    typical: float
    screened: bool
    figure: bytes


class SeriesFacts(_Facts):
    """A series of photographs of other hands, and how many were read right."""

    series: str
    correct: int
    n: int
    interval: tuple[float, float]


class OutputFacts(_Facts):
    """A stored file that a task gave; an array has a shape and a dtype."""

    name: str
    digest: str
    bytes: int
    path: str | None = None
    shape: tuple[int, ...] | None = None
    dtype: str | None = None


class TaskFacts(_Facts):
    """What became of one task; `seconds` and `key` are None where there were none."""

    task: str
    state: Literal["computed", "cached", "failed"]
    seconds: float | None
    key: str | None
    outputs: tuple[OutputFacts, ...] = ()


class ReportFacts(_Facts):
    """Everything that a report says, as plain values.

    Attributes
    ----------
    started : str
        ISO 8601.
    seconds : float or None
        From the start of the run until the report.
    versions : dict
        Of the libraries, by name.
    config : str
        The run's config as YAML.
    samples : bytes or None
        PNG of training images.
    leaderboard : tuple of CandidateFacts
        Best first.
    evaluation : WinnerFacts or None
        None where no candidate could be evaluated.
    checks : tuple of Check
        What the gate asked, in its order.
    looks : int
        How many different challengers were judged on the test images so far.
    selective : SelectiveFacts or None
        None where nothing is ever called unsure.
    photographs : tuple of SeriesFacts
        Photographs of digits by others; empty where none were read.
    notes : tuple of str
        Sentences that a reader of the figures must know.
    """

    run: str
    model: str
    started: str
    seconds: float | None
    cores: int
    versions: dict[str, str]
    config: str
    headline: Headline
    data: DataCard
    samples: bytes | None
    leaderboard: tuple[CandidateFacts, ...]
    evaluation: WinnerFacts | None
    checks: tuple[Check, ...]
    looks: int
    selective: SelectiveFacts | None
    photographs: tuple[SeriesFacts, ...]
    lineage: tuple[TaskFacts, ...]
    notes: tuple[str, ...] = ()


def render_report(facts: ReportFacts) -> str:
    """Return the report as HTML; styles and pictures are inside, scripts there are none."""
    return render_page(
        "reports/report.html.j2",
        facts=facts,
        outcome=OUTCOMES.get(facts.headline.outcome, ("•", facts.headline.outcome, "plain")),
        winner=next((row for row in facts.leaderboard if row.winner), None),
        scale=_accuracy_scale(facts.leaderboard),
        taken_for=_most_taken_for(facts.evaluation),
        purposes=PURPOSES,
        distortions=DISTORTIONS,
        verdict_signs=VERDICT_SIGNS,
    )


def render_page(template: str, **values: Any) -> str:
    """Fill a template of ours with values; our styles are among them."""
    from jinja2 import Environment, StrictUndefined
    from markupsafe import Markup

    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= _filters()
    # Ours, and no value of a run enters it.
    style = Markup(_read("reports/report.css"))  # noqa: S704
    return environment.from_string(_read(template)).render(style=style, **values)


def _filters() -> dict[str, Callable[[Any], str]]:
    formats: dict[str, Callable[[Any], str]] = {
        "bytes": formatting.format_bytes,
        "seconds": formatting.format_seconds,
        "milliseconds": lambda value: formatting.format_seconds(value / 1000),
        "share": lambda share: _keep_together(formatting.format_share(share)),
        "number": formatting.format_number,
        "signed": formatting.format_signed,
        "moment": formatting.format_moment,
        "count": lambda count: f"{count:,}",
        "unbroken": _keep_together,
        "brief": lambda digest: digest[:SHOWN_DIGEST],
        "png": lambda png: f"data:image/png;base64,{b64encode(png).decode()}",
    }
    return {name: _dash_for_none(format_value) for name, format_value in formats.items()}


def _dash_for_none(format_value: Callable[[Any], str]) -> Callable[[Any], str]:
    return lambda value: "–" if value is None else format_value(value)


def _keep_together(text: str) -> str:
    return text.replace(" %", "\N{NO-BREAK SPACE}%")


def _accuracy_scale(rows: tuple[CandidateFacts, ...]) -> Callable[[float], str]:
    """Return what places an accuracy (0 to 1) on the leaderboard's common bar, in %."""
    bounds = [bound for row in rows if row.interval for bound in row.interval]
    low, high = min(bounds, default=0.0), max(bounds, default=1.0)
    width = (high - low) or 1.0
    return lambda accuracy: f"{100 * (accuracy - low) / width:.2f}"


def _most_taken_for(evaluation: WinnerFacts | None) -> dict[int, tuple[int, int]]:
    """Return for each misread digit what it was most often taken for, and how often."""
    if evaluation is None:
        return {}
    found = {}
    for true, counts in enumerate(evaluation.metrics.confusion):
        errors = [0 if digit == true else count for digit, count in enumerate(counts)]
        if any(errors):
            found[true] = (errors.index(max(errors)), max(errors))
    return found


def _read(name: str) -> str:
    return files("digitflow").joinpath(name).read_text(encoding="utf-8")
