"""What a run comes down to: plain values for its record, and the facts of its report."""

import platform
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from digitflow import __version__
from digitflow.data.sets import ImageSet, PreparedData
from digitflow.evaluation.evidence import Share
from digitflow.evaluation.leaderboard import Entry, choose_winner, describe_entries
from digitflow.evaluation.resampling import wilson_interval
from digitflow.evaluation.scoring import Evaluation
from digitflow.gate.verdict import Verdict
from digitflow.models.bundle import RejectOption
from digitflow.registry.pointer import Champion
from digitflow.reports.page import (
    CandidateFacts,
    ChampionFacts,
    DataCard,
    Headline,
    OutputFacts,
    ReportFacts,
    SelectiveFacts,
    SeriesFacts,
    SplitFacts,
    TaskFacts,
    WinnerFacts,
)
from digitflow.store.artifacts import Store

CLASSES = 10
SHOWN_STATES = ("computed", "cached", "failed")


def list_versions(libraries: Mapping[str, str]) -> dict[str, str]:
    """Return the versions of digitflow, Python and the libraries behind the results."""
    return {"digitflow": __version__, "python": platform.python_version(), **libraries}


def describe_data(store: Store, data: PreparedData) -> DataCard:
    """Return the data card: rows, classes, writers and digests of each part."""
    quarantine = data.checked.quarantine
    return DataCard(
        source=data.source,
        origin=data.origin,
        splits=tuple(_describe_part(store, *item) for item in data.parts().items()),
        problems=data.checked.problems,
        quarantine=None if quarantine is None else str(store.path_of(quarantine)),
    )


def _describe_part(store: Store, name: str, part: ImageSet) -> SplitFacts:
    counts = np.bincount(store.open_array(part.labels), minlength=CLASSES)
    return SplitFacts(
        name=name,
        rows=part.rows,
        class_counts=tuple(counts.tolist()),
        writers=_count_writers(store, part),
        images_digest=part.images.digest,
        labels_digest=part.labels.digest,
    )


def _count_writers(store: Store, part: ImageSet) -> int | None:
    if part.writers is None:
        return None
    writers = np.unique(store.open_array(part.writers))
    return int((writers >= 0).sum())


def describe_champion(champion: Champion | None) -> dict[str, Any] | None:
    """Return who is champion and how well it reads the test images, as plain values."""
    if champion is None:
        return None
    score = champion.score
    return {
        "version": champion.version,
        "run": champion.run,
        "accuracy": score.accuracy,
        "interval": list(score.interval),
        "n": score.n,
        "test_digest": score.test_digest,
        "model_digest": champion.model.digest,
    }


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


def build_facts(
    record: Mapping[str, Any],
    data: DataCard,
    entries: Sequence[Entry],
    verdict: Verdict,
    reject_option: RejectOption | None,
    others: Mapping[str, Share],
    pictures: Mapping[str, bytes],
    tasks: Sequence[Mapping[str, Any]],
    config: str,
) -> ReportFacts:
    """Put together what the report says.

    Parameters
    ----------
    record : dict
        The run's record: run, model, started, seconds, cores, versions, champion, notes.
    others : dict of Share
        Photographs of other hands read right, by series; empty where none were read.
    pictures : dict of PNG bytes
        samples, confusion, errors, mistakes, risk.
    tasks : sequence of dict
        As `digitflow.store.why.summarise_tasks` gives them.
    config : str
        The config as YAML.
    """
    states = {task["task"]: task["state"] for task in tasks}
    evaluation = choose_winner(entries).evaluation
    champion = record["champion"]
    kept = ("version", "accuracy", "interval", "n")
    return ReportFacts(
        run=record["run"],
        model=record["model"],
        started=record["started"],
        seconds=record["seconds"],
        cores=record["cores"],
        versions=record["versions"],
        config=config,
        headline=Headline(
            outcome=verdict.outcome,
            reason=verdict.reason,
            champion=champion and ChampionFacts(**{name: champion[name] for name in kept}),
            test_digest=verdict.comparison.test_digest,
        ),
        data=data,
        samples=pictures["samples"],
        leaderboard=tuple(_describe_row(row, states) for row in describe_entries(entries)),
        evaluation=_describe_winner(evaluation, pictures),
        checks=verdict.checks,
        looks=verdict.comparison.looks,
        photographs=tuple(_describe_series(*item) for item in others.items()),
        selective=None
        if reject_option is None
        else _describe_selective(reject_option, record, pictures),
        lineage=tuple(_describe_task(t) for t in tasks if t["state"] in SHOWN_STATES),
        notes=tuple(record["notes"]),
    )


def _describe_winner(evaluation: Evaluation, pictures: Mapping[str, bytes]) -> WinnerFacts:
    drawn = {name: pictures[name] for name in ("confusion", "errors", "mistakes")}
    return WinnerFacts(metrics=evaluation.metrics, **drawn)


def _describe_selective(
    reject_option: RejectOption, record: Mapping[str, Any], pictures: Mapping[str, bytes]
) -> SelectiveFacts:
    return SelectiveFacts(
        coverage=reject_option.coverage,
        min_probability=reject_option.min_probability,
        risk=reject_option.risk,
        typical=record["config"]["selective"]["typical"],
        screened=reject_option.detector is not None,
        figure=pictures["risk"],
    )


def _describe_series(series: str, share: Share) -> SeriesFacts:
    return SeriesFacts(
        series=series,
        correct=share.correct,
        n=share.n,
        interval=wilson_interval(share.correct, share.n),
    )


def _describe_row(row: Mapping[str, Any], states: Mapping[str, str]) -> CandidateFacts:
    known = {name: row[name] for name in CandidateFacts.model_fields if name in row}
    return CandidateFacts(
        **known,
        status="ok" if row["error"] is None else "failed",
        cached=states.get(f"train {row['name']}") == "cached",
    )


def _describe_task(task: Mapping[str, Any]) -> TaskFacts:
    fields = OutputFacts.model_fields
    outputs = tuple(
        OutputFacts(**{name: output[name] for name in fields if name in output})
        for output in task.get("outputs") or ()
    )
    return TaskFacts(
        task=task["task"],
        state=task["state"],
        seconds=task.get("seconds"),
        key=task.get("key"),
        outputs=outputs,
    )
