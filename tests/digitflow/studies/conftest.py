"""Chapters in words: what they say, list, and hand to be drawn.

Nothing is drawn here: whole sections are, in their own tests.
"""

import textwrap

import numpy as np
import pandas as pd
import pytest

from digitflow.config.digits import StudySettings
from digitflow.store.references import FileRef
from digitflow.studies.chapter import (
    ChapterContext,
    Figure,
    PublishedFigure,
    Table,
    draw_chapter,
)
from digitflow.studies.scope import DigitsScope

SHOWN = 8


def tell(value):
    """Write a value of any kind; of a large array its shape and a sum that knows its order."""
    if isinstance(value, np.ndarray) and value.size > SHOWN:
        places = np.arange(1, value.size + 1)
        known = np.nan_to_num(value.reshape(-1).astype(float))
        return f"{value.dtype}{list(value.shape)} sums to {(known * places).sum():.6g}"
    if isinstance(value, np.ndarray | list | tuple | range):
        return f"[{' '.join(map(tell, value))}]"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{key}: {tell(each)}' for key, each in value.items())}}}"
    if isinstance(value, pd.DataFrame):
        return f"{len(value)} rows of {' '.join(value)}"
    return f"{value:.6g}" if isinstance(value, float | np.number) else str(value)


def _tell_part(part, drawn):
    if isinstance(part, PublishedFigure):
        met = "met" if part.met else "not met"
        return [f"{part.what}: {part.expected}, here {part.measured}: {met}"]
    if isinstance(part, Table):
        rows = [" | ".join(map(tell, row)) for row in part.rows]
        if len(rows) > SHOWN:
            cells = [c for row in part.rows for c in row if isinstance(c, int | float)]
            left = f"... {len(rows)} rows that sum to {sum(cells):.6g}"
            rows = [*rows[:2], left, rows[-1]]
        shown = "" if part.shown is None else f" (shown: {part.shown})"
        head = f"{part.name}: {part.title}: {part.sentence}{shown}"
        return [head, " | ".join(part.columns), *rows]
    if isinstance(part, Figure):
        return [f"{part.name}: {part.title}: {part.sentence} {drawn[part.name]}"]
    return [part.text]


@pytest.fixture
def mnist_scope():
    """What is known of MNIST before anything is computed."""
    return DigitsScope(
        source="mnist",
        train_rows=60_000,
        test_rows=10_000,
        complete=True,
        writers=True,
        test_writers=True,
        seed=42,
        settings=StudySettings(),
    )


@pytest.fixture
def drawn(monkeypatch):
    """Draw nothing in this test; what each figure is drawn from, in words, by its name."""
    found = {}

    class UndrawnContext(ChapterContext):
        def figure(self, name, title, sentence, draw, *args, **kwargs):
            given = [*map(tell, args), *(f"{key}={tell(each)}" for key, each in kwargs.items())]
            found[name] = f"{draw.__name__} {' '.join(given)}"
            png = FileRef(digest="none", path="none", bytes=0)
            return Figure(name=name, title=title, sentence=sentence, png=png)

    monkeypatch.setattr("digitflow.studies.chapter.ChapterContext", UndrawnContext)
    return found


@pytest.fixture
def told(store, drawn):
    """Compose a section's chapter; return all it says, as lines of at most 90 characters."""

    def tell_chapter(section, scope, data, results):
        chapter = draw_chapter(store, section, scope, data, results)
        parts = (line for part in chapter.parts for line in _tell_part(part, drawn))
        wrapped = (
            textwrap.wrap(line, 90, subsequent_indent="  ")
            for line in (*chapter.findings, *parts)
        )
        return "\n".join(line for part in wrapped for line in part)

    return tell_chapter
