"""The report of a study: one HTML page that needs nothing beside itself, and its tables."""

from collections.abc import Callable, Sequence

from digitflow.catalogue import find_sections
from digitflow.config.digits import DigitsConfig
from digitflow.config.table import RegressionConfig
from digitflow.formatting import format_cell, format_seconds
from digitflow.registry import history
from digitflow.registry.training import write_config
from digitflow.reports.page import render_page
from digitflow.store.artifacts import Store
from digitflow.store.lineage import digest_modules, find_libraries, list_versions
from digitflow.store.references import Record, digest_json
from digitflow.store.runs import RunLog
from digitflow.studies.chapter import Cell, Chapter, Figure, Part, PublishedFigure, Table, Text
from digitflow.studies.scope import AnyScope

STUDY_FILE = "study.json"


class SectionResult(Record):
    """A section: its chapter, or why there is none, and what it took.

    Attributes
    ----------
    elapsed : float
        Seconds from the section's start to its end, in this run.
    worked : float
        Seconds that its experiments took together when they were computed, in this run or
        in an earlier one.
    experiments, computed : int
        How many it has, and how many were computed in this run; the others were cached.
    errors : tuple of str
        "experiment: what was wrong", of those that failed.
    warnings : tuple of str
        "experiment: what a library warned of".
    """

    section: str
    chapter: Chapter | None
    elapsed: float
    worked: float
    experiments: int
    computed: int
    errors: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


class StudyReport(Record):
    """Everything that the report says.

    `champion` is a sentence on the model's champion, empty where there is none.
    """

    run: str
    model: str
    started: str
    seconds: float
    cores: int
    source: str
    origin: str
    scope: AnyScope
    versions: dict[str, str]
    config: str
    champion: str
    sections: tuple[SectionResult, ...]


def write_report(
    log: RunLog,
    config: DigitsConfig | RegressionConfig,
    origin: str,
    scope: AnyScope,
    sections: Sequence[SectionResult],
) -> None:
    """Write the page, its tables and results.md into reports/<run>, and the run's record."""
    known = find_sections(scope.workload)
    modules = digest_modules(*(known.module(each.section) for each in sections))
    study = StudyReport(
        run=log.run,
        model=config.model,
        started=log.record["started"],
        seconds=log.seconds(),
        cores=log.record["cores"],
        source=config.source.kind,
        origin=origin,
        scope=scope,
        versions=list_versions(find_libraries(modules)),
        config=write_config(config),
        champion=describe_champion(log.store, config.model),
        sections=tuple(sections),
    )
    published = [part for _, part in list_published(study)]
    page = write_study(log.store, study)
    log.store.write_text(f"reports/{log.run}/results.md", write_results(study))
    log.update(
        sections=[_describe_section(section) for section in sections],
        published={"met": sum(part.met for part in published), "of": len(published)},
        versions=study.versions,
        code=digest_json(modules),
        report=str(log.store.root / page),
    )
    log.store.point("reports/latest-study", log.run)


def describe_champion(store: Store, model: str) -> str:
    """Say which version is a model's champion, and its test score; empty without one."""
    history.require(store)
    last = history.read_last(store, model)
    if last is None:
        return ""
    score = last.champion.score
    return (
        f"Beside the studies: the champion of {model}, version {last.version}, has a test "
        f"{score.metric} of {score.written}, 95 % interval {score.written_interval}, on "
        f"{score.n:,} test samples."
    )


def _describe_section(section: SectionResult) -> dict[str, object]:
    """Return a section's outcome as plain values, for the run's record."""
    outcome = section.model_dump(mode="json", exclude={"chapter"})
    return outcome | {"findings": section.chapter.findings if section.chapter else []}


def write_study(store: Store, study: StudyReport) -> str:
    """Write reports/<run>/index.html and a CSV for each table; return the page's name.

    What the page is made of is written beside it, for `read_study`.
    """
    folder = f"reports/{study.run}"
    for section in study.sections:
        for table in list_tables(section.chapter):
            store.write_text(f"{folder}/{section.section}/{table.name}.csv", table.to_csv())
    store.write_text(f"{folder}/{STUDY_FILE}", study.model_dump_json())
    store.write_text(f"{folder}/index.html", render_study(store, study))
    return f"{folder}/index.html"


def read_study(store: Store, run: str) -> StudyReport | None:
    """Return what a study's report says; None where an older digitflow wrote it."""
    name = f"reports/{run}/{STUDY_FILE}"
    store.refresh(name)
    path = store.root / name
    return StudyReport.model_validate_json(path.read_bytes()) if path.is_file() else None


def render_study(store: Store, study: StudyReport) -> str:
    """Return the page; styles and pictures are inside, scripts there are none."""
    return render_page(
        "studies/study.html.j2",
        study=study,
        published=list_published(study),
        sections=[(one.section, one.section.capitalize()) for one in study.sections],
        group=group_parts,
        hidden=lambda chapter: [table for table in list_tables(chapter) if table.shown == 0],
        headings=write_headings,
        is_number=is_number,
        write=format_cell,
        end=_end,
        picture=store.read_bytes,
    )


def list_tables(chapter: Chapter | None) -> list[Table]:
    """Return a chapter's tables in their order; none of none."""
    return [] if chapter is None else [p for p in chapter.parts if isinstance(p, Table)]


def list_published(study: StudyReport) -> list[tuple[str, PublishedFigure]]:
    """Return (section, published figure) of all chapters."""
    return [
        (section.section, part)
        for section in study.sections
        if section.chapter is not None
        for part in section.chapter.parts
        if isinstance(part, PublishedFigure)
    ]


def group_parts(chapter: Chapter) -> list[list[Part]]:
    """Return a chapter's parts, published figures that follow one another as one group.

    A table that only stands behind a figure is left out: it is a file beside the page.
    """
    groups: list[list[Part]] = []
    for part in chapter.parts:
        if isinstance(part, Table) and part.shown == 0:
            continue
        if groups and part.kind == groups[-1][0].kind == "published":
            groups[-1].append(part)
        else:
            groups.append([part])
    return groups


def write_headings(table: Table) -> list[str]:
    """Return a table's headings for the page; those of numbers begin with #."""
    return [
        f"#{column}" if is_number(table, place) else column
        for place, column in enumerate(table.columns)
    ]


def is_number(table: Table, column: int) -> bool:
    """Tell whether a column of a table holds numbers only, and so stands right."""
    cells = [row[column] for row in table.rows if row[column] is not None]
    return bool(cells) and not any(isinstance(cell, str) for cell in cells)


# Of a table; the CSV has all.
LONGEST_TABLE = 40

Draw = Callable[[Figure], str]


def write_results(study: StudyReport) -> str:
    """Write what a study found without its pictures: figures, tables and times."""
    scope = study.scope
    cores = f"{study.cores} core{'' if study.cores == 1 else 's'}"
    lines = [
        f"# Results of the studies of {study.model}",
        "",
        f"Source `{study.source}`: {scope.train_rows:,} training and {scope.test_rows:,} test "
        f"{scope.samples}. "
        f"Run {study.run} on {cores}, {format_seconds(study.seconds)}. `digitflow study` makes "
        f"this page, its figures and its tables as CSV.",
        "",
        *_write_rows(("section", "elapsed", "work", "experiments"), _list_times(study)),
        "",
        "Elapsed is from a section's start to its end; the work is what its experiments took "
        "together. What an earlier section has computed already counts in the work, and not "
        "in what elapsed.",
    ]
    if scope.caveat:
        lines += ["", f"**{scope.caveat}**"]
    if study.champion:
        lines += ["", study.champion]
    if published := list_published(study):
        lines += ["", "## Published figures", "", *_write_published(published)]
    for section in study.sections:
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
    if isinstance(part, PublishedFigure):
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


def _write_published(published: Sequence[tuple[str, PublishedFigure]]) -> list[str]:
    rows = [
        (one.what, one.expected, one.measured, "yes" if one.met else "no")
        for _, one in published
    ]
    return _write_rows(("figure", "published", "measured", "reproduced"), rows)


def _list_times(study: StudyReport) -> list[tuple[Cell, ...]]:
    return [
        (one.section, format_seconds(one.elapsed), format_seconds(one.worked), one.experiments)
        for one in study.sections
    ]


def _write_rows(columns: Sequence[str], rows: Sequence[Sequence[Cell]]) -> list[str]:
    lines = [columns, ["---"] * len(columns), *rows]
    return [f"| {' | '.join(_escape(str(cell)) for cell in line)} |" for line in lines]


def _escape(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
