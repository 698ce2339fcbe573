"""What the commands about runs print: progress on standard error, tables at the end."""

import logging
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from textwrap import shorten
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from digitflow.cli.signals import watch
from digitflow.formatting import format_bytes, format_figure, format_seconds

if TYPE_CHECKING:
    from digitflow.evaluation.scoring import Entry

# Tables keep their width where no terminal sets one.
OUTPUT = Console(highlight=False, soft_wrap=True)
SHORT_VERDICT = 24
OUR_LOGGERS = ("digitflow", "tasks", "flows")
SIGNS = {"computed": "[green]✓[/]", "cached": "[cyan]=[/]", "failed": "[red]✗[/]"}
CHECK_SIGNS = {
    "pass": "[green]pass[/]",
    "warn": "[yellow]warn[/]",
    "fail": "[red]fail[/]",
    "insufficient": "[cyan]insufficient[/]",
    "error": "[red]error[/]",
}
SAID = ("warn", "fail", "error")
LEVELS = {"ok": "[green]ok[/]", "warning": "[yellow]warning[/]", "error": "[red]error[/]"}


@contextmanager
def show_progress(debug: bool) -> Iterator[None]:
    """Show each task as it ends on standard error; with a terminal, what runs now too."""
    console = Console(stderr=True, highlight=False)
    with console.status("starting", spinner="dots") as status:
        handler = ProgressHandler(console, status)
        loggers = [logging.getLogger(name) for name in OUR_LOGGERS]
        levels = [ours.level for ours in loggers]
        for ours in loggers:
            ours.addHandler(handler)
            ours.setLevel(logging.DEBUG if debug else logging.INFO)
        try:
            yield
        finally:
            for ours, level in zip(loggers, levels, strict=True):
                ours.removeHandler(handler)
                ours.setLevel(level)


class ProgressHandler(logging.Handler):
    """Turns the events of a run, and warnings, into lines."""

    def __init__(self, console: Console, status: Any) -> None:
        super().__init__()
        self.console = console
        self.status = status
        self.running: dict[str, str] = {}

    def emit(self, record: logging.LogRecord) -> None:
        """Show one log record; what fails because the command is being ended is no news."""
        if watch.number is not None:
            return
        event = getattr(record, "run_event", None)
        if event is not None:
            self._show_event(event)
        elif record.levelno >= logging.WARNING:
            self.console.print(f"  [yellow]warning[/] {escape(record.getMessage())}")

    def _show_event(self, event: dict[str, Any]) -> None:
        kind, task = event["event"], event["task"]
        if kind == "started":
            self.running[task] = ""
        elif kind == "progress":
            self.running[task] = f" ({event['text']})"
        elif kind in SIGNS:
            self.running.pop(task, None)
            self.console.print(f"  {SIGNS[kind]} {escape(task):<36} {_describe_end(event)}")
        said = ", ".join(f"{task}{progress}" for task, progress in self.running.items())
        self.status.update(escape(said) or "working")


# Of a leaderboard's row, in eighty columns.
FIGURES = 3


def _describe_end(event: dict[str, Any]) -> str:
    if event["event"] == "computed":
        where = f" on {event['host']}" if "host" in event else ""
        return escape(f"{event['seconds']:8.2f} s{where}")
    return "  cached" if event["event"] == "cached" else escape(event["error"])


def print_training(record: dict[str, Any]) -> None:
    """Print leaderboard, verdict, the champion's score and the report's path."""
    from digitflow.evaluation.scoring import Entry
    from digitflow.registry.versions import Champion

    entries = [Entry.model_validate(row) for row in record["leaderboard"]]
    OUTPUT.print()
    OUTPUT.print(leaderboard_table(entries))
    for entry in entries:
        if entry.error is not None:
            OUTPUT.print(f"[red]failed[/]    {entry.candidate.name}: {escape(entry.error)}")
    print_field("data", escape(record["data"]["origin"]))
    print_outcome(record["verdict"])
    if record["champion"] is None:
        OUTPUT.print("[bold]champion[/]  none")
    else:
        champion = Champion.model_validate(record["champion"])
        score = champion.score
        OUTPUT.print(
            f"[bold]champion[/]  {champion.name} version {champion.version}: "
            f"test {score.metric} {score.written} "
            f"(95 % interval {score.written_interval}, {score.n:,} samples)"
        )
    OUTPUT.print(f"[bold]report[/]    {escape(record['report'])}")


def print_study(record: dict[str, Any]) -> None:
    """Print what each section found, the published figures and the report's path."""
    for section in record["sections"]:
        took = format_seconds(section["elapsed"])
        OUTPUT.print(f"\n[bold]{section['section']}[/] ({took})")
        for sentence in section["findings"]:
            print_field("", escape(sentence))
        for error in section["errors"]:
            print_field("[red]failed[/]", escape(error))
    published = record["published"]
    OUTPUT.print()
    if published["of"]:
        met = f"{published['met']} of {published['of']} figures reproduced"
        print_field("published", met)
    OUTPUT.print(f"[bold]report[/]    {escape(record['report'])}")


def print_outcome(verdict: Mapping[str, Any]) -> None:
    """Print what was decided, how the checks came out, and what those say that did not pass."""
    print_field("verdict", f"{verdict['outcome']}: {escape(verdict['reason'])}")
    found = Counter(check["verdict"] for check in verdict["checks"])
    counts = ", ".join(f"{found[name]} {name}" for name in CHECK_SIGNS if found[name])
    if counts:
        print_field("checks", counts)
    # What is only one of several reasons to promote is no news where another held.
    promoted = verdict["outcome"] in ("bootstrap", "promote")
    for check in verdict["checks"]:
        if check["verdict"] in SAID and not (promoted and not check["blocks"]):
            print_field("", f"{CHECK_SIGNS[check['verdict']]}: {escape(check['detail'])}")


def print_field(name: str, text: str, width: int = 9) -> None:
    """Print text beside its name, its further lines under its first."""
    grid = Table.grid(padding=(0, 1, 0, 0))
    grid.add_column(min_width=width, no_wrap=True)
    grid.add_column(overflow="fold")
    grid.add_row(f"[bold]{name}[/]", text)
    OUTPUT.print(grid, soft_wrap=False)


def leaderboard_table(entries: "Sequence[Entry]") -> Table:
    """Lay out the leaderboard, best first; figures are of the validation samples."""
    table = make_table(
        "candidate", "recipe", title="leaderboard, on validation samples; ms is the time of one"
    )
    figures = _choose_figures(entries)
    for name in (*figures, "fit s", "CPU s", "ms", "size"):
        table.add_column(name, justify="right", no_wrap=True)
    for row, entry in enumerate(entries):
        table.add_row(*_leaderboard_cells(entry, figures), style=None if row else "bold")
    return table


def _choose_figures(entries: "Sequence[Entry]") -> list[str]:
    """Return the figures that eighty columns have room for."""
    measured = (entry.evaluation.metrics for entry in entries if entry.evaluation is not None)
    return next((list(metrics.list_figures())[:FIGURES] for metrics in measured), [])


def _leaderboard_cells(entry: "Entry", figures: Sequence[str]) -> list[str]:
    head = [entry.candidate.name, entry.candidate.describe_making()]
    if entry.fitted is None or entry.evaluation is None:
        return [*head, "failed", *[""] * (len(figures) + 3)]
    found = entry.evaluation.metrics.list_figures()
    return [
        *head,
        *(format_figure(name, found[name]) for name in figures),
        f"{entry.fitted.fit_seconds:.1f}",
        f"{entry.fitted.processor_seconds:.1f}",
        f"{entry.evaluation.latency_ms:.1f}",
        format_bytes(entry.fitted.model.bytes),
    ]


def print_runs(runs: Sequence[dict[str, Any]]) -> None:
    """Print the runs as a table."""
    if not runs:
        OUTPUT.print("no runs yet: `digitflow train` makes one")
        return
    table = make_table("run", "status", "seconds", "verdict")
    for run in runs:
        verdict = (run.get("verdict") or {}).get("outcome") or run.get("error")
        verdict = verdict or run.get("found") or ""
        # A run's name, which begins with its time, must never be cut; an error may be.
        verdict = shorten(verdict, SHORT_VERDICT, placeholder=" ...")
        cells = (run["run"], run.get("status"), run.get("seconds"), verdict)
        table.add_row(*("" if cell is None else escape(str(cell)) for cell in cells))
    OUTPUT.print(table)


def print_reasons(explained: dict[str, Any]) -> None:
    """Print what a run computed and why."""
    before = explained["before"] or "none, it was the first of its model"
    OUTPUT.print(f"[bold]{explained['run']}[/], compared with the run before: {before}")
    for task in explained["tasks"]:
        seconds = "" if task["seconds"] is None else f"{task['seconds']:.2f} s"
        seconds += f" on {escape(task['host'])}" if task["host"] else ""
        sign = SIGNS.get(task["state"], "?")
        OUTPUT.print(f"  {sign} {escape(task['task']):<36} {task['state']:<9} {seconds}")
        for reason in [*task["reasons"], *filter(None, [task["error"]])]:
            OUTPUT.print(f"      {escape(reason)}")


def print_freed(freed: dict[str, Any]) -> None:
    """Print what was freed, or would be."""
    word = "would free" if freed["dry_run"] else "freed"
    versions = f"{len(freed['versions'])} versions, " if freed["versions"] else ""
    OUTPUT.print(f"{word} {versions}{freed['files']} files, {format_bytes(freed['bytes'])}")
    if freed["predictions"]:
        OUTPUT.print(f"  {freed['predictions']} old predictions")
    for folder, size in freed["by_folder"].items():
        if size:
            OUTPUT.print(f"  {folder:<12} {format_bytes(size)}")
    if "budget" in freed:
        left, budget = format_bytes(freed["left"]), format_bytes(freed["budget"])
        OUTPUT.print(f"{left} are left, of {budget}")
        if freed["left"] > freed["budget"]:
            OUTPUT.print("what is left is never freed; `digitflow du` says what it is")


def print_findings(findings: Sequence[dict[str, Any]]) -> None:
    """Print what the doctor found."""
    for finding in findings:
        OUTPUT.print(
            f"{LEVELS[finding['level']]:<20} {finding['what']}: {escape(finding['found'])}"
        )


def make_table(*columns: str, title: str | None = None) -> Table:
    # Eighty columns are all that a plain terminal has.
    table = Table(title=title, title_justify="left", box=None, padding=(0, 1, 0, 0))
    for column in columns:
        table.add_column(column, no_wrap=True)
    return table
