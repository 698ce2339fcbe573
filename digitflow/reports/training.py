"""The report of a training run: what it says, the page that says it, the run's record."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from digitflow.config.training import TrainConfig
from digitflow.data.inspection import Reason
from digitflow.data.sets import PreparedData, SampleSet
from digitflow.evaluation.evidence import Share
from digitflow.evaluation.metrics import Metrics
from digitflow.evaluation.scoring import Entry, Winner, choose_winner, rank_entries
from digitflow.gate.check import Check
from digitflow.gate.verdict import Verdict
from digitflow.models.bundle import ModelBundle, RejectOption
from digitflow.registry.training import list_code, write_config
from digitflow.registry.versions import Champion, Decision
from digitflow.reports.figures import Figures
from digitflow.reports.page import render_page
from digitflow.store.artifacts import Store
from digitflow.store.lineage import find_libraries, list_versions
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

# Why a row is set aside, in the words of the quarantine.
REASONS: Mapping[Reason, str] = {
    "unreadable": "no pixel is there, as of a damaged picture",
    "NaN pixel": "some pixels are missing",
    "out of range": "a pixel is below 0 or above 255",
    "not a whole number": "pixels are no whole numbers, as where they were scaled to 0..1",
    "unknown label": "the label is none of 0 to 9, or missing",
    "blank": "there is no ink",
    "inverted": "dark ink on a bright border",
    "duplicate of a test image": "equal to an image of the test set, which stays as it is",
    "conflicting duplicate": (
        "equal to another image with another label: nobody knows which is right, all go"
    ),
    "duplicate": "equal to an earlier image with the same label, which stays",
}


class PartCard(Record):
    """One set of images; `class_counts` of 0 to 9, `writers` None where unknown.

    `source_counts` are those of the parts of a mix; empty where there is one source.
    """

    name: str
    rows: int
    class_counts: tuple[int, ...]
    writers: int | None
    source_counts: tuple[int, ...] = ()
    images_digest: str
    labels_digest: str


class DataCard(Record):
    """Where the images come from, how they were parted, and what was wrong with them.

    `problems` counts bad rows by reason; `quarantine` is the file that names them. Of a mix,
    `sources` names the parts, and `read` says what of each the winner read right in validation.
    """

    source: str
    origin: str
    sources: tuple[str, ...] = ()
    read: tuple[Share, ...] = ()
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
    reject_option : RejectOption or None
        None where nothing is ever called unsure.
    typical : float
        The share of the digits, 0 to 1, that count as typical.
    photographs : mapping of str to Share
        Photographs of digits by others, read right by series; empty where none were read.
    pictures : mapping of str to bytes
        PNG: samples, confusion, errors, mistakes, risk.
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
    reject_option: RejectOption | None
    typical: float
    photographs: Mapping[str, Share]
    pictures: Mapping[str, bytes]
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
    config: TrainConfig,
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
        What the model reads in photographs of other hands, by the series.
    """
    store, name = log.store, f"reports/{log.run}/index.html"
    code = list_code(config)
    verdict, champion, ranked = decision.verdict, decision.champion, rank_entries(entries)
    winner = choose_winner(entries)
    card = describe_data(store, data, winner)
    versions = list_versions(find_libraries(code))
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
        code=digest_json(code),
        notes=notes,
        report=str(store.root / name),
    )
    tasks = summarise_tasks(log.events).values()
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
        reject_option=bundle.reject_option,
        typical=config.selective.typical,
        photographs=others,
        pictures={picture: store.read_bytes(ref) for picture, ref in drawn},
        tasks=[task for task in tasks if task["state"] in TASK_SIGNS],
        notes=notes,
    )
    store.write_text(name, render_report(report))
    store.point("reports/latest", log.run)


def describe_data(store: Store, data: PreparedData, winner: Winner) -> DataCard:
    """Return the data card: rows, classes, writers, sources and digests of each part."""
    quarantine = data.checked.quarantine
    return DataCard(
        source=data.source,
        origin=data.origin,
        sources=data.sources if len(data.sources) > 1 else (),
        read=_count_read(store, data, winner),
        splits=tuple(
            _describe_part(store, *item, len(data.sources)) for item in data.parts().items()
        ),
        problems=data.checked.problems,
        quarantine=None if quarantine is None else str(store.path_of(quarantine)),
    )


def _count_read(store: Store, data: PreparedData, winner: Winner) -> tuple[Share, ...]:
    """Count what the winner reads right of each part of a mix, in the validation images."""
    part = data.splits.validation
    if part.sources is None:
        return ()
    sources, labels = store.open_array(part.sources), store.open_array(part.targets)
    found = store.open_array(winner.evaluation.predictions).argmax(axis=1)
    rows = (sources == place for place in range(len(data.sources)))
    return tuple(
        Share(correct=int((found == labels)[mine].sum()), n=int(mine.sum())) for mine in rows
    )


def _describe_part(store: Store, name: str, part: SampleSet, sources: int) -> PartCard:
    counts = np.bincount(store.open_array(part.targets), minlength=CLASSES)
    return PartCard(
        name=name,
        rows=part.rows,
        class_counts=tuple(counts.tolist()),
        writers=_count_writers(store, part),
        source_counts=_count_sources(store, part, sources),
        images_digest=part.samples.digest,
        labels_digest=part.targets.digest,
    )


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
        "Candidates were compared on validation images that calibrated none of them; the "
        "test images were looked at once, by the gate."
    ]
    if refitted:
        notes.append(
            f"What was judged is {name} fitted again on training and validation images "
            "together, its probabilities calibrated on out-of-fold scores; the figures of the "
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


def render_report(report: RunReport) -> str:
    """Return the report as HTML; styles and pictures are inside, scripts there are none."""
    return render_page(
        "reports/training.html.j2",
        report=report,
        outcome=OUTCOMES[report.verdict.outcome],
        scale=_accuracy_scale(report.entries),
        taken_for=_most_taken_for(report.winner.evaluation.metrics),
        purposes=PURPOSES,
        distortions=DISTORTIONS,
        sign_check=sign_check,
        task_signs=TASK_SIGNS,
    )


def sign_check(check: Check) -> tuple[str, str]:
    """Return the sign and the colour by which a check's answer is shown."""
    if check.blocks or check.verdict in ("pass", "error"):
        return VERDICT_SIGNS.get(check.verdict, ("•", "plain"))
    return NO_OBSTACLE


def _accuracy_scale(entries: Sequence[Entry]) -> Callable[[float], str]:
    """Return what places an accuracy (0 to 1) on the leaderboard's common bar, in %."""
    measured = [entry.evaluation.metrics for entry in entries if entry.evaluation is not None]
    bounds = [bound for metrics in measured for bound in metrics.interval]
    low, high = min(bounds), max(bounds)
    width = (high - low) or 1.0
    return lambda accuracy: f"{100 * (accuracy - low) / width:.2f}"


def _most_taken_for(metrics: Metrics) -> dict[int, tuple[int, int]]:
    """Return for each misread digit what it was most often taken for, and how often."""
    found = {}
    for true, counts in enumerate(metrics.confusion):
        errors = [0 if digit == true else count for digit, count in enumerate(counts)]
        if any(errors):
            found[true] = (errors.index(max(errors)), max(errors))
    return found
