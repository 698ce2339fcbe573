"""What is printed for people: tables whose cells stand under their headings."""

import logging
from types import SimpleNamespace

import numpy as np
from rich.console import Console

from digitflow.cli.console import ProgressHandler, leaderboard_table
from digitflow.config.digits import DigitsConfig
from digitflow.evaluation.metrics import measure_predictions
from digitflow.evaluation.scoring import Entry, Evaluation
from digitflow.models.fitting import FittedModel
from digitflow.store.references import ArrayRef, ModelRef


def test_each_figure_of_the_leaderboard_stands_under_its_heading():
    candidate, other = DigitsConfig().candidates[:2]
    labels = np.arange(20) % 10
    entry = Entry(
        candidate=candidate,
        fitted=FittedModel(
            model=ModelRef(digest="m", path="p", bytes=7),
            fit_seconds=12.3,
            processor_seconds=4.5,
        ),
        evaluation=Evaluation(
            metrics=measure_predictions(labels, np.eye(10)[labels]),
            predictions=ArrayRef(
                digest="d", path="q", bytes=1, dtype="float64", shape=(20, 10)
            ),
            latency_ms=6.7,
        ),
    )
    table = leaderboard_table([entry, Entry(candidate=other, error="no")])
    cells = {column.header: list(column.cells) for column in table.columns}
    assert [cells[name][0] for name in ("fit s", "CPU s", "ms", "size")] == [
        "12.3",
        "4.5",
        "6.7",
        "7 B",
    ]
    assert "" not in cells
    assert "failed" in [column[1] for column in cells.values()]


def test_the_line_of_what_is_going_on_says_how_far_it_is():
    shown = []
    handler = ProgressHandler(Console(), SimpleNamespace(update=shown.append))
    for event in (
        {"event": "started", "task": "train cnn"},
        {"event": "started", "task": "train svm"},
        {"event": "progress", "task": "train cnn", "text": "epoch 1 of 2, loss 0.4"},
    ):
        record = logging.makeLogRecord({"run_event": event})
        handler.emit(record)
    assert shown[-1] == "train cnn (epoch 1 of 2, loss 0.4), train svm"
