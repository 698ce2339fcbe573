"""Draw a chapter of the studies' report from what the experiments found."""

from collections.abc import Mapping

from digitflow.catalogue import CHAPTERS
from digitflow.studies import chapter
from digitflow.studies.chapter import Chapter
from digitflow.studies.plan import Findings, Scope, StudyData
from tasks.caching import cached_task
from tasks.context import current_run


@cached_task(
    run_name="{section}: chapter",
    modules=lambda inputs: (CHAPTERS.module(inputs["section"]),),
)
def draw_chapter(
    section: str,
    scope: Scope,
    data: StudyData,
    results: Mapping[str, Findings],
    measured: Mapping[str, float],
) -> Chapter:
    """Draw its figures and write its tables and sentences.

    `measured` are the seconds of the experiments: what was computed again took another time,
    which is shown, and so the chapter is drawn again.
    """
    run = current_run()
    return run.workers.run(chapter.draw_chapter, run.store, section, scope, data, results)
