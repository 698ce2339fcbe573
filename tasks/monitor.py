"""Look at what was predicted lately, and compare it with what the champion learnt from."""

from digitflow.config.feedback import MonitoringRule
from digitflow.models.bundle import Reference
from digitflow.monitoring import drift
from digitflow.monitoring import limits as monitoring_limits
from digitflow.monitoring import window as monitoring
from digitflow.monitoring.drift import DriftResult, Window
from digitflow.monitoring.limits import Limits
from digitflow.monitoring.window import MonitoringReport, PredictionWindow
from digitflow.reports.monitoring import HISTORY, PICTURES, write_page
from digitflow.store.references import FileRef, Record
from tasks.caching import cached_task, plain_task
from tasks.context import current_run


@plain_task(run_name="look at predictions of version {version}")
def collect_window(model: str, version: str, rule: MonitoringRule) -> PredictionWindow | None:
    """Return the latest predictions of a version; None where they are too few."""
    return monitoring.collect_window(current_run().store, model, version, rule)


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
        monitoring_limits.calibrate_limits,
        run.store,
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
    reference: Reference, limits: Limits, window: PredictionWindow, seed: int
) -> DriftResult:
    """Measure how far the window is from the reference."""
    store = current_run().store
    opened = Window(
        images=store.open_array(window.images),
        predicted=store.open_array(window.digits),
        confidence=store.open_array(window.confidence),
    )
    return drift.inspect_window(store, reference, limits, opened, seed)


class Shown(Record):
    """The monitor's page by its name, and those of its pictures that the UI shows, by title."""

    page: str
    pictures: dict[str, FileRef]


@plain_task(run_name="keep the report")
def keep_report(report: MonitoringReport) -> Shown:
    """Add the report to the monitor's history, and write its page."""
    store = current_run().store
    monitoring.keep_report(store, report)
    page = write_page(store, report.model)
    # Hour by hour the history would fill the UI's database: it is there when it is needed.
    wanted = (PICTURES, HISTORY) if report.drifted else (PICTURES,)
    pictures = {
        title: store.put_bytes(png, "figures", ".png")
        for title, _, png in page.figures
        if title in wanted
    }
    return Shown(page=page.name, pictures=pictures)
