"""A study as Markdown: a chapter for the Prefect UI, all of it as a page of a repository."""

from collections.abc import Callable, Sequence

from digitflow.formatting import format_seconds
from digitflow.studies.chapter import Cell, Chapter, Figure, Known, Part, Table, Text
from digitflow.studies.report import StudyFacts, format_cell, list_known

# Of a table; the CSV has all.
LONGEST_TABLE = 40

Draw = Callable[[Figure], str]


def write_results(facts: StudyFacts) -> str:
    """Write what a study found without its pictures: figures, tables and times."""
    scope = facts.scope
    cores = f"{facts.cores} core{'' if facts.cores == 1 else 's'}"
    lines = [
        "# Results of the studies",
        "",
        f"Source `{facts.source}`: {scope.train_rows:,} training and {scope.test_rows:,} test "
        f"images. "
        f"Run {facts.run} on {cores}, {format_seconds(facts.seconds)}. `digitflow study` makes "
        f"this page, its figures and its tables as CSV.",
        "",
        *_write_rows(("section", "elapsed", "work", "experiments"), _list_times(facts)),
        "",
        "Elapsed is from a section's start to its end; the work is what its experiments took "
        "together. What an earlier section has computed already counts in the work, and not "
        "in what elapsed.",
    ]
    if known := list_known(facts):
        lines += ["", "## Published figures", "", *_write_known([part for _, part in known])]
    for section in facts.sections:
        if section.chapter is None:
            lines += ["", f"## {section.section.capitalize()}", "", "Failed:", ""]
            lines += [f"- {_escape(error)}" for error in section.errors]
        else:
            lines += ["", write_chapter(section.chapter, lambda figure: "")]
    return "\n".join(lines) + "\n"


def write_chapter(chapter: Chapter, draw: Draw, room: float = float("inf")) -> str:
    """Write a chapter, as many of its parts as there is room for.

    Parameters
    ----------
    draw : callable
        Returns the Markdown of a picture; nothing leaves it out, with its sentence.
    room : float
        Characters.
    """
    lines = [f"## {chapter.title}", "", chapter.question, ""]
    lines += [f"- {sentence}" for sentence in chapter.findings]
    for part in chapter.parts:
        text = _write_part(part, draw)
        room -= len(text)
        if room < 0:
            lines += ["", "The rest is in the report."]
            break
        lines += ["", text] if text else []
    return "\n".join(lines)


def _write_part(part: Part, draw: Draw) -> str:
    if isinstance(part, Text):
        return part.text
    if isinstance(part, Known):
        sign = "reproduced" if part.met else "**not reproduced**"
        return f"{part.what}: published {part.expected}, measured {part.measured}: {sign}."
    if isinstance(part, Figure):
        picture = draw(part)
        return f"**{_end(part.title)}** {part.sentence}\n\n{picture}" if picture else ""
    return _write_table(part)


def _end(title: str) -> str:
    return title if title.endswith("?") else f"{title}."


def _write_table(table: Table) -> str:
    if table.shown == 0:
        return ""
    cells = [
        [format_cell(cell, table.decimals) for cell in row]
        for row in table.rows[: table.shown or LONGEST_TABLE]
    ]
    head = f"**{_end(table.title)}** {table.sentence}".strip()
    return "\n".join([head, "", *_write_rows(table.columns, cells)])


def _write_known(known: Sequence[Known]) -> list[str]:
    rows = [(one.what, one.expected, one.measured, "yes" if one.met else "no") for one in known]
    return _write_rows(("figure", "published", "measured", "reproduced"), rows)


def _list_times(facts: StudyFacts) -> list[tuple[Cell, ...]]:
    return [
        (
            section.section,
            format_seconds(section.elapsed),
            format_seconds(section.worked),
            section.experiments,
        )
        for section in facts.sections
    ]


def _write_rows(columns: Sequence[str], rows: Sequence[Sequence[Cell]]) -> list[str]:
    lines = [columns, ["---"] * len(columns), *rows]
    return [f"| {' | '.join(_escape(str(cell)) for cell in line)} |" for line in lines]


def _escape(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
