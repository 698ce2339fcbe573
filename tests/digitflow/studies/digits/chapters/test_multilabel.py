"""What is said of two answers is what was found."""

import pytest

from digitflow.studies.chapter import PublishedFigure, Table, draw_chapter
from digitflow.studies.digits.experiments.multilabel import CHAINS, JUDGED, MODELS


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
