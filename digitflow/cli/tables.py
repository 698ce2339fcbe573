"""What the commands about models and verdicts print, in eighty columns."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any

from rich.markup import escape

from digitflow.cli.console import CHECK_SIGNS, OUTPUT, make_table, print_field, print_outcome
from digitflow.formatting import (
    format_bytes,
    format_figure,
    format_moment,
    format_number,
    format_seconds,
    format_share,
    format_signed,
    format_value,
)

WIDTH = 80
LABEL = 11
WHICH = ("first", "second")
OUTCOMES = {
    "bootstrap": "[green]bootstrap[/]",
    "promote": "[green]promote[/]",
    "keep": "[yellow]keep[/]",
    "reject": "[red]reject[/]",
}


def print_versions(versions: Sequence[Mapping[str, Any]]) -> None:
    """Print the registered versions, a table for each model."""
    if not versions:
        OUTPUT.print("no model is registered yet: `digitflow train` makes one")
    for model, listed in groupby(versions, key=lambda version: version["model"]):
        columns = ("version", "registered", "test score", "verdict", "aliases")
        table = make_table(*columns, title=model)
        for version in listed:
            table.add_row(
                version["version"],
                format_moment(version["registered_at"]),
                _write_score(version["score"]),
                OUTCOMES.get(version["outcome"], version["outcome"]),
                ", ".join(version["aliases"]),
            )
        OUTPUT.print(table)


def print_registration(shown: Mapping[str, Any]) -> None:
    """Print all that a version carries; its verdict last, where a terminal stops."""
    facts = shown["facts"]
    aliases = f" ({', '.join(shown['aliases'])})" if shown["aliases"] else ""
    OUTPUT.print(f"[bold]{shown['model']} version {shown['version']}[/]{aliases}")
    for label, text in _describe_registration(shown):
        print_field(label, escape(text), LABEL)
    OUTPUT.print("\n[bold]config[/]")
    OUTPUT.print(escape(facts["config"].rstrip()))
    OUTPUT.print("\n[bold]history[/]")
    _print_entries(shown["history"])
    for judged in shown["judgements"]:
        moment = format_moment(judged["at"])
        OUTPUT.print(f"judged {moment} in {judged['run']}: {judged['outcome']}")
    OUTPUT.print()
    print_verdict(shown["verdict"])


def _describe_registration(shown: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield (label, text) of what a version is known by."""
    facts, bundle, score = shown["facts"], shown["bundle"], shown["score"]
    low, high = (format_figure(score["metric"], bound) for bound in score["interval"])
    yield "registered", format_moment(shown["registered_at"])
    yield "run", f"{facts['run']}, of {facts['deployment']}"
    figure = f"{score['metric']} {_write_score(score)} on {score['n']:,} samples"
    yield "test", f"{figure} (95 % interval {low} to {high})"
    yield "test samples", score["test_digest"]
    yield "metrics", _join(facts["metrics"], format_number)
    if facts["costs"] is not None:
        yield "costs", _describe_costs(facts["costs"])
    yield "seed", str(facts["seed"])
    yield "code", facts["code"]
    yield "data", _join(facts["data"], str)
    yield "environment", _join(facts["libraries"], str)
    signature = facts["signature"]
    columns = signature["columns"]
    takes = f"rows of {len(columns)} columns" if columns else _write_array(signature["inputs"])
    gives = _write_array(signature["outputs"])
    if facts["trusted"]:
        yield "trusts", ", ".join(facts["trusted"])
    yield "signature", f"{takes} to {gives}, {signature['method']}"
    yield "file", bundle["model"]["path"]
    yield from _describe_bundle(bundle)


def _describe_bundle(bundle: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    golden, reject_option = bundle["golden"], bundle["reject_option"]
    table, intervals = bundle["table"], bundle["intervals"]
    count = golden["samples"]["shape"][0]
    yield "golden", f"{count} samples, made with {_join(golden['libraries'], str)}"
    yield "made on", golden["machine"]
    if reject_option is not None:
        threshold = format_share(reject_option["min_probability"])
        yield (
            "unsure",
            f"below {threshold} (coverage {format_share(reject_option['coverage'])})",
        )
    if table is not None:
        kinds = ", ".join(table["classes"]) or table["holds"]["unit"] or "values"
        yield "predicts", f"{table['target']} ({kinds}) from {', '.join(table['columns'])}"
        if table["generated"]:
            yield "rows", "invented: what was learnt holds of no real ones"
    if intervals is not None:
        width = format_value(intervals["mean_width"])
        yield (
            "intervals",
            f"hold {format_share(intervals['coverage'])}, {width} wide on average",
        )


def _describe_costs(costs: Mapping[str, Any]) -> str:
    parts = [format_bytes(costs["bytes"])]
    latencies = (costs["latency_ms"], costs["latency_p95_ms"])
    if None not in latencies:
        median, p95 = (format_seconds(value / 1000) for value in latencies)
        parts.append(f"one sample {median} (95 % within {p95})")
    if costs["memory_mb"] is not None:
        parts.append(f"{format_number(costs['memory_mb'])} MB of memory")
    if costs["fit_cpu_seconds"] is not None:
        seconds = format_seconds(costs["fit_cpu_seconds"])
        parts.append(f"fitted in {seconds} of the processors")
    return ", ".join(parts)


def print_history(entries: Sequence[Mapping[str, Any]]) -> None:
    """Print who was champion when, and why."""
    if not entries:
        OUTPUT.print("no version was champion yet")
        return
    OUTPUT.print(f"[bold]{entries[0]['model']}[/], the newest first")
    _print_entries(entries)


def _print_entries(entries: Sequence[Mapping[str, Any]]) -> None:
    for entry in entries:
        score = entry["score"]
        OUTPUT.print(
            f"[bold]{entry['id']:>4}[/]  version {entry['version']}  {entry['kind']}  "
            f"{format_moment(entry['at'])}  test {score['metric']} {_write_score(score)}"
        )
        print_field("", escape(f"by {entry['who']}: {entry['why']}"), 5)
        if entry["reason"] and entry["reason"] != entry["why"]:
            print_field("", escape(entry["reason"]), 5)
        of = f", of {entry['deployment']}" if entry["deployment"] else ""
        print_field("", escape(f"run {entry['run']}{of}"), 5)
        if entry["report"]:
            # Whole, to be clicked or copied.
            OUTPUT.print(f"      {escape(entry['report'])}")


def print_difference(found: Mapping[str, Any]) -> None:
    """Print in what two versions differ."""
    for which in WHICH:
        head = found[which]
        outcome = f"version {head['version']}, {head['run']}: {head['outcome']}"
        OUTPUT.print(f"[bold]{which:<7}[/] {outcome}")
        print_field("", escape(head["reason"]), 7)
    for section in ("config", "facts"):
        OUTPUT.print(f"\n[bold]{section}[/]" + ("" if found[section] else "  the same"))
        for item in found[section]:
            _print_change(item["key"], _write(item["first"]), _write(item["second"]))
    _print_changed_checks(found["checks"])


def _print_changed_checks(checks: Sequence[Mapping[str, Any]]) -> None:
    """Print the checks that came out differently; figures alone differ almost always."""
    turned = [item for item in checks if _read_verdict(item, 0) != _read_verdict(item, 1)]
    OUTPUT.print("\n[bold]checks[/]" + ("" if checks else "  the same"))
    for item in turned:
        _print_change(item["key"], *(_describe_check(item[which]) for which in WHICH))
    if len(checks) > len(turned):
        same = len(checks) - len(turned)
        OUTPUT.print(f"  {same} with the same verdict, but other figures (see --json)")


def _read_verdict(item: Mapping[str, Any], place: int) -> str | None:
    check = item[WHICH[place]]
    return None if check is None else check["verdict"]


def _describe_check(check: Mapping[str, Any] | None) -> str:
    return "not run" if check is None else f"{check['verdict']}: {check['detail']}"


def _print_change(key: str, first: str, second: str) -> None:
    """Print a change on one line if it fits, else on lines of its own."""
    line = f"{key}: {first} -> {second}"
    if len(line) <= WIDTH - 2:
        OUTPUT.print(f"  {escape(line)}")
        return
    OUTPUT.print(f"  {escape(key)}")
    for sign, text in (("-", first), ("+", second)):
        print_field(f"    {sign}", escape(text), 5)


def print_verdict(verdict: Mapping[str, Any]) -> None:
    """Print a verdict with all its checks as a table."""
    table = make_table("check", "on", "verdict")
    for name in ("challenger", "champion", "difference", "p"):
        table.add_column(name, justify="right", no_wrap=True)
    group = None
    for check in verdict["checks"]:
        # By groups, or the names of checks would leave no room for their figures.
        before, (group, _, question) = group, check["id"].partition(".")
        if group != before:
            table.add_row(f"[bold]{group}[/]")
        figures = (check["challenger"], check["champion"])
        table.add_row(
            f"  {question}",
            check["slice"],
            CHECK_SIGNS[check["verdict"]],
            *("" if value is None else format_number(value) for value in figures),
            "" if check["delta"] is None else format_signed(check["delta"]),
            "" if check["p"] is None else f"{check['p']:.2g}",
        )
    if verdict["checks"]:
        OUTPUT.print(table)
    looks = verdict["comparison"]["looks"]
    OUTPUT.print(f"challengers judged on these test samples so far: {looks}")
    print_outcome(verdict)


def print_comparison(compared: Mapping[str, Any]) -> None:
    """Print two versions, side by side, on the same samples."""
    OUTPUT.print(
        f"challenger: version {compared['first']}; champion: version {compared['second']}; "
        "nothing is promoted"
    )
    print_verdict(compared["verdict"])


def print_rollback(champion: Mapping[str, Any]) -> None:
    """Print who is champion again."""
    OUTPUT.print(
        f"[bold]champion[/]  {champion['name']} version {champion['version']}, loaded and "
        "checked"
    )


def _write_array(described: tuple[str, Sequence[int]]) -> str:
    dtype, shape = described
    return f"{dtype} {tuple(shape)}"


def _write_score(score: Mapping[str, Any]) -> str:
    return format_figure(score["metric"], score["value"], score["unit"])


def _join(values: Mapping[str, Any], write: Any) -> str:
    return ", ".join(f"{name} {write(value)}" for name, value in values.items())


def _write(value: Any) -> str:
    if value is None:
        return "none"
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 1000 else format_number(value)
    return str(value)
