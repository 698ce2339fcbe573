"""The chapters, found by the name of their section, and drawing one.

A chapter is a module of this package that defines `compose(context) -> Chapter`.
"""

from collections.abc import Mapping
from importlib import import_module
from pathlib import Path

from digitflow.catalogue import find_module
from digitflow.store.artifacts import Store
from digitflow.studies.chapter import Chapter, ChapterContext
from digitflow.studies.plan import Findings, Scope, StudyData

PACKAGE = "digitflow.studies.chapters"


def chapter_module(section: str) -> str:
    """Return the dotted name of a section's chapter, "digitflow.studies.chapters.detector".

    Raises
    ------
    InputError
        If there is no such chapter; it lists the known ones.
    """
    return find_module(PACKAGE, section, "compose", "chapter")


def draw_chapter(
    root: Path, section: str, scope: Scope, data: StudyData, results: Mapping[str, Findings]
) -> Chapter:
    """Compose a section's chapter and keep its pictures; this runs in its own process.

    Parameters
    ----------
    root : Path
        The store's folder.
    results : mapping of str to Findings
        By the names of the section's experiments, all of them.
    """
    compose = import_module(chapter_module(section)).compose
    chapter: Chapter = compose(ChapterContext(Store(root), scope, data, results))
    return chapter
