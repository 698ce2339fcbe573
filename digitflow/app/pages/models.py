"""Page Models: who is best, at what price, by which verdict, since when; and the way back."""

from collections.abc import Sequence
from typing import Any

import streamlit as st

from digitflow.app.resources import (
    choose_model,
    choose_training,
    find_table,
    is_admin,
    mending,
    open_project_store,
    show_missing,
)
from digitflow.app.tabledata import show_fit
from digitflow.app.widgets import show_report
from digitflow.errors import DigitflowError
from digitflow.evaluation.metrics import ClassificationMetrics
from digitflow.evaluation.scoring import Entry
from digitflow.formatting import (
    format_figure,
    format_moment,
    format_number,
    format_share,
    format_signed,
)
from digitflow.gate.check import Check
from digitflow.registry.history import Entry as HistoryEntry
from digitflow.registry.listing import list_history, list_versions
from digitflow.registry.versions import Registration
from digitflow.reports.figures import (
    draw_champions,
    draw_confusion,
    draw_errors,
    draw_tradeoff,
)
from digitflow.reports.records import Training
from digitflow.reports.training import OUTCOMES, sign_check
from digitflow.store.artifacts import Store

PARTS = ("Leaderboard", "Side by side", "Verdicts", "History")
KINDS = {
    "bootstrap": "the first champion",
    "promote": "promoted by its verdict",
    "rollback": "brought back by a person",
    "rescore": "judged on other test images",
}
COLOURS = {"good": "green", "bad": "red", "warn": "orange", "plain": "gray"}
TERMS = {
    "accuracy": "Share of the validation images that are read right.",
    "95 % interval": (
        "Where two of them overlap, chance may have put one above the other (Wilson)."
    ),
    "F1": (
        "The harmonic mean of precision and recall, the mean over the ten digits: 1 is perfect."
    ),
    "log loss": (
        "How surprised the model is by the true digit: 0 is perfect, and being sure of a "
        "wrong digit costs most."
    ),
    "Brier": "Squared distance of the probabilities from the truth: 0 is perfect, 2 the worst.",
    "ECE": (
        "Expected calibration error: by how much the stated probabilities are off on average."
    ),
    "RMSE": "Root of the mean squared error, in the target's unit: 0 is perfect.",
    "MAE": "Mean size of the errors, in the target's unit.",
    "R2": "Share of the target's variance that is explained: 1 is perfect.",
    "median error": "Half of the errors are smaller.",
    "bias": "Mean of predicted less true values: 0 is best.",
    "fit": "How long the training took.",
    "fit, CPU": "Processor time of the training, all threads together.",
    "one sample": "Processor time to read one image, the features included: the median.",
    "size": "Of the model's file.",
    "p": "How likely chance alone would show as much.",
}


def show() -> None:
    """Show the page."""
    st.title("Models")
    with mending():
        store = open_project_store()
        model = choose_model(store, "models", "No model is registered yet.", "digitflow train")
        if model is None:
            return
        part = st.segmented_control("Show", PARTS, default=PARTS[0], key="models-part")
        _show_part(store, model, part or PARTS[0])


def _show_part(store: Store, model: str, part: str) -> None:
    if part == "Verdicts":
        _show_verdicts(list_versions(store, model))
    elif part == "History":
        _show_history(store, model)
    else:
        lack = f"No training of {model} left its record here: the leaderboard is in that."
        training = choose_training(store, "models", model, "Training", lack)
        if training is not None:
            if part == "Leaderboard":
                _show_leaderboard(training)
            elif find_table(store, model) is None:
                _show_side_by_side(training)
            else:
                _show_tables_side_by_side(store, training)


def _show_leaderboard(training: Training) -> None:
    st.subheader("Leaderboard")
    st.caption(
        "Figures of the validation samples, a part that neither fitted nor calibrated "
        "anything. Hover over a heading to read what it means."
    )
    st.dataframe(
        [_describe_entry(entry) for entry in training.entries],
        hide_index=True,
        column_config={
            "candidate": st.column_config.TextColumn(pinned=True),
            **{
                name: st.column_config.TextColumn(help=words)
                for name, words in TERMS.items()
                if name not in ("fit", "fit, CPU", "one sample", "size", "p")
            },
            "fit": st.column_config.NumberColumn("fit (s)", format="%.1f", help=TERMS["fit"]),
            "fit, CPU": st.column_config.NumberColumn(
                "fit, CPU (s)", format="%.1f", help=TERMS["fit, CPU"]
            ),
            "one sample": st.column_config.NumberColumn(
                "one sample (ms)", format="%.2f", help=TERMS["one sample"]
            ),
            "size": st.column_config.NumberColumn(
                "size (MB)", format="%.1f", help=TERMS["size"]
            ),
        },
    )
    for entry in training.entries:
        if entry.error is not None:
            st.error(f"{entry.candidate.name} failed: {entry.error}")
    st.subheader("Quality against latency")
    st.caption("To the left is quicker; a higher accuracy, or a lower error, is better.")
    st.image(
        _draw_tradeoff(training.run, training.entries),
        alt="The main figure against the time of one sample, a point for each candidate",
    )


def _describe_entry(entry: Entry) -> dict[str, Any]:
    """Return a candidate's row; what failed has no figures."""
    candidate = entry.candidate
    row: dict[str, Any] = {
        "candidate": candidate.name,
        "made of": candidate.describe() + (", with copies" if entry.with_copies else ""),
    }
    if entry.fitted is None or entry.evaluation is None:
        return row
    metrics = entry.evaluation.metrics
    figures = metrics.list_figures()
    main, *further = figures
    return row | {
        main: metrics.written,
        "95 % interval": metrics.written_interval,
        **{name: format_figure(name, figures[name], metrics.unit) for name in further},
        "fit": entry.fitted.fit_seconds,
        "fit, CPU": entry.fitted.processor_seconds,
        "one sample": entry.evaluation.latency_ms,
        "size": entry.fitted.model.bytes / 2**20,
    }


@st.cache_data(max_entries=50, show_spinner="drawing")
def _draw_tradeoff(run: str, _entries: Sequence[Entry]) -> bytes:
    return draw_tradeoff(_entries)


def _show_side_by_side(training: Training) -> None:
    measured = {
        entry.candidate.name: entry.evaluation.metrics
        for entry in training.entries
        if entry.evaluation is not None
        and isinstance(entry.evaluation.metrics, ClassificationMetrics)
    }
    if not measured:
        return
    st.subheader("Algorithms side by side")
    chosen = st.multiselect(
        "Algorithms", list(measured), default=list(measured), key="models-algorithms"
    )
    errors_only = st.toggle(
        "Errors only",
        help="Leave out what was read right, so that rare confusions can be seen.",
        key="models-errors",
    )
    if not chosen:
        st.info("Choose an algorithm above.")
    # Row by row, so that those of a row stay level however wide the window is.
    for start in range(0, len(chosen), 2):
        for place, name in zip(st.columns(2), chosen[start : start + 2], strict=False):
            with place:
                _show_algorithm(name, measured[name], errors_only)


def _show_tables_side_by_side(store: Store, training: Training) -> None:
    st.subheader("Algorithms side by side")
    measured = [entry for entry in training.entries if entry.evaluation is not None]
    for start in range(0, len(measured), 2):
        for place, entry in zip(st.columns(2), measured[start : start + 2], strict=False):
            assert entry.evaluation is not None
            metrics = entry.evaluation.metrics
            with place:
                st.markdown(f"#### {entry.candidate.name}")
                st.caption(
                    f"{metrics.main[0]} {metrics.written} on {metrics.n:,} validation rows "
                    f"(95 % interval {metrics.written_interval})"
                )
                show_fit(store, training, entry)
                if isinstance(metrics, ClassificationMetrics):
                    show_report(metrics, classes=training.data.classes)


def _show_algorithm(name: str, metrics: ClassificationMetrics, errors_only: bool) -> None:
    low, high = metrics.interval
    st.markdown(f"#### {name}")
    st.caption(
        f"{format_share(metrics.accuracy)} of {metrics.n:,} images read right "
        f"(95 % interval {format_share(low)} to {format_share(high)})"
    )
    st.image(
        _draw_matrix(metrics.confusion, errors_only),
        alt="How often each digit was taken for each",
    )
    show_report(metrics)


@st.cache_data(max_entries=200, show_spinner="drawing")
def _draw_matrix(counts: tuple[tuple[int, ...], ...], errors_only: bool) -> bytes:
    return draw_errors(counts) if errors_only else draw_confusion(counts)


def _show_verdicts(versions: Sequence[Registration]) -> None:
    st.subheader("Verdicts, check by check")
    found = {each.version: each for each in versions}
    if not found:
        show_missing("No version is registered yet.", "digitflow train")
        return
    version = st.selectbox(
        "Version",
        list(found),
        format_func=lambda version: _name_version(found[version]),
        key="models-version",
    )
    verdict = found[version].verdict
    sign, words, colour = OUTCOMES[verdict.outcome]
    st.markdown(f"#### :{COLOURS[colour]}[{sign} {words}]")
    st.text(verdict.reason)
    st.caption(
        f"Challengers judged on these {verdict.comparison.n:,} test samples so far: "
        f"{verdict.comparison.looks}. The more of them, the likelier one looks better by luck."
    )
    if not verdict.checks:
        st.info("The gate asked no question.")
        return
    st.dataframe(
        [_describe_check(check) for check in verdict.checks],
        hide_index=True,
        column_config={
            "check": st.column_config.TextColumn(pinned=True),
            "what it found": st.column_config.TextColumn(width="large"),
            "p": st.column_config.TextColumn(help=TERMS["p"]),
            "limit": st.column_config.TextColumn(help="What the figure is held to."),
        },
    )


def _name_version(found: Registration) -> str:
    aliases = f" ({', '.join(found.aliases)})" if found.aliases else ""
    words = OUTCOMES[found.verdict.outcome][1].lower()
    return f"version {found.version}{aliases}: {words}"


def _describe_check(check: Check) -> dict[str, Any]:
    """Return a check's row; the figures as the report writes them."""

    def write(value: float | None) -> str:
        return "–" if value is None else format_number(value)

    return {
        "check": check.id,
        "verdict": f"{sign_check(check)[0]} {check.verdict}",
        "on": check.slice,
        "samples": check.n,
        "challenger": write(check.challenger),
        "champion": write(check.champion),
        "difference": "–" if check.delta is None else format_signed(check.delta),
        "p": write(check.p),
        "limit": write(check.limit),
        "what it found": check.detail,
    }


def _show_history(store: Store, model: str) -> None:
    st.subheader("Who was champion when, and why")
    entries = list_history(store, model)
    if not entries:
        show_missing(f"No version of {model} was champion yet.", "digitflow train")
        return
    st.image(
        _draw_champions(model, entries[0].id, entries[::-1]),
        alt="Test scores of the champions, one after the other",
    )
    for entry in entries:
        _show_entry(entry, is_now=entry is entries[0])
    _offer_rollback(store, model, entries)


@st.cache_data(max_entries=20, show_spinner="drawing")
def _draw_champions(model: str, last: int, _entries: Sequence[HistoryEntry]) -> bytes:
    return draw_champions(_entries)


def _show_entry(entry: HistoryEntry, is_now: bool) -> None:
    score = entry.champion.score
    with st.container(border=True):
        now = " :green-badge[★ champion now]" if is_now else ""
        st.markdown(f"**version {entry.version}**, {KINDS[entry.kind]}{now}")
        st.caption(
            f"{format_moment(entry.at)} · test {score.metric} {score.written} on "
            f"{score.n:,} samples · run {entry.run}"
        )
        # As text: who writes a reason writes no markup of ours.
        st.text(f"by {entry.who}: {entry.why}")


def _offer_rollback(store: Store, model: str, entries: Sequence[HistoryEntry]) -> None:
    st.subheader("Roll back")
    now = entries[0].version
    former = list(dict.fromkeys(e.version for e in entries if e.version != now))
    if not former:
        st.info(f"Version {now} is {model}'s only champion so far: there is no way back yet.")
    elif not is_admin():
        show_missing(
            "Only an administrator goes back to a former champion. The same by command:",
            f"digitflow rollback --model {model}",
        )
    else:
        _show_rollback(store, model, now, former)


def _show_rollback(store: Store, model: str, now: str, former: Sequence[str]) -> None:
    version = st.selectbox("Back to version", former, key="models-former")
    why = st.text_input("Why", help="Kept in the history.", key="models-why", max_chars=500)
    sure = st.checkbox(
        f"Yes: version {version} predicts instead of version {now}", key="models-sure"
    )
    if st.button("Roll back", type="primary", disabled=not sure, key="models-rollback"):
        _roll_back(store, model, version, why)


def _roll_back(store: Store, model: str, version: str, why: str) -> None:
    """Go back; who sends this without being an administrator is refused here too."""
    if not is_admin():
        st.error("Only an administrator may do that.")
        return
    from digitflow.registry.promotion import rollback

    try:
        with st.spinner("loading and checking the version"):
            champion = rollback(store, model, version, why)
    except DigitflowError as exc:
        st.error(str(exc))
        return
    st.success(f"{champion.name} version {champion.version} is champion again.")
