"""Chapter `multilabel`: two answers to one image."""

from typing import Any

import numpy as np

from digitflow.chapters.chapter import Chapter, Part, Press, Table
from digitflow.charts import draw_bars, draw_gallery, draw_matrix
from digitflow.studies.multilabel import MODELS, QUESTIONS

JUDGED = ("by folds", "on test images")


def compose(press: Press) -> Chapter:
    """Show how often both answers, one or none are right."""
    found = {
        (model, judged): press.results[f"{model}, {judged}"]
        for model in MODELS
        for judged in JUDGED
    }
    best = max(MODELS, key=lambda model: found[model, "by folds"].values["f1_macro"])
    return Chapter(
        section="multilabel",
        title="Large and odd at once",
        question="Is the digit large (7, 8 or 9), and is it odd? One model, two answers.",
        findings=_conclude(found, best),
        parts=(
            _show_scores(press, found),
            _list_scores(found),
            *(
                _show_confusion(press, found[best, "on test images"].values, best, question)
                for question in QUESTIONS
            ),
            *_show_half_right(press, found[best, "on test images"].values, best),
        ),
    )


def _conclude(found: Any, best: str) -> tuple[str, ...]:
    facts = found[best, "on test images"].values
    alone = found["one by one", "by folds"].values["both"]
    chains = {m: found[m, "by folds"].values["both"] for m in MODELS if m.startswith("chain")}
    chain = max(chains, key=lambda name: chains[name])
    return (
        f"{best} answers best by folds; on the test images both answers are right for "
        f"{facts['both']:.2%} (macro F1 {facts['f1_macro']:.4f}), one for {facts['half']:.2%}.",
        f"That the second answer sees the first ({chain}) changes both right by "
        f"{100 * (chains[chain] - alone):+.2f} points against asking one by one.",
    )


def _show_scores(press: Press, found: Any) -> Part:
    shares = {
        judged: [100 * found[model, judged].values["both"] for model in MODELS]
        for judged in JUDGED
    }
    low = 5 * (min(min(values) for values in shares.values()) // 5)
    top = max(MODELS, key=lambda model: found[model, "on test images"].values["both"])
    return press.figure(
        "both-right",
        "Images with both answers right",
        f"On the test images {top} is right about both most often; the axis begins at "
        f"{low:.0f} %.",
        draw_bars(
            list(MODELS),
            shares,
            f"Both answers right (axis from {low:.0f} %)",
            "share of the images (%)",
            low=low,
        ),
    )


def _list_scores(found: Any) -> Table:
    return Table(
        name="multilabel",
        title="F1 of both questions together",
        sentence="Macro is the mean of both questions, weighted counts each by how often its "
        "answer is yes.",
        columns=(
            "model", "judged", "F1 macro", "F1 weighted", "F1 large", "F1 odd",
            "both right", "one right", "fit (s)",
        ),
        rows=tuple(
            (
                model,
                judged,
                facts.values["f1_macro"],
                facts.values["f1_weighted"],
                *(facts.values["f1"][question] for question in QUESTIONS),
                facts.values["both"],
                facts.values["half"],
                facts.measured["fit_seconds"],
            )
            for (model, judged), facts in found.items()
        ),
    )  # fmt: skip


def _show_confusion(press: Press, facts: Any, best: str, question: str) -> Part:
    counts = np.array(facts["confusion"][question])
    names = [f"not {question}", question]
    return press.figure(
        f"confusion-{question}",
        f"{question.capitalize()}: confusions of {best}",
        f"{counts[0, 1]:,} images are wrongly called {question}, {counts[1, 0]:,} are missed.",
        draw_matrix(
            counts, f"{question.capitalize()}: test images", "said", "true", names, names, 0
        ),
    )


def _show_half_right(press: Press, facts: Any, best: str) -> tuple[Part, ...]:
    if not facts["rows"]:
        return ()
    test = press.store.open_array(press.test.images)
    labels = press.store.open_array(press.test.labels)
    captions = [
        f"{labels[row]}: {'large' if large else 'small'}, {'odd' if odd else 'even'}"
        for row, (large, odd) in zip(facts["rows"], facts["answers"], strict=True)
    ]
    return (
        press.figure(
            "half-right",
            f"One answer right: {best}",
            "The first test images with one right and one wrong answer; over each its label "
            "and what was said.",
            draw_gallery(np.array(test[facts["rows"]]), captions, "One answer right", 6),
        ),
    )
