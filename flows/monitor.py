"""Look at what was predicted lately; say so when it has drifted."""

from functools import partial

from prefect import flow
from prefect.client.schemas import State
from prefect.states import Completed

from digitflow.cli.launching import resolve_config
from digitflow.config.training import TrainConfig
from digitflow.evaluation.evidence import Share
from digitflow.monitoring.window import MonitoringReport, assess_window
from digitflow.registry.pointer import Champion
from flows.run import call, name_run, open_job
from tasks.evaluate import score_on_test
from tasks.events import announce
from tasks.feedback import read_corrections
from tasks.gate import find_champion
from tasks.monitor import calibrate_limits, collect_window, inspect_window, keep_report
from tasks.publishing import publish_drift

# The champion, its window, limits, the comparison, corrections and how they are read, the
# report and what the UI shows.
TASKS = 8


@flow(name="monitor-digits", flow_run_name=partial(name_run, "monitor-"))
def monitor_digits(config: str | TrainConfig = "configs/digits.yaml") -> State:
    """Compare the champion's latest predictions with what it learnt from.

    Parameters
    ----------
    config : str or TrainConfig
        Path of a config file, or the config itself.
    """
    settings = resolve_config(config)
    with open_job(settings, f"monitor-{settings.model}", TASKS, job="monitor") as run:
        state = monitor_once(settings)
        run.log.update(found=state.message)
    return state


def monitor_once(config: TrainConfig) -> State:
    """Look once; the state's message is what was found."""
    champion = call(find_champion, config.model)
    if champion is None:
        return Completed(message=f"{config.model} has no champion: `digitflow train` makes one")
    report = look_at(config, champion)
    if report is None:
        return Completed(
            message=f"nothing to say of version {champion.version}: it has no reference, or "
            f"fewer than {config.monitoring.least} predictions"
        )
    call(publish_drift, report, call(keep_report, report))
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


def look_at(config: TrainConfig, champion: Champion) -> MonitoringReport | None:
    """Return what is found in the latest predictions; None where they are too few."""
    reference, rule = champion.bundle.reference, config.monitoring
    window = call(collect_window, config.model, champion.version, rule)
    if reference is None or window is None:
        return None
    limits = call(
        calibrate_limits,
        reference,
        window.size,
        rule.false_alarms,
        rule.least_psi,
        rule.least_auc,
        config.seed,
    )
    inspection = call(inspect_window, reference, limits, window, config.seed)
    judged = score_corrections(champion)
    return assess_window(config.model, champion.version, window, inspection, rule, judged)


def score_corrections(champion: Champion) -> Share | None:
    """Return how many of the corrections that judge the champion reads right."""
    images = call(read_corrections).judging
    if images is None:
        return None
    name = f"champion version {champion.version}"
    score = call(score_on_test, name, "feedback", champion.model, images).score
    return Share(correct=score.correct, n=score.n)
