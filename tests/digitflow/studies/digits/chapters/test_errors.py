"""What is said of errors is what was found."""

import numpy as np
import pytest

from digitflow.studies.plan import Findings


def suspects(found, rows):
    listed = [
        {"row": row, "label": row % 10, "suggested": 9, "margin": 0.9 - 0.1 * place}
        for place, row in enumerate(rows)
    ]
    return {"found": found, "joint": [], "likeliest": listed}


def score(name, n, correct, low, high):
    return {"name": name, "n": n, "correct": correct, "low": low, "high": high}


@pytest.fixture
def found():
    """Three mistakes, of which two lie nearest to what was said; few doubtful labels."""
    counts = np.diag(np.full(10, 90))
    counts[4, 9], counts[9, 4], counts[3, 5] = 2, 1, 1
    surest = [
        {"row": 4, "label": 4, "said": 9, "sure": 0.999},
        {"row": 14, "label": 4, "said": 9, "sure": 0.9},
        {"row": 3, "label": 3, "said": 5, "sure": 0.5},
    ]
    near = [
        [{"row": 9, "label": 9, "distance": 4.5}, {"row": 4, "label": 4, "distance": 5.0}],
        [{"row": 19, "label": 9, "distance": 3.25}, {"row": 14, "label": 4, "distance": 5.0}],
        [{"row": 13, "label": 3, "distance": 2.0}, {"row": 5, "label": 5, "distance": 5.0}],
    ]
    pairs = [
        {"digits": [4, 9], "errors": 3, "cells": [[4, 14], [4], [], [9, 19]]},
        {"digits": [3, 5], "errors": 1, "cells": [[13], [3], [], [5]]},
        {"digits": [0, 1], "errors": 0, "cells": [[0], [], [], [1]]},
    ]
    writers = [
        score(7, 20, 20, 0.84, 1.0),
        score(8, 20, 18, 0.70, 0.97),
        score(9, 20, 19, 0.76, 0.99),
    ]
    writers += [score(10 + each, 10, 10, 0.72, 0.98) for each in range(7)]
    values = {
        "test images": {"accuracy": 0.9875},
        "mistakes": {"counts": counts.tolist(), "wrong": 4, "surest": surest, "pairs": pairs},
        "neighbours": {"near": near},
        "labels": {
            "accuracy": 0.9712,
            "train": suspects(1234, [3, 12]),
            "test": suspects(1, [5]),
        },
        "hands": {
            "writers": writers,
            "series": [score(0, 60, 59, 0.91, 1.0), score(7, 70, 69, 0.92, 0.998)],
        },
    }
    return {name: Findings(values=each) for name, each in values.items()}


def test_all_that_is_said_follows_from_what_was_found(told_of, found):
    assert told_of("errors", found) == TOLD


def test_where_nothing_is_wrong_or_known_it_is_said(told_of, found):
    mistakes = found["mistakes"].values | {"surest": [], "pairs": [], "wrong": 0}
    labels = found["labels"].values | {"train": suspects(0, []), "test": suspects(0, [])}
    changed = {"mistakes": mistakes, "labels": labels, "neighbours": {"near": []}}
    changed["hands"] = {"writers": [], "series": []}
    said = told_of("errors", found | {k: Findings(values=v) for k, v in changed.items()})
    lines = said.splitlines()
    assert "No test image is misread." in lines
    assert "No training label is doubted." in lines
    assert "No test label is doubted." in lines
    assert lines[-1].endswith("no accuracy by writer.")
    assert "are read without a mistake" not in said


TOLD = """\
4 of 10,000 test images are misread (98.75% are read right); of the 3 surest mistakes 2
  lie nearest to a training image of what was said.
Confident learning doubts 1,234 training labels (read 97.12% right, out of fold) and 1
  test labels.
8 of 10 test writers are read without a mistake: errors are those of few hands.
surest: The surest mistakes: True digit → what was said, and how sure the model was.
  draw_gallery uint8[3, 28, 28] sums to 3.44228e+08 [4 → 9 99.9% 4 → 9 90.0% 3 → 5 50.0%]
  8
neighbours: Nearest training images: At the left a mistake, beside it the five training
  images that are nearest in pixels: where these are what was said, the image is written
  so. draw_image_rows {1: 4 → 9: uint8[3, 28, 28] sums to 3.40949e+08, 2: 4 → 9: uint8[3,
  28, 28] sums to 3.48938e+08, 3: 3 → 5: uint8[3, 28, 28] sums to 3.45835e+08}
mistakes: mistakes:  (shown: 0)
test row | label | said | probability | neighbours | nearest distance
4 | 4 | 9 | 0.999 | 9 4 | 4.5
14 | 4 | 9 | 0.9 | 9 4 | 3.25
3 | 3 | 5 | 0.5 | 3 5 | 2
errors-by-pair: Errors by pair: Most often a 4 is read as 9 (2 times). draw_matrix
  int64[10, 10] sums to 231 what was said true digit [0 1 2 3 4 5 6 7 8 9] [0 1 2 3 4 5 6
  7 8 9] 0 colours=Oranges
pair-4-9: 4 and 9: 3 images are read as the other one; up to 8 of each kind.
  draw_image_rows {4 read as 4: uint8[2, 28, 28] sums to 1.54907e+08, 4 read as 9:
  uint8[1, 28, 28] sums to 3.68254e+07, 9 read as 9: uint8[2, 28, 28] sums to 1.50889e+08}
pair-3-5: 3 and 5: 1 images are read as the other one; up to 8 of each kind.
  draw_image_rows {3 read as 3: uint8[1, 28, 28] sums to 3.77564e+07, 3 read as 5:
  uint8[1, 28, 28] sums to 3.64832e+07, 5 read as 5: uint8[1, 28, 28] sums to 3.78912e+07}
suspects-train: Doubtful training labels: The likeliest 2 of 1,234: label → what it is
  thought to be. Some are wrong labels, others hard to read. draw_gallery uint8[2, 28, 28]
  sums to 1.50343e+08 [3 → 9 2 → 9] 8
suspects-train: suspects-train:  (shown: 0)
row | label | suggested | margin
3 | 3 | 9 | 0.9
12 | 2 | 9 | 0.8
suspects-test: Doubtful test labels: The likeliest 1 of 1: label → what it is thought to
  be. Some are wrong labels, others hard to read. draw_gallery uint8[1, 28, 28] sums to
  3.78912e+07 [5 → 9] 8
suspects-test: suspects-test:  (shown: 0)
row | label | suggested | margin
5 | 5 | 9 | 0.9
writers: Accuracy by writer: 8 of 10 writers are read without mistake, 1 below 95 %.
  draw_histogram {writers: float64[10] sums to 5465} accuracy (%) number of writers
series: Accuracy by series of writers:
series | images | read right (%) | 95 % interval from (%) | to (%)
census employees | 60 | 98.3333 | 91 | 100
7 | 70 | 98.5714 | 92 | 99.8
worst-writers: The writers who are read worst: Surely worst first: by the upper bound of
  the interval, since a writer has few images.
writer | images | read right (%) | 95 % interval from (%) | to (%)
8 | 20 | 90 | 70 | 97
10 | 10 | 100 | 72 | 98
11 | 10 | 100 | 72 | 98
12 | 10 | 100 | 72 | 98
13 | 10 | 100 | 72 | 98
14 | 10 | 100 | 72 | 98
15 | 10 | 100 | 72 | 98
16 | 10 | 100 | 72 | 98
writers: writers:  (shown: 0)
writer | images | read right (%) | 95 % interval from (%) | to (%)
7 | 20 | 100 | 84 | 100
8 | 20 | 90 | 70 | 97
... 10 rows that sum to 2831
16 | 10 | 100 | 72 | 98"""
