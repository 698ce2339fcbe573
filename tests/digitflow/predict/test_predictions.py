from itertools import chain

import cv2
import numpy as np
import pytest

from digitflow.errors import InputError
from digitflow.models.bundle import RejectOption
from digitflow.predict.correcting import correct_file
from digitflow.predict.predictor import Predictor
from digitflow.store.artifacts import Store


class Screen:
    """Says that what has little ink is strange."""

    width = None  # of any number of features

    def outlier_score(self, features):
        return np.where(np.abs(features).sum(axis=1) < 1e9, 5.0, 0.0)


def doubt(**changed):
    sure = {"min_probability": 0.0, "detector": None, "max_outlier_score": 10.0}
    return RejectOption(coverage=0.99, risk=0.01, **sure | changed)


def test_without_rules_for_doubts_everything_is_simply_read(store, pictures):
    results = Predictor.load(store).predict(pictures)
    assert {(result.status, result.reasons) for result in results} == {("read", ())}


def test_a_probability_below_the_chosen_limit_is_unsure(store, crown_again, pictures):
    shares = [result.probability for result in Predictor.load(store).predict(pictures)]
    limit = float(np.median(shares))
    crown_again("digits", reject_option=doubt(min_probability=limit))
    for result, share in zip(Predictor.load(store).predict(pictures), shares, strict=True):
        assert result.status == ("unsure" if share < limit else "read")
        assert bool(result.reasons) == (share < limit)
        assert result.probability == share


@pytest.mark.parametrize(("limit", "status"), [(4.9, "not a digit"), (5.0, "read")])
def test_what_is_stranger_than_the_limit_is_no_digit(
    store, crown_again, pictures, limit, status
):
    champion = crown_again("digits", reject_option=doubt(max_outlier_score=limit))
    predictor = Predictor(champion, Predictor.load(store).pipeline, Screen())
    assert {result.status for result in predictor.predict(pictures)} == {status}


def test_no_number_is_a_flag(store, crown_again, pictures):
    class Broken(Screen):
        def outlier_score(self, features):
            return np.full(len(features), np.nan)

    champion = crown_again("digits", reject_option=doubt())
    predictor = Predictor(champion, Predictor.load(store).pipeline, Broken())
    assert predictor.predict(pictures[:1])[0].status == "not a digit"


def test_digits_that_touch_are_doubtful_not_misread(store, make_page):
    page, _ = make_page([[3, 5, 0]])
    cv2.line(page, (60, 70), (110, 70), 40, 5)
    *joined, apart = Predictor.load(store).read_page(page)
    assert {part.status for part in joined} == {"unsure"}
    assert all("touch" in part.reasons[0] for part in joined)
    assert (apart.digit, apart.status, apart.reasons) == (0, "read", ())


def test_where_much_is_doubtful_all_is(store, crown_again, make_page):
    page, _ = make_page([[1, 2, 3, 4], [5, 6, 7]])
    shares = sorted(result.probability for result in Predictor.load(store).read_page(page))
    crown_again("digits", reject_option=doubt(min_probability=shares[2]))
    few = Predictor.load(store).read_page(page)
    assert sum(result.status == "unsure" for result in few) == 2
    crown_again("digits", reject_option=doubt(min_probability=shares[3]))
    much = Predictor.load(store).read_page(page)
    assert {result.status for result in much} == {"unsure"}
    assert sum("3 of 7" in result.reasons[0] for result in much) == 4


LINES = [[2, 3, 4, 5], [7, 2, 5, 4], [3, 7, 4, 2]]


@pytest.mark.parametrize("quarters", [1, 2, 3])
def test_a_turned_page_is_read_as_it_lies_where_that_is_asked_for(store, make_page, quarters):
    page, _ = make_page(LINES)
    predictor = Predictor.load(store)
    plain = predictor.read_page(page, turn="auto")
    turned = np.rot90(page, quarters)
    results = predictor.read_page(turned, turn="auto")
    assert [result.digit for result in results] == list(chain.from_iterable(LINES))
    assert [result.line for result in results] == [result.line for result in plain]
    for result, there in zip(results, plain, strict=True):
        left, top, width, height = there.box
        marked = np.zeros(page.shape, np.uint8)
        marked[top : top + height, left : left + width] = 1
        assert result.box == cv2.boundingRect(np.rot90(marked, quarters).copy())


@pytest.mark.parametrize("quarters", range(4))
def test_what_is_corrected_is_what_was_read(store, make_page, tmp_path, quarters):
    """The n-th digit that is said is the n-th that was read: of a turned page, and where
    digits touch, of which a cut makes two."""
    page, _ = make_page(LINES)
    cv2.line(page, (60, 70), (110, 70), 40, 5)
    file = tmp_path / "page.png"
    cv2.imwrite(str(file), np.rot90(page, quarters))
    turn = "auto" if quarters else "no"
    (read,) = Predictor.load(store).read_files([file], turn=turn)
    assert any("touch" in reason for digit in read for reason in digit.reasons)
    said = "".join(str((digit.digit + 1) % 10) for digit in read)
    kept = correct_file(store, file, said, "ada", turn=turn)
    found = dict.fromkeys(zip((digit.picture for digit in read), said, strict=True))
    assert [(row.sample, row.target) for row in kept] == list(found)


def test_without_a_champion_nothing_can_be_turned(tmp_path, make_page):
    page, _ = make_page(LINES)
    cv2.imwrite(str(tmp_path / "page.png"), page)
    with pytest.raises(InputError, match="champion"):
        correct_file(Store(tmp_path / "a"), tmp_path / "page.png", "1", "ada", turn="auto")


def test_a_turned_page_is_doubted_as_a_whole_and_said_to_be_turned(
    store, crown_again, make_page
):
    page, _ = make_page(LINES)
    crown_again("digits", reject_option=doubt(min_probability=0.9))
    results = Predictor.load(store).read_page(np.rot90(page, 2))
    assert {result.status for result in results} == {"unsure"}
    assert all("upside down" in result.reasons[0] for result in results)
    assert "read" in {result.status for result in Predictor.load(store).read_page(page)}
