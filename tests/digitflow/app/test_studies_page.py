"""The page Studies: what a study wrote, and what of it is live."""

import numpy as np
import pytest

from digitflow.store.runs import open_run
from digitflow.studies.chapter import draw_chapter
from digitflow.studies.digits.experiments.detector import measure_answers
from digitflow.studies.plan import plan_section
from digitflow.studies.report import SectionResult, StudyReport, write_study
from tasks.caching import describe_outputs

RUN = "study-digits-sample-20260102-000000-bbbb"


@pytest.fixture
def store(trained):
    """What a study is made in: the store that the app opens."""
    return trained


@pytest.fixture
def studied(trained, make_study, run_plan):
    """A study of the detector on 400 images, in the trained store: its findings and data."""
    scope, data = make_study(400)
    found = run_plan(plan_section("detector", scope), data)
    with open_run(trained, RUN, job="study", model="digits-sample") as log:
        log.note("computed", "choose digits", outputs=describe_outputs(data))
        for name, findings in found.items():
            log.note("computed", f"detector: {name}", outputs=describe_outputs(findings))
        section = SectionResult(
            section="detector",
            chapter=draw_chapter(trained, "detector", scope, data, found),
            elapsed=1.0, worked=1.0, experiments=len(found), computed=len(found),
        )  # fmt: skip
        study = StudyReport(
            run=RUN, model="digits-sample", started="2026-01-02T00:00:00+00:00", seconds=1.0,
            cores=2, source="builtin", origin="the built-in digits", scope=scope, versions={},
            config="", champion="", sections=(section,),
        )  # fmt: skip
        write_study(trained, study)
        log.update(sections=[], config={"study": {"digit": 5}})
    return found, data


def test_a_study_is_shown_with_its_figures_and_tables(studied, open_page, read_words):
    page = open_page("studies")
    found, _ = studied
    words = read_words(page)
    assert "A detector of the digit 5" in words
    assert f"{found['scores'].values['auc']:.4f}" in words.replace("\\", "")
    assert len(page.get("image")) == 4
    assert len(page.dataframe) == 3


def test_a_figure_that_was_freed_is_named_and_the_others_stay(studied, trained, open_page):
    figure = next(iter((trained.root / "figures").iterdir()))
    figure.unlink()
    page = open_page("studies")
    assert page.warning
    assert len(page.get("image")) == 3


def test_the_threshold_decides_precision_and_recall(studied, trained, open_page):
    found, data = studied
    page = open_page("studies", **{"studies-part": "Threshold"})
    (slider,) = page.slider
    slider.set_value(slider.max / 2).run()
    assert not page.exception
    scores = trained.open_array(found["scores"].arrays["scores"])
    wanted = trained.open_array(data.train.targets) == 5
    facts = measure_answers(wanted, scores >= page.slider[0].value)
    shown = {each.label: each.value for each in page.metric}
    assert shown["precision"] == f"{100 * facts['precision']:.2f} %"
    assert shown["recall"] == f"{100 * facts['recall']:.2f} %"


def test_all_components_rebuild_a_digit(trained, open_page):
    page = open_page("studies", **{"studies-part": "Components"})
    few = {each.label: each.value for each in page.metric}
    page.slider(key="studies-components").set_value(784).run()
    every = {each.label: each.value for each in page.metric}
    assert every == {"Variance held": "100.00 %", "Mean squared error": "0.00000"}
    assert float(few["Mean squared error"]) > 0


@pytest.mark.parametrize("backend", ["shift", "opencv", "albumentations"])
def test_each_backend_offers_its_parameters_and_is_read(trained, open_page, backend):
    page = open_page("studies", **{"studies-part": "Augmentation", "studies-backend": backend})
    assert not page.warning
    (read,) = page.metric
    same, of = map(int, read.value.split(" of "))
    assert 0 <= same <= of
    assert of == (4 if backend == "shift" else 8)


def test_an_extra_that_is_missing_is_named(trained, open_page, read_words, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "keras", None)
    page = open_page("studies", **{"studies-part": "Augmentation", "studies-backend": "keras"})
    assert "digitflow[keras]" in read_words(page).replace("\\", "")


def test_examples_are_those_that_were_asked_for(trained, open_page, read_words):
    page = open_page("studies", **{"studies-part": "Examples", "studies-wrong": False})
    assert len(page.get("image")) == 1
    count = int(read_words(page).split(" validation images of ")[0].split("\n")[-1])
    page.session_state["studies-true"] = "3"
    page.run()
    fewer = int(read_words(page).split(" validation image")[0].split("\n")[-1])
    assert 0 < fewer < count


@pytest.mark.parametrize(
    ("part", "command"),
    [("Figures", "digitflow study"), ("Threshold", "digitflow study detector")],
)
def test_without_a_study_the_page_says_what_makes_one(
    trained, open_page, read_words, part, command
):
    assert command in read_words(open_page("studies", **{"studies-part": part}))


def test_without_a_model_the_live_parts_say_what_makes_one(untrained, open_page, read_words):
    page = open_page("studies", **{"studies-part": "Components"})
    assert "make run" in read_words(page)
    assert np.size(page.get("image")) == 0
