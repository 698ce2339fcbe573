"""The report of a training run: what it says, the page that says it, the run's record."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from digitflow.catalogue import PAGES
from digitflow.config.reading import AnyConfig
from digitflow.data.sets import PreparedData, SampleSet
from digitflow.evaluation.evidence import Share
from digitflow.evaluation.scoring import Entry, Winner, choose_winner, rank_entries
from digitflow.gate.check import Check
from digitflow.gate.verdict import Verdict
from digitflow.models.bundle import ModelBundle
from digitflow.registry.training import list_code, write_config
from digitflow.registry.versions import Champion, Decision
from digitflow.reports.page import render_page
from digitflow.reports.pictures import Figures
from digitflow.store.artifacts import Store
from digitflow.store.lineage import list_versions
from digitflow.store.references import Record, digest_json
from digitflow.store.runs import RunLog, summarise_tasks

CLASSES = 10

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

# A check that did not pass and stops nothing.
NO_OBSTACLE = ("–", "plain")

# The sign, the word and the colour of each state of a task that the page shows.
TASK_SIGNS = {
    "computed": ("✓", "computed", "good"),
    "cached": ("=", "cached", "plain"),
    "failed": ("✗", "failed", "bad"),
}

PURPOSES = {
    "train": "fits the candidates",
    "augmented": "the training samples with their altered copies",
    "calibration": "turns scores into probabilities, or bounds errors",
    "validation": "chooses the winner",
    "test": "frozen; only the gate looks at it",
}


class PartCard(Record):
    """One set of samples.

    Attributes
    ----------
    class_counts : tuple of int
        Samples of each class; empty where targets are values.
    target : tuple of float
        Smallest, median, mean and largest target; empty where targets are classes.
    writers : int or None
        How many; None where that is unknown.
    source_counts : tuple of int
        Samples of each part of a mix; empty where there is one source.
    """

    name: str
    rows: int
    class_counts: tuple[int, ...] = ()
    target: tuple[float, ...] = ()
    writers: int | None = None
    source_counts: tuple[int, ...] = ()
    samples_digest: str
    targets_digest: str


class DataCard(Record):
    """Where the data come from, how they were parted, and what was wrong with them.

    `problems` counts bad rows by reason; `quarantine` is the file that names them. Of a mix,
    `sources` names the parts. `classes` names classes that are no numbers; `unit` is that of
    values.
    """

    source: str
    origin: str
    sources: tuple[str, ...] = ()
    classes: tuple[str, ...] = ()
    unit: str = ""
    splits: tuple[PartCard, ...]
    problems: dict[str, int]
    quarantine: str | None


@dataclass(frozen=True)
class RunReport:
    """Everything that the report of a training run says.

    Attributes
    ----------
    started : str
        ISO 8601.
    seconds : float
        From the start of the run until the report.
    versions : mapping
        Of the libraries, by name.
    config : str
        The run's config as YAML.
    entries : sequence of Entry
        Best first; the first was evaluated.
    champion : Champion or None
        Who is champion after the run; None where nothing was ever promoted.
    pictures : mapping of str to bytes
        PNG, by their names.
    details : mapping of str to Any
        What the workload's part of the page says beside.
    tasks : sequence of dict
        As `digitflow.store.runs.summarise_tasks` gives them, of the states in `TASK_SIGNS`.
    notes : sequence of str
        Sentences that a reader of the figures must know.
    """

    run: str
    model: str
    started: str
    seconds: float
    cores: int
    versions: Mapping[str, str]
    config: str
    data: DataCard
    entries: Sequence[Entry]
    verdict: Verdict
    champion: Champion | None
    pictures: Mapping[str, bytes]
    details: Mapping[str, Any]
    tasks: Sequence[Mapping[str, Any]]
    notes: Sequence[str] = ()

    @property
    def winner(self) -> Winner:
        """The best entry."""
        return choose_winner(self.entries)

    def fitted_earlier(self, entry: Entry) -> bool:
        """Tell whether a candidate's fit was taken from the cache."""
        task = f"train {entry.candidate.name}"
        return any(one["task"] == task and one["state"] == "cached" for one in self.tasks)


def write_report(
    log: RunLog,
    config: AnyConfig,
    data: PreparedData,
    entries: Sequence[Entry],
    decision: Decision,
    bundle: ModelBundle,
    others: Mapping[str, Share],
    drawn: Figures,
) -> None:
    """Write reports/<run>/index.html, and what was decided into the run's record.

    Parameters
    ----------
    others : mapping of str to Share
        What the model predicts right of other samples, tried for the report alone.
    """
    store, name = log.store, f"reports/{log.run}/index.html"
    code = list_code(config)
    verdict, champion, ranked = decision.verdict, decision.champion, rank_entries(entries)
    winner = choose_winner(entries)
    card = describe_data(store, data)
    versions = list_versions(code.libraries)
    notes = write_notes(verdict, winner, config.refit, entries, data)
    log.update(
        winner=winner.candidate.name,
        photographs={series: share.model_dump() for series, share in others.items()},
        leaderboard=[entry.model_dump(mode="json") for entry in ranked],
        verdict=verdict.model_dump(mode="json"),
        version=decision.version,
        promoted=verdict.promoted,
        champion=None if champion is None else champion.model_dump(mode="json"),
        data=card.model_dump(mode="json"),
        versions=versions,
        code=digest_json(code.modules),
        notes=notes,
        report=str(store.root / name),
    )
    tasks, page = summarise_tasks(log.events).values(), PAGES.load(config.workload)
    report = RunReport(
        run=log.run,
        model=config.model,
        started=log.record["started"],
        seconds=log.seconds(),
        cores=log.record["cores"],
        versions=versions,
        config=write_config(config),
        data=card,
        entries=ranked,
        verdict=verdict,
        champion=champion,
        pictures={name: store.read_bytes(one.png) for name, one in drawn.pictures.items()},
        details=page.describe_page(store, config, data, winner, bundle, others),
        tasks=[task for task in tasks if task["state"] in TASK_SIGNS],
        notes=notes,
    )
    store.write_text(name, render_report(report, config.workload))
    store.point("reports/latest", log.run)


def describe_data(store: Store, data: PreparedData) -> DataCard:
    """Return the data card: rows, targets, writers, sources and digests of each part."""
    quarantine = data.checked.quarantine
    return DataCard(
        source=data.source,
        origin=data.origin,
        sources=data.sources if len(data.sources) > 1 else (),
        classes=data.splits.train.classes,
        unit=data.splits.train.unit,
        splits=tuple(
            _describe_part(store, *item, len(data.sources)) for item in data.parts().items()
        ),
        problems=data.checked.problems,
        quarantine=None if quarantine is None else store.blobs.describe(quarantine),
    )


def _describe_part(store: Store, name: str, part: SampleSet, sources: int) -> PartCard:
    return PartCard(
        name=name,
        rows=part.rows,
        **_describe_targets(store.open_array(part.targets), len(part.classes) or CLASSES),
        writers=_count_writers(store, part),
        source_counts=_count_sources(store, part, sources),
        samples_digest=part.samples.digest,
        targets_digest=part.targets.digest,
    )


def _describe_targets(targets: np.ndarray, classes: int) -> dict[str, Any]:
    if np.issubdtype(targets.dtype, np.floating):
        middle = np.median(targets), targets.mean()
        return {"target": tuple(map(float, (targets.min(), *middle, targets.max())))}
    return {"class_counts": tuple(np.bincount(targets, minlength=classes).tolist())}


def _count_writers(store: Store, part: SampleSet) -> int | None:
    if part.writers is None:
        return None
    writers = np.unique(store.open_array(part.writers))
    return int((writers >= 0).sum())


def _count_sources(store: Store, part: SampleSet, sources: int) -> tuple[int, ...]:
    if part.sources is None:
        # The test images are the first part's own.
        return (part.rows, *[0] * (sources - 1)) if sources > 1 else ()
    numbers = store.open_array(part.sources)
    return tuple(int((numbers == place).sum()) for place in range(sources))


def write_notes(
    verdict: Verdict,
    winner: Entry,
    refitted: bool,
    entries: Sequence[Entry],
    data: PreparedData,
) -> list[str]:
    """Return what a reader of the figures must know."""
    name = winner.candidate.name
    notes = [
        "Candidates were compared on validation samples that calibrated none of them; the "
        "test samples were looked at once, by the gate."
    ]
    if refitted:
        notes.append(
            f"What was judged is {name} fitted again on training and validation samples "
            "together, calibrated by what it predicts out of fold; the figures of the "
            "leaderboard are those of the fit that was compared."
        )
    else:
        notes.append(f"What was judged is {name} exactly as it was compared.")
    if verdict.outcome in ("keep", "unchanged"):
        notes.append("The champion was not replaced.")
    notes.extend(data.checked.notes)
    for entry in entries:
        said = entry.fitted.warnings if entry.fitted is not None else ()
        notes.extend(f"{entry.candidate.name} warned: {warning}" for warning in said)
    return notes


def render_report(report: RunReport, workload: str) -> str:
    """Return the report as HTML; styles and pictures are inside, scripts there are none."""
    return render_page(
        f"reports/{workload}.html.j2",
        report=report,
        outcome=OUTCOMES[report.verdict.outcome],
        scale=_scale_figures(report.entries),
        purposes=PURPOSES,
        sign_check=sign_check,
        task_signs=TASK_SIGNS,
    )


def sign_check(check: Check) -> tuple[str, str]:
    """Return the sign and the colour by which a check's answer is shown."""
    if check.blocks or check.verdict in ("pass", "error"):
        return VERDICT_SIGNS.get(check.verdict, ("•", "plain"))
    return NO_OBSTACLE


def _scale_figures(entries: Sequence[Entry]) -> Callable[[float], str]:
    """Return what places a main figure on the leaderboard's common bar, in %."""
    measured = [entry.evaluation.metrics for entry in entries if entry.evaluation is not None]
    bounds = [bound for metrics in measured for bound in metrics.interval]
    low, high = min(bounds), max(bounds)
    width = (high - low) or 1.0
    return lambda figure: f"{100 * (figure - low) / width:.2f}"
