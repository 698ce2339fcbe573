"""Chapter `errors`: mistakes, their neighbours, doubtful labels, and hands."""

from typing import Any

import numpy as np

from digitflow.reports.charts import draw_gallery, draw_histogram, draw_image_rows, draw_matrix
from digitflow.studies.chapter import Chapter, ChapterContext, Part, Parts, Table, Text
from digitflow.studies.digits.data import open_test, open_train
from digitflow.studies.digits.experiments.errors import ESTIMATOR, RECIPE

SHOWN_MISTAKES, SHOWN_SUSPECTS, WORST = 8, 24, 8
SERIES = {0: "census employees", 4: "students"}


def compose(context: ChapterContext) -> Chapter:
    """Show what goes wrong, next to what it looks like, and whose hand it was."""
    found = {name: facts.values for name, facts in context.results.items()}
    return Chapter(
        section="errors",
        title="What goes wrong",
        question=f"Which images does a good model ({ESTIMATOR} on {RECIPE}) misread, why, and "
        f"are all labels right?",
        findings=_conclude(context, found),
        parts=(
            *_show_mistakes(context, found),
            _show_counts(context, found["mistakes"]),
            *_show_pairs(context, found["mistakes"]),
            *_show_suspects(context, found["labels"]),
            *_show_hands(context, found["hands"]),
        ),
    )


def _conclude(context: ChapterContext, found: Any) -> tuple[str, ...]:
    mistakes, labels = found["mistakes"], found["labels"]
    near = found["neighbours"]["near"]
    agree = sum(
        mistake["said"] == images[0]["label"]
        for mistake, images in zip(mistakes["surest"], near, strict=True)
    )
    told = (
        f"{mistakes['wrong']:,} of {context.scope.test_rows:,} test images are misread "
        f"({found['test images']['accuracy']:.2%} are read right); of the {len(near)} surest "
        f"mistakes {agree} lie nearest to a training image of what was said.",
        f"Confident learning doubts {labels['train']['found']:,} training labels (read "
        f"{labels['accuracy']:.2%} right, out of fold) and {labels['test']['found']:,} test "
        f"labels.",
    )
    writers = found["hands"]["writers"]
    if not writers:
        return told
    clean = sum(writer["n"] == writer["correct"] for writer in writers)
    return (
        *told,
        f"{clean} of {len(writers)} test writers are read without a mistake: errors are those "
        f"of few hands.",
    )


def _show_mistakes(context: ChapterContext, found: Any) -> Parts:
    surest, near = found["mistakes"]["surest"], found["neighbours"]["near"]
    if not surest:
        return (Text(text="No test image is misread."),)
    test, train = open_test(context).images, open_train(context).images
    captions = [f"{m['label']} → {m['said']}\n{m['sure']:.1%}" for m in surest]
    images = np.array(test[[mistake["row"] for mistake in surest]])
    rows = {
        f"{place}: {m['label']} → {m['said']}": np.concatenate(
            [test[m["row"]][None], train[[neighbour["row"] for neighbour in neighbours]]]
        )
        for place, (m, neighbours) in enumerate(zip(surest, near, strict=True), 1)
        if place <= SHOWN_MISTAKES
    }
    return (
        context.figure(
            "surest",
            "The surest mistakes",
            "True digit → what was said, and how sure the model was.",
            draw_gallery,
            images,
            captions,
            8,
        ),
        context.figure(
            "neighbours",
            "Nearest training images",
            "At the left a mistake, beside it the five training images that are nearest in "
            "pixels: where these are what was said, the image is written so.",
            draw_image_rows,
            rows,
        ),
        Table.behind(
            "mistakes",
            ("test row", "label", "said", "probability", "neighbours", "nearest distance"),
            (
                (
                    m["row"],
                    m["label"],
                    m["said"],
                    m["sure"],
                    " ".join(str(neighbour["label"]) for neighbour in neighbours),
                    neighbours[0]["distance"],
                )
                for m, neighbours in zip(surest, near, strict=True)
            ),
        ),
    )


def _show_counts(context: ChapterContext, mistakes: Any) -> Part:
    counts = np.array(mistakes["counts"])
    errors = counts - np.diag(np.diag(counts))
    true, said = np.unravel_index(errors.argmax(), errors.shape)
    return context.figure(
        "errors-by-pair",
        "Errors by pair",
        f"Most often a {true} is read as {said} ({int(errors[true, said])} times).",
        draw_matrix,
        errors,
        "what was said",
        "true digit",
        range(10),
        range(10),
        0,
        colours="Oranges",
    )


def _show_pairs(context: ChapterContext, mistakes: Any) -> Parts:
    test = open_test(context).images
    parts = []
    for pair in mistakes["pairs"]:
        (a, b), cells = pair["digits"], pair["cells"]
        if not pair["errors"]:
            continue
        names = [f"{a} read as {a}", f"{a} read as {b}", f"{b} read as {a}", f"{b} read as {b}"]
        rows = {
            name: np.array(test[cell]) for name, cell in zip(names, cells, strict=True) if cell
        }
        parts.append(
            context.figure(
                f"pair-{a}-{b}",
                f"{a} and {b}",
                f"{pair['errors']} images are read as the other one; up to 8 of each kind.",
                draw_image_rows,
                rows,
            )
        )
    return tuple(parts)


def _show_suspects(context: ChapterContext, labels: Any) -> Parts:
    parts: list[Part] = []
    both = (("train", "training", open_train(context)), ("test", "test", open_test(context)))
    for which, words, digits in both:
        likeliest = labels[which]["likeliest"]
        if not likeliest:
            parts.append(Text(text=f"No {words} label is doubted."))
            continue
        shown = likeliest[:SHOWN_SUSPECTS]
        parts.append(
            context.figure(
                f"suspects-{which}",
                f"Doubtful {words} labels",
                f"The likeliest {len(shown)} of {labels[which]['found']:,}: label → what it is "
                f"thought to be. Some are wrong labels, others hard to read.",
                draw_gallery,
                np.array(digits.images[[each["row"] for each in shown]]),
                [f"{each['label']} → {each['suggested']}" for each in shown],
                8,
            )
        )
        parts.append(
            Table.behind(
                f"suspects-{which}",
                ("row", "label", "suggested", "margin"),
                (
                    (each["row"], each["label"], each["suggested"], each["margin"])
                    for each in likeliest
                ),
            )
        )
    return tuple(parts)


def _show_hands(context: ChapterContext, hands: Any) -> Parts:
    writers = hands["writers"]
    if not writers:
        return (Text(text="Who wrote the test images is not known: no accuracy by writer."),)
    shares = np.array([100 * writer["correct"] / writer["n"] for writer in writers])
    worst = sorted(writers, key=lambda writer: writer["high"])[:WORST]
    series = [
        {"series": SERIES.get(group["name"], str(group["name"]))} | _score(group)
        for group in hands["series"]
    ]
    by_writer, worst_first = (
        [{"writer": str(writer["name"])} | _score(writer) for writer in chosen]
        for chosen in (writers, worst)
    )
    return (
        context.figure(
            "writers",
            "Accuracy by writer",
            f"{int((shares == 100).sum())} of {len(shares)} writers are read without mistake, "
            f"{int((shares < 95).sum())} below 95 %.",
            draw_histogram,
            {"writers": shares},
            "accuracy (%)",
            "number of writers",
        ),
        *(
            [Table.of(series, "series", "Accuracy by series of writers", decimals=2)]
            if series
            else ()
        ),
        Table.of(
            worst_first,
            "worst-writers",
            "The writers who are read worst",
            "Surely worst first: by the upper bound of the interval, since a writer "
            "has few images.",
            decimals=2,
        ),
        Table.of(by_writer, "writers", "writers", shown=0),
    )


def _score(group: Any) -> dict[str, Any]:
    return {
        "images": group["n"],
        "read right (%)": 100 * group["correct"] / group["n"],
        "95 % interval from (%)": 100 * group["low"],
        "to (%)": 100 * group["high"],
    }
