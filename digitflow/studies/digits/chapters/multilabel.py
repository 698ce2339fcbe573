"""Chapter `multilabel`: two answers to one image."""

from typing import Any

import numpy as np

from digitflow.reports.charts import draw_bars, draw_gallery, draw_matrix
from digitflow.studies.chapter import (
    Chapter,
    ChapterContext,
    Part,
    Parts,
    Table,
    check_number,
    judge_difference,
)
from digitflow.studies.digits.data import open_test
from digitflow.studies.digits.experiments.multilabel import (
    CHAIN_FOLDS,
    CHAINS,
    JUDGED,
    MODELS,
    NEIGHBOURS,
    PAIRS,
    QUESTIONS,
    name_answers,
)
from digitflow.studies.scope import DigitsScope

FOLDS, TEST = JUDGED
# Macro and weighted F1 of the book's neighbours, on three folds of the training images.
PUBLISHED, PUBLISHED_FOLDS = (0.976410265560605, 0.9778357403921755), 3
EXACT = 1e-9
LINKS = {"logistic": "logistic regressions", "trees": "boosted trees"}


def compose(context: ChapterContext) -> Chapter:
    """Show how often both answers, one or none are right, and what a chain adds."""
    found = context.gather(name_answers, MODELS, JUDGED)
    best = max(MODELS, key=lambda model: found[model, FOLDS].values["f1_macro"])
    return Chapter(
        section="multilabel",
        title="Large and odd at once",
        question="Is the digit large (7, 8 or 9), and is it odd? One model, two answers.",
        findings=_conclude(context, found, best),
        parts=(
            *_list_published(context, found),
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


def _list_published(context: ChapterContext, found: Any) -> Parts:
    if DigitsScope.of(context.scope).settings.folds != PUBLISHED_FOLDS:
        return ()
    values = found["knn on pixels", FOLDS].values
    measured = (values["f1_macro"], values["f1_weighted"])
    return (check_number("macro and weighted F1 of KNN, 3 folds", PUBLISHED, measured, EXACT),)


def _show_scores(context: ChapterContext, found: Any) -> Part:
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


def _list_scores(found: Any) -> Part:
    rows = (
        {
            "model": model,
            "judged": judged,
            "images": facts.values["n"],
            "F1 macro": facts.values["f1_macro"],
            "F1 weighted": facts.values["f1_weighted"],
            "F1 large": facts.values["f1"]["large"],
            "F1 odd": facts.values["f1"]["odd"],
            "both right": facts.values["both"],
            "one right": facts.values["half"],
            "none right": facts.values["none"],
            "fit (s)": facts.measured["fit_seconds"],
            "predict (s)": facts.measured["predict_seconds"] if judged == TEST else None,
        }
        for (model, judged), facts in found.items()
    )
    return Table.of(
        rows,
        "multilabel",
        "F1 of both questions together",
        f"Macro is the mean of both questions, weighted counts each by how often its "
        f"answer is yes. KNN asks {NEIGHBOURS} neighbours for both answers at once, on all "
        f"pixels or 60 components; by its digit, they say which digit it is, and the answers "
        f"follow. The links (logistic regression; 60 boosted trees) learn from the components. "
        f"By folds, the time has the answers in it.",
    )


def _list_chains(context: ChapterContext, found: Any) -> Part:
    compared = context.results["chains"].values
    rows = (
        {
            "chain": chain,
            "judged": judged,
            "both right (points)": 100 * _gain(found, chain, judged),
            "won": compared[name_answers(chain, judged)]["wins"],
            "lost": compared[name_answers(chain, judged)]["losses"],
            "p": compared[name_answers(chain, judged)]["p"],
        }
        for chain in CHAINS
        for judged in JUDGED
    )
    return Table.of(
        rows,
        "chains",
        "What a chain adds to its links",
        f"In a chain the second link is told what the first one answered; it learns "
        f"that from answers to images that the first did not see ({CHAIN_FOLDS} folds). Images "
        f"won and lost are those of which only the chain, only the links apart have both "
        f"answers right (exact McNemar test, two-sided).",
        decimals=3,
    )


def _show_confusion(context: ChapterContext, facts: Any, best: str, question: str) -> Part:
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


def _show_pairs(context: ChapterContext, facts: Any, best: str) -> Part:
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


def _show_half_right(context: ChapterContext, facts: Any, best: str) -> Parts:
    if not facts["rows"]:
        return ()
    test = open_test(context)
    captions = [
        f"{test.labels[row]}: {'large' if large else 'small'}, {'odd' if odd else 'even'}"
        for row, (large, odd) in zip(facts["rows"], facts["answers"], strict=True)
    ]
    return (
        context.figure(
            "half-right",
            f"One answer right: {best}",
            f"The first {len(captions)} of {round(facts['half'] * facts['n']):,} test images "
            f"with one right and one wrong answer; over each its digit and what was said.",
            draw_gallery,
            np.array(test.images[facts["rows"]]),
            captions,
            6,
        ),
    )


def _list_confusions(found: Any) -> Part:
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
    return Table.behind("confusions", ("model", "judged", "question", *counts, *figures), rows)
