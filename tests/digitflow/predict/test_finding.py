from dataclasses import replace
from itertools import combinations, pairwise

import cv2
import numpy as np
import pytest

from digitflow.images.cutting import Part
from digitflow.images.frame import frame_ink
from digitflow.images.pages import Found
from digitflow.predict.finding import Sheet, choose_parts, cut_touching, guess_turn
from digitflow.predict.predictor import Predictor

CUTS = 6


def make_parts():
    """Every part between any two of some cuts, unevenly far apart."""
    places = np.cumsum([0, 3, 1, 4, 2, 5]) / 15
    return [
        Part(begin, end, (places[begin], 0.0, places[end], 1.0), np.ones((1, 1), np.uint8))
        for begin, end in combinations(range(CUTS), 2)
    ]


@pytest.mark.parametrize("seed", range(20))
def test_the_chosen_parts_are_the_likeliest_of_all_ways_from_edge_to_edge(seed):
    parts = make_parts()
    likelihoods = np.log(np.random.default_rng(seed).uniform(size=len(parts)))
    by_ends = {(part.begin, part.end): number for number, part in enumerate(parts)}

    def weigh(stops):
        numbers = [by_ends[pair] for pair in pairwise(stops)]
        return sum(
            likelihoods[n] * (parts[n].box[2] - parts[n].box[0]) for n in numbers
        ), numbers

    inner = range(1, CUTS - 1)
    ways = [(0, *stops, CUTS - 1) for k in range(CUTS - 1) for stops in combinations(inner, k)]
    best = max(weigh(way) for way in ways)
    numbers, likelihood = choose_parts(parts, likelihoods)
    assert numbers == best[1]
    assert likelihood == pytest.approx(best[0])


def test_where_no_likely_parts_lead_from_edge_to_edge_nothing_is_chosen():
    parts = make_parts()
    likelihoods = np.array([-np.inf if part.end == CUTS - 1 else -0.1 for part in parts])
    assert choose_parts(parts, likelihoods) == ([], -np.inf)


def push_together(pictures, digits):
    """Write two digits that touch, and one apart, dark on white; return where each ends."""
    inks = []
    for digit in digits:
        ink = cv2.resize(pictures[digit], (84, 84), interpolation=cv2.INTER_CUBIC)
        left, top, width, height = cv2.boundingRect((ink > 90).astype(np.uint8))
        inks.append(ink[top : top + height, left : left + width])
    page, left, ends = np.zeros((150, 330), np.uint8), 40, []
    for gap, ink in zip((0, 0, 50), inks, strict=True):
        left += gap
        there = page[40 : 40 + len(ink), left : left + ink.shape[1]]
        while not gap and ends and not (np.minimum(there, ink) > 90).any():
            left -= 1
            there = page[40 : 40 + len(ink), left : left + ink.shape[1]]
        np.maximum(there, ink, out=there)
        left += ink.shape[1]
        ends.append(left)
    return 255 - page, ends


def test_digits_that_touch_are_cut_where_each_is_read_best(store, pictures):
    predictor, whole, placed = Predictor.load(store), [], []
    for pair in ((2, 6), (5, 3), (8, 0), (2, 0), (3, 7), (6, 4), (0, 5), (6, 9)):
        page, ends = push_together(pictures, (*pair, 1))
        results = predictor.read_page(page)
        whole.append([result.digit for result in results[:2]] == list(pair))
        if len(results) == 3:
            left, _, width, _ = results[0].box
            placed.append(abs(left + width - ends[0]) < 15)
            assert {result.status for result in results[:2]} == {"unsure"}
    assert np.mean(whole) > 0.8
    assert all(placed)


@pytest.mark.parametrize("quarters", range(4))
def test_turned_digits_are_seen_to_be_turned_unless_they_are_few(store, pictures, quarters):
    frames = np.stack([pictures[digit] for digit in (2, 3, 4, 5, 7)])
    turned, read = np.rot90(frames, quarters, (1, 2)), Predictor.load(store).predict_frames
    assert guess_turn(turned, read) == -quarters % 4
    assert guess_turn(turned[:3], read) == 0


@pytest.fixture
def pair():
    """Two rings that touch, as one find."""
    ink = np.zeros((64, 104), np.uint8)
    for centre in (28, 76):
        cv2.ellipse(ink, (centre, 32), (22, 28), 0, 0, 360, 255, 6)
    return Found((10, 20, 104, 64), 0, True, ink)


def cut_as(found, whole, parts):
    """Cut a find of which the whole, and any part, has this probability and outlier score."""

    def read(frames, answer=parts):
        share, score = answer
        probabilities = np.full((len(frames), 10), (1 - share) / 9)
        probabilities[:, 0] = share
        return probabilities, np.full(len(frames), score)

    frames = frame_ink(found.ink)[np.newaxis]
    probabilities, scores = read(frames, whole)
    sheet = Sheet("page.png", frames=frames, found=[found])
    return cut_touching(
        replace(sheet, probabilities=probabilities, outlier_scores=scores), read
    )


def test_what_seems_to_touch_but_reads_better_as_one_digit_is_one(pair):
    (one,) = cut_as(pair, (0.99, -0.5), (0.9, 1.0)).found
    assert not one.touching


def test_without_outlier_scores_what_seems_to_touch_stays_doubted(pair):
    (one,) = cut_as(pair, (0.99, 0.0), (0.5, 0.0)).found
    assert one.touching


@pytest.mark.parametrize("seems", [True, False])
def test_what_reads_better_cut_is_cut_and_doubted_however_it_seems(pair, seems):
    sheet = cut_as(replace(pair, touching=seems), (0.8, 5.0), (0.99, -0.5))
    assert len(sheet.found) == len(sheet.frames) == len(sheet.probabilities) > 1
    assert all(part.touching for part in sheet.found)


def test_what_reads_badly_either_way_stays_whole(pair):
    sheet = cut_as(pair, (0.3, 8.0), (0.3, 8.0))
    assert sheet.found == [pair]
