"""The report of a training run."""

from digitflow.registry import promotion
from digitflow.reports import figures, training
from tasks.wiring import cached_task, plain_task

draw_figures = cached_task(figures.draw_figures, run_name="draw figures", in_process=True)
write_report = plain_task(training.write_report, run_name="report")
file_report = plain_task(promotion.attach_report, run_name="file the report")
