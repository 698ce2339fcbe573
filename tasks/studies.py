"""The studies: the digits that they are about, experiments, chapters, one report."""

from digitflow.catalogue import CHAPTERS
from digitflow.studies import chapter, data, plan, report
from tasks.wiring import cached_task, plain_task

choose_digits = cached_task(data.choose_digits, run_name="choose digits")
run_experiment = cached_task(
    plan.compute,
    run_name="{experiment.name}",
    modules=lambda experiment, **_: (experiment.module,),
    in_process=True,
    time_limit=lambda experiment, **_: experiment.time_limit,
)
# It shows how long its experiments took: computed again, they make it another chapter.
draw_chapter = cached_task(
    chapter.draw_chapter,
    run_name="{section}: chapter",
    modules=lambda section, **_: (CHAPTERS.module(section),),
    measured=True,
    in_process=True,
)
write_report = plain_task(report.write_report, run_name="report")
