"""What is said of ensembles is what was found, and the goal is one of MNIST."""

import numpy as np
import pytest

from digitflow.store.references import ModelRef
from digitflow.studies.chapter import PublishedFigure, Table, draw_chapter
from digitflow.studies.digits.experiments.ensembles import (
    BAGGED,
    CANDIDATES,
    KINDS,
    TEAMS,
    name_joint,
)
from digitflow.studies.plan import Findings


def test_gains_and_costs_are_those_that_were_measured_and_the_goal_is_of_mnist(study_once):
    store, scope, data, found = study_once("ensembles")
    chapter = draw_chapter(store, "ensembles", scope, data, found)
    tables = {part.name: part for part in chapter.parts if isinstance(part, Table)}
    rows = {row[0]: row for row in tables["ensembles"].rows}
    assert len(rows) == len(CANDIDATES) + len(TEAMS) * len(KINDS) + len(BAGGED)
    for team in TEAMS:
        members = found[f"members of {team}"].values["members"]
        for kind in KINDS:
            _, accuracy, fit, predict, size, gain, won, lost, p, adjusted = rows[
                name_joint(kind, team)
            ]
            assert accuracy == 100 * found[name_joint(kind, team)].values["accuracy"]
            assert gain == pytest.approx(100 * (won - lost) / scope.test_rows)
            assert predict == pytest.approx(sum(rows[name][3] for name in members))
            assert size == pytest.approx(sum(rows[name][4] for name in members))
            # Who learns from held-out images pays for fits without them too.
            alone = sum(rows[name][2] for name in members)
            assert (fit == pytest.approx(alone)) == (kind in ("hard voting", "soft voting"))
            assert fit > 0.999 * alone
            assert p <= adjusted <= 1
    assert not any(isinstance(part, PublishedFigure) for part in chapter.parts)

    mnist = scope.model_copy(update={"source": "mnist", "complete": True})
    chapter = draw_chapter(store, "ensembles", mnist, data, found)
    goals = [part for part in chapter.parts if isinstance(part, PublishedFigure)]
    assert len(goals) == len(TEAMS)
    for goal, team in zip(goals, TEAMS, strict=True):
        facts = [found[name_joint(kind, team)].values for kind in KINDS]
        chosen = max(facts, key=lambda values: values["held_accuracy"])
        assert goal.met == (chosen["accuracy"] > chosen["strongest"]["accuracy"])


def read(accuracy, seconds=1.0, size=3, **more):
    return Findings(
        values={"accuracy": accuracy} | more,
        measured={"fit_seconds": seconds, "predict_seconds": seconds / 4, "join_seconds": 0.5},
        models={"model": ModelRef(digest="m", path="m.skops", bytes=size << 20)},
    )


@pytest.fixture
def found(store):
    """Seven candidates, each worse than the one before it; stacking is best by a little."""
    answers = np.arange(20, dtype=np.uint8) % 10
    answers[3] = 8
    said = {"predicted": store.put_array(answers)}
    results = {"model tree": read(0.88, 2.0)}
    for place, name in enumerate(CANDIDATES):
        results[f"part {name}"] = read(0.98 - 0.01 * place, 2.0 + place, n=12_000)
        results[f"model {name}"] = read(0.985 - 0.01 * place, 4.0 + place, 3 + place)
        results[f"model {name}"] = results[f"model {name}"].model_copy(
            update={"arrays": {"predicted": store.put_array(answers[::-1].copy())}}
        )
    for team, candidates in TEAMS.items():
        count = len(candidates)
        results[f"members of {team}"] = Findings(
            values={
                "ranked": list(candidates),
                "members": list(candidates[:3]),
                "weights": [0.5, 0.3, 0.2],
                "growing": {
                    "held": [0.97, 0.98, *[0.975] * (count - 2)],
                    "test": [0.98, 0.984, *[0.981] * (count - 2)],
                }
                if team == "the best"
                else {"held": [0.97, *[0.96] * (count - 1)], "test": [0.98] * count},
                "shared": [
                    [1.0 if i == j else (i + 2 * j + 10) / 100 for j in range(count)]
                    for i in range(count)
                ],
            }
        )
        first = candidates[0]
        for place, kind in enumerate(KINDS):
            accuracy = results[f"model {first}"].values["accuracy"] + 0.001 * (place - 1)
            best = {"member": first, "accuracy": accuracy - 0.001 * (place - 1)}
            best |= {"wins": 5 * place, "losses": 5, "p": 0.5 / (1 + 20 * place)}
            strongest = best | {"member": candidates[1], "accuracy": 0.986, "p": 0.25}
            results[name_joint(kind, team)] = read(
                accuracy,
                held_accuracy=0.97 + 0.001 * place,
                won=[3, 5] if team == "the best" else [],
                lost=[7],
                best=best,
                strongest=strongest,
            ).model_copy(update={"arrays": said})
    for name, accuracy in (("svm on strokes", 0.984), ("tree", 0.93)):
        single = results[f"model {name}"].values["accuracy"]
        results[f"bagging {name}"] = Findings(
            values={
                "accuracy": accuracy,
                "single": single,
                "growing": [accuracy - 0.01 * (4 - place) for place in range(5)],
                "wins": 40,
                "losses": 30,
                "p": 0.02,
            }
        )
        for number in range(1, 6):
            results[f"bag {number} of {name}"] = read(
                0.0, float(number), 2, rows=36_000, distinct=27_000 + number
            )
    return results


def test_all_that_is_said_follows_from_what_was_found(told_of, found):
    assert told_of("ensembles", found) == TOLD


def test_a_goal_is_met_by_more_than_the_strongest_member_reads(compose, found):
    stacked = found["stacking of the best"]
    for accuracy, met in ((0.987, True), (0.986, False), (0.985, False)):
        values = stacked.values | {"accuracy": accuracy}
        changed = {"stacking of the best": stacked.model_copy(update={"values": values})}
        assert compose("ensembles", found | changed).parts[0].met is met


TOLD = """\
Stacking of the best (svm on strokes, nystroem on strokes, mlp on strokes), chosen on
  held-out images, reads 98.70% of the test images, svm on strokes alone 98.50%: 15 images
  won, 5 lost, beyond chance (p = 0.0082). It takes 24.5 s to fit, 3.8 s for all test
  images and 12.0 MB instead of 4.0 s to fit, 1.0 s for all test images and 3.0 MB.
Stacking of equals (knn, mlp, forest), chosen on held-out images, reads 95.70% of the test
  images, knn alone 95.50%: 15 images won, 5 lost, beyond chance (p = 0.0082). It takes
  42.5 s to fit, 6.0 s for all test images and 21.0 MB instead of 7.0 s to fit, 1.8 s for
  all test images and 6.0 MB.
Bagging adds -0.10 points to one svm on strokes and +5.00 points to one tree.
stacking of the best, chosen on held-out images, against the member that is best on the
  test images (test accuracy, %): better than nystroem on strokes: 98.60, here 98.70 (p =
  0.25): met
stacking of equals, chosen on held-out images, against the member that is best on the test
  images (test accuracy, %): better than mlp: 98.60, here 95.70 (p = 0.25): not met
candidates: Who is taken: 12,000 training images, a 5th, are held out (no known writer is
  on both sides): by them the members are chosen, each member's probabilities brought to
  one scale, votes weighed and the stack taught. Then the members learn from all training
  images. The team of the best takes the 3 best of all candidates; equals are the 3 best
  of those on pixels, none of which is far ahead.
candidate | features | held out (%) | weight in the best | weight in equals
svm on strokes | strokes | 98 | 0.5 | None
nystroem on strokes | strokes | 97 | 0.3 | None
mlp on strokes | strokes | 96 | 0.2 | None
knn | pixels | 95 | None | 0.5
mlp | scaled | 94 | None | 0.3
forest | pixels | 93 | None | 0.2
extra-trees | pixels | 92 | None | None
accuracy-the-best: Members and ensembles of the best: 2 of 4 ensembles read more test
  images right than svm on strokes, the best member on held-out images; stacking of the
  best reads best (98.70%). draw_bars [svm on strokes nystroem on strokes mlp on strokes
  hard voting soft voting weighted voting stacking] {held-out images: [98 97 96 97 97.1
  97.2 97.3], test images: [98.5 97.5 96.5 98.4 98.5 98.6 98.7]} accuracy (%) step=0.5
accuracy-equals: Members and ensembles of equals: 2 of 4 ensembles read more test images
  right than knn, the best member on held-out images; stacking of equals reads best
  (95.70%). draw_bars [knn mlp forest hard voting soft voting weighted voting stacking]
  {held-out images: [95 94 93 97 97.1 97.2 97.3], test images: [95.5 94.5 93.5 95.4 95.5
  95.6 95.7]} accuracy (%) step=0.5
ensembles: What each adds and costs: The best against svm on strokes, equals against knn
  (their best members on held-out images), bags against one such model of all images; won
  and lost are test images that only one side reads right (exact McNemar test, two-sided;
  Holm's p holds for all rows together). Seconds and size are those of all members; to
  fit, weights and a stack also need the members' fits without the held-out images.
model | accuracy (%) | fit (s) | predict (s) | size (MB) | gain (points) | won | lost | p
  | p (Holm)
svm on strokes | 98.5 | 4 | 1 | 3 | None | None | None | None | None
nystroem on strokes | 97.5 | 5 | 1.25 | 4 | None | None | None | None | None
... 17 rows that sum to 2429.32
5 bags of tree | 93 | 15 | 3.75 | 10 | 5 | 40 | 30 | 0.02 | 0.12
costs: What each costs: As many times what the best member alone costs: svm on strokes
  takes 4.0 s to fit, 1.0 s for all test images and 3.0 MB; knn takes 7.0 s to fit, 1.8 s
  for all test images and 6.0 MB. draw_bars [hard voting of the best soft voting of the
  best weighted voting of the best stacking of the best hard voting of equals soft voting
  of equals weighted voting of equals stacking of equals] {seconds to fit: [3.75 3.75
  6.125 6.125 3.42857 3.42857 6.07143 6.07143], seconds to predict: [3.75 3.75 3.75 3.75
  3.42857 3.42857 3.42857 3.42857], size: [4 4 4 4 3.5 3.5 3.5 3.5]} times the cost of the
  best member (1 = as much) 1 log=True
growing: More members, better votes?: Soft voting of the best candidate, the best two,
  ...: of the best the first 2 do best on held-out images, and add +0.40 points on the
  test images; of equals none adds to the first on held-out images. Who comes next is
  ranked on held-out images. draw_lines {the best, held out: [[1 2 3 4 5 6 7] [0 1 0.5 0.5
  0.5 0.5 0.5]], the best, test: [[1 2 3 4 5 6 7] [0 0.4 0.1 0.1 0.1 0.1 0.1]], equals,
  held out: [[1 2 3 4] [0 -1 -1 -1]], equals, test: [[1 2 3 4] [0 0 0 0]]} number of
  members gain in accuracy (points)
growing: growing:  (shown: 0)
team | members | added | held out (%) | test (%)
the best | 1 | svm on strokes | 97 | 98
the best | 2 | nystroem on strokes | 98 | 98.4
... 11 rows that sum to 2184.4
equals | 4 | extra-trees | 96 | 98
shared-errors: Which errors they share (% of the row's): Votes mend only what members do
  not share: least of all, svm on strokes makes 11 % of the errors of nystroem on strokes
  too. draw_matrix float64[7, 7] sums to 38542 made by this one too errors of [svm on
  strokes nystroem on strokes mlp on strokes knn mlp forest extra-trees] [svm on strokes
  nystroem on strokes mlp on strokes knn mlp forest extra-trees] 0 highest=100 blank=[]
shared-errors: shared-errors:  (shown: 0)
errors of | made by svm on strokes too (%) | made by nystroem on strokes too (%) | made by
  mlp on strokes too (%) | made by knn too (%) | made by mlp too (%) | made by forest too
  (%) | made by extra-trees too (%)
svm on strokes | 100 | 12 | 14 | 16 | 18 | 20 | 22
nystroem on strokes | 11 | 100 | 15 | 17 | 19 | 21 | 23
mlp on strokes | 12 | 14 | 100 | 18 | 20 | 22 | 24
knn | 13 | 15 | 17 | 100 | 21 | 23 | 25
mlp | 14 | 16 | 18 | 20 | 100 | 24 | 26
forest | 15 | 17 | 19 | 21 | 23 | 100 | 27
extra-trees | 16 | 18 | 20 | 22 | 24 | 26 | 100
won-the-best: Stacking of the best is right where its best member is wrong: 2 of 15 such
  test images: the label, what svm on strokes reads, and what stacking of the best makes
  of it. draw_gallery uint8[2, 28, 28] sums to 1.523e+08 [3: 6 → 8 5: 4 → 5] 6
lost-the-best: Stacking of the best is wrong where its best member is right: 1 of 5 such
  test images: the label, what svm on strokes reads, and what stacking of the best makes
  of it. draw_gallery uint8[1, 28, 28] sums to 4.21937e+07 [7: 2 → 7] 6
lost-equals: Stacking of equals is wrong where its best member is right: 1 of 5 such test
  images: the label, what knn reads, and what stacking of equals makes of it. draw_gallery
  uint8[1, 28, 28] sums to 4.21937e+07 [7: 2 → 7] 6
bags: Bagging, bag by bag: Each bag is 36,000 images drawn with replacement (60% of all;
  27,001 different ones in the first). 5 bags of svm on strokes read 98.40%, one svm on
  strokes of all images 98.50%. 5 bags of tree read 93.00%, one tree of all images 88.00%.
  draw_lines {svm on strokes: [[1 2 3 4 5] [-4.1 -3.1 -2.1 -1.1 -0.1]], tree: [[1 2 3 4 5]
  [1 2 3 4 5]]} number of bags gain in accuracy (points)
bags: bags:  (shown: 0)
bags | bags of svm on strokes | one svm on strokes of all images | bags of tree | one tree
  of all images
1 | 5.6 | 1.5 | 11 | 12
2 | 4.6 | 1.5 | 10 | 12
3 | 3.6 | 1.5 | 9 | 12
4 | 2.6 | 1.5 | 8 | 12
5 | 1.6 | 1.5 | 7 | 12"""
