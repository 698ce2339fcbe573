"""Look at what was predicted lately; say so when it has drifted."""

from functools import partial

from prefect import flow
from prefect.client.schemas import State
from prefect.states import Completed

from digitflow.config.reading import AnyConfig
from digitflow.config.training import TrainConfig
from digitflow.evaluation.evidence import TestScore
from digitflow.feedback.corrections import find_scope
from digitflow.monitoring.window import MonitoringReport, assess_window
from digitflow.registry.training import resolve_config
from digitflow.registry.versions import Champion
from flows.run import TASK_THREADS, name_run, run_job
from tasks.judging import (
    calibrate_limits,
    collect_window,
    compare_window,
    find_champion,
    keep_report,
    score_on_test,
)
from tasks.publishing import announce, publish_drift
from tasks.training import read_corrections
from tasks.wiring import RunContext, named

# The champion, its window, limits, the comparison, corrections and how they are read, the
# report and what the UI shows.
TASKS = 8


@flow(
    name="monitor-digits", flow_run_name=partial(name_run, "monitor-"), task_runner=TASK_THREADS
)
def monitor_digits(config: str | AnyConfig = "configs/digits.yaml") -> State:
    """Compare the champion's latest predictions with what it learnt from.

    Parameters
    ----------
    config : str or config
        Path of a config file, or the config itself.
    """
    settings = resolve_config(config)
    return run_job(lambda run: monitor_once(run, settings), settings, "monitor", TASKS)


def monitor_once(run: RunContext, config: TrainConfig) -> State:
    """Look once, and note what was found."""
    state = look_at_champion(config)
    run.log.update(found=state.message)
    return state


def look_at_champion(config: TrainConfig) -> State:
    """Look at what the champion predicted; the state's message is what was found."""
    champion = find_champion(config.model)
    if champion is None:
        return Completed(message=f"{config.model} has no champion: `digitflow train` makes one")
    report = assess_predictions(config, champion)
    if report is None:
        return Completed(
            message=f"nothing to say of version {champion.version}: it has no reference, or "
            f"fewer than {config.monitoring.least} predictions"
        )
    publish_drift(report, keep_report(report))
    if not report.drifted:
        return Completed(message=f"no drift in {report.window.size} predictions")
    announce(
        "digitflow.drift.detected",
        config.model,
        version=report.version,
        alarms=list(report.alarms),
        predictions=report.window.size,
    )
    return Completed(message=f"drift: {report.alarms[0]}")


def assess_predictions(config: TrainConfig, champion: Champion) -> MonitoringReport | None:
    """Return what is found in the latest predictions; None where they are too few."""
    reference, rule = champion.bundle.reference, config.monitoring
    bundle = champion.bundle
    window = collect_window(
        config.model, champion.version, rule, bundle.table, bundle.intervals
    )
    if reference is None or window is None:
        return None
    limits = calibrate_limits(
        reference, window.size, rule.false_alarms, rule.least_psi, rule.least_auc, config.seed
    )
    inspection = compare_window(reference, limits, window, config.seed)
    judged = score_corrections(champion)
    scope = find_scope(config.model, bundle.workload)
    return assess_window(
        config.model, champion.version, scope, window, inspection, rule, judged
    )


def score_corrections(champion: Champion) -> TestScore | None:
    """Return the champion's figure on the corrections that judge it."""
    samples = read_corrections(champion.name, champion.bundle.table).judging
    if samples is None:
        return None
    name = f"score champion version {champion.version} on the feedback samples"
    return named(score_on_test, name)(champion.model, samples).score
