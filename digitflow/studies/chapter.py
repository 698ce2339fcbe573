"""What a chapter of the studies' report is made of."""

import csv
import io
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import product
from typing import Annotated, Concatenate, Literal, ParamSpec

import numpy as np
from pydantic import Field

from digitflow.catalogue import find_chapters
from digitflow.store.artifacts import Store
from digitflow.store.references import FileRef, Record
from digitflow.studies.plan import Findings, StudyData
from digitflow.studies.scope import Scope

Cell = str | int | float | None
P = ParamSpec("P")
SIGNIFICANT = 0.05


class Text(Record):
    """A paragraph of plain text."""

    kind: Literal["text"] = "text"
    text: str


class Figure(Record):
    """A picture (PNG), its title, and one sentence that says what it shows."""

    kind: Literal["figure"] = "figure"
    name: str = Field(pattern=r"^[a-z0-9-]+$")
    title: str
    sentence: str
    png: FileRef


class Table(Record):
    """Numbers, on the page and as a CSV beside it, named `name`.

    Attributes
    ----------
    columns : tuple of str
        Headings, with the unit: "accuracy (%)", "fit (s)".
    rows : tuple of tuple
        Unrounded; None is shown as a dash. `decimals` are shown of floats.
    shown : int or None
        How many rows the page shows, the CSV has all; None shows all; 0 is a CSV alone: the
        numbers behind a figure.
    """

    kind: Literal["table"] = "table"
    name: str = Field(pattern=r"^[a-z0-9-]+$")
    title: str
    sentence: str = ""
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    decimals: int = 4
    shown: int | None = None

    @classmethod
    def of(
        cls,
        records: Iterable[Mapping[str, Cell]],
        name: str,
        title: str,
        sentence: str = "",
        decimals: int = 4,
        shown: int | None = None,
    ) -> "Table":
        """Return a table of records: all have the same headings, and a cell for each."""
        rows = list(records)
        return cls(
            name=name,
            title=title,
            sentence=sentence,
            columns=tuple(rows[0]) if rows else (),
            rows=tuple(tuple(row.values()) for row in rows),
            decimals=decimals,
            shown=shown,
        )

    @classmethod
    def behind(
        cls, name: str, columns: Sequence[str], rows: Iterable[Sequence[Cell]]
    ) -> "Table":
        """Return the numbers behind a figure: a CSV beside the page, and nothing on it."""
        cells = tuple(tuple(row) for row in rows)
        return cls(name=name, title=name, columns=tuple(columns), rows=cells, shown=0)

    def to_csv(self) -> str:
        """Write the whole table as CSV, a header first."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(self.columns)
        writer.writerows(self.rows)
        return text.getvalue()


class PublishedFigure(Record):
    """A figure that others published, what was measured here, and whether they agree.

    They are of certain data, all of MNIST or all districts: in a chapter on others they are
    left out.
    """

    kind: Literal["published"] = "published"
    what: str
    expected: str
    measured: str
    met: bool


Part = Annotated[Text | Figure | Table | PublishedFigure, Field(discriminator="kind")]
Parts = tuple[Part, ...]


class Chapter(Record):
    """A section of the report: a title, what was asked, and the parts in their order.

    `findings` are one or two sentences: what a reader should take home, with figures.
    """

    section: str
    title: str
    question: str
    findings: tuple[str, ...]
    parts: Parts


class ChapterContext:
    """What a chapter is composed from; keeps its pictures.

    Parameters
    ----------
    store : Store
        Where arrays are read and pictures are kept.
    scope : Scope
        What the study was about.
    data : StudyData
        References to the samples, to show some of them.
    results : mapping of str to Findings
        By the name of the experiment: all of the section's plan.
    """

    def __init__(
        self, store: Store, scope: Scope, data: StudyData, results: Mapping[str, Findings]
    ) -> None:
        self.store = store
        self.scope = scope
        self.data = data
        self.results = results

    def gather(
        self, name: Callable[..., str], *choices: Iterable[str]
    ) -> dict[tuple[str, ...], Findings]:
        """Return the findings of every combination of choices, by the name it gives them."""
        return {chosen: self.results[name(*chosen)] for chosen in product(*choices)}

    def open(self, name: str, *arrays: str) -> tuple[np.ndarray, ...]:
        """Open arrays, memory-mapped, that an experiment found, in the order asked."""
        found = self.results[name].arrays
        return tuple(self.store.open_array(found[array]) for array in arrays)

    def figure(
        self,
        name: str,
        title: str,
        sentence: str,
        draw: Callable[Concatenate[str, P], bytes],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> Figure:
        """Draw a chart of `digitflow.reports.charts` with its title, and keep the picture."""
        ref = self.store.put_bytes(draw(title, *args, **kwargs), "figures", ".png")
        return Figure(name=name, title=title, sentence=sentence, png=ref)


def judge_difference(p: float) -> str:
    """Say whether a difference is more than chance would make, by the p of no difference."""
    return f"{'' if p < SIGNIFICANT else 'not '}beyond chance (p = {p:.2g})"


def check_number(
    what: str,
    expected: float | Sequence[float],
    measured: float | Sequence[float],
    tolerance: float,
) -> PublishedFigure:
    """Compare a published number with the measured one, or as many with as many.

    Parameters
    ----------
    tolerance : float
        How far apart two may be: half of the last published digit, where all are met.
    """
    pairs = list(zip(np.atleast_1d(expected), np.atleast_1d(measured), strict=True))
    return PublishedFigure(
        what=what,
        expected=", ".join(f"{wanted:.8g}" for wanted, _ in pairs),
        measured=", ".join(f"{found:.8g}" for _, found in pairs),
        met=all(abs(wanted - found) <= tolerance for wanted, found in pairs),
    )


def draw_chapter(
    store: Store, section: str, scope: Scope, data: StudyData, results: Mapping[str, Findings]
) -> Chapter:
    """Compose a section's chapter and keep its pictures; this runs in its own process.

    Parameters
    ----------
    results : mapping of str to Findings
        By the names of the section's experiments, all of them.
    """
    compose = find_chapters(scope.workload).load(section).compose
    chapter: Chapter = compose(ChapterContext(store, scope, data, results))
    if scope.is_published:
        return chapter
    parts = (part for part in chapter.parts if not isinstance(part, PublishedFigure))
    return chapter.model_copy(update={"parts": tuple(parts)})
