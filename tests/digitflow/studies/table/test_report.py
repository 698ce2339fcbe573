"""The report of a study of a table says rows where that of digits says images."""

from digitflow.studies.report import (
    STUDY_FILE,
    StudyReport,
    read_study,
    write_results,
    write_study,
)


def test_the_report_of_a_table_is_read_as_it_was_written(make_study, store):
    scope, _ = make_study()
    study = StudyReport(
        run="study-housing-1",
        model="housing",
        started="2026-11-24T08:00:00+00:00",
        seconds=62.0,
        cores=2,
        source="districts",
        origin="600 generated districts",
        scope=scope,
        versions={},
        config="",
        champion="Beside the studies: the champion of housing.",
        sections=(),
    )
    page = (store.root / write_study(store, study)).read_text(encoding="utf-8")
    assert (store.root / "reports" / study.run / STUDY_FILE).is_file()
    assert read_study(store, study.run) == study
    results = write_results(study)
    for text in (page, results):
        assert "The rows are generated" in text
        assert "the champion of housing" in text
        assert "studies of housing" in text
        assert "images" not in text
    assert "480 training and 120 test rows" in results
