"""Look at what was predicted lately, and compare it with what the champion learnt from."""

from digitflow import drift, monitoring
from digitflow.config import MonitoringRule
from digitflow.drift import Inspection, Limits, Window
from digitflow.monitoring import Lately, Report
from digitflow.monitoring_report import write_page
from digitflow.releases import Reference
from tasks.caching import cached_task, plain_task
from tasks.context import current_run


@plain_task(run_name="look at predictions of version {version}")
def collect_lately(model: str, version: str, rule: MonitoringRule) -> Lately | None:
    """Return the latest predictions of a version; None where they are too few."""
    return monitoring.collect_lately(current_run().store, model, version, rule)


@cached_task(run_name="calibrate limits for {size} images")
def calibrate_limits(
    reference: Reference,
    size: int,
    false_alarms: float,
    least_psi: float,
    least_auc: float,
    seed: int,
) -> Limits:
    """Draw clean windows from the reference; set from where on a measure alarms."""
    run = current_run()
    return run.workers.run(
        drift.calibrate_limits,
        run.store.root,
        reference,
        size,
        false_alarms,
        least_psi,
        least_auc,
        seed,
        run.workers.threads_each,
    )


@cached_task(run_name="compare with the reference")
def inspect_window(
    reference: Reference, limits: Limits, lately: Lately, seed: int
) -> Inspection:
    """Measure how far the window is from the reference."""
    store = current_run().store
    window = Window(
        images=store.open_array(lately.images),
        predicted=store.open_array(lately.digits),
        confidence=store.open_array(lately.confidence),
    )
    return drift.inspect_window(store.root, reference, limits, window, seed)


@plain_task(run_name="keep the report")
def keep_report(report: Report) -> str:
    """Add the report to the monitor's history; write its page, and return the page's name."""
    store = current_run().store
    monitoring.keep_report(store, report)
    return write_page(store, report.model)
