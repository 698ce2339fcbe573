"""What is said of two answers is what was found."""

import pytest

from digitflow.studies.chapter import PublishedFigure, Table, draw_chapter
from digitflow.studies.digits.experiments.multilabel import CHAINS, JUDGED, MODELS
from digitflow.studies.plan import Findings


@pytest.fixture
def made(study_once):
    store, scope, data, found = study_once("multilabel")

    def draw(**changed):
        asked = scope.model_copy(update=changed)
        return draw_chapter(store, "multilabel", asked, data, found)

    return draw, found, scope


def test_the_published_figures_are_compared_on_mnist_with_their_folds_alone(made):
    draw, found, scope = made
    mnist = {"source": "mnist", "complete": True}
    (known,) = (part for part in draw(**mnist).parts if isinstance(part, PublishedFigure))
    assert known.expected == "0.97641027, 0.97783574"
    values = found["knn on pixels, by folds"].values
    assert known.measured == f"{values['f1_macro']:.8g}, {values['f1_weighted']:.8g}"
    assert not known.met
    other = scope.settings.model_copy(update={"folds": 4})
    for changed in ({}, mnist | {"settings": other}, mnist | {"complete": False}):
        assert not any(isinstance(part, PublishedFigure) for part in draw(**changed).parts)


def test_every_model_is_listed_both_ways_and_every_chain_against_its_links(made):
    draw, found, _ = made
    tables = {part.name: part for part in draw().parts if isinstance(part, Table)}
    assert len(tables["multilabel"].rows) == len(MODELS) * len(JUDGED)
    for model, judged, *rest in tables["multilabel"].rows:
        values = found[f"{model}, {judged}"].values
        assert rest[1:3] == [values["f1_macro"], values["f1_weighted"]]
        assert sum(rest[5:8]) == pytest.approx(1)
    for chain, judged, points, won, lost, _ in tables["chains"].rows:
        n = found[f"{chain}, {judged}"].values["n"]
        assert points == pytest.approx(100 * (won - lost) / n)
    assert len(tables["chains"].rows) == len(CHAINS) * len(JUDGED)
    assert len(tables["confusions"].rows) == 2 * len(MODELS) * len(JUDGED)


def test_the_best_by_folds_is_named(made):
    draw, found, _ = made
    best = max(MODELS, key=lambda name: found[f"{name}, by folds"].values["f1_macro"])
    facts = found[f"{best}, on test images"].values
    sentence = draw().findings[0]
    assert sentence.startswith(best)
    assert f"{facts['both']:.2%}" in sentence


@pytest.fixture
def made_up(store):
    """Each model a little better than the one before it; the right answers of a chain."""
    results, compared = {}, {}
    for place, model in enumerate(MODELS):
        for number, judged in enumerate(JUDGED):
            both = 0.9 + 0.005 * place + 0.002 * number
            name = f"{model}, {judged}"
            results[name] = Findings(
                values={
                    "n": 1000 * (1 + number),
                    "f1_macro": both + 0.01,
                    "f1_weighted": both + 0.02,
                    "f1": {"large": both + 0.03, "odd": both + 0.04},
                    "precision": {"large": both + 0.01, "odd": both},
                    "recall": {"large": both, "odd": both + 0.01},
                    "confusion": {
                        "large": [[690, 10 + place], [20, 280]],
                        "odd": [[480, 30], [40 + place, 450]],
                    },
                    "both": both,
                    "half": 0.05,
                    "none": 0.95 - both,
                    "pairs": [[9, 5, 2, 1], [6, 9, 1, 9 + place], [1, 1, 9, 2], [1, 4, 3, 9]],
                    "rows": [2, 7, 11],
                    "answers": [[True, False], [True, True], [False, True]],
                },
                measured={"fit_seconds": 2.0 + place, "predict_seconds": 0.5 + place},
            )
            if model in CHAINS:
                compared[name] = {"against": "", "wins": 9, "losses": place, "p": 0.01 * place}
    return results | {"chains": Findings(values=compared)}


def test_all_that_is_said_follows_from_what_was_found(told_of, made_up):
    assert told_of("multilabel", made_up) == TOLD


def test_where_no_answer_is_wrong_none_is_shown_and_it_is_said(told_of, made_up):
    right = [[5, 0, 0, 0], [0, 5, 0, 0], [0, 0, 5, 0], [0, 0, 0, 5]]
    for facts in made_up.values():
        facts.values.update(pairs=right, rows=[], answers=[])
    said = " ".join(told_of("multilabel", made_up).split())
    assert "No pair of answers is mistaken for another." in said
    assert "half-right" not in said


TOLD = """\
trees, odd first answers best by folds (macro F1 0.9500, weighted 0.9600); of the test
  images it has both answers right for 94.20% and one for 5.00%.
A chain whose links are logistic regressions (odd first) changes both right by +1.00
  points on the test images against the same links apart: not beyond chance (p = 0.05).
A chain whose links are boosted trees (odd first) changes both right by +1.00 points on
  the test images against the same links apart: not beyond chance (p = 0.08).
macro and weighted F1 of KNN, 3 folds: 0.97641027, 0.97783574, here 0.91, 0.92: not met
both-right: Images with both answers right: On the test images trees, odd first has both
  answers right most often (94.20%), knn on pixels least (90.20%). draw_bars [knn on
  pixels knn knn by its digit logistic, apart logistic, large first logistic, odd first
  trees, apart trees, large first trees, odd first] {by folds: [90 90.5 91 91.5 92 92.5 93
  93.5 94], on test images: [90.2 90.7 91.2 91.7 92.2 92.7 93.2 93.7 94.2]} share of the
  images (%) step=5
multilabel: F1 of both questions together: Macro is the mean of both questions, weighted
  counts each by how often its answer is yes. KNN asks 5 neighbours for both answers at
  once, on all pixels or 60 components; by its digit, they say which digit it is, and the
  answers follow. The links (logistic regression; 60 boosted trees) learn from the
  components. By folds, the time has the answers in it.
model | judged | images | F1 macro | F1 weighted | F1 large | F1 odd | both right | one
  right | none right | fit (s) | predict (s)
knn on pixels | by folds | 1000 | 0.91 | 0.92 | 0.93 | 0.94 | 0.9 | 0.05 | 0.05 | 2 | None
knn on pixels | on test images | 2000 | 0.912 | 0.922 | 0.932 | 0.942 | 0.902 | 0.05 |
  0.048 | 2 | 0.5
... 18 rows that sum to 27234.6
trees, odd first | on test images | 2000 | 0.952 | 0.962 | 0.972 | 0.982 | 0.942 | 0.05 |
  0.008 | 10 | 8.5
chains: What a chain adds to its links: In a chain the second link is told what the first
  one answered; it learns that from answers to images that the first did not see (3
  folds). Images won and lost are those of which only the chain, only the links apart have
  both answers right (exact McNemar test, two-sided).
chain | judged | both right (points) | won | lost | p
logistic, large first | by folds | 0.5 | 9 | 4 | 0.04
logistic, large first | on test images | 0.5 | 9 | 4 | 0.04
logistic, odd first | by folds | 1 | 9 | 5 | 0.05
logistic, odd first | on test images | 1 | 9 | 5 | 0.05
trees, large first | by folds | 0.5 | 9 | 7 | 0.07
trees, large first | on test images | 0.5 | 9 | 7 | 0.07
trees, odd first | by folds | 1 | 9 | 8 | 0.08
trees, odd first | on test images | 1 | 9 | 8 | 0.08
confusion-large: Large: confusions of trees, odd first: 18 of 708 test images are wrongly
  called large, 20 of 300 are missed: precision 95.20%, recall 94.20%. draw_matrix [[690
  18] [20 280]] said true [not large large] [not large large] 0
confusion-odd: Odd: confusions of trees, odd first: 30 of 510 test images are wrongly
  called odd, 48 of 498 are missed: precision 94.20%, recall 95.20%. draw_matrix [[480 30]
  [48 450]] said true [not odd odd] [not odd odd] 0
pairs: Both answers together: trees, odd first: The most frequent mistake: 17 images of a
  small odd digit are called large and odd. draw_matrix int64[4, 4] sums to 656 said true
  [small, even small, odd large, even large, odd] [small, even small, odd large, even
  large, odd] 0
half-right: One answer right: trees, odd first: The first 3 of 100 test images with one
  right and one wrong answer; over each its digit and what was said. draw_gallery uint8[3,
  28, 28] sums to 3.47671e+08 [2: large, even 7: large, odd 1: small, odd] 6
confusions: confusions:  (shown: 0)
model | judged | question | no as no | no as yes | yes as no | yes as yes | precision |
  recall | f1
knn on pixels | by folds | large | 690 | 10 | 20 | 280 | 0.91 | 0.9 | 0.93
knn on pixels | by folds | odd | 480 | 30 | 40 | 450 | 0.9 | 0.91 | 0.94
... 36 rows that sum to 36245.1
trees, odd first | on test images | odd | 480 | 30 | 48 | 450 | 0.942 | 0.952 | 0.982"""
