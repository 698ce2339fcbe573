"""Look at what was predicted lately, and compare it with what the champion learnt from."""

from digitflow.monitoring import drift, window
from digitflow.reports import monitoring
from tasks.wiring import cached_task, plain_task

collect_window = plain_task(
    window.collect_window, run_name="look at predictions of version {version}"
)
calibrate_limits = cached_task(
    drift.calibrate_limits, run_name="calibrate limits for {size} images", in_process=True
)
compare_window = cached_task(window.compare_window, run_name="compare with the reference")
write_report = plain_task(monitoring.write_report, run_name="keep the report")
