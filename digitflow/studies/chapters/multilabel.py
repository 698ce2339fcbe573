"""Chapter `multilabel`: two answers to one image."""

from typing import Any

import numpy as np

from digitflow.reports.charts import draw_bars, draw_gallery, draw_matrix
from digitflow.studies.chapter import (
    Chapter,
    ChapterContext,
    Figure,
    PublishedFigure,
    Table,
    check_numbers,
    judge_difference,
    list_numbers,
)
from digitflow.studies.experiments.multilabel import (
    CHAIN_FOLDS,
    CHAINS,
    JUDGED,
    MODELS,
    NEIGHBOURS,
    PAIRS,
    QUESTIONS,
    name_answers,
)

FOLDS, TEST = JUDGED
# Macro and weighted F1 of the book's neighbours, on three folds of the training images.
PUBLISHED, PUBLISHED_FOLDS = (0.976410265560605, 0.9778357403921755), 3
EXACT = 1e-9
LINKS = {"logistic": "logistic regressions", "trees": "boosted trees"}


def compose(context: ChapterContext) -> Chapter:
    """Show how often both answers, one or none are right, and what a chain adds."""
    found = {
        (model, judged): context.results[name_answers(model, judged)]
        for model in MODELS
        for judged in JUDGED
    }
    best = max(MODELS, key=lambda model: found[model, FOLDS].values["f1_macro"])
    return Chapter(
        section="multilabel",
        title="Large and odd at once",
        question="Is the digit large (7, 8 or 9), and is it odd? One model, two answers.",
        findings=_conclude(context, found, best),
        parts=(
            *_check_published(context, found),
            _show_scores(context, found),
            _list_scores(found),
            _list_chains(context, found),
            *(_show_confusion(context, found[best, TEST].values, best, q) for q in QUESTIONS),
            _show_pairs(context, found[best, TEST].values, best),
            *_show_half_right(context, found[best, TEST].values, best),
            _list_confusions(found),
        ),
    )


def _conclude(context: ChapterContext, found: Any, best: str) -> tuple[str, ...]:
    facts = found[best, TEST].values
    sentences = [
        f"{best} answers best by folds (macro F1 {found[best, FOLDS].values['f1_macro']:.4f}, "
        f"weighted {found[best, FOLDS].values['f1_weighted']:.4f}); of the test images it has "
        f"both answers right for {facts['both']:.2%} and one for {facts['half']:.2%}."
    ]
    for link in dict.fromkeys(MODELS[chain].link for chain in CHAINS):
        chains = [chain for chain in CHAINS if MODELS[chain].link == link]
        top = max(chains, key=lambda chain: found[chain, FOLDS].values["both"])
        facts = context.results["chains"].values[name_answers(top, TEST)]
        sentences.append(
            f"A chain whose links are {LINKS[link]} ({MODELS[top].kind}) changes both right by "
            f"{100 * _gain(found, top, TEST):+.2f} points on the test images against the same "
            f"links apart: {judge_difference(facts['p'])}."
        )
    return tuple(sentences)


def _gain(found: Any, chain: str, judged: str) -> float:
    apart = found[CHAINS[chain], judged].values["both"]
    return float(found[chain, judged].values["both"] - apart)


def _check_published(context: ChapterContext, found: Any) -> tuple[PublishedFigure, ...]:
    if not context.scope.is_mnist or context.scope.settings.folds != PUBLISHED_FOLDS:
        return ()
    values = found["knn on pixels", FOLDS].values
    measured = (values["f1_macro"], values["f1_weighted"])
    return (check_numbers("macro and weighted F1 of KNN, 3 folds", PUBLISHED, measured, EXACT),)


def _show_scores(context: ChapterContext, found: Any) -> Figure:
    shares = {
        judged: [100 * found[model, judged].values["both"] for model in MODELS]
        for judged in JUDGED
    }
    top, last = (
        pick(MODELS, key=lambda model: found[model, TEST].values["both"]) for pick in (max, min)
    )
    return context.figure(
        "both-right",
        "Images with both answers right",
        f"On the test images {top} has both answers right most often "
        f"({found[top, TEST].values['both']:.2%}), {last} least "
        f"({found[last, TEST].values['both']:.2%}).",
        draw_bars,
        list(MODELS),
        shares,
        "share of the images (%)",
        step=5,
    )


def _list_scores(found: Any) -> Table:
    return Table(
        name="multilabel",
        title="F1 of both questions together",
        sentence=f"Macro is the mean of both questions, weighted counts each by how often its "
        f"answer is yes. KNN asks {NEIGHBOURS} neighbours for both answers at once, on all "
        f"pixels or 60 components; by its digit, they say which digit it is, and the answers "
        f"follow. The links (logistic regression; 60 boosted trees) learn from the components. "
        f"By folds, the time has the answers in it.",
        columns=(
            "model", "judged", "images", "F1 macro", "F1 weighted", "F1 large", "F1 odd",
            "both right", "one right", "none right", "fit (s)", "predict (s)",
        ),
        rows=tuple(
            (
                model,
                judged,
                facts.values["n"],
                facts.values["f1_macro"],
                facts.values["f1_weighted"],
                *(facts.values["f1"][question] for question in QUESTIONS),
                *(facts.values[share] for share in ("both", "half", "none")),
                facts.measured["fit_seconds"],
                facts.measured["predict_seconds"] if judged == TEST else None,
            )
            for (model, judged), facts in found.items()
        ),
    )  # fmt: skip


def _list_chains(context: ChapterContext, found: Any) -> Table:
    compared = context.results["chains"].values
    rows = []
    for chain in CHAINS:
        for judged in JUDGED:
            facts = compared[name_answers(chain, judged)]
            gain = 100 * _gain(found, chain, judged)
            rows.append((chain, judged, gain, facts["wins"], facts["losses"], facts["p"]))
    return Table(
        name="chains",
        title="What a chain adds to its links",
        sentence=f"In a chain the second link is told what the first one answered; it learns "
        f"that from answers to images that the first did not see ({CHAIN_FOLDS} folds). Images "
        f"won and lost are those of which only the chain, only the links apart have both "
        f"answers right (exact McNemar test, two-sided).",
        columns=("chain", "judged", "both right (points)", "won", "lost", "p"),
        rows=tuple(rows),
        decimals=3,
    )


def _show_confusion(context: ChapterContext, facts: Any, best: str, question: str) -> Figure:
    counts = np.array(facts["confusion"][question])
    names = [f"not {question}", question]
    return context.figure(
        f"confusion-{question}",
        f"{question.capitalize()}: confusions of {best}",
        f"{counts[0, 1]:,} of {counts[0].sum():,} test images are wrongly called {question}, "
        f"{counts[1, 0]:,} of {counts[1].sum():,} are missed: precision "
        f"{facts['precision'][question]:.2%}, recall {facts['recall'][question]:.2%}.",
        draw_matrix,
        counts,
        "said",
        "true",
        names,
        names,
        0,
    )


def _show_pairs(context: ChapterContext, facts: Any, best: str) -> Figure:
    counts = np.array(facts["pairs"])
    wrong = counts * (1 - np.eye(len(PAIRS), dtype=int))
    true, said = np.unravel_index(wrong.argmax(), wrong.shape)
    return context.figure(
        "pairs",
        f"Both answers together: {best}",
        f"The most frequent mistake: {wrong.max():,} images of a {PAIRS[true].replace(',', '')}"
        f" digit are called {PAIRS[said].replace(',', ' and')}."
        if wrong.any()
        else "No pair of answers is mistaken for another.",
        draw_matrix,
        counts,
        "said",
        "true",
        PAIRS,
        PAIRS,
        0,
    )


def _show_half_right(context: ChapterContext, facts: Any, best: str) -> tuple[Figure, ...]:
    if not facts["rows"]:
        return ()
    test = context.store.open_array(context.test.images)
    labels = context.store.open_array(context.test.labels)
    captions = [
        f"{labels[row]}: {'large' if large else 'small'}, {'odd' if odd else 'even'}"
        for row, (large, odd) in zip(facts["rows"], facts["answers"], strict=True)
    ]
    return (
        context.figure(
            "half-right",
            f"One answer right: {best}",
            f"The first {len(captions)} of {round(facts['half'] * facts['n']):,} test images "
            f"with one right and one wrong answer; over each its digit and what was said.",
            draw_gallery,
            np.array(test[facts["rows"]]),
            captions,
            6,
        ),
    )


def _list_confusions(found: Any) -> Table:
    figures = ("precision", "recall", "f1")
    rows: list[tuple[Any, ...]] = [
        (
            model,
            judged,
            question,
            *(count for row in facts.values["confusion"][question] for count in row),
            *(facts.values[figure][question] for figure in figures),
        )
        for (model, judged), facts in found.items()
        for question in QUESTIONS
    ]
    counts = ("no as no", "no as yes", "yes as no", "yes as yes")
    return list_numbers("confusions", ("model", "judged", "question", *counts, *figures), rows)
