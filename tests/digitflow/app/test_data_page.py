"""The page Data on a store whose digits had a copy, a contradiction and a blank picture."""

import numpy as np
import pytest

from digitflow.reports.digits import REASONS
from digitflow.reports.records import find_sets, list_trainings

MODEL = "digits-sample"


def open_part(open_page, part, **session):
    return open_page("data", **{"data-part-digits-sample": part} | session)


def tables(page):
    return [each.value for each in page.dataframe]


def test_the_sets_are_shown_with_their_dimensions_and_classes(trained, open_page):
    page = open_part(open_page, "Sets")
    sets, classes = tables(page)
    found = find_sets(trained, list_trainings(trained, MODEL)[0].run)
    assert dict(zip(sets["set"], sets["images"], strict=True)) == {
        name: part.rows for name, part in found.items()
    }
    assert classes.drop(columns="set").sum(axis=1).tolist() == sets["images"].tolist()


@pytest.mark.parametrize("digit", ["all", "7"])
def test_samples_are_shown_by_class(trained, open_page, read_words, digit):
    page = open_part(open_page, "Samples", **{"data-digit": digit})
    assert len(page.get("image")) == 1
    assert ("images of 7" in read_words(page)) == (digit == "7")


@pytest.mark.parametrize("stage", ["raw", "normalised", "standardised"])
def test_values_are_those_of_the_definition(trained, open_page, stage):
    page = open_part(open_page, "Values", **{"data-row": 3, "data-stage": stage})
    run = list_trainings(trained, MODEL)[0].run
    images = trained.open_array(find_sets(trained, run)["train"].samples) / 255
    mean, deviation = images.mean(axis=0), images.std(axis=0)
    wanted = {
        "raw": images[3] * 255,
        "normalised": images[3],
        "standardised": (images[3] - mean) / np.where(deviation > 0, deviation, 1),
    }
    if stage == "standardised":
        # Pixels of 0 to 255 here: what never changes is 0 in any unit.
        wanted[stage] = np.where(deviation > 0, wanted[stage], 0)
    np.testing.assert_allclose(tables(page)[0], wanted[stage], atol=0.006)


def test_the_quarantine_names_each_reason(trained, open_page):
    reasons, rows = tables(open_part(open_page, "Quarantine"))
    counts = dict(zip(reasons["reason"], reasons["rows"], strict=True))
    assert counts == {"blank": 1, "conflicting duplicate": 2, "duplicate": 1}
    assert reasons["which means"].tolist() == [REASONS[reason] for reason in reasons["reason"]]
    assert len(rows) == 4


def test_duplicates_are_shown_beside_what_stayed(trained, open_page):
    page = open_part(open_page, "Duplicates")
    (rows,) = tables(page)
    assert sorted(rows["reason"]) == ["conflicting duplicate"] * 2 + ["duplicate"]
    assert len(page.get("image")) == 1


def test_labels_that_a_model_contradicts_are_shown(trained, open_page):
    page = open_part(open_page, "Label errors")
    for table in tables(page):
        assert (table["label"] != table["looks like"]).all()
        assert table["margin"].is_monotonic_decreasing
    assert page.dataframe or page.success


def test_without_a_training_the_page_says_what_makes_one(untrained, open_page, read_words):
    assert "make run" in read_words(open_page("data"))


def test_images_that_were_freed_cost_their_part_only(trained, open_page, read_words):
    for events in (trained.root / "runs").glob("*/events.jsonl"):
        events.unlink()
    assert "digitflow train" in read_words(open_part(open_page, "Samples"))
    assert len(tables(open_part(open_page, "Sets"))) == 2
